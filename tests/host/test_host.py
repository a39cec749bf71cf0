"""The machine below, with much of /sys and with none of it."""

import errno
import fcntl
import socket
import struct
import sys
from pathlib import Path

import msgspec
import pytest

from bridge.errors import NotFound
from bridge.host import canbus
from bridge.host.about import about
from bridge.host.kernel import Kernel
from bridge.host.load import Load
from bridge.host.throttle import FLAGS, Firmware, parsed, throttled
from bridge.host.usb import serial_devices, usb_devices
from bridge.host.video import FORMAT, QUERY_CAPABILITY, SIZE, video_devices
from tests.host.trees import raspberry


def test_a_raspberry_pi_is_told_as_the_specification_has_it(tmp_path: Path) -> None:
    found = about(Kernel(raspberry(tmp_path)))
    assert found["sd_info"] == {
        "manufacturer_id": "03",
        "manufacturer": "Sandisk",
        "oem_id": "5344",
        "product_name": "SS08G",
        "product_revision": "8.0",
        "serial_number": "00112233",
        "manufacturer_date": "9/2017",
        "capacity": "7.4 GiB",
        "total_bytes": 7948206080,
    }
    cpu = found["cpu_info"]
    assert (cpu["cpu_desc"], cpu["hardware_desc"]) == ("ARMv7 Processor rev 3 (v7l)", "BCM2835")
    assert (cpu["model"], cpu["serial_number"]) == ("Raspberry Pi 4 Model B Rev 1.4", "10000000abcdef01")
    assert found["virtualization"]["virt_type"] == "container"
    assert found["virtualization"]["virt_id"] == "lxc"
    assert found["canbus"] == {"can0": {"tx_queue_len": 128, "bitrate": 0, "driver": ""}}
    assert {"major", "minor", "build_number"} == set(found["distribution"]["version_parts"])


async def test_a_machine_without_sys_and_proc_is_told_all_the_same(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path / "nothing")
    found = about(kernel)
    assert (found["sd_info"], found["canbus"]) == ({}, {})
    assert found["cpu_info"]["model"] == ""
    assert found["virtualization"]["virt_type"] == "none"
    assert usb_devices(kernel) == serial_devices(kernel) == video_devices(kernel) == []

    async def nobody() -> str:
        return ""

    assert await Firmware(kernel, nobody).read() is None
    with pytest.raises(NotFound):
        await canbus.waiting(kernel, "can0")


def test_thirty_samples_are_kept(tmp_path: Path) -> None:
    load = Load(Kernel(raspberry(tmp_path)))
    load.begin()
    for _ in range(40):
        load.sample()
    stats = load.all(sockets=3)
    assert len(stats.moonraker_stats) == 30
    assert (stats.cpu_temp, stats.websocket_connections) == (45.62, 3)
    assert stats.system_memory.total > stats.system_memory.available > 0
    assert load.newest(3).moonraker_stats == stats.moonraker_stats[-1]


async def test_what_the_firmware_says_becomes_words(tmp_path: Path) -> None:
    async def program() -> str:
        return "throttled=0x1\n"

    told = await Firmware(Kernel(raspberry(tmp_path)), program).read()
    assert told == throttled(0x50005)
    assert told.flags == [
        "Under-Voltage Detected",
        "Currently Throttled",
        "Previously Under-Volted",
        "Previously Throttled",
    ]
    assert (await Firmware(Kernel(tmp_path / "x"), program).read()).flags == ["Under-Voltage Detected"]
    assert [parsed(text) for text in ("throttled=0x50005", "0", "error=1 x")] == [0x50005, 0, None]
    assert len(throttled(0xFFFFF).flags) == len(FLAGS)


def test_a_board_on_usb_has_its_names(tmp_path: Path) -> None:
    kernel = Kernel(raspberry(tmp_path))
    hub, board = sorted(usb_devices(kernel), key=lambda one: one.device_num)
    assert (hub.usb_class, hub.product) == ("Hub", None)
    assert msgspec.to_builtins(board).items() >= {
        "usb_location": "1:3", "vendor_id": "1d50", "product_id": "614e", "manufacturer": "Klipper",
        "class": "Communications", "description": "Klipper stm32f446xx",
    }.items()  # fmt: skip
    (port,) = serial_devices(kernel)  # the PC's port without a chip is left out
    assert msgspec.to_builtins(port) == {
        "device_type": "usb",
        "device_path": "/dev/ttyACM0",
        "device_name": "ttyACM0",
        "driver_name": "cdc_acm",
        "path_by_hardware": "/dev/serial/by-path/platform-usb-0:1:1.0",
        "path_by_id": "/dev/serial/by-id/usb-Klipper_stm32f446xx-if00",
        "usb_location": "1:3",
    }


def test_boards_that_wait_for_a_node_id_are_read_from_their_frames() -> None:
    def frame(identifier: int, data: bytes) -> bytes:
        return struct.pack("=IB3x8s", identifier, len(data), data)

    uuid = bytes.fromhex("11aa22bb33cc")
    assert canbus.parsed(frame(0x3F1, b"\x20" + uuid + b"\x01")) == canbus.CanNode("11aa22bb33cc", "Klipper")
    assert canbus.parsed(frame(0x3F1, b"\x20" + uuid + b"\x11")).application == "Katapult"
    assert canbus.parsed(frame(0x3F1, b"\x20" + uuid)).application == "Klipper"
    for other in (frame(0x3F0, b"\x00"), frame(0x3F1, b"\x21" + uuid + b"\x01"), b"\x00" * 9):
        assert canbus.parsed(other) is None


def test_every_board_on_a_bus_is_asked_and_told_once() -> None:
    ours, bus = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    uuids = [bytes([number, *b"board"]) for number in range(5)]
    with ours, bus:
        for number, uuid in enumerate((*uuids, *uuids)):
            bus.send(struct.pack("=IB3x8s", 0x3F1, 8, b"\x20" + uuid + b"\x11"))
            bus.send(struct.pack("=IB3x8s", 0x100 + number, 8, b"somebody"))
        bus.send(b"half")
        found = canbus.answers(ours, 0.05)
        assert bus.recv(64) == struct.pack("=IB3x8s", 0x3F0, 1, b"\x00")
    assert [node.uuid for node in found] == [uuid.hex() for uuid in uuids]
    assert {node.application for node in found} == {"Katapult"}


class Camera:
    """The kernel's answers for a camera with one format in two sizes."""

    capabilities = 0x84200001  # what it can as a whole; of its own: pictures and streaming

    def ioctl(self, _device: int, call: int, about: bytes) -> bytes:
        number = int.from_bytes(about[:4], sys.byteorder)
        match call & 0xFF:
            case 0:
                words = (b"uvcvideo", b"HD Webcam C920", b"usb-1.2", 0x06010F, self.capabilities, 0x04000001)
                return struct.pack("16s32s32sIII12x", *words)
            case 2 if number == 0:
                return struct.pack("III32s4sI12x", 0, 1, 1, b"Motion-JPEG", b"MJPG", 0)
            case 74 if number < 2:
                assert about[4:8] == b"MJPG"
                return struct.pack("I4sIII24x", number, b"MJPG", 1, 640 << number, 480 << number)
        raise OSError(errno.EINVAL, "no more of them")


def test_a_camera_is_told_with_what_it_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("sys/class/video4linux/video0/name", "HD Webcam C920\n"), ("dev/video0", "")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "dev/v4l/by-id").mkdir(parents=True)
    (tmp_path / "dev/v4l/by-id/usb-C920").symlink_to("../../video0")
    monkeypatch.setattr(fcntl, "ioctl", Camera().ioctl)
    (found,) = video_devices(Kernel(tmp_path))
    assert (found.device_name, found.device_path, found.driver_name) == ("video0", "/dev/video0", "uvcvideo")
    assert (found.camera_name, found.alt_name) == ("HD Webcam C920", "HD Webcam C920")
    assert (found.version, found.hardware_bus) == ("6.1.15", "usb-1.2")
    assert found.capabilities == ["VIDEO_CAPTURE", "STREAMING"]
    assert found.path_by_id == "/dev/v4l/by-id/usb-C920"
    (mode,) = found.modes
    assert (mode.format, mode.description, mode.flags) == ("MJPG", "Motion-JPEG", ["COMPRESSED"])
    assert mode.resolutions == ["640x480", "1280x960"]
    monkeypatch.setattr(Camera, "capabilities", 0x00800000)  # the second device of many cameras: no pictures
    assert video_devices(Kernel(tmp_path)) == []


def test_the_video_calls_have_the_kernel_s_own_numbers() -> None:
    assert (FORMAT.size, SIZE.size) == (64, 44)
    assert QUERY_CAPABILITY == 0x80685600
