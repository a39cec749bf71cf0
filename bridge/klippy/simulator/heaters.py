"""Heaters and temperature sensors: targets, power, waiting for a temperature."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bridge.klippy.simulator.clock import Clock
from bridge.klippy.simulator.dispatch import Command, Dispatch, Status
from bridge.klippy.simulator.hardware import Body, Hardware
from bridge.klippy.simulator.line import GcodeError, Line

_SETTLED = 1.0  # degrees from the target that count as reached
_IDLE_POWER = {"temperature_sensor host": 0.41}
_REPORT = 1.0  # seconds between the temperature lines of a wait ...
_REPORT_WALL = 0.02  # ... and between two on the wall, however fast the printer's time runs


@dataclass
class Heater:
    """One heater: its bounds, its letter in a temperature line, its target."""

    name: str
    letter: str
    body: Body
    lowest: float
    highest: float
    target: float = 0.0

    def set(self, target: float) -> None:
        """A new target, 0 for off."""
        if target and not self.lowest <= target <= self.highest:
            bounds = f"({self.lowest:.1f}:{self.highest:.1f})"
            raise GcodeError(f"Requested temperature ({target:.1f}) out of range {bounds}")
        self.target = target

    @property
    def busy(self) -> bool:
        """Whether the target is not yet reached."""
        return self.target > 0.0 and abs(self.target - self.body.temperature) > _SETTLED

    def status(self) -> Status:
        """The printer object."""
        return {
            "temperature": self.body.reading,
            "target": self.target,
            "power": self.body.power_for(self.target),
        }


class Heaters:
    """All heaters and sensors of the printer."""

    def __init__(self, clock: Clock, gcode: Dispatch, hardware: Hardware) -> None:
        self._clock, self._gcode, self._hardware = clock, gcode, hardware
        self._last = clock.now()
        bodies = hardware.bodies
        self.bed = Heater("heater_bed", "B", bodies["heater_bed"], 0.0, 130.0)
        self.chamber = Heater("heater_generic chamber", "C", bodies["heater_generic chamber"], 0.0, 90.0)
        self.extruder = Heater("extruder", "T0", bodies["extruder"], 0.0, 300.0)
        self._heaters = {"heater_bed": self.bed, "chamber": self.chamber, "extruder": self.extruder}
        self._host = bodies["temperature_sensor host"]
        self._host_lowest = self._host_highest = self._host.reading

    def advance(self) -> None:
        """Let the time pass that has passed since the last call."""
        now = self._clock.now()
        targets = {heater.name: heater.target for heater in self._heaters.values()}
        self._hardware.warm(now - self._last, _IDLE_POWER, targets)
        self._last = now
        self._host_lowest = min(self._host_lowest, self._host.reading)
        self._host_highest = max(self._host_highest, self._host.reading)

    def off(self) -> None:
        """All targets to zero."""
        for heater in self._heaters.values():
            heater.target = 0.0

    @property
    def on(self) -> bool:
        """Whether any heater has a target."""
        return any(heater.target for heater in self._heaters.values())

    # -- commands

    def commands(self) -> Iterable[Command]:
        """The commands it takes."""
        return (
            Command("M104", lambda line: self._set(self.extruder, line)),
            Command("M140", lambda line: self._set(self.bed, line)),
            Command("M109", lambda line: self._set_and_wait(self.extruder, line)),
            Command("M190", lambda line: self._set_and_wait(self.bed, line)),
            Command("M105", lambda _: self._gcode.raw(self.report()), always=True),
            Command("SET_HEATER_TEMPERATURE", self._set_named, "Give a heater its target"),
            Command("TURN_OFF_HEATERS", lambda _: self.off(), "All heaters off"),
            Command("TEMPERATURE_WAIT", self._wait_named, "Wait until a sensor is within bounds"),
        )

    def report(self) -> str:
        """The temperature line."""
        self.advance()
        heaters = (self.bed, self.chamber, self.extruder)
        return " ".join(f"{h.letter}:{h.body.reading:.1f} /{h.target:.1f}" for h in heaters)

    def _set(self, heater: Heater, line: Line) -> None:
        heater.set(line.number("S", 0.0))

    async def _set_and_wait(self, heater: Heater, line: Line) -> None:
        heater.set(line.number("S", 0.0))
        await self._wait(lambda: heater.busy)

    def _set_named(self, line: Line) -> None:
        line.choose("HEATER", self._heaters).set(line.number("TARGET", 0.0))

    async def _wait_named(self, line: Line) -> None:
        sensors = {**self._hardware.bodies, "chamber": self.chamber.body}
        body = line.choose("SENSOR", sensors)
        least, most = line.maybe("MINIMUM"), line.maybe("MAXIMUM")
        if least is None and most is None:
            raise GcodeError("Error on 'TEMPERATURE_WAIT': missing MINIMUM or MAXIMUM")

        def outside() -> bool:
            too_cold = least is not None and body.temperature < least
            return too_cold or (most is not None and body.temperature > most)

        await self._wait(outside)

    async def _wait(self, busy: Callable[[], bool]) -> None:
        pause = max(_REPORT, _REPORT_WALL * self._clock.speed)
        self.advance()
        while busy():
            self._gcode.raw(self.report())
            await self._clock.sleep(pause)
            self.advance()

    # -- printer objects

    def objects(self) -> Mapping[str, Callable[[], Status]]:
        """The printer objects it shows; the extruder's belongs to the toolhead as well."""
        return {
            "heaters": self._list,
            "heater_bed": self.bed.status,
            "heater_generic chamber": self.chamber.status,
            "temperature_sensor host": self._host_status,
        }

    def _list(self) -> Status:
        heaters = [heater.name for heater in (self.bed, self.chamber, self.extruder)]
        sensors = [*heaters[:-1], "temperature_fan chamber_fan", "temperature_sensor host", heaters[-1]]
        return {"available_heaters": heaters, "available_sensors": sensors, "available_monitors": []}

    def _host_status(self) -> Status:
        return {
            "temperature": self._host.reading,
            "measured_min_temp": self._host_lowest,
            "measured_max_temp": self._host_highest,
        }
