"""Requests that may come again: for how long a repeat is known, and what it is answered."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

Window = Literal["timestamp", "correlation", "delivery"]
# Seconds in which an equal request is a repeat.
WINDOWS: dict[Window, float] = {"timestamp": 60.0, "correlation": 60.0, "delivery": 5.0}
REMEMBERED = 1000  # requests whose repeats are recognised

Key = tuple[Window, *tuple[object, ...]]  # how a request is known again comes first
T = TypeVar("T")


@dataclass
class Repeatable(Generic[T]):
    """A request that may come again, and its answer once there is one."""

    until: float
    answer: bytes | None = None
    done: bool = False
    asking: list[T] = field(default_factory=list)  # who repeated it meanwhile


class Repeats(Generic[T]):
    """The newest requests, by what their repeats would be known."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: OrderedDict[Key, Repeatable[T]] = OrderedDict()

    def find(self, key: Key) -> Repeatable[T] | None:
        """The request that this one repeats; one whose window is over is forgotten."""
        found = self._seen.get(key)
        if found is not None and self._clock() >= found.until:
            del self._seen[key]
            return None
        return found

    def remember(self, key: Key) -> Repeatable[T]:
        """A request that is executed now."""
        now = self._clock()
        while self._seen and (len(self._seen) >= REMEMBERED or next(iter(self._seen.values())).until <= now):
            self._seen.popitem(last=False)
        entry = self._seen[key] = Repeatable(now + WINDOWS[key[0]])
        return entry
