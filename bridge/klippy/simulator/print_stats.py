"""What is known of the print: its state, its times, its filament, its layers."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bridge.klippy.simulator.clock import Clock
from bridge.klippy.simulator.dispatch import Command, Status
from bridge.klippy.simulator.line import Line

_LAYER = re.compile(r";\s*LAYER(?:_CHANGE|:\s*(-?\d+)|_COUNT:\s*(\d+))", re.IGNORECASE)


@dataclass
class _Job:
    """All that is known of one print; times are the printer's."""

    filename: str = ""
    state: str = "standby"
    message: str = ""
    total_layer: int | None = None
    layer: int | None = None
    told_layers: bool = False
    filament: float = 0.0
    started: float | None = None
    ended: float | None = None
    extruding_since: float | None = None
    paused_since: float | None = None
    paused: float = 0.0


class PrintStats:
    """The book-keeper of one print after the other."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._job = _Job()

    @property
    def state(self) -> str:
        """Klippy's word for it."""
        return self._job.state

    def load(self, name: str) -> None:
        """Another file, or none when the name is empty."""
        self._job = _Job(filename=name)

    def begin(self) -> None:
        """The print starts, or goes on after a pause."""
        job = self._job
        now = self._clock.now()
        if job.started is None:
            job.started = now
        elif job.paused_since is not None:
            job.paused += now - job.paused_since
        job.paused_since = job.ended = None
        job.state, job.message = "printing", ""

    def pause(self) -> None:
        """The print stands still."""
        job = self._job
        if job.paused_since is None:
            job.paused_since = self._clock.now()
            job.state = "paused"

    def end(self, state: str, message: str = "") -> None:
        """The print is over: complete, cancelled or error."""
        job = self._job
        job.state, job.message = state, message
        if job.started is not None and job.ended is None:
            job.ended = self._clock.now()

    def extruded(self, length: float) -> None:
        """Filament went through the nozzle."""
        job = self._job
        if job.state != "printing":
            return
        job.filament += length
        if job.extruding_since is None and length > 0:
            job.extruding_since = self._clock.now() - job.paused

    def comment(self, text: str) -> None:
        """A comment of the file: its layer marks count until the file tells its layers itself."""
        job = self._job
        found = None if job.told_layers else _LAYER.match(text)
        if found is None:
            return
        number, count = found.groups()
        if count is not None:
            job.total_layer = int(count)
        elif number is not None:
            job.layer = int(number) + 1
        else:
            job.layer = (job.layer or 0) + 1

    def commands(self) -> Iterable[Command]:
        """The commands it takes."""
        yield Command("SET_PRINT_STATS_INFO", self._set_info, "Tell which layer of how many is printed")

    def _set_info(self, line: Line) -> None:
        job = self._job
        total, layer = line.maybe("TOTAL_LAYER", least=0), line.maybe("CURRENT_LAYER", least=0)
        job.told_layers = True
        if total is not None:
            job.total_layer, job.layer = (int(total), job.layer or 0) if total else (None, None)
        if layer is not None and job.total_layer is not None:
            job.layer = min(int(layer), job.total_layer)

    def objects(self) -> Mapping[str, Callable[[], Status]]:
        """The printer objects it shows."""
        return {"print_stats": self._status}

    def _status(self) -> Status:
        job = self._job
        total, printing = self._durations()
        return {
            "filename": job.filename,
            "total_duration": total,
            "print_duration": printing,
            "filament_used": job.filament,
            "state": job.state,
            "message": job.message,
            "info": {"total_layer": job.total_layer, "current_layer": job.layer},
        }

    def _durations(self) -> tuple[float, float]:
        job = self._job
        if job.started is None:
            return 0.0, 0.0
        now = self._clock.now() if job.ended is None else job.ended
        if job.extruding_since is None:
            return now - job.started, 0.0
        resting = job.paused + (now - job.paused_since if job.paused_since is not None else 0.0)
        return now - job.started, now - resting - job.extruding_since
