"""The printer's own seconds, which may run faster than ours, and the one way to wait for them."""

import asyncio
import time


class Halted(Exception):
    """The machine was shut down while somebody waited for it."""


class Clock:
    """Seconds since this printer started, `speed` times as fast as the clock on the wall."""

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self._birth = time.monotonic()
        self._halted = False
        self._sleepers: set[asyncio.Future[None]] = set()

    def now(self) -> float:
        """The printer's seconds."""
        return (time.monotonic() - self._birth) * self.speed

    async def sleep(self, seconds: float) -> None:
        """Wait so many of the printer's seconds; Halted as soon as the machine is shut down."""
        if self._halted:
            raise Halted
        loop = asyncio.get_running_loop()
        sleeper: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(seconds / self.speed, _wake, sleeper)
        self._sleepers.add(sleeper)
        try:
            await sleeper
        finally:
            timer.cancel()
            self._sleepers.discard(sleeper)

    def halt(self) -> None:
        """The machine is shut down: nobody waits for it any more."""
        self._halted = True
        for sleeper in self._sleepers:
            if not sleeper.done():
                sleeper.set_exception(Halted())


def _wake(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)
