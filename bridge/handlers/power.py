"""machine.device_power.*: what is switched around the printer (seed 004)."""

import asyncio
import logging
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bridge.controls.control import Control
from bridge.errors import BadParams, BridgeError
from bridge.klippy.state import Klippy
from bridge.lifecycle import Crew
from bridge.mqtt.payloads import ControlRow
from bridge.mqtt.topics import Topics
from bridge.power.device import Device, State
from bridge.power.rack import Rack
from bridge.rpc import Access, Call, Notice, rpc
from bridge.schema import Open

log = logging.getLogger(__name__)

DeviceName = Annotated[str, Meta(description="its name in the configuration")]
Devices = Annotated[dict[str, Any], Open(), Meta(description="the names as keys; their values do not matter")]
UNKNOWN = "device_not_found"
WISHES = {"on": True, "off": False, "true": True, "false": False, "1": True, "0": False}


class PowerDevice(msgspec.Struct, frozen=True):
    """One device; `init` is one whose state is not known yet."""

    device: str
    status: State
    locked_while_printing: bool
    type: str


class PowerDevices(msgspec.Struct, frozen=True):
    """All devices."""

    devices: list[PowerDevice]


class Power:
    """Devices that are switched; a lock holds for every door."""

    def __init__(self, rack: Rack, klippy: Klippy, topics: Topics) -> None:
        self.changed: Notice[PowerDevice] = Notice(
            "notify_power_changed", PowerDevice, "A power device was switched, or is not what it was"
        )
        self.components = ("power",) if rack.devices else ()
        self._rack, self._topics = rack, topics
        self.crew = Crew()
        self._told: dict[str, PowerDevice] = {}
        rack.changed.connect(self._device_changed)
        klippy.offer("set_device_power", self._asked_by_macro)

    @property
    def controls(self) -> list[Control]:
        """A switch for each device; it works also while Klippy is down."""
        return [self._control(device) for device in self._rack.devices.values()]

    @rpc("machine.device_power.devices", "GET", access=Access.READ)
    async def devices(self, call: Call) -> PowerDevices:
        """Every power device with its state."""
        return PowerDevices([_shown(device) for device in self._rack.devices.values()])

    @rpc("machine.device_power.get_device", "GET", path="/machine/device_power/device", access=Access.READ)
    async def get_device(self, call: Call, *, device: DeviceName) -> dict[str, State]:
        """The state of one device."""
        return {device: self._rack.get(device).state}

    @rpc(
        "machine.device_power.post_device",
        "POST",
        path="/machine/device_power/device",
        access=Access.CONTROL,
    )
    async def post_device(
        self, call: Call, *, device: DeviceName, action: Literal["on", "off", "toggle"]
    ) -> dict[str, State]:
        """Switch one device; refused while a job locks it."""
        found = self._rack.get(device)
        await found.switch(on=found.state != "on" if action == "toggle" else action == "on")
        return {device: found.state}

    @rpc("machine.device_power.status", "GET", access=Access.READ)
    async def status(self, call: Call, *, devices: Devices) -> dict[str, str]:
        """The states of several devices."""
        return {name: self._state(name) for name in _named(devices)}

    @rpc("machine.device_power.on", "POST", access=Access.CONTROL)
    async def on(self, call: Call, *, devices: Devices) -> dict[str, str]:
        """Switch several devices on; one that fails is `error` and keeps no other from its turn."""
        return await self._switch_all(_named(devices), on=True)

    @rpc("machine.device_power.off", "POST", access=Access.CONTROL)
    async def off(self, call: Call, *, devices: Devices) -> dict[str, str]:
        """Switch several devices off; nothing is switched when one of them is locked."""
        names = _named(devices)
        for name in names:
            if name in self._rack.devices:
                self._rack.get(name).refuse_off()
        return await self._switch_all(names, on=False)

    async def _switch_all(self, names: list[str], *, on: bool) -> dict[str, str]:
        known = [self._rack.get(name) for name in names if name in self._rack.devices]
        failed = await asyncio.gather(*(_failure(device, on=on) for device in known))
        broken = {device.name for device, error in zip(known, failed, strict=True) if error is not None}
        return {name: "error" if name in broken else self._state(name) for name in names}

    def _state(self, name: str) -> str:
        return self._rack.get(name).state if name in self._rack.devices else UNKNOWN

    def _control(self, device: Device) -> Control:
        async def act(on: Any) -> None:
            await device.switch(on=on)

        row = ControlRow(
            key=f"power_{device.name}",
            kind="switch",
            name=device.name,
            state_topic=self._topics.power(device.name),
        )
        return Control(row, act, always=True)

    def _device_changed(self, device: Device) -> None:
        told = _shown(device)
        if self._told.get(device.name) != told:  # a lock that comes and goes is no news here
            self._told[device.name] = told
            self.changed.emit(told)

    def _asked_by_macro(self, params: dict[str, Any]) -> None:
        """`action_call_remote_method("set_device_power", device="…", state="on")`."""
        device = self._rack.devices.get(str(params.get("device")))
        wish = str(params.get("state")).lower()
        if device is None or (wish != "toggle" and wish not in WISHES):
            log.warning("a macro's set_device_power names no device, or no state: %.200s", params)
            return
        self.crew.start(_attempt(device, on=device.state != "on" if wish == "toggle" else WISHES[wish]))


async def _attempt(device: Device, *, on: bool) -> None:
    if (error := await _failure(device, on=on)) is not None:
        log.warning("a macro's set_device_power failed: %s", error)


async def _failure(device: Device, *, on: bool) -> BridgeError | None:
    try:
        await device.switch(on=on)
    except BridgeError as error:
        return error
    return None


def _named(devices: dict[str, Any]) -> list[str]:
    if not devices:
        raise BadParams("Name at least one device")
    return list(devices)


def _shown(device: Device) -> PowerDevice:
    return PowerDevice(device.name, device.state, device.settings.locked_while_printing, device.kind)
