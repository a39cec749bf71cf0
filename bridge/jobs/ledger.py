"""The records of all jobs and their totals, in the store: one transaction for each thing that happens."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from bridge.errors import BridgeError, Conflict, NotFound
from bridge.gcode.metadata import Metadata
from bridge.jobs.totals import totals_of, with_job
from bridge.jobs.tracker import IN_PROGRESS, INTERRUPTED, Job, JobTracker, Start
from bridge.signals import Signal
from bridge.store import Condition, Document, Store

log = logging.getLogger(__name__)

WAITING = 1000  # things that happened and are not yet written; some few in practice
SAME_START = 10.0  # seconds that the start of a print may seem later than its record has it
SETTLED = 5.0  # seconds after which a print that nobody has found running is given up
READ = 5.0  # seconds that the metadata of a file is waited for
ALL = -1  # SQL's word for no limit
JOBS = "history"
TOTALS, ONLY = "history_totals", 1  # a table of one row
GAUGES = "gauges"  # in the record of a job that is not over
FIGURES = ("print_duration", "total_duration", "filament_used", "auxiliary_data")
NEWEST = 20  # records among which those of jobs in progress are


@dataclass(frozen=True)
class Record:
    """A job and the number of its row."""

    number: int
    job: Job


class Ledger:
    """Writes jobs down as they happen, in their order; reads them back in pages."""

    def __init__(self, store: Store, tracker: JobTracker, *, settled: float = SETTLED) -> None:
        self.added: Signal[Record] = Signal("job added")
        self.finished: Signal[Record] = Signal("job written down")
        self.begun_anew: Signal[None] = Signal("totals begun anew")
        self.last: Job | None = None  # the newest that has ended
        self.current: int | None = None  # the row of the running job
        self._begun: Job | None = None  # as it was at its start
        self._store, self._tracker, self._settled = store, tracker, settled
        self._jobs = store.table(JOBS, {"start_time": float})
        self._totals = store.table(TOTALS)
        self._unsettled: list[Document] = []  # in progress when the bridge ended
        self._work: asyncio.Queue[Callable[[], Awaitable[None]] | None] = asyncio.Queue(WAITING)
        tracker.started.connect(lambda start: self._work.put_nowait(lambda: self._start(start)))
        tracker.idle.connect(lambda _none: self._work.put_nowait(self._settle))
        tracker.turned.connect(lambda _none: self._work.put_nowait(self._keep))
        tracker.finished.connect(self._ended)

    async def open(self) -> None:
        """Find what was in progress: the same print may still be running."""
        newest = await self._jobs.page(order="-id", limit=NEWEST)
        self._unsettled = [found for found in newest if found.get("status") == IN_PROGRESS]
        over = (_job(found) for found in newest if found.get("status") != IN_PROGRESS)
        self.last = next((job for job in over if job is not None), None)

    async def run(self) -> None:
        """Write in the order of what happens; what is left when the bridge ends is written before."""
        giving_up = asyncio.get_running_loop().call_later(
            self._settled, lambda: self._work.put_nowait(self._settle)
        )
        async with asyncio.TaskGroup() as group:
            writing = group.create_task(self._write())
            try:
                await asyncio.shield(writing)  # what is half written when the bridge ends is finished
            finally:
                giving_up.cancel()
                await self._work.put(self._keep)
                await self._work.put(None)
                await writing

    async def close(self) -> None:
        """Nothing to give back."""

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
        """Delete one record; not that of a job in progress."""
        if (await self.get(number)).get("status") == IN_PROGRESS:
            raise Conflict(f"The job {name_of(number)} is in progress; its record cannot be deleted")
        return await self._jobs.remove(doc_ids=[number])

    async def delete_all(self) -> list[int]:
        """Delete every record but that of a job in progress."""

        def work(db: Any) -> list[int]:
            newest = db.rows.page(JOBS, [], "-id", NEWEST, 0)
            kept = {number for number, found in newest if found.get("status") == IN_PROGRESS}
            doomed = [number for number in db.rows.ids(JOBS) if number not in kept]
            return list(db.table(JOBS).remove(doc_ids=doomed))

        return await self._store.write(work)

    async def totals(self) -> dict[str, Any]:
        """The totals of all jobs, also of those whose records are deleted."""
        return totals_of(await self._totals.get(doc_id=ONLY))

    async def reset(self) -> dict[str, Any]:
        """Begin the totals anew; what they were."""

        def work(db: Any) -> dict[str, Any]:
            before = totals_of(db.rows.fetch(TOTALS, ONLY))
            db.table(TOTALS).truncate()
            return before

        before: dict[str, Any] = await self._store.write(work)
        self.begun_anew.emit(None)
        return before

    async def _write(self) -> None:
        while (work := await self._work.get()) is not None:
            try:
                await work()
            except BridgeError:
                log.exception("the history could not be written")

    async def _start(self, start: Start) -> None:
        if not start.metadata.done():
            await asyncio.wait([start.metadata], timeout=READ)
        metadata = start.metadata.result() if start.metadata.done() else None
        known = self._known(start.job) if start.adopted else None
        if known is not None:
            await self._go_on(start, known)
        else:
            self._begun = job = replace(start.job, metadata=metadata)
            document = {**_document(job), GAUGES: self._tracker.gauges}
            self.current = await self._store.write(lambda db: _insert(db, document))
            self.added.emit(Record(self.current, job))
        await self._settle()

    def _known(self, job: Job) -> Document | None:
        """The record of the print that is found running: its file, and running for as long at least."""
        for found in self._unsettled:
            began = found.get("start_time")
            same = found.get("filename") == job.filename
            if same and isinstance(began, int | float) and job.start_time <= began + SAME_START:
                return found
        return None

    async def _go_on(self, start: Start, known: Document) -> None:
        self.current, self._begun = known.doc_id, _job(known)
        self._unsettled = [found for found in self._unsettled if found is not known]
        if known.get("status") != IN_PROGRESS:  # given up too early
            await self._jobs.update({"status": IN_PROGRESS}, doc_ids=[known.doc_id])
        self._tracker.take_up(
            start, start_time=known["start_time"], user=known.get("user"), gauges=known.get(GAUGES) or {}
        )
        log.info("the print of %s goes on", start.job.filename)

    async def _settle(self) -> None:
        """What was in progress and does not run any more is interrupted."""
        given_up = [found for found in self._unsettled if found.get("status") == IN_PROGRESS]
        for found in reversed(given_up):
            found["status"] = INTERRUPTED
            await self._jobs.update({"status": INTERRUPTED}, doc_ids=[found.doc_id])
            if (job := _job(found)) is not None:
                log.warning("the print of %s was interrupted", job.filename)
                self.last = job
                self.finished.emit(Record(found.doc_id, job))

    async def _keep(self) -> None:
        """The figures of now, at moments that are rare: a power cut leaves these in the record."""
        job = self._tracker.running
        if job is not None and self.current is not None:
            kept = {**_figures(job), GAUGES: self._tracker.gauges}
            await self._jobs.update(kept, doc_ids=[self.current])

    def _ended(self, job: Job) -> None:
        self.last = job
        self._work.put_nowait(lambda: self._finish(job))

    async def _finish(self, job: Job) -> None:
        """Complete the record, or write it whole where its start could not be written."""
        number, begun, specs = self.current, self._begun, self._tracker.specs
        self.current = self._begun = None
        whole = job
        if begun is not None:
            metadata = begun.metadata or job.metadata
            whole = replace(job, start_time=begun.start_time, user=begun.user, metadata=metadata)
        document = _document(whole)

        def work(db: Any) -> int:
            if number is not None:
                db.rows.put(db.rows.prepare(JOBS), number, document)
            grown = with_job(totals_of(db.rows.fetch(TOTALS, ONLY)), whole, specs)
            db.rows.put(db.rows.prepare(TOTALS), ONLY, grown)
            return number if number is not None else _insert(db, document)

        row = await self._store.write(work)
        if self.last is job:
            self.last = whole  # with the metadata that a job of milliseconds could not wait for
        self.finished.emit(Record(row, whole))


def name_of(number: int) -> str:
    """A row's number as clients see it."""
    return f"{number:06X}"


def _insert(db: Any, document: Mapping[str, Any]) -> int:
    """A row of its own, past TinyDB: a job's start waits for nothing that is not needed."""
    number: int = db.rows.last_id(JOBS) + 1
    db.rows.put(db.rows.prepare(JOBS), number, document)
    return number


def _document(job: Job) -> dict[str, Any]:
    return {**msgspec.to_builtins(job), "metadata": _plain(job.metadata)}


def _plain(metadata: Metadata | None) -> dict[str, Any]:
    return msgspec.to_builtins(metadata) if metadata is not None else {}


def _figures(job: Job) -> dict[str, Any]:
    document = _document(job)
    return {name: document[name] for name in FIGURES}


def _job(document: dict[str, Any]) -> Job | None:
    """A stored record as a job; None when it was written by something else."""
    plain = {**document, "metadata": document.get("metadata") or None}
    try:
        return msgspec.convert(plain, Job)
    except msgspec.ValidationError:
        return None
