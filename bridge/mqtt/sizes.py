"""How large a message may be on a broker that hangs up instead of saying so."""

import logging
import time
from dataclasses import dataclass

log = logging.getLogger(__name__)

SUSPICIOUS = 1024  # bytes from which a message may be the reason
MOST = 64  # messages under suspicion at once
BLAME = 2.0  # seconds before a loss in which a large message is its likely reason


@dataclass(frozen=True)
class _Posted:
    when: float
    size: int


class LearntSize:
    """The size above which the broker hangs up, for brokers that do not tell: learnt from two losses.

    What the broker took on this connection or the one before is no reason for it to hang up.
    """

    def __init__(self) -> None:
        self.limit: int | None = None
        self._open: dict[int, _Posted] = {}  # large messages by id that the broker has not acknowledged
        self._suspect: int | None = None
        self._taken = self._taken_before = 0  # bytes of the largest that was acknowledged

    def posted(self, number: int, size: int) -> None:
        """A message went out."""
        if size <= SUSPICIOUS:
            return
        if len(self._open) == MOST:
            del self._open[next(iter(self._open))]
        self._open[number] = _Posted(time.monotonic(), size)

    def acknowledged(self, number: int) -> None:
        """The broker has taken it: it is not the reason for what comes."""
        message = self._open.pop(number, None)
        if message is not None:
            self._taken = max(self._taken, message.size)

    def lost(self) -> None:
        """The connection ended; a large message just before it, twice in a row, is taken as the reason."""
        since, fine = time.monotonic() - BLAME, max(self._taken, self._taken_before)
        suspects = (message.size for message in self._open.values() if message.when >= since)
        largest = max((size for size in suspects if size > fine), default=None)
        self._open.clear()
        self._taken, self._taken_before = 0, self._taken
        if largest is not None and self._suspect is not None:
            self.limit = min(largest, self._suspect) - 1
            log.warning("the broker hangs up at large messages; sending none above %d bytes", self.limit)
        self._suspect = largest
