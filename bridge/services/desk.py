"""The one place where services are started and stopped: who may be touched, and how they are."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping

from bridge.errors import BadRequest, BridgeError, Forbidden
from bridge.host.kernel import Kernel
from bridge.lifecycle import Crew, Nagger
from bridge.services.provider import Action, PowerAction, Provider, ServiceState
from bridge.signals import Signal

log = logging.getLogger(__name__)

OURSELVES = ("moonraker", "klipper-bridge")  # the first is what clients call us
KLIPPER = "klipper"
RUNNING = ServiceState("active", "running")
_UNIT = re.compile(r"([A-Za-z0-9][A-Za-z0-9@_.:-]{0,63})\.service$")

States = dict[str, ServiceState]


class ServiceDesk:
    """A part: follows the services of the allow-list, and acts on them one after the other."""

    def __init__(
        self,
        provider: Provider,
        kernel: Kernel,
        *,
        allowed: list[str],
        klipper: str | None,
        klippy_process: Callable[[], int | None],
        renew: Callable[[], None],
    ) -> None:
        self.changed: Signal[Mapping[str, ServiceState]] = Signal("states of services")
        self.found: Signal[list[str]] = Signal("services that can be started and stopped")
        self.provider = provider
        self.states: States = {}
        self._found: list[str] | None = None  # as it was told last
        self._kernel, self._allowed, self._klipper = kernel, allowed, klipper
        self._klippy_process, self._renew = klippy_process, renew
        self._last_unit = KLIPPER
        self._turn, self._look = asyncio.Lock(), asyncio.Event()
        self._crew, self._nag = Crew(), Nagger(log)

    @property
    def klipper(self) -> str:
        """The name of Klipper's service: as configured, else as its process has it, or had it."""
        if self._klipper is not None:
            return self._klipper
        process = self._klippy_process()
        unit = self._unit_of(str(process)) if process and self._is_klippy(process) else None
        self._last_unit = unit or self._last_unit
        return self._last_unit

    @property
    def own(self) -> str:
        """The name of our own service, where we are one."""
        return self._unit_of("self") or OURSELVES[1]

    async def open(self) -> None:
        """Nothing is acquired; who looks first waits for the first look."""

    async def run(self) -> None:
        """Look again and again, and at once when somebody has reason to."""
        self._crew.begin_with(self._follow())
        await self._crew.run()

    async def close(self) -> None:
        """Nothing to give back."""

    def look_again(self) -> None:
        """Something happened that services may have to do with."""
        self._look.set()

    async def look(self) -> States:
        """The states of now; what is new is told."""
        names = list(dict.fromkeys((self.klipper, *self._allowed)))
        known = await self.provider.states(names)
        known[OURSELVES[0]] = RUNNING
        news = {name: state for name, state in known.items() if self.states.get(name) != state}
        gone = {name: ServiceState("inactive", "dead") for name in self.states.keys() - known.keys()}
        was, self.states = self.states, known
        if was and (news or gone):
            self.changed.emit({**news, **gone})
        self._tell_found(self._touchable(known))
        return known

    def _tell_found(self, names: list[str]) -> None:
        if names != self._found:
            self._found = names
            self.found.emit(names)

    def _touchable(self, known: States) -> list[str]:
        """Those that can be started and stopped; Klipper's by the name that is its whatever its unit's is."""
        names = (KLIPPER if name == self.klipper else name for name in known)
        return [name for name in names if name not in (*OURSELVES, self.own)]

    async def known(self) -> States:
        """The states as they were last seen; those of a machine that does not tell are left out."""
        if self.states:
            return self.states
        try:
            return await self.look()
        except (BridgeError, OSError) as error:
            self._nag.warn(f"services cannot be looked at: {error}")
            return {OURSELVES[0]: RUNNING}

    async def act(self, action: Action, service: str) -> None:
        """Start, stop or restart a service of the allow-list; ourselves are only restarted."""
        if service in (*OURSELVES, self.own):
            self._act_on_ourselves(action)
            return
        name = self.klipper if service == KLIPPER else service
        if name != self.klipper and name not in self._allowed:
            shown = ", ".join((KLIPPER, OURSELVES[0], *self._allowed))
            raise Forbidden(
                f"'{service[:64]}' is not among the services that may be touched: {shown} "
                "(machine.services adds to them)"
            )
        async with self._turn:
            await self.provider.act(action, name)
        log.info("the service %s was told to %s", name, action)
        self.look_again()

    async def power(self, action: PowerAction) -> None:
        """Shut the machine down, or boot it again."""
        await self.provider.power(action)  # it does not wait for a service that hangs
        log.warning("this machine was told to %s", action)

    def begin(self, action: Action, service: str, why: str) -> None:
        """Act without anybody waiting; a failure is logged."""
        self._crew.start(self._attempt(lambda: self.act(action, service), f"{service}: {why}"))

    def begin_power(self, action: PowerAction) -> None:
        """The same for the machine."""
        self._crew.start(self._attempt(lambda: self.power(action), f"{action} by a macro"))

    def _act_on_ourselves(self, action: Action) -> None:
        if action == "stop":
            raise BadRequest("The bridge does not stop itself: nobody could start it again from here")
        if action == "restart":
            self._renew()

    async def _attempt(self, work: Callable[[], Awaitable[None]], what: str) -> None:
        try:
            await work()
        except BridgeError as error:
            log.warning("%s: %s", what, error)

    async def _follow(self) -> None:
        while True:
            try:
                await self.look()
                self._nag.reset()
            except (BridgeError, OSError) as error:
                self._nag.warn(f"services cannot be looked at: {error}")
                if not self.states:
                    self._tell_found([])  # whoever waits for them waits no longer
            try:
                async with asyncio.timeout(self.provider.pace):
                    await self._look.wait()
            except TimeoutError:
                continue
            self._look.clear()

    def _is_klippy(self, process: int) -> bool:
        """Whether that is a process of this machine: Klippy in a container counts in numbers of its own."""
        return "klippy" in self._kernel.text(f"/proc/{process}/cmdline")

    def _unit_of(self, process: str) -> str | None:
        """The unit that a process of this machine belongs to, by its control group."""
        for line in self._kernel.text(f"/proc/{process}/cgroup").splitlines():
            unit = _UNIT.search(line.rpartition("/")[2])
            if unit and not unit[1].startswith("user@"):
                return unit[1]
        return None
