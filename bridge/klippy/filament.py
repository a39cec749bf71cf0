"""Filament sensors: the moment when one that is enabled sees no filament any more."""

from bridge.klippy.state import Klippy, Machine
from bridge.klippy.status import StatusCache, StatusDelta
from bridge.signals import Signal

KINDS = ("filament_switch_sensor ", "filament_motion_sensor ")


class FilamentWatch:
    """Tells a runout once; a sensor that is empty when the bridge starts is no news."""

    def __init__(self, klippy: Klippy, cache: StatusCache) -> None:
        self.ran_out: Signal[str] = Signal("filament runout")
        self._klippy, self._cache = klippy, cache
        self._loaded: dict[str, bool] = {}
        klippy.surveyed.connect(self._surveyed)
        cache.changed.connect(self._status)

    def _surveyed(self, machine: Machine) -> None:
        sensors = [name for name in machine.objects if name.startswith(KINDS)]
        self._loaded = {}
        self._cache.want(self, {name: ["filament_detected", "enabled"] for name in sensors})

    def _status(self, delta: StatusDelta) -> None:
        for name in delta.status:
            if name.startswith(KINDS):
                self._look(name)

    def _look(self, name: str) -> None:
        detected = self._cache.get(name, "filament_detected")
        if not isinstance(detected, bool):
            return
        before = self._loaded.get(name)
        self._loaded[name] = detected
        if before and not detected and self._klippy.ready and self._cache.get(name, "enabled") is not False:
            self.ran_out.emit(name)
