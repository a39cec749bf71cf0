"""The job that runs: its file's metadata, its figures, its outlook, and its record when it has ended."""

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bridge.gcode.library import Library
from bridge.gcode.metadata import Metadata
from bridge.jobs.fields import AuxiliaryField, FieldSpec, Gauge
from bridge.jobs.progress import Figures, Outlook, outlook
from bridge.jobs.watch import JobChange, JobEvent, JobWatch
from bridge.klippy.commands import Commands, PrintRequest
from bridge.klippy.status import StatusCache, StatusDelta
from bridge.lifecycle import Crew
from bridge.signals import Signal

STATUS = {
    JobEvent.COMPLETE: "completed",
    JobEvent.CANCELLED: "cancelled",
    JobEvent.ERROR: "error",
    JobEvent.KLIPPY_SHUTDOWN: "klippy_shutdown",
    JobEvent.KLIPPY_DISCONNECT: "klippy_disconnect",
}
IN_PROGRESS, INTERRUPTED = "in_progress", "interrupted"

WATCHED: dict[str, list[str] | None] = {
    "print_stats": ["print_duration", "total_duration", "filament_used", "info"],
    "virtual_sdcard": ["progress", "file_position"],
    "gcode_move": ["gcode_position"],
}
ETA_STEP = 60.0  # seconds by which the end must have moved, and that it stays where it was said to be
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
    adopted: bool = False  # it ran already when the bridge came


class JobTracker:
    """Follows the running job; its signals come before the events that tell of them."""

    def __init__(self, watch: JobWatch, cache: StatusCache, library: Library, commands: Commands) -> None:
        self.started: Signal[Job] = Signal("job started")
        self.described: Signal[Job] = Signal("metadata of the job")
        self.changed: Signal[None] = Signal("figures of the job")
        self.moved: Signal[None] = Signal("job paused, resumed or described")  # worth telling at once
        self.finished: Signal[Job] = Signal("job finished")
        self.current: Job | None = None
        self.paused = False
        self._cache, self._library = cache, library
        self._gauges: list[Gauge] = []
        self._crew = Crew()
        self._request: PrintRequest | None = None
        self._figures = Figures()  # the last that were known: they outlive Klippy's connection
        self._eta: float | None = None
        self._eta_said = 0.0
        cache.want(self, WATCHED)
        commands.starting.connect(self._requested)
        watch.changed.connect(self._event)
        watch.adopted.connect(lambda change: self._begin(change, adopted=True))
        cache.changed.connect(self._status)

    async def open(self) -> None:
        """Nothing to acquire."""

    async def run(self) -> None:
        """Own the tasks that read files."""
        await self._crew.run()

    async def close(self) -> None:
        """Nothing to give back."""

    def register(self, spec: FieldSpec) -> Gauge:
        """A field of auxiliary data in every record from now on."""
        gauge = Gauge(spec)
        self._gauges.append(gauge)
        return gauge

    @property
    def specs(self) -> list[FieldSpec]:
        """What is registered."""
        return [gauge.spec for gauge in self._gauges]

    @property
    def running(self) -> Job | None:
        """The running job with its figures of now."""
        return None if self.current is None else self._measured(self.current)

    @property
    def outlook(self) -> Outlook:
        """Progress, remaining time and layers of the running job."""
        return outlook(self._figures, self.current.metadata if self.current else None)

    def eta(self, outlook: Outlook) -> datetime | None:
        """When it will have ended, to the minute; said anew only when it moved by more than one."""
        if outlook.remaining is None or self.paused or self.current is None:
            self._eta = None
            return None
        now = time.time()
        due = now + outlook.remaining
        if self._eta is None or (abs(due - self._eta) > ETA_STEP and now - self._eta_said >= ETA_STEP):
            self._eta, self._eta_said = round(due / 60) * 60.0, now
        return datetime.fromtimestamp(max(self._eta, now), UTC).astimezone()

    def _requested(self, request: PrintRequest) -> None:
        self._request = request

    def _event(self, change: JobChange) -> None:
        self._look()
        if change.event is JobEvent.STARTED:
            self._begin(change, adopted=False)
        elif change.event in STATUS:
            self._end(change)
        else:
            self.paused = change.event is JobEvent.PAUSED
            self.moved.emit(None)

    def _begin(self, change: JobChange, *, adopted: bool) -> None:
        self._look()
        began = change.time - (change.total_duration or 0.0) if adopted else change.time
        self.paused, self._eta = change.event is JobEvent.PAUSED, None
        job = Job(change.filename, began, user=self._asked_by(change), adopted=adopted)
        self.current = job
        for gauge in self._gauges:
            gauge.begin()
        self.started.emit(job)
        self._crew.start(self._describe(job))

    def _asked_by(self, change: JobChange) -> str | None:
        """Who asked for this file a moment ago."""
        request, self._request = self._request, None
        if request is None or request.filename != change.filename or change.time - request.time > REQUESTED:
            return None
        return request.user

    async def _describe(self, job: Job) -> None:
        metadata = await self._library.metadata(job.filename)
        if metadata is not None and self.current is job:
            self.current = replace(job, metadata=metadata)
            self.described.emit(self.current)
            self.moved.emit(None)

    def _end(self, change: JobChange) -> None:
        if self.current is None:
            return
        job = replace(
            self._measured(self.current),
            status=STATUS[change.event],
            end_time=change.time,
            message=change.message or None,
        )
        self.current, self._eta = None, None
        self.finished.emit(job)

    def _measured(self, job: Job) -> Job:
        figures = self._figures
        return replace(
            job,
            print_duration=figures.print_duration or 0.0,
            total_duration=figures.total_duration or 0.0,
            filament_used=figures.filament_used or 0.0,
            auxiliary_data=tuple(gauge.field() for gauge in self._gauges),
        )

    def _look(self) -> None:
        if self._cache.get("print_stats", "print_duration") is not None:
            self._figures = Figures.of(self._cache.snapshot(WATCHED))

    def _status(self, delta: StatusDelta) -> None:
        if self.current is not None and not WATCHED.keys().isdisjoint(delta.status):
            self.changed.emit(None)
