"""What becomes of a print: one small state machine over `print_stats` and Klippy's own state."""

import asyncio
import time
from dataclasses import dataclass
from enum import Enum

from bridge.jobs.progress import number
from bridge.klippy.state import Klippy, KlippyInfo, KlippyState
from bridge.klippy.status import StatusCache, StatusDelta
from bridge.signals import Signal

GRACE = 5.0  # seconds in which a lost socket may come back with the same print running
RUNNING = ("printing", "paused")
ENDED = ("complete", "cancelled", "error")
FIELDS = ["state", "filename", "message", "print_duration", "total_duration", "filament_used"]
LOST = "The connection to Klippy was lost"


class JobEvent(Enum):
    """What happens to a job."""

    STARTED = "started"
    PAUSED = "paused"
    RESUMED = "resumed"
    COMPLETE = "complete"
    CANCELLED = "cancelled"
    ERROR = "error"
    KLIPPY_SHUTDOWN = "klippy_shutdown"
    KLIPPY_DISCONNECT = "klippy_disconnect"


@dataclass(frozen=True)
class JobChange:
    """One event of one job, with the figures of that moment."""

    event: JobEvent
    filename: str
    message: str
    time: float  # Unix seconds
    print_duration: float | None  # seconds with the extruder at work
    total_duration: float | None  # seconds since the start
    filament_used: float | None  # mm


@dataclass(frozen=True)
class _Sight:
    """What `print_stats` said at one moment."""

    state: str
    filename: str
    message: str
    print_duration: float | None
    total_duration: float | None
    filament_used: float | None

    def continues(self, before: "_Sight") -> bool:
        """Whether both can be of one print: the same file, and a time that did not run back."""
        then, now = before.total_duration, self.total_duration
        return self.filename in ("", before.filename) and (then is None or now is None or now >= then)


class JobWatch:
    """Tells started, paused, resumed and the end of each print, once each and in order.

    A print that is found running when the bridge starts is taken over in silence.
    """

    def __init__(self, klippy: Klippy, cache: StatusCache) -> None:
        self.changed: Signal[JobChange] = Signal("job")
        self.found: Signal[JobChange | None] = Signal("first sight")  # the job that runs already, if any
        self.active: str | None = None  # the file of the running job
        self._klippy, self._cache = klippy, cache
        self._seen: _Sight | None = None
        self._paused = False
        self._process: int | None = None
        self._grace: asyncio.TimerHandle | None = None
        cache.want(self, {"print_stats": FIELDS})
        cache.changed.connect(self._status)
        klippy.changed.connect(self._state)

    @property
    def printing(self) -> bool:
        """Whether a job runs and is not paused."""
        return self.active is not None and not self._paused

    def _state(self, info: KlippyInfo) -> None:
        if info.state is KlippyState.READY:
            self._returned(info)
        elif info.state is KlippyState.DISCONNECTED:
            if self.active is not None and self._grace is None:
                self._grace = asyncio.get_running_loop().call_later(GRACE, self._give_up)
        elif info.state in (KlippyState.SHUTDOWN, KlippyState.ERROR) and self.active is not None:
            if self._grace is not None:
                self._give_up()
            else:
                self._end(JobEvent.KLIPPY_SHUTDOWN, info.message)

    def _returned(self, info: KlippyInfo) -> None:
        """Klippy is ready: the print that we knew may still be running."""
        same = self._process is None or info.process_id == self._process
        self._process = info.process_id
        seen = self._look()
        if self._grace is not None and not (same and self._goes_on(seen)):
            self._give_up()
        self._drop_grace()
        self._take(seen)

    def _goes_on(self, seen: _Sight | None) -> bool:
        if seen is None or self._seen is None:
            return False
        return seen.state in RUNNING and seen.continues(self._seen)

    def _give_up(self) -> None:
        """The print is lost, and what Klippy shows next is a first sight."""
        self._drop_grace()
        self._end(JobEvent.KLIPPY_DISCONNECT, LOST)
        self._seen = None

    def _drop_grace(self) -> None:
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None

    def _status(self, delta: StatusDelta) -> None:
        # after an emergency stop a print shows as paused, which it is not
        if "print_stats" in delta.status and self._klippy.ready and self._grace is None:
            self._take(self._look())

    def _look(self) -> _Sight | None:
        stats = self._cache.snapshot({"print_stats": FIELDS})["print_stats"]
        state = stats.get("state")
        if not isinstance(state, str):
            return None
        return _Sight(
            state,
            _text(stats.get("filename")),
            _text(stats.get("message")),
            number(stats.get("print_duration")),
            number(stats.get("total_duration")),
            number(stats.get("filament_used")),
        )

    def _take(self, seen: _Sight | None) -> None:
        if seen is None:
            return
        before, self._seen = self._seen, seen
        if before is None:
            self._adopt(seen)
        elif seen.state in RUNNING:
            self._running(before, seen)
        elif seen.state in ENDED:
            self._ended(before, seen)
        elif self.active is not None:
            self._end(JobEvent.CANCELLED, "The file was unloaded", before)

    def _adopt(self, seen: _Sight) -> None:
        """The first sight of a printer: what runs already is nobody's news."""
        if seen.state not in RUNNING:
            self.found.emit(None)
            return
        self.active, self._paused = seen.filename, seen.state == "paused"
        self.found.emit(self._change(JobEvent.PAUSED if self._paused else JobEvent.STARTED, "", seen))

    def _running(self, before: _Sight, seen: _Sight) -> None:
        self._end_former(before, seen)
        if self.active is None:
            self._begin(seen)
        if (seen.state == "paused") != self._paused:
            self._paused = not self._paused
            self._tell(JobEvent.PAUSED if self._paused else JobEvent.RESUMED, seen.message, seen)

    def _ended(self, before: _Sight, seen: _Sight) -> None:
        self._end_former(before, seen)
        if self.active is None and _is_another(before, seen):
            self._begin(seen)  # over before the first look: a file of milliseconds
        if self.active is not None:
            self._end(JobEvent(seen.state), seen.message)

    def _end_former(self, before: _Sight, seen: _Sight) -> None:
        """A print that took the place of the one we knew, faster than Klippy's status tells."""
        if self.active is not None and not seen.continues(before):
            self._end(JobEvent.CANCELLED, "Another print was started", before)

    def _begin(self, seen: _Sight) -> None:
        self.active, self._paused = seen.filename, False
        self._tell(JobEvent.STARTED, "", seen)

    def _end(self, event: JobEvent, message: str, last: _Sight | None = None) -> None:
        """The job is over; `last` is its last sight where that is not the newest one."""
        if self.active is not None:
            self._tell(event, message, last or self._seen)
            self.active, self._paused = None, False

    def _tell(self, event: JobEvent, message: str, seen: _Sight | None) -> None:
        self.changed.emit(self._change(event, message, seen))

    def _change(self, event: JobEvent, message: str, seen: _Sight | None) -> JobChange:
        return JobChange(
            event=event,
            filename=self.active or "",
            message=message,
            time=time.time(),
            print_duration=seen.print_duration if seen else None,
            total_duration=seen.total_duration if seen else None,
            filament_used=seen.filament_used if seen else None,
        )


def _is_another(before: _Sight, seen: _Sight) -> bool:
    """Whether a print that has ended is not the one seen before: the figures of that one stand still."""
    if before.state != seen.state:
        return True
    return bool(seen.filename) and (
        seen.filename != before.filename or seen.total_duration != before.total_duration
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
