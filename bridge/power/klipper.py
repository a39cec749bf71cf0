"""Something that Klipper switches: a pin, a light, or a macro with a variable `value`."""

import asyncio
from typing import Any

from bridge.config.power import KlipperSwitch
from bridge.errors import ConfigError, DeviceFailed, KlippyUnavailable
from bridge.klippy import gcode
from bridge.klippy.commands import Commands
from bridge.klippy.model import kind_of, number, own_name
from bridge.klippy.state import Klippy, KlippyInfo, Machine
from bridge.klippy.status import StatusCache, StatusDelta
from bridge.power.device import See

LIGHTS = ("led", "neopixel", "dotstar", "pca9533", "pca9632")
FIELDS = {"output_pin": "value", "gcode_macro": "value", **dict.fromkeys(LIGHTS, "color_data")}
CHANNELS = "rgbw"
PATIENCE = 3.0  # seconds from the end of the command to the status that shows it
IMPOSSIBLE = ("off_when_shutdown", "restart_klipper_when_powered", "on_when_job_queued")


class KlipperPlug:
    """Works only while Klippy is ready; its state is that of the printer object."""

    tells = True

    def __init__(
        self, klippy: Klippy, cache: StatusCache, commands: Commands, settings: KlipperSwitch, where: str
    ) -> None:
        self._section = " ".join(settings.object_name.split())
        self._kind, self._name = kind_of(self._section), own_name(self._section)
        if self._kind not in FIELDS or not self._name:
            raise ConfigError(
                f"{where}.object_name: expected a name behind one of {', '.join(FIELDS)}, "
                f"got '{settings.object_name}'"
            )
        for option in IMPOSSIBLE:
            if getattr(settings, option):
                raise ConfigError(f"{where}.{option}: Klipper switches this one, and does so only when ready")
        self._klippy, self._cache, self._commands = klippy, cache, commands
        self._field = FIELDS[self._kind]
        self._see: See = lambda _on: None
        self._is: bool | None = None
        self._missing = False
        self._news = asyncio.Event()
        cache.want(self, {self._section: [self._field]})
        cache.changed.connect(self._changed)
        klippy.changed.connect(self._klippy_changed)
        klippy.surveyed.connect(self._surveyed)

    async def watch(self, see: See) -> None:
        """Tell what Klipper tells."""
        self._see = see
        self._look()
        while True:
            if self._missing and self._klippy.ready:
                raise DeviceFailed(f"Klipper has no [{self._section}]")
            self._news.clear()
            await self._news.wait()

    async def switch(self, *, on: bool) -> None:
        """Run its G-code and wait until the status shows it."""
        if not self._klippy.ready:
            raise KlippyUnavailable(f"Klippy is {self._klippy.info.state.value}")
        await self._commands.script(self._line(on=on))
        try:
            async with asyncio.timeout(PATIENCE):
                while self._is is not on:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError as error:
            raise DeviceFailed(f"[{self._section}] does not show the change") from error

    def _line(self, *, on: bool) -> str:
        if self._kind == "output_pin":
            return gcode.pin(self._name, float(on))
        if self._kind == "gcode_macro":
            return gcode.call(self._name, {"VALUE": int(on)})
        return gcode.led(self._name, dict.fromkeys(CHANNELS, float(on)))

    def _surveyed(self, machine: Machine) -> None:
        self._missing = self._section not in machine.objects

    def _klippy_changed(self, info: KlippyInfo) -> None:
        del info
        self._look()

    def _changed(self, delta: StatusDelta) -> None:
        if self._section in delta.status:
            self._look()

    def _look(self) -> None:
        value = self._cache.get(self._section, self._field) if self._klippy.ready else None
        self._is = None if value is None else _lit(value)
        self._see(self._is)
        self._news.set()


def _lit(value: Any) -> bool:
    """Whether a pin's value, or any channel of a light, is above nothing."""
    if isinstance(value, list | tuple):
        return any(_lit(part) for part in value)
    return (number(value) or 0.0) > 0 or value is True
