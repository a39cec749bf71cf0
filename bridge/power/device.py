"""One device: its state, its link that never gives up, and the one way to switch it."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal, Protocol

from bridge.config.power import PowerDevice, kind
from bridge.errors import BridgeError, Conflict, DeviceFailed
from bridge.lifecycle import Backoff, keep
from bridge.signals import Signal

log = logging.getLogger(__name__)

State = Literal["on", "off", "init", "error"]
See = Callable[[bool | None], None]  # None: not known at present
SWITCHED: tuple[State, ...] = ("on", "off")
SWITCHING = 30.0  # seconds after which a command has failed whatever its link thinks


class Link(Protocol):
    """How one kind of device is spoken to."""

    async def watch(self, see: See) -> None:
        """Tell each state that is seen; an error ends it, and it is begun again after a while."""

    async def switch(self, *, on: bool) -> None:
        """Switch it and tell `see` what it has become, or raise."""


class Device:
    """A device by its name in the configuration."""

    def __init__(
        self,
        name: str,
        settings: PowerDevice,
        link: Link,
        busy: Callable[[], bool],
        backoff: Backoff,
        hide: Callable[[str], str],
    ) -> None:
        self.changed: Signal[Device] = Signal(f"power of {name}")
        self.switched: Signal[Device] = Signal(f"{name} switched")  # by hand, too; not what was found so
        self.name, self.settings, self.kind = name, settings, kind(settings)
        self.state: State = "init"
        self.reason: str | None = None  # of an error
        self._link, self._busy, self._backoff, self._hide = link, busy, backoff, hide
        self._turn = asyncio.Lock()
        self._first = asyncio.Event()
        self._known: State | None = None  # on or off, what it was when that was last known
        self._told: bool | None = None  # what it is being told to become

    @property
    def locked(self) -> bool:
        """Whether it cannot be switched off now."""
        return self.settings.locked_while_printing and self._busy()

    def refuse_off(self) -> None:
        """Conflict while it is locked."""
        if self.locked:
            raise Conflict(f"'{self.name}' is locked while a job is printing or paused; nothing was changed")

    async def switch(self, *, on: bool) -> None:
        """Switch it; an error when it is locked, or does not do what it was told."""
        async with self._turn:
            if not on:
                self.refuse_off()
            self._told = on
            try:
                async with asyncio.timeout(SWITCHING):
                    await self._link.switch(on=on)
            except Exception as error:
                self._failed(error)
                raise DeviceFailed(f"'{self.name}' was not switched: {self.reason}") from error
            finally:
                self._told = None
        log.info("%s was switched %s", self.name, "on" if on else "off")

    async def run(self) -> None:
        """Watch it for ever; whatever its link or a library of its vendor's does, it hurts nobody else."""
        await keep(self._watch, expected=(Exception,), failed=self._failed, backoff=self._backoff)

    async def known(self) -> None:
        """Wait until its state is seen for the first time."""
        await self._first.wait()

    def see(self, on: bool | None) -> None:  # noqa: FBT001 - what a link sees
        """Take over what the link has seen."""
        self._backoff.reset()
        if on is None:
            self._become("init")
            return
        now: State = "on" if on else "off"
        obeyed = self._told is on and self.state not in SWITCHED
        turned = self._known not in (None, now)
        self._known = now
        self._become(now)
        if obeyed or turned:
            self.switched.emit(self)
        self._first.set()

    async def _watch(self) -> None:
        await self._link.watch(self.see)

    def _failed(self, error: Exception) -> None:
        told = isinstance(error, BridgeError | OSError)  # what a library says may hold a secret
        if not told:
            log.debug("the power device %s raised", self.name, exc_info=error)
        quiet = "it does not answer" if isinstance(error, TimeoutError) else type(error).__name__
        self._become("error", (self._hide(str(error)) if told else "") or quiet)

    def _become(self, state: State, reason: str | None = None) -> None:
        if (state, reason) == (self.state, self.reason):
            return
        if state == "error":
            log.warning("the power device %s: %s", self.name, reason)
        elif self.state == "error":
            log.info("the power device %s is well again", self.name)
        self.state, self.reason = state, reason
        self.changed.emit(self)


class Polled(ABC):
    """A link that has to ask: each `every` seconds, and at once after a command."""

    def __init__(self, every: float) -> None:
        self._every = every
        self._see: See = lambda _on: None

    @abstractmethod
    async def read(self) -> bool:
        """Ask for the state."""

    @abstractmethod
    async def command(self, *, on: bool) -> None:
        """Tell it what to become."""

    async def watch(self, see: See) -> None:
        """Ask again and again."""
        self._see = see
        while True:
            see(await self.read())
            await asyncio.sleep(self._every)

    async def switch(self, *, on: bool) -> None:
        """Tell it, and ask what it has become."""
        await self.command(on=on)
        became = await self.read()
        self._see(became)
        if became is not on:
            raise DeviceFailed(f"it is still {'on' if became else 'off'}")
