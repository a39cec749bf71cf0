"""Notices that another client keeps taking our place: a copied SD card has our client id, too."""

import time
from collections import deque

WINDOW, TIMES = 60.0, 3  # seconds, and losses in them that make a duel
BRIEF = 5.0  # seconds; a session that a rival ends is as short as the pauses between two tries


class DuelWatch:
    """Counts the sessions that somebody else has ended.

    MQTT 5 may give that reason. Else it is likely when the broker closes a young session without a word and
    has published our will when we are back; a broker that was restarted has not.
    """

    def __init__(self) -> None:
        self._counted: deque[float] = deque(maxlen=TIMES)
        self._suspect = False

    def lost(self, *, taken_over: bool, closed: bool, lasted: float) -> bool:
        """A session has ended; whether that makes a duel."""
        now = time.monotonic()
        self._suspect = closed and lasted < BRIEF
        if not (taken_over or self._suspect):
            return False
        recent = sum(now - when < WINDOW for when in self._counted)
        if recent >= TIMES - 1:
            self._counted.clear()
            self._suspect = False
            return True
        if taken_over:
            self._suspect = False
            self._counted.append(now)
        return False

    def back(self, *, will_published: bool) -> None:
        """Connected at the first try: what was suspected is now known."""
        if self._suspect and will_published:
            self._counted.append(time.monotonic())
        self._suspect = False

    def failed(self) -> None:
        """The broker could not be reached: it was away itself."""
        self._suspect = False
