"""The machine itself: what keeps its heat, its filament and its saved words when the firmware restarts."""

import random
from dataclasses import dataclass, field

from bridge.klippy.simulator.config import Sections

AMBIENT = 25.0
_STEP = 0.5  # seconds of the printer's time that are reckoned at once
_REFRESH = 0.25  # a thermistor gives a new reading this often


@dataclass
class Body:
    """A heated mass with a thermistor: `gain` in degrees a second at full power, up to `ceiling`."""

    gain: float
    ceiling: float
    temperature: float = AMBIENT
    reading: float = AMBIENT
    _age: float = 0.0

    def warm(self, seconds: float, power: float, noise: float) -> None:
        """Let time pass at one power."""
        loss = self.gain / (self.ceiling - AMBIENT)
        self.temperature += (self.gain * power - loss * (self.temperature - AMBIENT)) * seconds
        self._age += seconds
        if self._age >= _REFRESH:
            self._age = 0.0
            self.reading = round(self.temperature + random.gauss(0.0, noise), 2)

    def power_for(self, target: float) -> float:
        """What a good controller would give now: what holds the target, and more the farther it is."""
        if target <= 0.0:
            return 0.0
        hold = (target - AMBIENT) / (self.ceiling - AMBIENT)
        return min(1.0, max(0.0, hold + (target - self.temperature) * 0.15))


def _bodies() -> dict[str, Body]:
    return {
        "extruder": Body(gain=5.0, ceiling=360.0),
        "heater_bed": Body(gain=1.2, ceiling=160.0),
        "heater_generic chamber": Body(gain=0.8, ceiling=110.0),
        "temperature_fan chamber_fan": Body(gain=0.0, ceiling=100.0),
        "temperature_sensor host": Body(gain=0.2, ceiling=65.0, temperature=41.5, reading=41.5),
    }


@dataclass
class Hardware:
    """Outlives every restart of Klippy."""

    noise: float
    bodies: dict[str, Body] = field(default_factory=_bodies)
    filament: bool = True
    mcu_shutdown: bool = False
    saved: Sections = field(default_factory=dict)  # what SAVE_CONFIG wrote below printer.cfg

    def warm(self, seconds: float, powers: dict[str, float], targets: dict[str, float]) -> None:
        """Let time pass; a heater with a target is controlled, everything else gets its power."""
        while seconds > 0:
            step = min(seconds, _STEP)
            seconds -= step
            for name, body in self.bodies.items():
                power = body.power_for(targets[name]) if name in targets else powers.get(name, 0.0)
                body.warm(step, power, self.noise)
