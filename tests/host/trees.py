"""A machine's /sys, /proc and /dev as files in a folder."""

from pathlib import Path

FILES = {
    "proc/cpuinfo": "processor\t: 0\nmodel name\t: ARMv7 Processor rev 3 (v7l)\n\nHardware\t: BCM2835\n"
    "Serial\t\t: 10000000abcdef01\nModel\t\t: Raspberry Pi 4 Model B Rev 1.4\n",
    "sys/class/thermal/thermal_zone0/temp": "45622\n",
    "sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n",
    "sys/block/mmcblk0/size": "15523840\n",
    "sys/block/mmcblk0/device/type": "SD\n",
    "sys/block/mmcblk0/device/manfid": "0x000003\n",
    "sys/block/mmcblk0/device/oemid": "0x5344\n",
    "sys/block/mmcblk0/device/name": "SS08G\n",
    "sys/block/mmcblk0/device/hwrev": "0x8\n",
    "sys/block/mmcblk0/device/fwrev": "0x0\n",
    "sys/block/mmcblk0/device/serial": "0x00112233\n",
    "sys/block/mmcblk0/device/date": "09/2017\n",
    "sys/block/mmcblk0boot0/size": "8192\n",
    "sys/class/net/can0/type": "280\n",
    "sys/class/net/can0/tx_queue_len": "128\n",
    "sys/class/net/eth0/type": "1\n",
    "sys/bus/usb/devices/usb1/busnum": "1\n",
    "sys/bus/usb/devices/usb1/devnum": "1\n",
    "sys/bus/usb/devices/usb1/idVendor": "1d6b\n",
    "sys/bus/usb/devices/usb1/idProduct": "0002\n",
    "sys/bus/usb/devices/usb1/bDeviceClass": "09\n",
    "sys/bus/usb/devices/1-1/busnum": "1\n",
    "sys/bus/usb/devices/1-1/devnum": "3\n",
    "sys/bus/usb/devices/1-1/idVendor": "1d50\n",
    "sys/bus/usb/devices/1-1/idProduct": "614e\n",
    "sys/bus/usb/devices/1-1/manufacturer": "Klipper\n",
    "sys/bus/usb/devices/1-1/product": "stm32f446xx\n",
    "sys/bus/usb/devices/1-1/bDeviceClass": "02\n",
    "sys/bus/usb/devices/1-1/1-1:1.0/tty/ttyACM0/x": "",
    "sys/bus/usb/drivers/cdc_acm/x": "",
    "sys/bus/usb/devices/1-1:1.0/bInterfaceClass": "02\n",
    "dev/ttyACM0": "",
    "dev/ttyS0": "",
    "sys/class/tty/ttyS0/type": "0\n",
    "run/systemd/container": "lxc\n",
}
LINKS = {
    "dev/serial/by-id/usb-Klipper_stm32f446xx-if00": "dev/ttyACM0",
    "dev/serial/by-path/platform-usb-0:1:1.0": "dev/ttyACM0",
    "sys/class/tty/ttyACM0/device": "sys/bus/usb/devices/1-1/1-1:1.0",
    "sys/bus/usb/devices/1-1/1-1:1.0/driver": "sys/bus/usb/drivers/cdc_acm",
    "sys/class/tty/ttyS0/device/driver": "sys/bus/usb/drivers/cdc_acm",
}


def raspberry(root: Path) -> Path:
    """A Raspberry Pi with a board on USB and a CAN interface."""
    for name, content in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    for name, target in LINKS.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(root / target)
    return root
