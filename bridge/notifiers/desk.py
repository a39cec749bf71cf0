"""The desk: what happens to the printer, with what is known of the job, handed to each notifier."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from bridge.config.notifiers import Notifier as Settings
from bridge.errors import BridgeError
from bridge.gcode.metadata import Metadata
from bridge.jobs.progress import Outlook
from bridge.jobs.tracker import Job, JobTracker, Start
from bridge.jobs.watch import JobChange, JobEvent, JobWatch
from bridge.klippy.filament import FilamentWatch
from bridge.klippy.state import Klippy, KlippyInfo, KlippyState
from bridge.notifiers.notifier import Notifier
from bridge.notifiers.service import Picture, check_installed

log = logging.getLogger(__name__)

MOST_WAITING = 50  # things that happened
PATIENCE = 10.0  # seconds that the metadata of a file is waited for

# what templates may ask of a job; null is not known
JOB_FIELDS = (
    "file", "user", "elapsed", "print_time", "filament_used", "progress", "remaining", "layer", "layers",
    "slicer_estimate",
)  # fmt: skip

Look = Callable[[str, str | None], Awaitable[Picture | None]]  # by `attach` and the job's file


@dataclass(frozen=True)
class Happening:
    """One thing to be told."""

    event: str
    message: str = ""
    job: Job | None = None
    outlook: Outlook | None = None
    start: Start | None = None
    to: tuple[str, ...] = field(default=())  # names of notifiers; empty: whoever wants it


class Desk:
    """A part; without notifiers it does nothing."""

    def __init__(
        self,
        configured: Mapping[str, Settings],
        *,
        printer: str,
        watch: JobWatch,
        tracker: JobTracker,
        klippy: Klippy,
        filament: FilamentWatch,
        look: Look,
    ) -> None:
        if configured:
            check_installed("notifiers")
        self.notifiers = {name: Notifier(name, one, f"notifiers.{name}") for name, one in configured.items()}
        self._printer, self._tracker, self._look = printer, tracker, look
        self.dropped = 0
        self._waiting: deque[Happening] = deque()
        self._news = asyncio.Event()
        self._start: Start | None = None
        self._ended: Job | None = None
        self._state: KlippyState | None = None
        if configured:
            tracker.started.connect(self._started)
            tracker.finished.connect(self._finished)
            watch.changed.connect(self._happened)
            klippy.changed.connect(self._klippy)
            klippy.offer("notify", self._asked_by_macro)
            filament.ran_out.connect(lambda sensor: self._take(self._now("filament_runout", sensor)))

    async def open(self) -> None:
        """Nothing to acquire."""

    async def run(self) -> None:
        """Own the notifiers' work."""
        async with asyncio.TaskGroup() as group:
            for notifier in self.notifiers.values():
                group.create_task(notifier.run())
            while True:
                await self._news.wait()
                self._news.clear()
                while self._waiting:
                    await self._tell(self._waiting.popleft())

    async def close(self) -> None:
        """What still waits is not told any more."""

    def _take(self, happening: Happening) -> None:
        if len(self._waiting) == MOST_WAITING:
            self._waiting.popleft()
            self.dropped += 1
            log.warning("notifiers are %d events behind; the oldest is not told", MOST_WAITING)
        self._waiting.append(happening)
        self._news.set()

    def _started(self, start: Start) -> None:
        self._start = start

    def _finished(self, job: Job) -> None:
        self._ended = job

    def _happened(self, change: JobChange) -> None:
        if change.event is JobEvent.KLIPPY_SHUTDOWN:
            return  # told by Klippy itself
        self._take(self._now(change.event.value, change.message))

    def _now(self, event: str, message: str) -> Happening:
        running = self._tracker.running
        return Happening(
            event,
            message,
            job=running or self._ended,
            outlook=self._tracker.outlook if running is not None else None,
            start=self._start if event == "started" else None,
        )

    def _klippy(self, info: KlippyInfo) -> None:
        known, self._state = self._state, info.state
        if info.state is KlippyState.SHUTDOWN and known not in (None, KlippyState.SHUTDOWN):
            first = next((line for line in info.message.splitlines() if line.strip()), "")
            self._take(self._now("klippy_shutdown", first))

    def _asked_by_macro(self, params: dict[str, Any]) -> None:
        """`action_call_remote_method("notify", name="phone", message="…")`."""
        name, message = params.get("name"), params.get("message")
        if name not in self.notifiers:
            log.warning("a macro's notify names no notifier: %.100s", name)
            return
        now = self._now("gcode", str(message or ""))
        self._take(Happening("gcode", now.message, now.job, now.outlook, to=(str(name),)))

    async def _tell(self, happening: Happening) -> None:
        told = [
            one
            for name, one in self.notifiers.items()
            if (name in happening.to if happening.to else one.wants(happening.event))
        ]
        if not told:
            return
        names = await self._names(happening)
        pictures = {
            attach: await self._look(attach, happening.job.filename if happening.job else None)
            for attach in {one.settings.attach for one in told}
            if attach is not None
        }
        for one in told:
            one.offer(happening.event, names, pictures.get(one.settings.attach or ""))

    async def _names(self, happening: Happening) -> dict[str, Any]:
        """What a template may speak of."""
        job = happening.job
        metadata = job.metadata if job else None
        if happening.start is not None and metadata is None:
            with contextlib.suppress(TimeoutError, BridgeError):
                async with asyncio.timeout(PATIENCE):
                    metadata = await asyncio.shield(happening.start.metadata)
        return {
            "event": happening.event,
            "message": happening.message,
            "printer": self._printer,
            "file": job.filename if job else "",
            "job": _job(happening, metadata),
            "metadata": msgspec.to_builtins(metadata) if metadata else {},
        }


def _job(happening: Happening, metadata: Metadata | None) -> dict[str, Any]:
    """The job as templates know it."""
    job, outlook = happening.job, happening.outlook
    known: dict[str, Any] = dict.fromkeys(JOB_FIELDS)
    if metadata is not None:
        known["slicer_estimate"] = metadata.estimated_time
    if job is not None:
        known |= {
            "file": job.filename,
            "user": job.user,
            "elapsed": job.total_duration,
            "print_time": job.print_duration,
            "filament_used": job.filament_used,
        }
    if outlook is not None:
        known |= {
            "progress": None if outlook.progress is None else round(outlook.progress * 100, 1),
            "remaining": outlook.remaining,
            "layer": outlook.layer,
            "layers": outlook.layers,
        }
    return known
