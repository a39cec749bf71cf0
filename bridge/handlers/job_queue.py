"""server.job_queue.*: jobs in order, and whether they start by themselves (seed 002)."""

import asyncio
import itertools
import logging
import time
import uuid
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bridge.config import JobQueue as Settings
from bridge.errors import BadParams, BridgeError, Conflict, NotFound
from bridge.gcode.library import Library
from bridge.jobs.watch import JobChange, JobEvent, JobWatch
from bridge.klippy.commands import Commands
from bridge.klippy.state import Klippy, KlippyInfo, KlippyState
from bridge.lifecycle import Crew
from bridge.roots import shown
from bridge.rpc import Access, Call, Notice, rpc
from bridge.signals import Signal
from bridge.store import Document, Store

log = logging.getLogger(__name__)

MAX_JOBS = 1000
BED = "the job is complete and automatic_transition is off: clear the bed, then start the queue"
FAILED = (JobEvent.CANCELLED, JobEvent.ERROR, JobEvent.KLIPPY_SHUTDOWN, JobEvent.KLIPPY_DISCONNECT)
ENDS = (JobEvent.COMPLETE, *FAILED)
QueueState = Literal["ready", "loading", "starting", "paused"]
Action = Literal["state_changed", "jobs_added", "jobs_removed", "jobs_reordered", "job_loaded"]
Filenames = Annotated[list[str], Meta(description="paths relative to gcodes, in the order of printing")]


class QueuedJob(msgspec.Struct, frozen=True):
    """One job that waits."""

    filename: str
    job_id: str
    time_added: float  # Unix seconds
    time_in_queue: float  # s


class QueueStatus(msgspec.Struct, frozen=True):
    """The queue; `reason` says why it paused by itself."""

    queued_jobs: list[QueuedJob]
    queue_state: QueueState
    reason: str | None = None


class QueueChange(msgspec.Struct, frozen=True):
    """What happened to the queue; the jobs are told when they changed."""

    action: Action
    updated_queue: list[QueuedJob] | None
    queue_state: QueueState
    reason: str | None = None


class Started(msgspec.Struct, frozen=True):
    """What became of a wish to print."""

    print_started: bool
    print_queued: bool


class _Waiting(msgspec.Struct, frozen=True):
    """A job as it is kept."""

    filename: str
    job_id: str
    time_added: float
    user: str | None = None


class JobQueue:
    """Jobs in order; every change is durable before it is answered, and told."""

    components = ("job_queue",)

    def __init__(
        self,
        store: Store,
        library: Library,
        klippy: Klippy,
        commands: Commands,
        watch: JobWatch,
        settings: Settings,
    ) -> None:
        self.changed: Notice[QueueChange] = Notice(
            "notify_job_queue_changed", QueueChange, "The queue's jobs or its state have changed"
        )
        self.status_changed: Signal[QueueStatus] = Signal("job queue")
        self._table = store.table("job_queue")
        self._library, self._klippy, self._commands = library, klippy, commands
        self._watch, self._settings = watch, settings
        self._row = 1  # of the one document that holds all jobs
        self._jobs: list[_Waiting] = []
        self._state: QueueState = "ready"
        self._reason: str | None = None
        self._load = 0  # counts the loads: one that was aborted finds another number
        self._pause_next = False  # a pause that was asked for while a job was being started
        self._early: JobChange | None = None  # the end of a job that was over before it seemed to start
        self._turn = asyncio.Lock()
        self._crew = Crew()
        klippy.changed.connect(self._klippy_changed)
        klippy.offer("pause_job_queue", lambda _params: self._pause())
        klippy.offer("start_job_queue", lambda _params: self._go())
        watch.changed.connect(self._job_changed)

    async def open(self) -> None:
        """Take up the queue where it was left; it starts by itself only if the configuration says so."""
        for stored in (await self._table.all())[:1]:
            self._row = stored.doc_id
            self._take_up(stored.get("jobs"))
        if self._jobs and not self._settings.load_on_startup:
            self._state, self._reason = "paused", "the bridge has restarted"
        self.status_changed.emit(self.status)

    def _take_up(self, stored: object) -> None:
        try:
            self._jobs = msgspec.convert(stored, list[_Waiting])
        except msgspec.ValidationError as error:
            log.warning("the stored job queue cannot be read and is begun anew: %s", error)

    async def run(self) -> None:
        """Own the tasks that load and start jobs."""
        await self._crew.run()

    async def close(self) -> None:
        """Nothing to give back."""

    @property
    def status(self) -> QueueStatus:
        """The queue as it is now."""
        return QueueStatus(self._view(), self._state, self._reason)

    @rpc("server.job_queue.status", "GET", access=Access.READ)
    async def get_status(self, call: Call) -> QueueStatus:
        """The jobs that wait, and what the queue does."""
        return self.status

    @rpc("server.job_queue.post_job", "POST", path="/server/job_queue/job", access=Access.CONTROL)
    async def post_job(
        self,
        call: Call,
        *,
        filenames: Filenames,
        reset: Annotated[bool, Meta(description="empty the queue first")] = False,
    ) -> QueueStatus:
        """Append files to the queue; nothing is added unless every file exists."""
        if not filenames:
            raise BadParams("Argument 'filenames': expected at least one file")
        _check_size(len(filenames))
        async with self._turn:
            added = await asyncio.to_thread(self._all_waiting, filenames, call.client.user)
            await self._replace(added if reset else [*self._jobs, *added], "jobs_added")
        return self.status

    @rpc("server.job_queue.delete_job", "DELETE", path="/server/job_queue/job", access=Access.CONTROL)
    async def delete_job(
        self,
        call: Call,
        *,
        job_ids: Annotated[list[str] | None, Meta(description="the jobs to take out")] = None,
        all: Annotated[bool, Meta(description="empty the queue")] = False,  # noqa: A002 - the API's name
    ) -> QueueStatus:
        """Take jobs out of the queue; ids that are not in it are ignored."""
        if not all and job_ids is None:
            raise BadParams("Missing argument 'job_ids': name jobs, or say all=true")
        doomed = frozenset(job_ids or ())
        async with self._turn:
            kept = [] if all else [job for job in self._jobs if job.job_id not in doomed]
            if kept != self._jobs:
                await self._replace(kept, "jobs_removed")
        return self.status

    @rpc("server.job_queue.jump", "POST", access=Access.CONTROL)
    async def jump(
        self, call: Call, *, job_id: Annotated[str, Meta(description="the job to come next")]
    ) -> QueueStatus:
        """Put a job at the front of the queue."""
        async with self._turn:
            first = [job for job in self._jobs if job.job_id == job_id]
            if not first:
                raise NotFound(f"There is no job {shown(job_id)} in the queue")
            await self._replace([*first, *self._without(job_id)], "jobs_reordered")
        return self.status

    @rpc("server.job_queue.pause", "POST", access=Access.CONTROL)
    async def pause(self, call: Call) -> QueueStatus:
        """Load no further job after the present one; a load under way is aborted."""
        self._pause()
        return self.status

    @rpc("server.job_queue.start", "POST", access=Access.CONTROL)
    async def start(self, call: Call) -> QueueStatus:
        """Make the queue ready; with an idle printer the first job is loaded at once."""
        self._go()
        return self.status

    async def start_or_queue(self, filename: str, user: str | None, *, may_queue: bool) -> Started:
        """Print a file now when the printer is free, else queue it where that is wished for."""
        job = await asyncio.to_thread(self._waiting, filename, user)
        taken = self._watch.active is not None or self._commands.starts.filenames
        if self._klippy.ready and not taken and self._state not in ("loading", "starting"):
            await self._commands.start_print(job.filename, user)
            return Started(print_started=True, print_queued=False)
        if not may_queue:
            busy = "is printing" if self._klippy.ready else f"is {self._klippy.info.state.value}"
            raise Conflict(f"'{filename}' was not started: the printer {busy}")
        async with self._turn:
            await self._replace([*self._jobs, job], "jobs_added")
        return Started(print_started=False, print_queued=True)

    def _waiting(self, filename: str, user: str | None) -> _Waiting:
        """A new job for a file that exists inside gcodes."""
        self._library.path(filename)
        name = "/".join(part for part in filename.split("/") if part)
        return _Waiting(name, f"{uuid.uuid4().int >> 64:016X}", time.time(), user)

    def _all_waiting(self, filenames: list[str], user: str | None) -> list[_Waiting]:
        return [self._waiting(filename, user) for filename in filenames]

    def _gone(self, jobs: list[_Waiting]) -> list[_Waiting]:
        """The first jobs, as far as their files are gone."""
        return list(itertools.takewhile(lambda job: self._library.state(job.filename) is None, jobs))

    def _without(self, job_id: str) -> list[_Waiting]:
        return [job for job in self._jobs if job.job_id != job_id]

    def _view(self) -> list[QueuedJob]:
        now = time.time()
        return [
            QueuedJob(job.filename, job.job_id, job.time_added, max(0.0, now - job.time_added))
            for job in self._jobs
        ]

    async def _replace(self, jobs: list[_Waiting], action: Action) -> None:
        """Write the queue down, then take it over and tell."""
        _check_size(len(jobs))
        await self._table.upsert(Document({"jobs": msgspec.to_builtins(jobs)}, self._row))
        self._jobs = jobs
        self._tell(action, self._view())

    def _become(self, state: QueueState, reason: str | None = None) -> None:
        if (state, reason) != (self._state, self._reason):
            self._state, self._reason = state, reason
            if reason:  # where no job waits nothing is held up
                level = logging.WARNING if self._jobs else logging.INFO
                log.log(level, "the job queue is paused: %s", reason)
            self._tell("state_changed", None)

    def _tell(self, action: Action, jobs: list[QueuedJob] | None) -> None:
        self.changed.emit(QueueChange(action, jobs, self._state, self._reason))
        self.status_changed.emit(self.status)

    def _pause(self, reason: str | None = None) -> None:
        if self._state == "starting":  # Klippy has been asked already: that job goes on
            self._pause_next = True
        else:
            self._become("paused", reason)

    def _go(self) -> None:
        """Make the queue ready, and load the first job into an idle printer."""
        self._pause_next = False
        if self._state in ("loading", "starting"):
            return
        if self._jobs and self._klippy.ready and self._watch.active is None:
            self._load_first()
        else:
            self._become("ready")

    def _load_first(self) -> None:
        self._load += 1
        self._become("loading")
        self._crew.start(self._load_and_start(self._load))

    async def _load_and_start(self, load: int) -> None:
        try:
            await self._prepare()
            job = await self._next_job(load)
            if job is not None:
                await self._start(job)
        except BridgeError as error:
            if self._load == load and self._state != "paused":
                self._become("paused", str(error))

    async def _prepare(self) -> None:
        if self._settings.job_transition_delay:
            await asyncio.sleep(self._settings.job_transition_delay)
        if self._settings.job_transition_gcode and self._state == "loading":
            await self._commands.script(self._settings.job_transition_gcode)

    async def _next_job(self, load: int) -> _Waiting | None:
        """The first job whose file is still there, unless the load was aborted meanwhile."""
        async with self._turn:
            gone = await asyncio.to_thread(self._gone, self._jobs)
            for job in gone:
                log.warning("the queued job %s is skipped: its file is gone", job.filename)
            if gone:
                await self._replace(self._jobs[len(gone) :], "jobs_removed")
            if self._state != "loading" or self._load != load:
                return None
            if not self._jobs or self._watch.active is not None:  # emptied, or somebody else was faster
                self._become("ready")
                return None
            self._become("starting")
            return self._jobs[0]

    async def _start(self, job: _Waiting) -> None:
        """Have Klippy print it; only then it leaves the queue, so that a power cut cannot lose it."""
        self._early, self._pause_next = None, False
        await self._commands.start_print(job.filename, job.user)
        async with self._turn:
            await self._replace(self._without(job.job_id), "job_loaded")
        self._become("paused" if self._pause_next else "ready")
        self._catch_up()

    def _catch_up(self) -> None:
        """The started job may have ended before its start was answered."""
        if self._early is not None:
            self._job_changed(self._early)

    def _klippy_changed(self, info: KlippyInfo) -> None:
        if info.state is KlippyState.READY and self._state == "ready" and self._settings.load_on_startup:
            self._go()

    def _job_changed(self, change: JobChange) -> None:
        """After a job: the next one, if wished for; one that failed leaves a bed to look at."""
        if self._state == "starting" and change.event in ENDS:
            self._early = change
        if self._state != "ready":
            return
        if change.event is JobEvent.COMPLETE:
            if not self._settings.automatic_transition:
                self._become("paused", BED)
            elif self._jobs:
                self._load_first()
        elif change.event in FAILED and self._jobs:
            self._become("paused", _failure(change))


def _check_size(count: int) -> None:
    if count > MAX_JOBS:
        raise Conflict(f"The queue holds at most {MAX_JOBS} jobs")


def _failure(change: JobChange) -> str:
    """Why nothing follows this job."""
    text = f"{change.filename} ended as '{change.event.value}'"
    return f"{text}: {change.message.strip().splitlines()[0]}" if change.message.strip() else text
