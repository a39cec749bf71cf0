"""Klippy's life as the bridge sees it: disconnected, startup, ready, shutdown, error."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from bridge.errors import BridgeError, KlippyError
from bridge.klippy.printer_link import (
    OUTPUT,
    REMOTE,
    Outcome,
    PrinterLink,
    RemoteCall,
    StatusUpdate,
    decoded,
    status_update,
)
from bridge.klippy.status import Status, StatusCache, StatusDelta
from bridge.lifecycle import Backoff, Nagger, keep
from bridge.signals import Signal

log = logging.getLogger(__name__)

NEEDED = ("virtual_sdcard", "display_status", "pause_resume")  # what web UIs cannot do without


class KlippyState(Enum):
    """Klippy's own states, and `disconnected` while there is no socket."""

    DISCONNECTED = "disconnected"
    STARTUP = "startup"
    READY = "ready"
    SHUTDOWN = "shutdown"
    ERROR = "error"


@dataclass(frozen=True)
class KlippyInfo:
    """Klippy's state with its message (several lines) and version; None is not known."""

    state: KlippyState
    message: str
    version: str | None = None
    process_id: int | None = None


@dataclass(frozen=True)
class Machine:
    """What Klippy was configured with: names of objects and endpoints, and `configfile.settings`."""

    objects: tuple[str, ...] = ()
    endpoints: frozenset[str] = frozenset()
    settings: dict[str, Any] = field(default_factory=dict)
    status: Status = field(default_factory=dict)  # the first values of everything
    heaters: tuple[str, ...] = ()
    sensors: tuple[str, ...] = ()  # heaters among them
    monitors: tuple[str, ...] = ()  # sensors that report only now and then

    @property
    def missing(self) -> list[str]:
        """Sections that clients need and Klipper's configuration lacks."""
        return [name for name in NEEDED if name not in self.objects]


_LARGE = frozenset({"gcode"})  # lists and tables that nobody follows
_SURVEYED: dict[str, list[str] | None] = {"configfile": ["settings"]}
LAST_WORDS = ("// Klipper state: Shutdown", "// Klipper state: Disconnect")
GONE = KlippyInfo(KlippyState.DISCONNECTED, "Klippy is not connected")


class Klippy:
    """Keeps the link up, follows Klippy's state, and knows what the machine consists of."""

    def __init__(self, link: PrinterLink, cache: StatusCache, *, version: str) -> None:
        self.changed: Signal[KlippyInfo] = Signal("Klippy's state")
        self.surveyed: Signal[Machine] = Signal("Klippy's machine")  # before `ready`: say now what you want
        self.available_changed: Signal[None] = Signal("Klippy's availability")  # its loss: before all else
        self.info = GONE
        self.machine = Machine()
        self.hello: dict[str, Any] = {}  # its last answer to `info`: versions, and where its files are
        self._link, self._cache, self._version = link, cache, version
        self._backoff = Backoff(first=0.1, last=2.0)  # a restarting Klippy is back within a second or two
        self._nag = Nagger(log)
        self._remotes: dict[str, Callable[[dict[str, Any]], None]] = {}
        self._news = asyncio.Event()
        self._doubtful = False
        cache.want(self, {"webhooks": ["state", "state_message"]})
        cache.changed.connect(self._follow)
        link.output.connect(self._said)
        link.called.connect(self._called)
        link.lost.connect(self._gone)

    @property
    def ready(self) -> bool:
        """Whether the printer can be used."""
        return self.info.state is KlippyState.READY

    @property
    def available(self) -> bool:
        """Whether it is ready and nothing says otherwise."""
        return self.ready and not self._doubtful

    def offer(self, name: str, slot: Callable[[dict[str, Any]], None]) -> None:
        """Let macros call `name` with action_call_remote_method; Klippy is told now and at each connect."""
        self._remotes[name] = slot
        if self._link.connected:
            try:
                self._link.send("register_remote_method", _registration(name), self._registered)
            except BridgeError as error:
                log.warning("Klippy was not told of the remote method '%s': %s", name, error)

    def offers(self, name: str) -> bool:
        """Whether somebody has offered a method of that name."""
        return name in self._remotes

    def withdraw(self, name: str) -> None:
        """Carry out `name` no more: whoever had offered it is gone."""
        self._remotes.pop(name, None)

    async def open(self) -> None:
        """Nothing to acquire: a missing Klippy keeps nobody from starting."""

    async def run(self) -> None:
        """Connect for ever."""
        await keep(self._session, expected=(OSError, BridgeError), failed=self._failed, backoff=self._backoff)

    async def close(self) -> None:
        """Hang up."""
        self._link.close()

    async def _session(self) -> None:
        self._news.clear()
        await self._link.connect()
        try:
            hello = self.hello = await self._greet()
            self._backoff.reset()
            self._nag.reset()
            while self._link.connected:
                await self._settle(hello)
                await self._news.wait()
                self._news.clear()
        finally:
            self._link.close()

    async def _greet(self) -> dict[str, Any]:
        """Say who we are, ask for output, and offer the remote methods; Klippy's `info`."""
        who = {"program": "klipper-bridge", "version": self._version}
        found = await asyncio.gather(
            self._ask("info", {"client_info": who}),
            self._ask("gcode/subscribe_output", {"response_template": {"method": OUTPUT}}),
            *(self._ask("register_remote_method", _registration(name)) for name in self._remotes),
        )
        hello: dict[str, Any] = found[0]
        log.info("connected to Klippy %s", hello.get("software_version") or "of unknown version")
        return hello

    async def _ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """A request that a half-broken Klippy may refuse without harm."""
        try:
            return await self._link.fetch(method, params)
        except KlippyError as error:
            log.warning("Klippy refused '%s': %s", method, error)
            return {}

    async def _settle(self, hello: dict[str, Any]) -> None:
        """Survey the machine when Klippy has left `startup`, say so, and follow what anybody wants of it."""
        info = self._reported(hello)
        fresh = not self._cache.following
        if info.state is not KlippyState.STARTUP and info.state is not self.info.state:
            if info.state is KlippyState.READY or not self.machine.objects:
                await self._survey()
                fresh = True
            info = self._reported(hello)
        self._become(info)
        if fresh:
            await self._cache.resubscribe()

    async def _survey(self) -> None:
        """Learn what there is with one query: it is answered at once while no subscription ticks."""
        endpoints, objects = await asyncio.gather(
            self._ask("list_endpoints", {}), self._ask("objects/list", {})
        )
        names = _names(objects.get("objects"))
        wanted = {name: _SURVEYED.get(name) for name in names if name not in _LARGE}
        found = status_update(await self._ask("objects/query", {"objects": wanted}))
        settings = found.status.get("configfile", {}).get("settings")
        heaters = found.status.get("heaters", {})
        self.machine = Machine(
            objects=names,
            endpoints=frozenset(_names(endpoints.get("endpoints"))),
            settings=settings if isinstance(settings, dict) else {},
            status={name: fields for name, fields in found.status.items() if name != "configfile"},
            heaters=_names(heaters.get("available_heaters")),
            sensors=_names(heaters.get("available_sensors")),
            monitors=_names(heaters.get("available_monitors")),
        )
        self.surveyed.emit(self.machine)
        self._cache.prime(found)

    def _reported(self, hello: dict[str, Any]) -> KlippyInfo:
        """What `webhooks` says now; what `info` said where there is no such object."""
        state = self._cache.get("webhooks", "state") or hello.get("state")
        message = self._cache.get("webhooks", "state_message") or hello.get("state_message")
        version, process = hello.get("software_version"), hello.get("process_id")
        return KlippyInfo(
            state=_STATES.get(state, KlippyState.STARTUP) if isinstance(state, str) else KlippyState.STARTUP,
            message=message.strip() if isinstance(message, str) else "",
            version=version if isinstance(version, str) else None,
            process_id=process if isinstance(process, int) else None,
        )

    def _follow(self, delta: StatusDelta) -> None:
        """A change of `webhooks`: leaving `ready` is told at once, entering it after a survey."""
        if "webhooks" not in delta.status:
            return
        state = self._cache.get("webhooks", "state")
        if self.ready and state != KlippyState.READY.value:
            known = {"software_version": self.info.version, "process_id": self.info.process_id}
            self._become(self._reported(known))
        else:
            self._news.set()

    def _said(self, text: str) -> None:
        """Klippy's output tells of its end a quarter of a second before `webhooks` does: ask at once."""
        if text not in LAST_WORDS or not self.available:
            return
        self._doubtful = True
        self.available_changed.emit(None)
        try:
            self._link.send("info", {}, self._answered)
        except BridgeError as error:
            log.debug("cannot ask Klippy about its end, its status will tell: %s", error)

    def _answered(self, outcome: Outcome) -> None:
        """What `info` says of an end that the output announced; a macro may have made it up."""
        found = None if isinstance(outcome, Exception) else decoded(outcome)
        if not isinstance(found, dict):
            return
        told = {name: found[name] for name in ("state", "state_message") if isinstance(found.get(name), str)}
        self._cache.prime(StatusUpdate(self._cache.eventtime, {"webhooks": told}))
        if self.ready:
            self._doubtful = False
            self.available_changed.emit(None)

    def _become(self, info: KlippyInfo) -> None:
        was, before = self.available, self.info
        self.info, self._doubtful = info, False
        if was and not self.available:
            self.available_changed.emit(None)
        if info.state is not before.state:
            log.info("Klippy is %s%s", info.state.value, _first_line(info))
        if info != before:
            self.changed.emit(info)
        elif self.available and not was:
            self.available_changed.emit(None)

    def _gone(self, reason: str) -> None:
        self._news.set()
        self._become(KlippyInfo(KlippyState.DISCONNECTED, f"Klippy is not connected: {reason}"))
        self._cache.clear()
        self.machine = Machine()

    def _failed(self, error: Exception) -> None:
        self._nag.warn(self._link.trouble(error))

    def _registered(self, outcome: Outcome) -> None:
        if isinstance(outcome, Exception):
            log.warning("Klippy refused a remote method: %s", outcome)

    def _called(self, call: RemoteCall) -> None:
        slot = self._remotes.get(call.method)
        if slot is not None:
            slot(call.params)


_STATES = {state.value: state for state in KlippyState}


def _registration(name: str) -> dict[str, Any]:
    return {"remote_method": name, "response_template": {"method": REMOTE + name}}


def _names(value: Any) -> tuple[str, ...]:
    return tuple(name for name in value if isinstance(name, str)) if isinstance(value, list) else ()


def _first_line(info: KlippyInfo) -> str:
    line = next((line for line in info.message.splitlines() if line.strip()), "")
    return f": {line}" if line and info.state is not KlippyState.READY else ""
