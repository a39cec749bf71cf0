"""All components together: one thing is done at a time, never while a job runs, and each step is told."""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterable

import msgspec

from bridge.config.updates import Updates
from bridge.errors import BridgeError, Busy, Conflict, DeviceFailed, NotFound
from bridge.lifecycle import Crew
from bridge.signals import Signal
from bridge.updates.component import Component, Status
from bridge.updates.memory import Memory
from bridge.updates.releases import Limit

log = logging.getLogger(__name__)

HOUR, PACE = 3600.0, 300.0  # seconds; how often it is looked whether a look is due
PATIENCE = 10.0  # seconds that somebody waits for the first look after a start
SYSTEM, FULL, REFRESH = "system", "full", "refresh"
LAST = ("klipper", "moonraker", "klipper-bridge")  # the bridge restarts itself with its own update
NO_LOOK = "Nobody looks for updates while a job is printing or paused"
PRINTING = "Nothing is updated while a job is printing or paused"
_PERCENT = re.compile(r": (\d{1,3}) %$")

Work = Callable[[], Awaitable[None]]
Say = Callable[[str], None]


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
        self.at_work: str | None = None  # a component, `full` or `refresh`
        self.current: str | None = None  # the component whose turn it is
        self.percent: int | None = None
        self._memory, self._settings = memory, settings
        self._printing, self._restart = printing, restart
        self._crew = Crew()
        self._number = int(time.time())
        self._waiting: list[str] = []  # those that were begun and have not ended
        self._will_look = False
        self._looked = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def configured(self) -> bool:
        """Whether there is anything to keep up to date."""
        return bool(self.components)

    @property
    def busy(self) -> bool:
        """Whether something is updated; a look is no update."""
        return self.at_work not in (None, REFRESH)

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
            self._take(REFRESH)  # nothing is begun before that is done
            self._crew.begin_with(self._begin())
        await self._crew.run()

    async def close(self) -> None:
        """Whoever still waits is let go by the end of the tasks."""

    async def known(self) -> None:
        """Wait for the first look, within reason."""
        if not self.configured or self._looked.is_set():
            return
        try:
            async with asyncio.timeout(PATIENCE):
                await self._looked.wait()
        except TimeoutError:
            log.info("the first look at what is kept up to date takes its time")

    async def update(self, *names: str) -> None:
        """Update components one after the other; the first error is raised when all had their turn."""
        wanted = [self._find(name) for name in names]
        self._refuse_while_printing()
        if len(wanted) == 1:
            await self._alone(wanted[0].name, lambda: self._one(wanted[0], wanted[0].update, "updated"))
        else:
            await self._alone(FULL, lambda: self._all(wanted))

    async def update_all(self) -> None:
        """The system, then what is configured; Klipper and the bridge come last."""
        names = sorted(
            self.components, key=lambda name: (name != SYSTEM, LAST.index(name) + 1 if name in LAST else 0)
        )
        if not names:
            raise Conflict("Nothing is named in `updates`")
        await self.update(*names)

    async def begin(self, name: str) -> None:
        """Have it updated when its turn comes, with nobody waiting; what is refused at once is raised."""
        one = self._find(name)
        self._refuse_while_printing()
        if self.is_in_hand(one.name):
            raise Conflict(f"{one.name} is being updated, or waits for its turn")
        self._waiting.append(one.name)
        if not self._crew.start(self._attempt(one.name)):
            self._waiting.remove(one.name)
            raise Busy("The bridge is starting or ending; try again in a moment")
        self.changed.emit(None)

    def is_in_hand(self, name: str) -> bool:
        """Whether it is being updated, or waits for its turn."""
        return self.current == name or name in self._waiting

    async def rollback(self, name: str) -> None:
        """Back to the version before."""
        one = self._find(name)
        self._refuse_while_printing()
        await self._alone(one.name, lambda: self._one(one, one.rollback, "rolled back"))

    async def recover(self, name: str, *, hard: bool) -> None:
        """Mend a component."""
        one = self._find(name)
        self._refuse_while_printing()

        async def mend(say: Say) -> None:
            await one.recover(say, hard=hard)

        await self._alone(one.name, lambda: self._one(one, mend, "recovered"))

    async def refresh(self, name: str | None = None) -> None:
        """Look outside; refused while something is updated or printed."""
        wanted = list(self.components.values()) if name is None else [self._find(name)]
        if self._printing():
            raise Conflict(NO_LOOK)
        await self._alone(REFRESH, lambda: self._look(wanted))

    async def begin_refresh(self) -> None:
        """Have it done with nobody waiting; what is refused at once is raised."""
        if self._printing():
            raise Conflict(NO_LOOK)
        if self.busy:
            raise self._conflict()
        if self._will_look:
            return
        self._will_look = True
        if not self._crew.start(self._attempt_look()):
            self._will_look = False
            raise Busy("The bridge is starting or ending; try again in a moment")

    async def refresh_if_idle(self) -> None:
        """Look outside unless something is being done or printed."""
        if self.at_work is None and not self._printing() and self.configured:
            await self.refresh()

    def _find(self, name: str) -> Component:
        found = self.components.get(name)
        if found is None and name in ("moonraker", "klipper-bridge"):
            found = self.components.get("klipper-bridge") or self.components.get("moonraker")
        if found is None:
            raise NotFound(f"'{name[:64]}' is not among what is kept up to date; `updates` names it")
        return found

    def _refuse_while_printing(self) -> None:
        if self._printing():
            raise Conflict(PRINTING)

    def _conflict(self) -> Conflict:
        return Conflict(f"Wait for the end of '{self.at_work}': one thing is done at a time")

    async def _alone(self, name: str, work: Work) -> None:
        """Do it in a task of our own: it goes on when whoever asked hangs up."""
        while self.at_work == REFRESH:  # nobody asked for it who would have to be told to wait
            await self._idle.wait()
        if self.at_work is not None:
            raise self._conflict()
        if self._printing():
            raise Conflict(PRINTING)
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._take(name)
        if not self._crew.start(self._done(work, ended)):
            self._take(None)
            raise Busy("The bridge is starting or ending; try again in a moment")
        await asyncio.shield(ended)

    def _take(self, name: str | None) -> None:
        self.at_work, self.current, self.percent = name, None, None
        if name is None:
            self._idle.set()
        else:
            self._idle.clear()

    async def _done(self, work: Work, ended: "asyncio.Future[None]") -> None:
        self._number += 1
        try:
            await work()
        except (BridgeError, OSError) as error:
            ended.set_exception(_fault(error))
            ended.exception()  # whoever asked may have gone
        except asyncio.CancelledError:
            ended.set_exception(
                Busy("The bridge has ended meanwhile; machine.update.status tells what became of it")
            )
            ended.exception()
            raise
        finally:
            self._take(None)
            self.changed.emit(None)
            self.refreshed.emit(None)
            if not ended.done():
                ended.set_result(None)

    async def _all(self, wanted: list[Component]) -> None:
        failed: BridgeError | None = None
        for one in wanted:
            try:
                await self._one(one, one.update, "updated", last=one is wanted[-1])
            except BridgeError as error:
                failed = failed or error
        if failed is not None:
            raise failed

    async def _one(
        self, one: Component, work: Callable[[Say], Awaitable[object]], what: str, *, last: bool = True
    ) -> None:
        """One component, its services, and the last word of it; `complete` is the very last of all."""
        number, words = self._number, "Cut short"
        self.current, self.percent = one.name, None
        self.changed.emit(None)

        def say(text: str) -> None:
            self.told.emit(Progress(one.name, number, text, complete=False))
            self._count(text)

        try:
            self._refuse_while_printing()  # a job may have begun since the one before
            if await work(say) is not False:
                log.info("%s was %s: %s", one.name, what, one.versions.installed)
                await self._restart_services(one, say)
            words = f"{one.name} is done"
        except (BridgeError, OSError) as error:
            fault = _fault(error)
            words = f"Error: {fault}"
            log.warning("%s: %s", one.name, fault)
            if fault is error:
                raise
            raise fault from error
        finally:
            self.told.emit(Progress(one.name, number, words, complete=last))

    async def _restart_services(self, one: Component, say: Say) -> None:
        for service in one.services:
            if self._printing():
                say(f"A job is printing: restart {service} when it has ended, to use what is new")
                continue
            say(f"Restarting {service}")
            try:
                await self._restart(service)
            except BridgeError as error:  # what is new is whole all the same
                log.warning("%s was not restarted: %s", service, error)
                say(f"It was not restarted, do that to use what is new: {error}")

    def _count(self, text: str) -> None:
        """A download tells how far it is; Home Assistant shows it."""
        found = _PERCENT.search(text)
        percent = None if found is None else min(100, int(found[1]))
        if percent != self.percent:
            self.percent = percent
            self.changed.emit(None)

    async def _look(self, wanted: list[Component]) -> None:
        """A component that cannot be looked at keeps nobody from looking at the others."""
        for one in wanted:
            try:
                await one.look(fetch=True)
            except (BridgeError, OSError) as error:
                log.warning("%s cannot be looked at: %s", one.name, _fault(error))
        if len(wanted) == len(self.components):
            await self._memory.note_look(time.time())

    async def _attempt(self, name: str) -> None:
        try:
            while self.at_work is not None or self._waiting[0] != name:
                await self._idle.wait()
                await asyncio.sleep(0)  # who is first takes his turn
            await self.update(name)
        except BridgeError as error:
            log.info("the update of %s has ended with: %s", name, error)
        finally:
            self._waiting.remove(name)
            self.changed.emit(None)

    async def _attempt_look(self) -> None:
        try:
            await self.refresh()
        except BridgeError as error:
            log.info("the look at updates has ended with: %s", error)
        finally:
            self._will_look = False

    async def _begin(self) -> None:
        for one in self.components.values():
            try:
                await one.heal()
                await one.look(fetch=False)
            except (BridgeError, OSError) as error:
                log.warning("%s cannot be looked at: %s", one.name, _fault(error))
        self._looked.set()
        self._take(None)
        self.changed.emit(None)
        while self._settings.refresh_interval:
            if self._is_due():
                try:
                    await self.refresh_if_idle()
                except BridgeError as error:
                    log.info("no look at updates now: %s", error)
            await asyncio.sleep(min(PACE, self._settings.refresh_interval * HOUR))

    def _is_due(self) -> bool:
        """A clock that was wrong once, in the past or the future, does not keep it from looking for ever."""
        first, last = self._settings.refresh_window
        hour = time.localtime().tm_hour
        inside = first <= hour <= last if first <= last else hour >= first or hour <= last
        if self._memory.looked == 0.0:  # for the first time at once
            return True
        interval = self._settings.refresh_interval * HOUR
        return inside and not -interval < time.time() - self._memory.looked < interval


def _fault(error: BridgeError | OSError) -> BridgeError:
    return error if isinstance(error, BridgeError) else DeviceFailed(error.strerror or type(error).__name__)
