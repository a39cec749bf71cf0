"""Fans: the ones that are commanded, and those that follow a heater, the motors or a temperature."""

from collections.abc import Callable, Iterable, Mapping

from bridge.klippy.simulator.clock import Clock
from bridge.klippy.simulator.dispatch import Command, Status
from bridge.klippy.simulator.hardware import Hardware
from bridge.klippy.simulator.heaters import Heaters
from bridge.klippy.simulator.line import GcodeError, Line

_FULL = 255.0
_HOTEND_RUNS_ABOVE = 50.0
_RUN_ON = 30.0  # seconds that the electronics fan stays on
_HIGHEST = 80.0  # what the chamber fan's sensor may show
_DEFAULT_TARGET = 40.0


class Fans:
    """All fans of the printer."""

    def __init__(
        self, clock: Clock, heaters: Heaters, hardware: Hardware, motors_on: Callable[[], bool]
    ) -> None:
        self._clock, self._heaters, self._motors_on = clock, heaters, motors_on
        self._chamber = hardware.bodies["temperature_fan chamber_fan"]
        self._part, self._exhaust = 0.0, 0.0
        self._target, self._slowest, self._fastest = _DEFAULT_TARGET, 0.3, 1.0
        self._electronics_until = 0.0

    def commands(self) -> Iterable[Command]:
        """The commands it takes."""
        return (
            Command("M106", self._set_part),
            Command("M107", lambda _: self._stop_part()),
            Command("SET_FAN_SPEED", self._set_named, "Give a fan its speed"),
            Command("SET_TEMPERATURE_FAN_TARGET", self._set_target, "Give a temperature fan its target"),
        )

    def _set_part(self, line: Line) -> None:
        self._part = min(1.0, line.number("S", _FULL, least=0.0) / _FULL)

    def _stop_part(self) -> None:
        self._part = 0.0

    def _set_named(self, line: Line) -> None:
        line.choose("FAN", {"exhaust": None})
        self._exhaust = line.number("SPEED", 0.0, least=0.0, most=1.0)

    def _set_target(self, line: Line) -> None:
        line.choose("TEMPERATURE_FAN", {"chamber_fan": None})
        target = line.number("TARGET", _DEFAULT_TARGET)
        if not 0.0 <= target <= _HIGHEST:
            raise GcodeError(f"Requested temperature ({target:.1f}) out of range (0.0:{_HIGHEST:.1f})")
        slowest = line.number("MIN_SPEED", self._slowest, least=0.0, most=1.0)
        fastest = line.number("MAX_SPEED", self._fastest, least=0.0, most=1.0)
        if slowest > fastest:
            raise GcodeError(f"Requested min speed ({slowest:.1f}) is greater than max speed ({fastest:.1f})")
        self._target, self._slowest, self._fastest = target, slowest, fastest

    def objects(self) -> Mapping[str, Callable[[], Status]]:
        """The printer objects it shows."""
        return {
            "fan": lambda: _speed(self._part),
            "heater_fan hotend_fan": lambda: _speed(self._hotend()),
            "controller_fan electronics_fan": lambda: _speed(self._electronics()),
            "fan_generic exhaust": lambda: _speed(self._exhaust),
            "temperature_fan chamber_fan": self._chamber_status,
        }

    def _hotend(self) -> float:
        extruder = self._heaters.extruder
        return float(extruder.target > 0 or extruder.body.temperature > _HOTEND_RUNS_ABOVE)

    def _electronics(self) -> float:
        now = self._clock.now()
        if self._heaters.extruder.target or self._motors_on():
            self._electronics_until = now + _RUN_ON
        return float(now < self._electronics_until)

    def _chamber_status(self) -> Status:
        reading = self._chamber.reading
        speed = self._fastest if self._target and reading > self._target else 0.0
        return {**_speed(speed), "temperature": reading, "target": self._target}


def _speed(speed: float) -> Status:
    return {"speed": speed, "rpm": None}
