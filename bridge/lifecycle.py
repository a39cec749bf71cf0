"""How parts live: opened in order, run together under one owner, closed in reverse."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Protocol

log = logging.getLogger(__name__)

KEPT = 64  # tasks of a crew that wait for more work
Clock = Callable[[], float]
REMINDER = 300.0  # seconds between two log lines about one and the same fault


class Part(Protocol):
    """Something with a life of its own: constructed idle, opened, run until cancelled, closed."""

    async def open(self) -> None:
        """Acquire what is needed; raise if the bridge cannot start without it."""

    async def run(self) -> None:
        """Work until cancelled."""

    async def close(self) -> None:
        """Give back what `open` took; called also when `run` failed."""


async def serve(parts: Sequence[Part], opened: Callable[[], None], stop: asyncio.Event) -> None:
    """Open `parts` in order, run them until `stop` is set or one fails, close them in reverse."""
    async with AsyncExitStack() as stack:
        for part in parts:
            stack.push_async_callback(part.close)
            await part.open()
        opened()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(part.run(), name=type(part).__name__) for part in parts]
            await stop.wait()
            for task in reversed(tasks):  # doors first, links last: goodbyes still find their way
                task.cancel()
                await asyncio.wait([task])


@dataclass
class Backoff:
    """Growing pauses with jitter: `first` seconds, doubling, at most `last`."""

    first: float = 1.0
    last: float = 30.0
    _next: float = 0.0
    _rest: float = 0.0

    def pause(self) -> float:
        """Seconds to wait before the next try."""
        if self._rest:
            rest, self._rest = self._rest, 0.0
            return rest
        self._next = min(self.last, self._next * 2 or self.first)
        return self._next * random.uniform(0.75, 1.0)  # noqa: S311 - jitter, not a secret

    def rest(self, seconds: float) -> None:
        """Make the next pause, and that alone, a long one."""
        self._rest = seconds

    def reset(self) -> None:
        """The link held: begin anew at `first`."""
        self._next = 0.0


class Nagger:
    """Says each new fault at once and the same one again only after a while."""

    def __init__(
        self, logger: logging.Logger, every: float = REMINDER, clock: Clock = time.monotonic
    ) -> None:
        self._log, self._every, self._clock = logger, every, clock
        self._last, self._when = "", 0.0

    def warn(self, text: str) -> None:
        """Log `text` unless it was said less than `every` seconds ago."""
        now = self._clock()
        if text != self._last or now - self._when >= self._every:
            self._last, self._when = text, now
            self._log.warning("%s", text)

    def reset(self) -> None:
        """All is well again: the next fault is news."""
        self._last = ""


class Sparing:
    """Logs some lines in a while, and with the next one how many were kept back: a flood fills no log."""

    def __init__(
        self, logger: logging.Logger, most: int = 10, every: float = 60.0, clock: Clock = time.monotonic
    ) -> None:
        self._log, self._most, self._every, self._clock = logger, most, every, clock
        self._since, self._said, self._kept = 0.0, 0, 0

    def warn(self, text: str) -> None:
        """Log `text`, or count it."""
        now = self._clock()
        if self._said == 0 or now - self._since >= self._every:
            self._since, self._said = now, 0
        if self._said >= self._most:
            self._kept += 1
            return
        self._said += 1
        more, self._kept = self._kept, 0
        self._log.warning("%s%s", text, f" ({more} more like it before)" if more else "")


class Crew:
    """A part: tasks that are started as work comes in, and their one owner; one's failure is everybody's."""

    def __init__(self) -> None:
        self._group: asyncio.TaskGroup | None = None
        self._idle: list[asyncio.Future[Coroutine[Any, Any, None]]] = []  # of members without work
        self._first: list[Coroutine[Any, Any, None]] = []

    async def open(self) -> None:
        """Nothing to acquire."""

    async def run(self) -> None:
        """Own the tasks until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                while self._first:
                    self.start(self._first.pop(0))
                try:
                    await asyncio.Event().wait()
                finally:
                    self._group = None  # while the last ones end, nothing more begins
        finally:
            self._group = None

    async def close(self) -> None:
        """Nothing to give back."""

    def begin_with(self, work: Coroutine[Any, Any, None]) -> None:
        """Have `work` be the first task as soon as somebody runs."""
        self._first.append(work)

    def start(self, work: Coroutine[Any, Any, None]) -> bool:
        """Begin `work` beside all other; False when nobody runs (any more)."""
        if self._group is None:
            work.close()
            return False
        while self._idle:
            if not (waiting := self._idle.pop()).done():  # it is when its task was cancelled just now
                waiting.set_result(work)
                return True
        member = self._group.create_task(self._member(work))
        member.add_done_callback(lambda _member: work.close())  # it may be cancelled before its first step
        return True

    async def _member(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work`, and stay for more: a task that is there already costs half of a new one."""
        while True:
            try:
                await work
            except Exception:
                self._group = None  # it ends with this one
                raise
            if len(self._idle) >= KEPT:
                return
            waiting = asyncio.get_running_loop().create_future()
            self._idle.append(waiting)
            try:
                work = await waiting
            except asyncio.CancelledError:
                if not waiting.cancelled():
                    waiting.result().close()  # it was handed over in this very moment
                raise


async def keep(
    attempt: Callable[[], Awaitable[None]],
    *,
    expected: tuple[type[Exception], ...],
    failed: Callable[[Exception], None],
    backoff: Backoff,
) -> None:
    """Run a link for ever: `expected` errors are told to `failed` and retried, any other ends the process."""
    while True:
        try:
            await attempt()
        except expected as error:
            failed(error)
        await asyncio.sleep(backoff.pause())
