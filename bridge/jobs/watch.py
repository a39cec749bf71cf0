"""What becomes of a print: one small state machine over `print_stats` and Klippy's own state."""

import asyncio
import time
from dataclasses import dataclass
from enum import Enum
from typing import Any

from bridge.klippy.state import Klippy, KlippyInfo, KlippyState
from bridge.klippy.status import StatusCache, StatusDelta
from bridge.signals import Signal

GRACE = 5.0  # seconds in which a lost socket may come back with the same print running
LARGEST = 1e12  # no print takes as many seconds or mm
RUNNING = ("printing", "paused")
ENDED = ("complete", "cancelled", "error")
FIELDS = ["state", "filename", "message", "print_duration", "total_duration", "filament_used"]


class JobEvent(Enum):
    """What happens to a job; the last six end it."""

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
class _Seen:
    """What `print_stats` said last."""

    state: str
    filename: str
    total: float


class JobWatch:
    """Tells started, paused, resumed and the end of each print, once each and in order.

    A print that is found running when the bridge starts is taken over in silence.
    """

    def __init__(self, klippy: Klippy, cache: StatusCache) -> None:
        self.changed: Signal[JobChange] = Signal("job")
        self.adopted: Signal[JobChange] = Signal("job found running")
        self.active: str | None = None  # the file of the running job
        self._klippy, self._cache = klippy, cache
        self._seen: _Seen | None = None
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
                self._grace = asyncio.get_running_loop().call_later(GRACE, self._given_up)
        elif info.state is KlippyState.SHUTDOWN and self.active is not None and self._grace is None:
            self._end(JobEvent.KLIPPY_SHUTDOWN, info.message)

    def _returned(self, info: KlippyInfo) -> None:
        """Klippy is ready: the print that we knew may still be running."""
        same = self._process is None or info.process_id == self._process
        self._process = info.process_id
        seen = self._read()
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None
            if not (same and seen is not None and seen.state in RUNNING and seen.filename == self.active):
                self._end(JobEvent.KLIPPY_DISCONNECT, "The connection to Klippy was lost")
                self._seen = None
        if seen is None:
            return
        if self._seen is None:
            self._adopt(seen)
        else:
            self._step(seen)

    def _given_up(self) -> None:
        self._grace = None
        self._end(JobEvent.KLIPPY_DISCONNECT, "The connection to Klippy was lost")
        self._seen = None

    def _adopt(self, seen: _Seen) -> None:
        """The first sight of a printer: what runs already is nobody's news."""
        self._seen = seen
        if seen.state in RUNNING:
            self.active, self._paused = seen.filename, seen.state == "paused"
            self.adopted.emit(self._change(JobEvent.PAUSED if self._paused else JobEvent.STARTED, ""))

    def _status(self, delta: StatusDelta) -> None:
        # after an emergency stop a print shows as paused, which it is not
        if "print_stats" not in delta.status or not self._klippy.ready or self._grace is not None:
            return
        seen = self._read()
        if seen is None:
            return
        if self._seen is None:
            self._adopt(seen)
        else:
            self._step(seen)

    def _read(self) -> _Seen | None:
        state, filename = self._cache.get("print_stats", "state"), self._cache.get("print_stats", "filename")
        if not isinstance(state, str):
            return None
        total = _number(self._cache.get("print_stats", "total_duration"))
        return _Seen(state, filename if isinstance(filename, str) else "", total or 0.0)

    def _step(self, seen: _Seen) -> None:
        before, self._seen = self._seen, seen
        if before is None:
            return
        renewed = seen.filename != before.filename or seen.total < before.total
        if seen.state in RUNNING:
            self._running(seen, renewed=renewed)
        elif seen.state in ENDED:
            if self.active is None and (before.state != seen.state or (renewed and seen.filename)):
                self._begin(seen)  # over before the first look: a file of milliseconds
            if self.active is not None:
                self._end(JobEvent(seen.state), self._text("message"))
        elif self.active is not None:
            self._end(JobEvent.CANCELLED, "The file was unloaded")

    def _running(self, seen: _Seen, *, renewed: bool) -> None:
        if self.active is not None and renewed and seen.filename != self.active:
            self._end(JobEvent.CANCELLED, "Another file was started")
        if self.active is None:
            self._begin(seen)
        if (seen.state == "paused") != self._paused:
            self._paused = not self._paused
            self._tell(JobEvent.PAUSED if self._paused else JobEvent.RESUMED, self._text("message"))

    def _begin(self, seen: _Seen) -> None:
        self.active, self._paused = seen.filename, False
        self._tell(JobEvent.STARTED, "")

    def _end(self, event: JobEvent, message: str) -> None:
        if self.active is not None:
            self._tell(event, message)
            self.active, self._paused = None, False

    def _tell(self, event: JobEvent, message: str) -> None:
        self.changed.emit(self._change(event, message))

    def _change(self, event: JobEvent, message: str) -> JobChange:
        return JobChange(
            event=event,
            filename=self.active or "",
            message=message,
            time=time.time(),
            print_duration=_number(self._cache.get("print_stats", "print_duration")),
            total_duration=_number(self._cache.get("print_stats", "total_duration")),
            filament_used=_number(self._cache.get("print_stats", "filament_used")),
        )

    def _text(self, field: str) -> str:
        value = self._cache.get("print_stats", field)
        return value if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    """A figure that can be one; a broken Klipper's may be anything."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LARGEST:
        return None
    return float(value)
