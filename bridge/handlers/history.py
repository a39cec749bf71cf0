"""server.history.*: every job that was, kept through power cuts (seed 000, Job History)."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bridge.errors import BadParams
from bridge.gcode.library import Library
from bridge.jobs.fields import AuxiliaryField
from bridge.jobs.ledger import ALL, FIGURES, Ledger, Record, name_of
from bridge.jobs.totals import ZERO
from bridge.jobs.tracker import JobTracker
from bridge.rpc import Access, Call, Notice, rpc

Action = Literal["added", "finished"]
Uid = Annotated[str, Meta(pattern="^[0-9A-Fa-f]{1,15}$", description="the job_id of a record")]


class JobEntry(msgspec.Struct, frozen=True):
    """A record as clients see it; times are Unix seconds, durations seconds, filament mm."""

    job_id: str
    user: str | None
    filename: str
    exists: bool
    status: str
    start_time: float
    end_time: float | None
    print_duration: float
    total_duration: float
    filament_used: float
    metadata: dict[str, Any]
    auxiliary_data: list[AuxiliaryField]


class JobList(msgspec.Struct, frozen=True):
    """A page of the history, and how many records are on it."""

    count: int
    jobs: list[JobEntry]


class OneJob(msgspec.Struct, frozen=True):
    """One record."""

    job: JobEntry


class DeletedJobs(msgspec.Struct, frozen=True):
    """The records that were deleted."""

    deleted_jobs: list[str]


class JobTotals(msgspec.Struct, frozen=True):
    """Figures of all jobs that ended while the bridge was there."""

    total_jobs: int
    total_time: float
    total_print_time: float
    total_filament_used: float
    longest_job: float
    longest_print: float


class AuxiliaryTotal(msgspec.Struct, frozen=True):
    """Figures of one auxiliary field over all jobs; null where they make no sense."""

    provider: str
    field: str
    maximum: float | None
    total: float | None


class Totals(msgspec.Struct, frozen=True):
    """The totals as they are."""

    job_totals: JobTotals
    auxiliary_totals: list[AuxiliaryTotal]


class LastTotals(msgspec.Struct, frozen=True):
    """The totals as they were."""

    last_totals: JobTotals
    last_auxiliary_totals: list[AuxiliaryTotal]


class HistoryChange(msgspec.Struct, frozen=True):
    """A job was added, or has finished."""

    action: Action
    job: JobEntry


class History:
    """The records of all jobs."""

    components = ("history",)

    def __init__(self, ledger: Ledger, tracker: JobTracker, library: Library) -> None:
        self.changed: Notice[HistoryChange] = Notice(
            "notify_history_changed", HistoryChange, "A job was added to the history, or has finished"
        )
        self._ledger, self._tracker, self._library = ledger, tracker, library
        self._turn = asyncio.Lock()  # what happens is told in its order
        ledger.added.connect(lambda record: self._begin_to_tell("added", record))
        ledger.finished.connect(lambda record: self._begin_to_tell("finished", record))

    @rpc("server.history.list", "GET", access=Access.READ)
    async def list_jobs(
        self,
        call: Call,
        *,
        limit: Annotated[int, Meta(ge=0, description="at most so many records; 0 for all")] = 50,
        start: Annotated[int, Meta(ge=0, description="the number of the first record")] = 0,
        since: Annotated[float, Meta(description="Unix seconds; jobs that started later")] | None = None,
        before: Annotated[float, Meta(description="Unix seconds; jobs that started earlier")] | None = None,
        order: Annotated[Literal["asc", "desc"], Meta(description="by the start")] = "desc",
    ) -> JobList:
        """A page of the history; a running job is on it with its figures of now."""
        where = [("start_time", ">", since)] if since is not None else []
        where += [("start_time", "<", before)] if before is not None else []
        found = await self._ledger.page(
            where=where, newest_first=order == "desc", limit=limit or ALL, start=start
        )
        jobs = await asyncio.to_thread(self._entries, [self._of_now(one.doc_id, one) for one in found])
        return JobList(len(jobs), jobs)

    @rpc("server.history.get_job", "GET", path="/server/history/job", access=Access.READ)
    async def get_job(self, call: Call, *, uid: Uid) -> OneJob:
        """One record."""
        number = int(uid, 16)
        found = await self._ledger.get(number)
        return OneJob((await asyncio.to_thread(self._entries, [self._of_now(number, found)]))[0])

    @rpc("server.history.delete_job", "DELETE", path="/server/history/job", access=Access.FILES)
    async def delete_job(
        self,
        call: Call,
        *,
        uid: Uid | None = None,
        all: Annotated[bool, Meta(description="delete every record")] = False,  # noqa: A002 - the API's name
    ) -> DeletedJobs:
        """Delete one record, or all; never that of the running job. Totals stay."""
        if all:
            deleted = await self._ledger.delete_all()
        elif uid is None:
            raise BadParams("Missing argument 'uid': name a job, or say all=true")
        else:
            deleted = await self._ledger.delete(int(uid, 16))
        return DeletedJobs([name_of(number) for number in deleted])

    @rpc("server.history.totals", "GET", access=Access.READ)
    async def totals(self, call: Call) -> Totals:
        """The totals of all jobs, also of those whose records were deleted."""
        return Totals(*_totals(await self._ledger.totals()))

    @rpc("server.history.reset_totals", "POST", access=Access.FILES)
    async def reset_totals(self, call: Call) -> LastTotals:
        """Begin the totals anew; the answer is what they were."""
        return LastTotals(*_totals(await self._ledger.reset()))

    def _of_now(self, number: int, document: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
        """A record and its number; that of the running job with its figures of now."""
        running = self._tracker.running if number == self._ledger.current else None
        if running is None:
            return number, document
        now = msgspec.to_builtins(running)
        return number, {**document, **{name: now[name] for name in FIGURES}}

    def _entries(self, found: Sequence[tuple[int, Mapping[str, Any]]]) -> list[JobEntry]:
        return [self._entry(number, document) for number, document in found]

    def _entry(self, number: int, document: Mapping[str, Any]) -> JobEntry:
        metadata = document.get("metadata") or {}
        filename = document.get("filename", "")
        return JobEntry(
            job_id=name_of(number),
            user=document.get("user"),
            filename=filename,
            exists=self._unmodified(filename, metadata),
            status=document.get("status", ""),
            start_time=document.get("start_time", 0.0),
            end_time=document.get("end_time"),
            print_duration=document.get("print_duration", 0.0),
            total_duration=document.get("total_duration", 0.0),
            filament_used=document.get("filament_used", 0.0),
            metadata=metadata,
            auxiliary_data=list(document.get("auxiliary_data") or ()),
        )

    def _unmodified(self, filename: str, metadata: Mapping[str, Any]) -> bool:
        """Whether the file is there, and the one that was printed."""
        state = self._library.state(filename)
        if state is None:
            return False
        known = metadata.get("size"), metadata.get("modified")
        return known in ((None, None), (state.size, state.modified))

    def _begin_to_tell(self, action: Action, record: Record) -> None:
        self._tracker.crew.start(self._tell(action, record))

    async def _tell(self, action: Action, record: Record) -> None:
        document = msgspec.to_builtins(record.job)
        async with self._turn:
            entry = await asyncio.to_thread(self._entry, record.number, document)
            self.changed.emit(HistoryChange(action, entry))


def _totals(found: Mapping[str, Any]) -> tuple[JobTotals, list[AuxiliaryTotal]]:
    auxiliary = [
        AuxiliaryTotal(one["provider"], one["field"], one["maximum"], one["total"])
        for one in found["auxiliary"].values()
    ]
    return JobTotals(**{name: found[name] for name in ZERO}), auxiliary
