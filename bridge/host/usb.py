"""USB devices and serial ports, as the kernel lists them."""

from pathlib import Path

import msgspec

from bridge.host.kernel import Kernel

DEVICES = "/sys/bus/usb/devices"
PORTS = "/sys/class/tty"
CLASSES = {
    0x01: "Audio",
    0x02: "Communications",
    0x03: "Human Interface Device",
    0x05: "Physical Interface Device",
    0x06: "Imaging",
    0x07: "Printer",
    0x08: "Mass Storage",
    0x09: "Hub",
    0x0A: "CDC Data",
    0x0B: "Smart Card",
    0x0E: "Video",
    0xDC: "Diagnostic",
    0xE0: "Wireless",
    0xEF: "Miscellaneous Device",
    0xFE: "Application Specific Interface",
    0xFF: "Vendor Specific Class",
}
# of the kernel's names -> what web UIs call them
KINDS = {"ttyUSB": "usb", "ttyACM": "usb", "ttyAMA": "hardware_uart", "ttyS": "hardware_uart"}


class UsbDevice(msgspec.Struct, frozen=True, rename={"usb_class": "class"}):
    """One device on the bus."""

    device_num: int
    bus_num: int
    vendor_id: str
    product_id: str
    usb_location: str
    manufacturer: str | None
    product: str | None
    serial: str | None
    usb_class: str | None
    subclass: str | None
    protocol: str | None
    description: str | None


class SerialDevice(msgspec.Struct, frozen=True):
    """One serial port, with the names that stay its own."""

    device_type: str
    device_path: str
    device_name: str
    driver_name: str
    path_by_hardware: str | None
    path_by_id: str | None
    usb_location: str | None


def usb_devices(kernel: Kernel) -> list[UsbDevice]:
    """Every USB device, hubs among them."""
    found = (_device(kernel, f"{DEVICES}/{name}") for name in kernel.names(DEVICES) if ":" not in name)
    return [device for device in found if device is not None]


def _device(kernel: Kernel, path: str) -> UsbDevice | None:
    bus, number = kernel.number(f"{path}/busnum"), kernel.number(f"{path}/devnum")
    if bus is None or number is None:
        return None
    maker, product = (kernel.text(f"{path}/{name}") or None for name in ("manufacturer", "product"))
    kind = kernel.number(f"{path}/bDeviceClass", 16)
    return UsbDevice(
        device_num=number,
        bus_num=bus,
        vendor_id=kernel.text(f"{path}/idVendor"),
        product_id=kernel.text(f"{path}/idProduct"),
        usb_location=f"{bus}:{number}",
        manufacturer=maker,
        product=product,
        serial=kernel.text(f"{path}/serial") or None,
        usb_class=CLASSES.get(kind) if kind else None,
        subclass=kernel.text(f"{path}/bDeviceSubClass") or None,
        protocol=kernel.text(f"{path}/bDeviceProtocol") or None,
        description=" ".join(word for word in (maker, product) if word) or None,
    )


def serial_devices(kernel: Kernel) -> list[SerialDevice]:
    """Every serial port that has hardware behind it."""
    by_id, by_path = kernel.aliases("/dev/serial/by-id"), kernel.aliases("/dev/serial/by-path")
    found = []
    for name in kernel.names(PORTS):
        driver = kernel.target(f"{PORTS}/{name}/device/driver")
        if driver is None or not kernel.exists(f"/dev/{name}") or _is_empty(kernel, name):
            continue
        node = str(kernel.path(f"/dev/{name}"))
        found.append(
            SerialDevice(
                device_type=KINDS.get(name.rstrip("0123456789"), "unknown"),
                device_path=f"/dev/{name}",
                device_name=name,
                driver_name=driver.name,
                path_by_hardware=by_path.get(node),
                path_by_id=by_id.get(node),
                usb_location=usb_location(kernel, kernel.target(f"{PORTS}/{name}/device")),
            )
        )
    return found


def _is_empty(kernel: Kernel, name: str) -> bool:
    """A port of the PC's 8250 driver that no chip was found behind."""
    return kernel.text(f"{PORTS}/{name}/type") == "0" and not name.startswith(("ttyUSB", "ttyACM"))


def usb_location(kernel: Kernel, device: Path | None) -> str | None:
    """Bus and number of the USB device that something belongs to."""
    for folder in () if device is None else (device, *device.parents):
        if folder == kernel.root:
            break
        if (folder / "busnum").is_file():
            path = "/" + str(folder.relative_to(kernel.root.resolve()))
            return f"{kernel.number(f'{path}/busnum')}:{kernel.number(f'{path}/devnum')}"
    return None
