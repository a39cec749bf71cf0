"""One strip: its state as it tells it, and the one way to change it."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from bridge.config.wled import LightStrip
from bridge.errors import BridgeError, DeviceFailed
from bridge.lifecycle import Backoff, Nagger, keep
from bridge.signals import Signal
from bridge.wled.state import Color, StripState, Wish, initial, read

log = logging.getLogger(__name__)

MOST_LEDS = 256  # that WLED takes in one message


class Link(Protocol):
    """The way to a strip."""

    def open(self) -> AbstractAsyncContextManager[None]:
        """Hold what has to be held while it is watched."""

    async def exchange(self, message: dict[str, Any] | None) -> Any:
        """Send what it shall become, or just ask; what it answers."""


class Strip:
    """Asked at an interval and after each command."""

    def __init__(self, name: str, settings: LightStrip, link: Link, hide: Callable[[str], str]) -> None:
        self.changed: Signal[Strip] = Signal("light strip")
        self.name, self.settings = name, settings
        self.state: StripState | None = None
        self.error: str | None = None
        self.kept: StripState | None = None  # what it was when the bridge ended
        self._link, self._hide = link, hide
        self.begun = False  # it was asked once, and has become what it shall be at the start
        self._pending: dict[int, Color] = {}  # lights that a macro has set and not yet shown
        self._turn = asyncio.Lock()
        self._nag = Nagger(log)
        self._backoff = Backoff(first=1.0, last=30.0)

    async def run(self) -> None:
        """Watch it for ever."""
        await keep(self._watch, expected=(OSError, BridgeError), failed=self._failed, backoff=self._backoff)

    async def apply(self, wish: Wish) -> None:
        """Have it become something; TimedOut or DeviceFailed when it does not."""
        try:
            async with self._turn:  # two that come together end as the second one wants it
                self._see(await self._link.exchange(wish.message()))
        except OSError as error:
            raise DeviceFailed(self._hide(f"'{self.name}' cannot be reached: {error}")) from error

    async def light(self, color: Color, index: int | None, *, show: bool) -> None:
        """Set the colour of one light, counted from 1, or of all; `show` it with what has gathered."""
        if index is None:
            self._pending.clear()
            await self.apply(Wish(on=True, color=color))
            return
        self._pending[index - 1] = color
        if show or len(self._pending) >= MOST_LEDS:
            leds, self._pending = self._pending, {}
            await self.apply(Wish(on=True, leds=leds))

    async def _watch(self) -> None:
        async with self._link.open():
            self._see(await self._link.exchange(None))
            if not self.begun and (wish := initial(self.settings, self.kept)) is not None:
                await self.apply(wish)
            self.begun = True
            self._backoff.reset()
            self._nag.reset()
            while True:
                await asyncio.sleep(self.settings.poll)
                self._see(await self._link.exchange(None))

    def _see(self, answer: Any) -> None:
        state = read(answer, self.state)
        if (state, None) != (self.state, self.error):
            self.state, self.error = state, None
            self.changed.emit(self)

    def _failed(self, error: Exception) -> None:
        text = self._hide(str(error))
        self._nag.warn(f"the light strip '{self.name}' is not there: {text}")
        if text != self.error:
            self.error = text
            self.changed.emit(self)
