"""All components together: one thing is done at a time, never while a job runs, and each step is told."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

import msgspec

from bridge.config.updates import Updates
from bridge.errors import BadRequest, BridgeError, Busy, Conflict, NotFound
from bridge.lifecycle import Crew
from bridge.signals import Signal
from bridge.updates.component import Component, Status
from bridge.updates.memory import Memory
from bridge.updates.releases import Limit

log = logging.getLogger(__name__)

HOUR, PACE = 3600.0, 300.0  # seconds; how often it is looked whether a look is due
SYSTEM = "system"


class Progress(msgspec.Struct, frozen=True):
    """A step of an update."""

    application: str
    proc_id: int
    message: str
    complete: bool


class Foreman:
    """A part: owns what is being done, also when whoever asked for it has gone."""

    def __init__(
        self,
        components: Iterable[Component],
        memory: Memory,
        limit: Limit,
        settings: Updates,
        *,
        printing: Callable[[], bool],
        restart: Callable[[str], Awaitable[None]],
    ) -> None:
        self.told: Signal[Progress] = Signal("progress of an update")
        self.refreshed: Signal[None] = Signal("a look at what could be updated")
        self.changed: Signal[None] = Signal("versions, or what is being done")
        self.components = {one.name: one for one in components}
        self.limit = limit
        self.at_work: str | None = None
        self._memory, self._settings = memory, settings
        self._printing, self._restart = printing, restart
        self._crew = Crew()
        self._number = int(time.time())
        self._looked = asyncio.Event()

    @property
    def configured(self) -> bool:
        """Whether there is anything to keep up to date."""
        return bool(self.components)

    @property
    def status(self) -> dict[str, Status]:
        """Every component as web UIs have it."""
        return {name: one.status for name, one in self.components.items()}

    async def open(self) -> None:
        """Remember."""
        await asyncio.to_thread(self._memory.load)

    async def run(self) -> None:
        """Mend what a crash has left, look at what is here, and then outside when it is time."""
        if self.configured:
            self._crew.begin_with(self._begin())
        await self._crew.run()

    async def close(self) -> None:
        """Whoever still waits is let go by the end of the tasks."""

    async def known(self) -> None:
        """Wait for the first look."""
        if self.configured:
            await self._looked.wait()

    async def update(self, *names: str) -> None:
        """Update components one after the other; the last error is raised when all had their turn."""
        wanted = [self._find(name) for name in names]
        self._refuse_while_printing()
        await self._alone(wanted[0].name if len(wanted) == 1 else "full", lambda: self._all(wanted))

    async def update_all(self) -> None:
        """The system, then what is configured; Klipper and the bridge come last."""
        last = ("klipper", "moonraker", "klipper-bridge")
        names = sorted(
            self.components, key=lambda name: (name != SYSTEM, last.index(name) + 1 if name in last else 0)
        )
        if not names:
            raise Conflict("Nothing is named in `updates`")
        await self.update(*names)

    async def rollback(self, name: str) -> None:
        """Back to the version before."""
        one = self._find(name)
        self._refuse_while_printing()
        await self._alone(one.name, lambda: self._one(one, one.rollback, "rolled back"))

    async def recover(self, name: str, *, hard: bool) -> None:
        """Mend a component."""
        one = self._find(name)
        self._refuse_while_printing()

        async def mend(say: Callable[[str], None]) -> None:
            await one.recover(say, hard=hard)

        await self._alone(one.name, lambda: self._one(one, mend, "recovered"))

    async def refresh(self, name: str | None = None) -> None:
        """Look outside; nothing is asked while something is being done or printed."""
        wanted = list(self.components.values()) if name is None else [self._find(name)]
        if self.at_work is not None or self._printing():
            return
        await self._alone("refresh", lambda: self._look(wanted))

    def _find(self, name: str) -> Component:
        found = self.components.get(name)
        if found is None and name in ("moonraker", "klipper-bridge"):
            found = self.components.get("klipper-bridge") or self.components.get("moonraker")
        if found is None:
            raise NotFound(f"'{name[:64]}' is not among what is kept up to date; `updates` names it")
        return found

    def _refuse_while_printing(self) -> None:
        if self._printing():
            raise Conflict("Nothing is updated while a job is printing or paused")

    async def _alone(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do it in a task of our own: it goes on when whoever asked hangs up."""
        if self.at_work is not None:
            raise Conflict(f"Wait for the end of '{self.at_work}': one thing is done at a time")
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.at_work = name
        if not self._crew.start(self._done(work, ended)):
            self.at_work = None
            raise Busy("The bridge is starting or ending; try again in a moment")
        await asyncio.shield(ended)

    async def _done(self, work: Callable[[], Awaitable[None]], ended: "asyncio.Future[None]") -> None:
        self._number += 1
        self.changed.emit(None)
        try:
            await work()
        except (BridgeError, OSError) as error:
            fault = error if isinstance(error, BridgeError) else BadRequest(error.strerror or str(error))
            if not ended.done():
                ended.set_exception(fault)
                ended.exception()  # whoever asked may have gone
        else:
            if not ended.done():
                ended.set_result(None)
        finally:
            self.at_work = None
            ended.cancel()
            self.changed.emit(None)

    async def _all(self, wanted: list[Component]) -> None:
        failed: BridgeError | None = None
        for one in wanted:
            try:
                await self._one(one, one.update, "updated")
            except BridgeError as error:
                failed = error
        if failed is not None:
            raise failed

    async def _one(
        self, one: Component, work: Callable[[Callable[[str], None]], Awaitable[object]], what: str
    ) -> None:
        """One component, its services, and the last word of it."""
        try:
            async with self._telling(one.name) as say:
                if await work(say) is not False:
                    log.info("%s was %s: %s", one.name, what, one.versions.installed)
                    self.changed.emit(None)
                    for service in one.services:
                        say(f"Restarting {service}")
                        await self._restart(service)
                say("Done")
        finally:
            self.refreshed.emit(None)

    @contextlib.asynccontextmanager
    async def _telling(self, name: str) -> AsyncIterator[Callable[[str], None]]:
        """Tells each step, and holds the last one back until it is known to be the last."""
        number, waiting = self._number, [""]

        def say(words: str) -> None:
            before, waiting[0] = waiting[0], words
            if before:
                self.told.emit(Progress(name, number, before, complete=False))

        try:
            yield say
        except (BridgeError, OSError) as error:
            fault = error if isinstance(error, BridgeError) else BadRequest(error.strerror or str(error))
            log.warning("%s: %s", name, fault)
            say(f"Error: {fault}")
            raise fault from error
        finally:
            self.told.emit(Progress(name, number, waiting[0] or "Cut short", complete=True))

    async def _look(self, wanted: list[Component]) -> None:
        for one in wanted:
            await one.look(fetch=True)
        if len(wanted) == len(self.components):
            self._memory.looked = time.time()
        self.refreshed.emit(None)

    async def _begin(self) -> None:
        for one in self.components.values():
            try:
                await one.heal()
                await one.look(fetch=False)
            except (BridgeError, OSError) as error:
                log.warning("%s cannot be looked at: %s", one.name, error)
        self._looked.set()
        self.changed.emit(None)
        while self._settings.refresh_interval:
            if self._is_due():
                try:
                    await self.refresh()
                except BridgeError as error:
                    log.info("no look at updates now: %s", error)
            await asyncio.sleep(min(PACE, self._settings.refresh_interval * HOUR))

    def _is_due(self) -> bool:
        first, last = self._settings.refresh_window
        hour = time.localtime().tm_hour
        inside = first <= hour <= last if first <= last else hour >= first or hour <= last
        if self._memory.looked == 0.0:  # for the first time at once
            inside = True
        return inside and time.time() - self._memory.looked >= self._settings.refresh_interval * HOUR
