"""How much filament goes through the extruder, for whoever counts it by spool."""

from typing import Any

from bridge.klippy.model import number
from bridge.klippy.state import Klippy, KlippyInfo, KlippyState
from bridge.klippy.status import StatusCache, StatusDelta

WANTED: dict[str, list[str] | None] = {"toolhead": ["position", "extruder"]}
EXTRUDER = 3  # of the toolhead's position


class FilamentUse:
    """Adds up what is pushed through; what is pulled back first has to be pushed again to count."""

    def __init__(self, klippy: Klippy, cache: StatusCache) -> None:
        self._cache = cache
        self._furthest: float | None = None  # mm
        self._extruder: Any = None
        self._used = 0.0  # mm that nobody has taken yet
        cache.want(self, WANTED)
        cache.changed.connect(self._moved)
        klippy.changed.connect(self._klippy_changed)

    def take(self) -> float:
        """What was used since the last time, in mm."""
        used, self._used = self._used, 0.0
        return used

    def _klippy_changed(self, info: KlippyInfo) -> None:
        """A Klippy that begins anew counts from another point: the one it is ready at."""
        self._furthest = self._position() if info.state is KlippyState.READY else None
        self._extruder = self._cache.get("toolhead", "extruder")

    def _moved(self, delta: StatusDelta) -> None:
        there = self._position() if "toolhead" in delta.status else None
        if there is None:
            return
        extruder = self._cache.get("toolhead", "extruder")
        if self._furthest is None or extruder != self._extruder:
            self._furthest, self._extruder = there, extruder
        elif there > self._furthest:
            self._used += there - self._furthest
            self._furthest = there

    def _position(self) -> float | None:
        position = self._cache.get("toolhead", "position")
        known = isinstance(position, list) and len(position) > EXTRUDER
        return number(position[EXTRUDER]) if known else None
