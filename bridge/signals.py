"""Typed signals: how news travels up from the link to whoever listens."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Generic, TypeVar

T = TypeVar("T")
log = logging.getLogger(__name__)


class Signal(Generic[T]):
    """One kind of news. Slots run at once, in the order they connected, and never await."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._slots: list[Callable[[T], None]] = []

    def connect(self, slot: Callable[[T], None]) -> Callable[[], None]:
        """Call `slot` on every emit from now on; the answer disconnects it."""
        self._slots.append(slot)

        def disconnect() -> None:
            if slot in self._slots:
                self._slots.remove(slot)

        return disconnect

    def emit(self, value: T) -> None:
        """Tell every slot; one that fails is logged and hurts nobody."""
        for slot in tuple(self._slots):
            try:
                slot(value)
            except Exception:
                log.exception("a listener of %s failed", self.name)

    async def stream(self, limit: int, on_drop: Callable[[], None] | None = None) -> AsyncIterator[T]:
        """Every value in order for a slow consumer: at most `limit` wait, the oldest goes first."""
        waiting: deque[T] = deque()
        wake = asyncio.Event()

        def keep(value: T) -> None:
            if len(waiting) == limit:
                waiting.popleft()
                if on_drop is not None:
                    on_drop()
            waiting.append(value)
            wake.set()

        disconnect = self.connect(keep)
        try:
            while True:
                await wake.wait()
                while waiting:
                    yield waiting.popleft()
                wake.clear()
        finally:
            disconnect()
