"""Cameras: what Video4Linux has, asked of each device by its own calls."""

import contextlib
import errno
import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from bridge.host.kernel import Kernel
from bridge.host.usb import usb_location

DEVICES = "/sys/class/video4linux"
CAPTURE, MULTIPLANAR, OWN_CAPABILITIES = 0x1, 0x1000, 0x80000000
CAPABILITIES = {
    0x00000001: "VIDEO_CAPTURE",
    0x00000002: "VIDEO_OUTPUT",
    0x00001000: "VIDEO_CAPTURE_MPLANE",
    0x00002000: "VIDEO_OUTPUT_MPLANE",
    0x00008000: "VIDEO_M2M",
    0x00200000: "EXT_PIX_FORMAT",
    0x00800000: "META_CAPTURE",
    0x01000000: "READWRITE",
    0x04000000: "STREAMING",
}
FLAGS = {1: "COMPRESSED", 2: "EMULATED"}
DISCRETE = 1
MOST = 64  # formats and sizes of each that are listed


def _read_write(number: int, size: int) -> int:
    return 3 << 30 | size << 16 | ord("V") << 8 | number


CAPABILITY = struct.Struct("16s32s32sIII12x")
FORMAT = struct.Struct("III32sI16x")
SIZE = struct.Struct("IIIII16x8x")
QUERY_CAPABILITY = 2 << 30 | CAPABILITY.size << 16 | ord("V") << 8
ENUMERATE_FORMATS, ENUMERATE_SIZES = _read_write(2, FORMAT.size), _read_write(74, SIZE.size)


class VideoMode(msgspec.Struct, frozen=True):
    """One pixel format with its sizes."""

    format: str
    description: str
    flags: list[str]
    resolutions: list[str]


class VideoDevice(msgspec.Struct, frozen=True):
    """One camera."""

    device_name: str
    device_path: str
    camera_name: str
    driver_name: str
    alt_name: str | None
    hardware_bus: str
    capabilities: list[str]
    version: str
    path_by_hardware: str | None
    path_by_id: str | None
    usb_location: str | None
    modes: list[VideoMode]


def video_devices(kernel: Kernel) -> list[VideoDevice]:
    """Every device that takes pictures; one that is not ours to open is left out."""
    by_id, by_path = kernel.aliases("/dev/v4l/by-id"), kernel.aliases("/dev/v4l/by-path")
    found: list[VideoDevice] = []
    for name in kernel.names(DEVICES):
        with contextlib.suppress(OSError):
            found += _camera(kernel, name, by_id, by_path)
    return found


def _camera(
    kernel: Kernel, name: str, by_id: dict[str, str], by_path: dict[str, str]
) -> Iterator[VideoDevice]:
    path = kernel.path(f"/dev/{name}")
    with _opened(path) as device:
        driver, card, bus, version, whole, own = CAPABILITY.unpack(
            fcntl.ioctl(device, QUERY_CAPABILITY, bytes(CAPABILITY.size))
        )
        able = own if whole & OWN_CAPABILITIES else whole
        if not able & (CAPTURE | MULTIPLANAR):
            return
        kind = 1 if able & CAPTURE else 9
        modes = [_mode(device, one) for one in _each(lambda n: _format(device, n, kind))]
    yield VideoDevice(
        device_name=name,
        device_path=f"/dev/{name}",
        camera_name=_word(card),
        driver_name=_word(driver),
        alt_name=kernel.text(f"{DEVICES}/{name}/name") or None,
        hardware_bus=_word(bus),
        capabilities=[words for bit, words in CAPABILITIES.items() if able & bit],
        version=f"{version >> 16}.{version >> 8 & 255}.{version & 255}",
        path_by_hardware=by_path.get(str(path)),
        path_by_id=by_id.get(str(path)),
        usb_location=usb_location(kernel, kernel.target(f"{DEVICES}/{name}/device")),
        modes=modes,
    )


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    device = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield device
    finally:
        os.close(device)


def _each(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """The entries of one of the device's lists, which ends with EINVAL."""
    for number in range(MOST):
        try:
            yield read(number)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOTTY):
                return
            raise


def _format(device: int, number: int, kind: int) -> bytes:
    return bytes(fcntl.ioctl(device, ENUMERATE_FORMATS, FORMAT.pack(number, kind, 0, b"", 0)))


def _mode(device: int, entry: bytes) -> VideoMode:
    _, _, flags, description, code = FORMAT.unpack(entry)

    def size(number: int) -> bytes:
        return bytes(fcntl.ioctl(device, ENUMERATE_SIZES, SIZE.pack(number, code, 0, 0, 0)))

    sizes = (SIZE.unpack(one) for one in _each(size))
    return VideoMode(
        format=_word(struct.pack("I", code)).strip(),
        description=_word(description),
        flags=[words for bit, words in FLAGS.items() if flags & bit],
        resolutions=[f"{width}x{height}" for _, _, shape, width, height in sizes if shape == DISCRETE],
    )


def _word(text: bytes) -> str:
    return text.partition(b"\0")[0].decode(errors="replace")
