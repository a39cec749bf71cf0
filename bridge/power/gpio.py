"""A line of this machine's GPIO chips, by libgpiod."""

import asyncio
import re
from typing import Any

from bridge.config.power import GpioSwitch
from bridge.errors import ConfigError, DeviceFailed
from bridge.extras import extra
from bridge.power.device import See

_PIN = re.compile(r"(!?)(?:(gpiochip\d+)/)?(?:gpio)?(\d+)")


class GpioLine:
    """Claimed while it is watched; it stays as it was found until somebody switches it."""

    tells = True

    def __init__(self, settings: GpioSwitch, where: str) -> None:
        found = _PIN.fullmatch(settings.pin.replace(" ", ""))
        if found is None:
            raise ConfigError(
                f"{where}.pin: expected gpio17, gpiochip1/gpio4 or !gpio17, got '{settings.pin}'"
            )
        self._inverted, self._line = bool(found[1]), int(found[3])
        self._chip = f"/dev/{found[2] or 'gpiochip0'}"
        self._gpiod = extra("gpiod", "gpio", where)
        self._request: Any = None
        self._see: See = lambda _on: None

    async def watch(self, see: See) -> None:
        """Hold the line; nobody else can change it meanwhile."""
        self._see = see
        self._request = self._claim()
        try:
            see(self._level())
            await asyncio.Event().wait()
        finally:
            self._request.release()
            self._request = None

    async def switch(self, *, on: bool) -> None:
        """Set the line."""
        if self._request is None:
            raise DeviceFailed(f"line {self._line} of {self._chip} is not claimed")
        value = self._gpiod.line.Value
        self._request.set_value(self._line, value.ACTIVE if on else value.INACTIVE)
        self._see(self._level())

    def _claim(self) -> Any:
        """First look at the level, then drive it: a restart of the bridge shall not switch anything."""
        line, settings = self._gpiod.line, self._gpiod.LineSettings
        request = self._gpiod.request_lines(
            self._chip,
            consumer="klipper-bridge",
            config={self._line: settings(direction=line.Direction.AS_IS, active_low=self._inverted)},
        )
        try:
            driven = settings(
                direction=line.Direction.OUTPUT,
                active_low=self._inverted,
                output_value=request.get_value(self._line),
            )
            request.reconfigure_lines({self._line: driven})
        except OSError:
            request.release()
            raise
        return request

    def _level(self) -> bool:
        return bool(self._request.get_value(self._line) == self._gpiod.line.Value.ACTIVE)
