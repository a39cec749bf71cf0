"""machine.services.*, shutdown, reboot and sudo: what may be done to the machine below."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bridge.controls.control import Control, button
from bridge.klippy.state import Klippy
from bridge.rpc import NOT_MQTT, Access, Call, Notice, rpc
from bridge.services.desk import ServiceDesk
from bridge.services.provider import Action, ServiceState
from bridge.services.rights import Rights

ACTIONS: tuple[Action, ...] = ("start", "stop", "restart")

Service = Annotated[str, Meta(description="klipper, moonraker (the bridge), or one of machine.services")]


class SudoInfo(msgspec.Struct, frozen=True):
    """What is known of sudo; `sudo_access` is null where nobody asked for it to be tried."""

    sudo_access: bool | None
    linux_user: str
    sudo_requested: bool
    request_messages: list[str]


class SudoTaken(msgspec.Struct, frozen=True):
    """A password was taken."""

    sudo_responses: list[str]
    is_restarting: bool


class Services:
    """Starts, stops and restarts what is on the list; ends the machine."""

    def __init__(self, desk: ServiceDesk, rights: Rights, klippy: Klippy) -> None:
        self.changed: Notice[dict[str, ServiceState]] = Notice(
            "notify_service_state_changed", dict[str, ServiceState], "Services that are not what they were"
        )
        self._desk, self._rights = desk, rights
        desk.changed.connect(self._told)
        klippy.offer("shutdown_machine", lambda _params: desk.begin_power("shutdown"))
        klippy.offer("reboot_machine", lambda _params: desk.begin_power("reboot"))
        klippy.changed.connect(lambda _info: desk.look_again())

    def controls(self, services: Iterable[str]) -> list[Control]:
        """Three buttons for each of these; they work while Klippy is down, when they are needed most."""
        return [self._control(action, service) for service in services for action in ACTIONS]

    @rpc("machine.services.restart", "POST", access=Access.ADMIN)
    async def restart(self, call: Call, *, service: Service) -> Literal["ok"]:
        """Restart a service; the bridge itself restarts as a new process."""
        await self._desk.act("restart", service)
        return "ok"

    @rpc("machine.services.stop", "POST", access=Access.ADMIN)
    async def stop(self, call: Call, *, service: Service) -> Literal["ok"]:
        """Stop a service."""
        await self._desk.act("stop", service)
        return "ok"

    @rpc("machine.services.start", "POST", access=Access.ADMIN)
    async def start(self, call: Call, *, service: Service) -> Literal["ok"]:
        """Start a service."""
        await self._desk.act("start", service)
        return "ok"

    @rpc("machine.shutdown", "POST", access=Access.ADMIN)
    async def shutdown(self, call: Call) -> Literal["ok"]:
        """Shut the machine down."""
        await self._desk.power("shutdown")
        return "ok"

    @rpc("machine.reboot", "POST", access=Access.ADMIN)
    async def reboot(self, call: Call) -> Literal["ok"]:
        """Boot the machine again."""
        await self._desk.power("reboot")
        return "ok"

    @rpc("machine.sudo.info", "GET", access=Access.READ)
    async def sudo_info(
        self,
        call: Call,
        *,
        check_access: Annotated[bool, Meta(description="try whether sudo lets the bridge through")] = False,
    ) -> SudoInfo:
        """Whom the bridge runs as, and whether sudo lets it through."""
        access = await self._rights.check() if check_access else None
        missed = [f"sudo has to let the bridge do `{words}`" for words in self._rights.missed]
        return SudoInfo(access, self._rights.user, sudo_requested=bool(missed), request_messages=missed)

    @rpc(
        "machine.sudo.password",
        "POST",
        access=Access.ADMIN,
        doors=NOT_MQTT,
        elsewhere="a broker is no place for passwords; use HTTP or a WebSocket",
    )
    async def sudo_password(
        self, call: Call, *, password: Annotated[str, Meta(description="of the user the bridge runs as")]
    ) -> SudoTaken:
        """Give sudo its password; it is tried, kept in memory, and forgotten when the bridge ends."""
        return SudoTaken([await self._rights.learn(password)], is_restarting=False)

    def _control(self, action: Action, service: str) -> Control:
        async def act() -> None:
            await self._desk.act(action, service)

        key, name = f"service_{action}_{service}", f"{action.capitalize()} {service}"
        return button(key, name, act, always=True, access=Access.ADMIN)

    def _told(self, states: Mapping[str, Any]) -> None:
        self.changed.emit(dict(states))
