"""How large a message may be on a broker that hangs up instead of saying so."""

import logging
import time
from collections import deque

log = logging.getLogger(__name__)

SUSPICIOUS = 1024  # bytes from which a message may be the reason
BLAME = 2.0  # seconds before a loss in which a large message is its likely reason


class LearntSize:
    """The size above which the broker hangs up, for brokers that do not tell: learnt from two losses."""

    def __init__(self) -> None:
        self.limit: int | None = None
        self._recent: deque[tuple[float, int]] = deque(maxlen=64)
        self._suspect: int | None = None

    def posted(self, size: int) -> None:
        """A message went out."""
        if size > SUSPICIOUS:
            self._recent.append((time.monotonic(), size))

    def lost(self) -> None:
        """The connection ended; a large message just before it, twice in a row, is taken as the reason."""
        since = time.monotonic() - BLAME
        largest = max((size for when, size in self._recent if when >= since), default=None)
        self._recent.clear()
        if largest is not None and self._suspect is not None:
            self.limit = min(largest, self._suspect) - 1
            log.warning("the broker hangs up at large messages; sending none above %d bytes", self.limit)
        self._suspect = largest
