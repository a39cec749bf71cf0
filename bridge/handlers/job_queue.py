"""server.job_queue.*: jobs in order, and whether they start by themselves (seed 002)."""

import asyncio
import logging
import time
import uuid
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bridge.config import JobQueue as Settings
from bridge.errors import BadParams, BridgeError, Conflict, NotFound
from bridge.gcode.library import Library
from bridge.jobs.watch import JobChange, JobEvent, JobWatch
from bridge.klippy.commands import Commands
from bridge.klippy.state import Klippy, KlippyInfo, KlippyState
from bridge.lifecycle import Crew
from bridge.rpc import Access, Call, Notice, rpc
from bridge.signals import Signal
from bridge.store import Store

log = logging.getLogger(__name__)

MAX_JOBS = 1000
ENDS = (JobEvent.COMPLETE, JobEvent.CANCELLED, JobEvent.ERROR)
QueueState = Literal["ready", "loading", "starting", "paused"]
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

    action: Literal["state_changed", "jobs_added", "jobs_removed", "jobs_reordered", "job_loaded"]
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
        self._row = 0
        self._jobs: list[_Waiting] = []
        self._early: JobChange | None = None  # the end of a job that was over before it seemed to start
        self._state: QueueState = "ready"
        self._reason: str | None = None
        self._turn = asyncio.Lock()
        self._crew = Crew()
        klippy.changed.connect(self._klippy_changed)
        klippy.offer("pause_job_queue", lambda _params: self._later(self._pause(None)))
        klippy.offer("start_job_queue", lambda _params: self._later(self._go()))
        watch.changed.connect(self._job_changed)

    async def open(self) -> None:
        """Take up the queue where it was left; it starts by itself only if the configuration says so."""
        stored = await self._table.all()
        self._row = stored[0].doc_id if stored else await self._table.insert({"jobs": []})
        try:
            self._jobs = msgspec.convert(stored[0].get("jobs", []) if stored else [], list[_Waiting])
        except msgspec.ValidationError as error:
            log.warning("the stored job queue cannot be read and is begun anew: %s", error)
        if self._jobs and not self._settings.load_on_startup:
            self._state, self._reason = "paused", "the bridge has restarted"
        self.status_changed.emit(self.status)

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
        added = [self._waiting(filename, call.client.user) for filename in filenames]
        if not added:
            raise BadParams("Argument 'filenames': expected at least one file")
        async with self._turn:
            await self._replace(added if reset else [*self._jobs, *added], "jobs_added")
        return self.status

    @rpc("server.job_queue.delete_job", "DELETE", path="/server/job_queue/job", access=Access.CONTROL)
    async def delete_job(
        self,
        call: Call,
        *,
        job_ids: Annotated[list[str], Meta(description="the jobs to take out")] | None = None,
        all: Annotated[bool, Meta(description="empty the queue")] = False,  # noqa: A002 - the API's name
    ) -> QueueStatus:
        """Take jobs out of the queue; nothing is taken out unless every job is in it."""
        if not all and not job_ids:
            raise BadParams("Missing argument 'job_ids': name jobs, or say all=true")
        async with self._turn:
            doomed = {job.job_id for job in self._jobs} if all else set(job_ids or [])
            self._require(doomed)
            await self._replace([job for job in self._jobs if job.job_id not in doomed], "jobs_removed")
        return self.status

    @rpc("server.job_queue.jump", "POST", access=Access.CONTROL)
    async def jump(self, call: Call, *, job_id: str) -> QueueStatus:
        """Put a job at the front of the queue."""
        async with self._turn:
            self._require({job_id})
            rest = [job for job in self._jobs if job.job_id != job_id]
            first = [job for job in self._jobs if job.job_id == job_id]
            await self._replace([*first, *rest], "jobs_reordered")
        return self.status

    @rpc("server.job_queue.pause", "POST", access=Access.CONTROL)
    async def pause(self, call: Call) -> QueueStatus:
        """Load no further job after the present one."""
        await self._pause(None)
        return self.status

    @rpc("server.job_queue.start", "POST", access=Access.CONTROL)
    async def start(self, call: Call) -> QueueStatus:
        """Make the queue ready; with an idle printer the first job is loaded at once."""
        await self._go()
        return self.status

    async def start_or_queue(self, filename: str, user: str | None, *, may_queue: bool) -> Started:
        """Print a file now when the printer is free, else queue it where that is wished for."""
        job = self._waiting(filename, user)
        if self._klippy.ready and self._watch.active is None and self._state not in ("loading", "starting"):
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
        name = filename.strip("/").removeprefix("gcodes/") if filename.startswith("/") else filename
        self._library.path(name)
        return _Waiting(name, f"{uuid.uuid4().int >> 64:016X}", time.time(), user)

    def _require(self, job_ids: set[str]) -> None:
        unknown = job_ids - {job.job_id for job in self._jobs}
        if unknown:
            raise NotFound(f"There is no job {', '.join(sorted(unknown))[:200]} in the queue")

    def _view(self) -> list[QueuedJob]:
        now = time.time()
        return [
            QueuedJob(job.filename, job.job_id, job.time_added, max(0.0, now - job.time_added))
            for job in self._jobs
        ]

    async def _replace(self, jobs: list[_Waiting], action: Any) -> None:
        """Write the queue down, then take it over and tell."""
        if len(jobs) > MAX_JOBS:
            raise Conflict(f"The queue holds at most {MAX_JOBS} jobs")
        await self._table.update({"jobs": msgspec.to_builtins(jobs)}, doc_ids=[self._row])
        self._jobs = jobs
        self._tell(action, jobs_too=True)

    def _become(self, state: QueueState, reason: str | None = None) -> None:
        if (state, reason) != (self._state, self._reason):
            self._state, self._reason = state, reason
            if reason:
                log.warning("the job queue is paused: %s", reason)
            self._tell("state_changed", jobs_too=False)

    def _tell(self, action: Any, *, jobs_too: bool) -> None:
        self.changed.emit(QueueChange(action, self._view() if jobs_too else None, self._state, self._reason))
        self.status_changed.emit(self.status)

    def _later(self, work: Any) -> None:
        self._crew.start(work)

    async def _pause(self, reason: str | None) -> None:
        if self._state != "starting":  # a start that Klippy has already been asked for goes on
            self._become("paused", reason)

    async def _go(self) -> None:
        """Make the queue ready, and load the first job into an idle printer."""
        if self._state in ("loading", "starting"):
            return
        if self._jobs and not self._klippy.ready:
            raise Conflict(f"The queue was not started: Klippy is {self._klippy.info.state.value}")
        self._become("ready")
        if self._jobs and self._watch.active is None:
            self._load()

    def _load(self) -> None:
        self._become("loading")
        self._later(self._load_next())

    async def _load_next(self) -> None:
        """Wait and prepare as configured, then start the first job whose file is still there."""
        try:
            await self._prepare()
            if self._state != "loading":
                return  # paused meanwhile
            async with self._turn:
                job = await self._first_that_exists()
            if job is None:
                self._become("ready")
                return
            self._become("starting")
            self._early = None
            await self._commands.start_print(job.filename, job.user)
        except BridgeError as error:
            self._become("paused", f"{error}")
            return
        async with self._turn:
            await self._replace([one for one in self._jobs if one.job_id != job.job_id], "job_loaded")
        self._become("ready")
        self._catch_up()

    def _catch_up(self) -> None:
        """The started job may have ended before its start was answered."""
        if self._early is not None:
            self._job_changed(self._early)

    async def _prepare(self) -> None:
        if self._settings.job_transition_delay:
            await asyncio.sleep(self._settings.job_transition_delay)
        if self._settings.job_transition_gcode:
            await self._commands.script(self._settings.job_transition_gcode)

    async def _first_that_exists(self) -> _Waiting | None:
        for number, job in enumerate(self._jobs):
            if self._library.state(job.filename) is not None:
                return job
            log.warning("the queued job %s is skipped: its file is gone", job.filename)
            await self._replace(self._jobs[:number] + self._jobs[number + 1 :], "jobs_removed")
            return await self._first_that_exists()
        return None

    def _klippy_changed(self, info: KlippyInfo) -> None:
        if info.state is KlippyState.READY:
            if self._state == "ready" and self._jobs and self._settings.load_on_startup:
                self._later(self._go())
        elif self._jobs and info.state in (KlippyState.SHUTDOWN, KlippyState.DISCONNECTED):
            self._become("paused", f"Klippy is {info.state.value}")

    def _job_changed(self, change: JobChange) -> None:
        """After a job: the next one, if wished for; one that failed leaves a bed to look at."""
        if self._state == "starting" and change.event in ENDS:
            self._early = change
        if self._state != "ready":
            return
        if change.event is JobEvent.COMPLETE:
            if not self._settings.automatic_transition:
                self._become("paused")
            elif self._jobs:
                self._load()
        elif change.event in (JobEvent.CANCELLED, JobEvent.ERROR) and self._jobs:
            self._become("paused", f"the last job ended as '{change.event.value}'")
