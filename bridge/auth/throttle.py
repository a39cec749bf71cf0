"""Slows down whoever guesses: each wrong password or key from an address costs it time."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bridge.errors import TooManyRequests

log = logging.getLogger(__name__)

FREE = 3  # failures that cost nothing: people mistype
FIRST, LONGEST = 0.5, 5.0  # seconds
FORGOTTEN = 900.0  # seconds without a failure
WAITING = 8  # logins of one address at once
MOST = 1000  # addresses that are remembered


@dataclass
class _Address:
    failures: int = 0
    last: float = 0.0
    waiting: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Throttle:
    """Failures by address."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.failures = 0
        self._clock = clock
        self._addresses: dict[str, _Address] = {}

    @asynccontextmanager
    async def turn(self, address: str) -> AsyncIterator[None]:
        """One login of an address after the other."""
        one = self._known(address)
        if one.waiting >= WAITING:
            raise TooManyRequests(f"{WAITING} logins from this address wait already; try again later")
        one.waiting += 1
        try:
            async with one.turn:
                yield
        finally:
            one.waiting -= 1

    def note(self, address: str, what: str) -> float:
        """Count a failure; the seconds it costs."""
        one, now = self._known(address), self._clock()
        if now - one.last > FORGOTTEN:
            one.failures = 0
        one.failures, one.last = one.failures + 1, now
        self.failures += 1
        if one.failures == FREE + 1:
            log.warning("%s from %s again and again; it is slowed down", what, address)
        late = one.failures - FREE
        return 0.0 if late <= 0 else min(LONGEST, FIRST * 2.0 ** min(late - 1, 10))

    async def failed(self, address: str, what: str) -> None:
        """Count a failure, and let it take its time."""
        await asyncio.sleep(self.note(address, what))

    def succeeded(self, address: str) -> None:
        """Whoever it was knows the password."""
        one = self._addresses.get(address)
        if one is not None:
            one.failures = 0

    def _known(self, address: str) -> _Address:
        one = self._addresses.pop(address, None) or _Address()
        self._addresses[address] = one  # the latest last
        if len(self._addresses) > MOST:
            idle = next((name for name, known in self._addresses.items() if not known.waiting), address)
            del self._addresses[idle]
        return one
