"""All devices together: made from the configuration, each with a task of its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from bridge.config.power import (
    GpioSwitch,
    HttpSwitch,
    KlipperSwitch,
    MqttSwitch,
    PowerDevice,
    SerialSwitch,
    TplinkSwitch,
)
from bridge.errors import ConfigError, NotFound
from bridge.jobs.tracker import JobTracker
from bridge.klippy.commands import Commands
from bridge.klippy.state import Klippy
from bridge.klippy.status import StatusCache
from bridge.lifecycle import Backoff, Crew
from bridge.mqtt.link import MqttLink
from bridge.outgoing import Outgoing
from bridge.power.device import Device, Link
from bridge.power.gpio import GpioLine
from bridge.power.http import HttpPlug
from bridge.power.klipper import KlipperPlug
from bridge.power.mqtt import MqttPlug
from bridge.power.rules import Rules
from bridge.power.serial import SerialRelay
from bridge.power.tplink import TplinkPlug
from bridge.signals import Signal

LONGEST_NAME = 64
RETRY = partial(Backoff, first=1.0, last=30.0)


@dataclass(frozen=True)
class Wires:
    """What the links go over."""

    mqtt: MqttLink
    outgoing: Outgoing
    klippy: Klippy
    cache: StatusCache
    commands: Commands


def _busy(tracker: JobTracker, commands: Commands) -> bool:
    """Whether a job runs, or Klippy has been asked for one."""
    return tracker.current is not None or bool(commands.starts.filenames)


class Rack:
    """The devices by their names; none of them can hurt another."""

    def __init__(
        self,
        settings: Mapping[str, PowerDevice],
        wires: Wires,
        tracker: JobTracker,
        hide: Callable[[str], str],
    ) -> None:
        self.changed: Signal[Device] = Signal("power device")
        self._crew = Crew()
        self.devices = {
            name: Device(
                name,
                one,
                _link(name, one, wires, hide),
                partial(_busy, tracker, wires.commands),
                RETRY(),
                hide,
            )
            for name, one in settings.items()
            if _is_named(name)
        }
        self.rules = Rules(self.devices, wires.klippy, wires.commands, tracker, self._crew)
        for device in self.devices.values():
            device.changed.connect(self.changed.emit)
        tracker.started.connect(lambda _start: self._locks())
        tracker.finished.connect(lambda _job: self._locks())

    async def open(self) -> None:
        """Nothing is acquired: a device that is away keeps nobody from starting."""

    async def run(self) -> None:
        """Own the tasks of the devices."""
        for device in self.devices.values():
            self._crew.begin_with(device.run())
        self.rules.begin()
        await self._crew.run()

    async def close(self) -> None:
        """Stop the clocks."""
        self.rules.close()

    def get(self, name: str) -> Device:
        """A device by its name, or NotFound."""
        device = self.devices.get(name)
        if device is None:
            raise NotFound(f"There is no power device '{name[:LONGEST_NAME]}'")
        return device

    def _locks(self) -> None:
        """A job began or ended: what is locked by it looks different."""
        for device in self.devices.values():
            if device.settings.locked_while_printing:
                self.changed.emit(device)


def _is_named(name: str) -> bool:
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise ConfigError(f"power: a name has 1 to {LONGEST_NAME} printable characters, got {name[:80]!r}")
    return True


def _link(name: str, settings: PowerDevice, wires: Wires, hide: Callable[[str], str]) -> Link:
    where = f"power.{name}"
    match settings:
        case MqttSwitch():
            return MqttPlug(wires.mqtt, settings, where, hide)
        case HttpSwitch():
            return HttpPlug(wires.outgoing, settings, where, hide)
        case KlipperSwitch():
            return KlipperPlug(wires.klippy, wires.cache, wires.commands, settings, where)
        case GpioSwitch():
            return GpioLine(settings, where)
        case TplinkSwitch():
            return TplinkPlug(settings, where)
        case SerialSwitch():
            return SerialRelay(settings, where)
