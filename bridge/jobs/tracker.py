"""The job that runs: its file's metadata, its figures, its outlook, and its record when it has ended."""

import asyncio
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from bridge.errors import BridgeError
from bridge.gcode.library import Library
from bridge.gcode.metadata import Metadata
from bridge.jobs.fields import AuxiliaryField, FieldSpec, Gauge
from bridge.jobs.progress import Figures, Outlook, outlook
from bridge.jobs.watch import JobChange, JobEvent, JobWatch
from bridge.klippy.commands import Commands, PrintRequest
from bridge.klippy.status import StatusCache, StatusDelta
from bridge.lifecycle import Crew
from bridge.signals import Signal

log = logging.getLogger(__name__)

STATUS: Final[Mapping[JobEvent, str]] = {
    JobEvent.COMPLETE: "completed",
    JobEvent.CANCELLED: "cancelled",
    JobEvent.ERROR: "error",
    JobEvent.KLIPPY_SHUTDOWN: "klippy_shutdown",
    JobEvent.KLIPPY_DISCONNECT: "klippy_disconnect",
}
IN_PROGRESS, INTERRUPTED = "in_progress", "interrupted"

WATCHED: dict[str, list[str] | None] = {
    "print_stats": ["filename", "print_duration", "total_duration", "filament_used", "info"],
    "virtual_sdcard": ["progress", "file_position"],
    "gcode_move": ["gcode_position"],
}
MINUTE = 60.0  # seconds; what the end of a print is rounded to, and how often it is said anew at most
REQUESTED = 30.0  # seconds within which a start belongs to the one who asked for it


@dataclass(frozen=True)
class Job:
    """One print, from its start to its record."""

    filename: str
    start_time: float  # Unix seconds
    status: str = IN_PROGRESS
    user: str | None = None
    end_time: float | None = None
    print_duration: float = 0.0  # s
    total_duration: float = 0.0  # s
    filament_used: float = 0.0  # mm
    message: str | None = None  # the reason of an error
    metadata: Metadata | None = None
    auxiliary_data: tuple[AuxiliaryField, ...] = ()


@dataclass(frozen=True)
class Start:
    """A job begins; `metadata` comes as soon as its file is read, None where there is nothing to read."""

    job: Job
    adopted: bool  # it ran already when the bridge came
    metadata: "asyncio.Future[Metadata | None]"


class JobTracker:
    """Follows the running job; its signals come before the events that tell of them."""

    def __init__(self, watch: JobWatch, cache: StatusCache, library: Library, commands: Commands) -> None:
        self.started: Signal[Start] = Signal("job started")
        self.idle: Signal[None] = Signal("no job found running")
        self.changed: Signal[None] = Signal("figures of the job")
        self.turned: Signal[None] = Signal("job paused or resumed")
        self.described: Signal[None] = Signal("job known better")
        self.finished: Signal[Job] = Signal("job finished")
        self.current: Job | None = None
        self.paused = False
        self._cache, self._library = cache, library
        self._gauges: dict[str, Gauge] = {}
        self.crew = Crew()
        self._request: PrintRequest | None = None
        self._figures = Figures()  # the last that were known: they outlive Klippy's connection
        self._eta: float | None = None
        self._eta_said = 0.0
        cache.want(self, WATCHED)
        commands.starting.connect(self._requested)
        watch.changed.connect(self._event)
        watch.found.connect(self._found)
        cache.changed.connect(self._status)

    def register(self, spec: FieldSpec) -> Gauge:
        """A field of auxiliary data in every record from now on; a name twice is a bug."""
        if spec.key in self._gauges:
            raise ValueError(f"the field {spec.name} of {spec.provider} is registered twice")
        gauge = self._gauges[spec.key] = Gauge(spec)
        return gauge

    @property
    def specs(self) -> list[FieldSpec]:
        """What is registered."""
        return [gauge.spec for gauge in self._gauges.values()]

    @property
    def gauges(self) -> dict[str, dict[str, Any]]:
        """What the fields of the running job need to go on after a restart."""
        return {key: gauge.state for key, gauge in self._gauges.items()}

    @property
    def running(self) -> Job | None:
        """The running job with its figures of now."""
        if self.current is None:
            return None
        figures = self._figures
        return self._with_fields(
            self.current, figures.print_duration, figures.total_duration, figures.filament_used
        )

    @property
    def outlook(self) -> Outlook:
        """Progress, remaining time and layers of the running job."""
        return outlook(self._figures, self.current.metadata if self.current else None)

    def eta(self, remaining: float | None) -> datetime | None:
        """When the job will have ended, to the minute; said anew once a minute at most, when it moved."""
        if remaining is None or self.paused or self.current is None:
            self._eta = None
            return None
        now = time.time()
        due = now + remaining
        holds = self._eta is not None and self._eta - 2 * MINUTE < due <= self._eta
        if self._eta is None or (not holds and now - self._eta_said >= MINUTE):
            self._eta, self._eta_said = math.ceil(due / MINUTE) * MINUTE, now
        return datetime.fromtimestamp(self._eta, UTC).astimezone()

    def take_up(
        self, start: Start, *, start_time: float, user: str | None, gauges: Mapping[str, Any]
    ) -> None:
        """The job that was found running goes on: what the bridge knew of it before its restart."""
        if self.current is None or self.current.start_time != start.job.start_time:
            return
        self.current = replace(self.current, start_time=start_time, user=user)
        for key, state in gauges.items():
            if key in self._gauges:
                self._gauges[key].resume(state)
        self.described.emit(None)

    def _requested(self, request: PrintRequest) -> None:
        self._request = request

    def _found(self, change: JobChange | None) -> None:
        if change is None:
            self.idle.emit(None)
        else:
            self._begin(change, began=change.time - (change.total_duration or 0.0), adopted=True)

    def _event(self, change: JobChange) -> None:
        if change.event is JobEvent.STARTED:
            self._begin(change, began=change.time, adopted=False)
        elif change.event in STATUS:
            self._end(change)
        else:
            self._look()
            self.paused = change.event is JobEvent.PAUSED
            self.turned.emit(None)

    def _begin(self, change: JobChange, *, began: float, adopted: bool) -> None:
        self.paused, self._eta = change.event is JobEvent.PAUSED, None
        self.current = Job(change.filename, began, user=self._asked_by(change))
        self._figures = Figures()
        self._look()
        for gauge in self._gauges.values():
            gauge.begin()
        metadata: asyncio.Future[Metadata | None] = asyncio.get_running_loop().create_future()
        start = Start(self.current, adopted, metadata)
        self.started.emit(start)
        if not self.crew.start(self._describe(start)):
            metadata.set_result(None)

    def _asked_by(self, change: JobChange) -> str | None:
        """Who asked for this file a moment ago; Klippy does not tell upper case from lower."""
        request, self._request = self._request, None
        if request is None or change.time - request.time > REQUESTED:
            return None
        return request.user if request.filename.casefold() == change.filename.casefold() else None

    async def _describe(self, start: Start) -> None:
        """Read what the file says of itself; the job does without where that fails."""
        found: Metadata | None = None
        try:
            found = await self._library.metadata(start.job.filename)
        except BridgeError as error:
            log.warning("the metadata of %s cannot be read: %s", start.job.filename, error)
        finally:
            start.metadata.set_result(found)  # also when the bridge ends: it is waited for
        if found is not None and self.current is start.job:
            self.current, self._eta = replace(self.current, metadata=found), None
            self.described.emit(None)

    def _end(self, change: JobChange) -> None:
        if self.current is None:
            return
        job = replace(
            self._with_fields(
                self.current, change.print_duration, change.total_duration, change.filament_used
            ),
            status=STATUS[change.event],
            end_time=change.time,
            message=change.message or None,
        )
        self.current, self._eta = None, None
        self.finished.emit(job)

    def _with_fields(
        self, job: Job, print_duration: float | None, total_duration: float | None, filament: float | None
    ) -> Job:
        return replace(
            job,
            print_duration=print_duration or 0.0,
            total_duration=total_duration or 0.0,
            filament_used=filament or 0.0,
            auxiliary_data=tuple(gauge.field() for gauge in self._gauges.values()),
        )

    def _look(self) -> None:
        """Note the figures, unless Klippy is gone or shows another print already."""
        if self.current is not None and self._cache.get("print_stats", "filename") == self.current.filename:
            self._figures = Figures.of(self._cache.snapshot(WATCHED))

    def _status(self, delta: StatusDelta) -> None:
        if self.current is not None and not WATCHED.keys().isdisjoint(delta.status):
            self._look()
            self.changed.emit(None)
