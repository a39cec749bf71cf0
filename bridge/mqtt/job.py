"""The job as retained topics: the running one, the record of the last one, its picture."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from bridge.errors import BridgeError
from bridge.gcode.library import Library
from bridge.gcode.thumbnails import largest_png
from bridge.jobs.ledger import Ledger
from bridge.jobs.tracker import INTERRUPTED, Job, JobTracker, Start
from bridge.lifecycle import Crew
from bridge.mqtt.link import MqttLink
from bridge.mqtt.payloads import JobCurrent, JobRecord
from bridge.mqtt.queue import at
from bridge.mqtt.topics import Topics

PACE = 5.0  # seconds between two messages about the running job; what happens to it is told at once
MAX_PICTURE = 131_072  # bytes
IDLE = JobCurrent()

_encode = msgspec.json.Encoder().encode


class MqttJob:
    """Publishes the job; the record of a job goes out before the event that tells of its end."""

    def __init__(
        self,
        link: MqttLink,
        topics: Topics,
        tracker: JobTracker,
        ledger: Ledger,
        library: Library,
        show: Callable[[JobCurrent], None],
    ) -> None:
        self._link, self._topics, self._tracker, self._ledger = link, topics, tracker, ledger
        self._library, self._show = library, show
        self._crew = Crew()
        self._picture: bytes | None = None  # of the last job that was started
        self._pictured: str | None = None  # its file, once it was looked at
        self._said: bytes | None = None  # of the last job, as it was published
        self._timer: asyncio.TimerHandle | None = None
        tracker.started.connect(self._started)
        tracker.changed.connect(lambda _none: self._later())
        tracker.turned.connect(lambda _none: self._now())
        tracker.described.connect(lambda _none: self._now())
        tracker.finished.connect(lambda _job: self._finished())
        ledger.finished.connect(lambda _record: self._say_last())
        link.connected.connect(self._connected)

    async def open(self) -> None:
        """Nothing to acquire."""

    async def run(self) -> None:
        """Own the tasks that read pictures; after a restart the last job's picture is read again."""
        if (last := self._ledger.last) is not None and self._pictured is None:
            self._crew.begin_with(self._show_picture(last.filename))
        await self._crew.run()

    async def close(self) -> None:
        """Stop the clock."""
        if self._timer is not None:
            self._timer.cancel()

    def publish(self) -> None:
        """Publish all three, whether or not they were published before."""
        self._show(self._current())
        self._said = None
        self._say_last()
        self._publish_picture()

    def _connected(self, first: bool) -> None:  # noqa: FBT001 - a slot
        if not first:
            self._say_last()  # it is there before the events that waited for the broker

    def _started(self, start: Start) -> None:
        self._now()
        self._crew.start(self._show_picture(start.job.filename))

    def _finished(self) -> None:
        self._say_last()
        self._now()

    def _later(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PACE, self._now)

    def _now(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._show(self._current())

    def _current(self) -> JobCurrent:
        job = self._tracker.running
        if job is None:
            return IDLE
        outlook = self._tracker.outlook
        due = self._tracker.eta(outlook.remaining)
        return JobCurrent(
            file=job.filename,
            state="paused" if self._tracker.paused else "printing",
            progress=None if outlook.progress is None else round(outlook.progress * 100, 1),
            elapsed=round(job.total_duration),
            print_time=round(job.print_duration),
            remaining=None if outlook.remaining is None else round(outlook.remaining),
            eta_at=None if due is None else due.isoformat(timespec="seconds"),
            estimate_source=outlook.source,
            layer=outlook.layer,
            layers=outlook.layers,
            filament_used=round(job.filament_used, 1),
            slicer_estimate=job.metadata.estimated_time if job.metadata else None,
            object_height=job.metadata.object_height if job.metadata else None,
            started_at=at(job.start_time),
            thumbnail=self._picture is not None and self._pictured == job.filename,
        )

    def _say_last(self) -> None:
        """Publish the record of the last job unless it was said before; while the broker is away, later."""
        record = JobRecord() if self._ledger.last is None else _record(self._ledger.last)
        payload = _encode(record)
        if payload != self._said and self._link.up:
            self._link.post(self._topics.job_last, payload, retain=True)
            self._said = payload

    def _publish_picture(self) -> None:
        if self._link.up:
            self._link.post(self._topics.job_thumbnail, self._picture or b"", retain=True)

    async def _show_picture(self, filename: str) -> None:
        try:
            picture = await asyncio.to_thread(largest_png, self._library.path(filename), MAX_PICTURE)
        except (BridgeError, OSError):
            picture = None  # the file is gone: there is nothing to show
        current = self._tracker.current
        if current is not None and current.filename != filename:
            return  # its successor is being read
        self._picture, self._pictured = picture, filename
        self._publish_picture()
        if current is not None:
            self._now()


def _record(job: Job) -> JobRecord:
    metadata = job.metadata
    estimate = metadata.estimated_time if metadata else None
    by_role: dict[str, Any] = {field.name: field.value for field in job.auxiliary_data}
    completed = job.status == "completed"
    return JobRecord(
        file=job.filename,
        result=job.status,  # type: ignore[arg-type]  # one of STATUS, or interrupted
        started_at=at(job.start_time),
        ended_at=None if job.end_time is None else at(job.end_time),
        slicer_estimate=estimate,
        estimate_error=round(job.print_duration - estimate, 1) if estimate and completed else None,
        filament_total=metadata.filament_total if metadata else None,
        energy=by_role.get("energy"),
        spool=by_role.get("spool_ids"),
        error=job.message,
        user=job.user,
        **_figures(job),
    )


def _figures(job: Job) -> dict[str, float]:
    """What the print took; of one that was cut off before anything was kept, nothing is known."""
    if job.status == INTERRUPTED and not job.total_duration:
        return {}
    return {
        "elapsed": round(job.total_duration, 1),
        "print_time": round(job.print_duration, 1),
        "filament_used": round(job.filament_used, 1),
    }
