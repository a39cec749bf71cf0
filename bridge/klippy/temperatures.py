"""The temperature store: a ring of samples, one a second, for every heater and sensor."""

import asyncio
import math
from collections import deque
from typing import Any

from bridge.klippy.state import Klippy, Machine
from bridge.klippy.status import StatusCache

INTERVAL = 1.0  # seconds between samples; web UIs draw their charts on it
SERIES = {"temperature": "temperatures", "target": "targets", "power": "powers", "speed": "speeds"}

Ring = deque[float | None]


class TemperatureStore:
    """What `server.temperature_store` shows: series by sensor, the oldest value first."""

    def __init__(self, klippy: Klippy, cache: StatusCache, size: int) -> None:
        self._cache, self._size = cache, size
        self._rings: dict[str, dict[str, Ring]] = {}
        self._monitors: frozenset[str] = frozenset()
        klippy.surveyed.connect(self._surveyed)

    async def open(self) -> None:
        """Nothing to acquire."""

    async def run(self) -> None:
        """Sample for ever, on the clock and not after it."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + INTERVAL, loop.time())
            await asyncio.sleep(due - loop.time())
            self.sample()

    async def close(self) -> None:
        """Nothing to give back."""

    def sample(self) -> None:
        """Append the values of now."""
        for name, rings in self._rings.items():
            for field, ring in rings.items():
                ring.append(_reading(self._cache.get(name, field), ring))

    def snapshot(self, *, monitors: bool) -> dict[str, dict[str, list[float | None]]]:
        """The series of every sensor; `monitors` adds those that may be silent for long."""
        return {
            name: {SERIES[field]: list(ring) for field, ring in rings.items()}
            for name, rings in self._rings.items()
            if monitors or name not in self._monitors
        }

    def _surveyed(self, machine: Machine) -> None:
        """Follow what this machine has; series of what is still there go on."""
        self._monitors = frozenset(machine.monitors)
        names = [*dict.fromkeys((*machine.sensors, *machine.monitors))]
        self._rings = {name: self._rings.get(name) or self._series(name, machine) for name in names}
        self._cache.want(self, {name: list(rings) for name, rings in self._rings.items()})

    def _series(self, name: str, machine: Machine) -> dict[str, Ring]:
        fields = ["temperature"]
        if name in machine.heaters:
            fields += ["target", "power"]
        elif name.startswith("temperature_fan "):
            fields += ["target", "speed"]
        fill = None if name in machine.monitors else 0.0
        return {field: deque([fill] * self._size, maxlen=self._size) for field in fields}


def _reading(value: Any, ring: Ring) -> float | None:
    """A finite number rounded to 0.01; the last one again while there is none, null stays null."""
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return round(float(value), 2)
    return ring[-1]
