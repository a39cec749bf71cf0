"""The records of all jobs and their totals, in the store: one transaction for each thing that happens."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from bridge.errors import BridgeError, Conflict, NotFound
from bridge.jobs.fields import FieldSpec
from bridge.jobs.tracker import IN_PROGRESS, INTERRUPTED, Job, JobTracker
from bridge.signals import Signal
from bridge.store import Condition, Document, Store

log = logging.getLogger(__name__)

WAITING = 1000  # things that happened and are not yet written; some few in practice
TOLERANCE = 120.0  # seconds by which a print that goes on may seem shorter than its record

TOTALS: dict[str, float] = {
    "total_jobs": 0,
    "total_time": 0.0,
    "total_print_time": 0.0,
    "total_filament_used": 0.0,
    "longest_job": 0.0,
    "longest_print": 0.0,
}


@dataclass(frozen=True)
class Record:
    """A job and the number of its row."""

    number: int
    job: Job


class Ledger:
    """Writes jobs down as they happen, in their order; reads them back in pages."""

    def __init__(self, store: Store, tracker: JobTracker) -> None:
        self.added: Signal[Record] = Signal("job added")
        self.finished: Signal[Record] = Signal("job written down")
        self.last: Job | None = None  # the newest that has ended
        self.current: int | None = None  # the row of the running job
        self._store, self._tracker = store, tracker
        self._jobs = store.table("history", {"start_time": float, "status": str})
        self._totals = store.table("history_totals")
        self._unsettled: list[Document] = []  # in progress when the bridge ended
        self._work: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue(WAITING)
        tracker.started.connect(lambda job: self._work.put_nowait(lambda: self._start(job)))
        tracker.described.connect(lambda job: self._work.put_nowait(lambda: self._describe(job)))
        tracker.finished.connect(self._ended)

    async def open(self) -> None:
        """What was in progress is interrupted, until the same print is found running."""
        self._unsettled = await self._jobs.page(where=[("status", "=", IN_PROGRESS)], order="-id")
        if self._unsettled:
            await self._jobs.update(
                {"status": INTERRUPTED}, doc_ids=[found.doc_id for found in self._unsettled]
            )
        newest = await self._jobs.page(order="-id", limit=1)
        self.last = _job(newest[0]) if newest else None

    async def run(self) -> None:
        """Write in the order of what happens; what is left when the bridge ends is written before."""
        try:
            while True:
                await self._next()
        finally:
            while not self._work.empty():
                await self._next()

    async def close(self) -> None:
        """Nothing to give back."""

    async def _next(self) -> None:
        work = await self._work.get()
        try:
            await work()
        except BridgeError:
            log.exception("the history of this job could not be written")

    async def page(
        self, *, where: Sequence[Condition], newest_first: bool, limit: int, start: int
    ) -> list[Document]:
        """Records by their start."""
        order = "-start_time" if newest_first else "start_time"
        return await self._jobs.page(where=where, order=order, limit=limit, offset=start)

    async def get(self, number: int) -> Document:
        """One record, or NotFound."""
        found = await self._jobs.get(doc_id=number)
        if found is None:
            raise NotFound(f"There is no job {name_of(number)}")
        return found

    async def delete(self, number: int) -> list[int]:
        """Delete one record; not that of the running job."""
        if number == self.current:
            raise Conflict(f"The job {name_of(number)} is running; its record cannot be deleted")
        await self.get(number)
        return await self._jobs.remove(doc_ids=[number])

    async def delete_all(self) -> list[int]:
        """Delete every record but that of the running job."""
        current = self.current

        def work(db: Any) -> list[int]:
            doomed = [number for number in db.rows.ids("history") if number != current]
            return list(db.table("history").remove(doc_ids=doomed)) if doomed else []

        return await self._store.write(work)

    async def totals(self) -> dict[str, Any]:
        """The totals of all jobs, also of those whose records are deleted."""
        return _totals(await self._totals.all())

    async def reset(self) -> dict[str, Any]:
        """Begin the totals anew; what they were."""

        def work(db: Any) -> dict[str, Any]:
            table = db.table("history_totals")
            before = _totals(table.all())
            table.truncate()
            return before

        return await self._store.write(work)

    async def _start(self, job: Job) -> None:
        going_on = self._goes_on(job) if job.adopted else None
        self._unsettled = []
        if going_on is None:
            self.current = await self._jobs.insert(_document(job))
        else:
            self.current = going_on.doc_id
            await self._jobs.update({"status": IN_PROGRESS, "end_time": None}, doc_ids=[self.current])
            log.info("the print of %s goes on", job.filename)
            return
        self.added.emit(Record(self.current, job))

    def _goes_on(self, job: Job) -> Document | None:
        """The record of the print that is found running: its file, and running for as long at least."""
        for found in self._unsettled:
            began = found.get("start_time")
            same = found.get("filename") == job.filename
            if same and isinstance(began, int | float) and job.start_time <= began + TOLERANCE:
                return found
        return None

    async def _describe(self, job: Job) -> None:
        if self.current is not None:
            document = _document(job)
            await self._jobs.update({"metadata": document["metadata"]}, doc_ids=[self.current])

    def _ended(self, job: Job) -> None:
        self.last = job
        self._work.put_nowait(lambda: self._finish(job))

    async def _finish(self, job: Job) -> None:
        number, self.current = self.current, None
        if number is None:
            return
        known = await self.get(number)
        kept = replace(job, start_time=known.get("start_time", job.start_time))
        specs = self._tracker.specs

        def work(db: Any) -> None:
            db.table("history").update(_document(kept), doc_ids=[number])
            table = db.table("history_totals")
            totals = _added(_totals(table.all()), kept, specs)
            table.truncate()
            table.insert(totals)

        await self._store.write(work)
        self.finished.emit(Record(number, kept))


def name_of(number: int) -> str:
    """A row's number as clients see it."""
    return f"{number:06X}"


def _document(job: Job) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(job)
    del document["adopted"]
    if document["metadata"] is None:
        document["metadata"] = {}
    return document


def _job(document: Document) -> Job | None:
    """A stored record as a job; None when it was written by something else."""
    plain = {**document, "metadata": document.get("metadata") or None}
    try:
        return msgspec.convert(plain, Job)
    except msgspec.ValidationError:
        return None


def _totals(stored: Sequence[Any]) -> dict[str, Any]:
    found: dict[str, Any] = dict(stored[0]) if stored else {}
    return {**TOTALS, "auxiliary": {}, **found}


def _added(totals: dict[str, Any], job: Job, specs: Sequence[FieldSpec]) -> dict[str, Any]:
    """The totals with one more job."""
    auxiliary = dict(totals["auxiliary"])
    by_name = {(spec.provider, spec.name): spec for spec in specs}
    for field in job.auxiliary_data:
        spec = by_name.get((field.provider, field.name))
        if spec is None or not (spec.total or spec.maximum) or not isinstance(field.value, int | float):
            continue
        key = f"{field.provider}\n{field.name}"
        before = auxiliary.get(key, {"maximum": None, "total": None})
        auxiliary[key] = {
            "provider": field.provider,
            "field": field.name,
            "maximum": max(before["maximum"] or field.value, field.value) if spec.maximum else None,
            "total": (before["total"] or 0.0) + field.value if spec.total else None,
        }
    return {
        "total_jobs": totals["total_jobs"] + 1,
        "total_time": totals["total_time"] + job.total_duration,
        "total_print_time": totals["total_print_time"] + job.print_duration,
        "total_filament_used": totals["total_filament_used"] + job.filament_used,
        "longest_job": max(totals["longest_job"], job.total_duration),
        "longest_print": max(totals["longest_print"], job.print_duration),
        "auxiliary": auxiliary,
    }
