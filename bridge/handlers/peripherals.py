"""machine.peripherals.*: what is plugged into the machine below."""

import asyncio
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from bridge.host.canbus import CanNode, waiting
from bridge.host.kernel import Kernel
from bridge.host.usb import SerialDevice, UsbDevice, serial_devices, usb_devices
from bridge.host.video import VideoDevice, video_devices
from bridge.rpc import Access, Call, rpc


class UsbDevices(msgspec.Struct, frozen=True):
    """USB devices."""

    usb_devices: list[UsbDevice]


class SerialDevices(msgspec.Struct, frozen=True):
    """Serial ports."""

    serial_devices: list[SerialDevice]


class VideoDevices(msgspec.Struct, frozen=True):
    """Cameras."""

    v4l2_devices: list[VideoDevice]
    libcamera_devices: list[dict[str, Any]]


class CanNodes(msgspec.Struct, frozen=True):
    """Boards on a CAN bus that wait for a node id."""

    can_uuids: list[CanNode]


class Peripherals:
    """Looks when it is asked to."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._bus = asyncio.Lock()

    @rpc("machine.peripherals.usb", "GET", access=Access.READ)
    async def usb(self, call: Call) -> UsbDevices:
        """Every USB device."""
        return UsbDevices(await asyncio.to_thread(usb_devices, self._kernel))

    @rpc("machine.peripherals.serial", "GET", access=Access.READ)
    async def serial(self, call: Call) -> SerialDevices:
        """Every serial port, with the names under which it is found again."""
        return SerialDevices(await asyncio.to_thread(serial_devices, self._kernel))

    @rpc("machine.peripherals.video", "GET", access=Access.READ)
    async def video(self, call: Call) -> VideoDevices:
        """Every camera of Video4Linux; those of libcamera alone are not known here."""
        return VideoDevices(await asyncio.to_thread(video_devices, self._kernel), [])

    @rpc("machine.peripherals.canbus", "GET", access=Access.READ)
    async def canbus(
        self, call: Call, *, interface: Annotated[str, Meta(description="the CAN interface")] = "can0"
    ) -> CanNodes:
        """Boards on a CAN bus that wait for a node id; takes two seconds."""
        async with self._bus:
            return CanNodes(await waiting(self._kernel, interface))
