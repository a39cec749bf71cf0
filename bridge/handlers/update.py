"""machine.update.*: what is kept up to date (seed 004, Update Manager APIs)."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bridge.controls.control import Control, button
from bridge.rpc import Access, Call, Notice, missing, rpc
from bridge.updates.foreman import REFRESH, SYSTEM, Foreman, Progress

Name = Annotated[str, Meta(description="its name in `updates.components`")]
BRIDGE, MOONRAKER, KLIPPER = "klipper-bridge", "moonraker", "klipper"


class UpdateStatus(msgspec.Struct, frozen=True):
    """What there is, what could be, and how often GitHub may still be asked."""

    busy: bool
    github_rate_limit: int | None
    github_requests_remaining: int | None
    github_limit_reset_time: int | None
    version_info: dict[str, dict[str, Any]]


class Update:
    """Updates; each answer comes when all is done, and steps are told meanwhile."""

    def __init__(self, foreman: Foreman) -> None:
        self.responded: Notice[Progress] = Notice(
            "notify_update_response", Progress, "A step of an update; `complete` with the last one"
        )
        self.refreshed: Notice[UpdateStatus] = Notice(
            "notify_update_refreshed", UpdateStatus, "Somebody has looked at what could be updated"
        )
        self.components = ("update_manager",) if foreman.configured else ()
        self._foreman = foreman
        foreman.told.connect(self.responded.emit)
        foreman.refreshed.connect(lambda _none: self.refreshed.emit(self._status()))

    @property
    def controls(self) -> list[Control]:
        """A button for each component, and one to look; what is begun goes on by itself, its end is told."""
        if not self._foreman.configured:
            return []
        acts = {
            f"update_{REFRESH}": ("Check for updates", self._foreman.begin_refresh),
            **{f"update_{name}": (f"Update {name}", self._begin(name)) for name in self._foreman.components},
        }
        return [button(key, name, act, always=True, access=Access.ADMIN) for key, (name, act) in acts.items()]

    @rpc("machine.update.status", "GET", access=Access.READ)
    async def status(
        self,
        call: Call,
        *,
        refresh: Annotated[
            bool, Meta(description="look outside first; not while something is updated or printed")
        ] = False,
    ) -> UpdateStatus:
        """Every component: its version, the newest one, and what is wrong with it."""
        await self._foreman.known()
        if refresh:
            await self._foreman.refresh_if_idle()
        return self._status()

    @rpc("machine.update.refresh", "POST", access=Access.ADMIN)
    async def refresh(
        self, call: Call, *, name: Annotated[str | None, Meta(description="one of them; null: all")] = None
    ) -> UpdateStatus:
        """Look outside for what is new."""
        await self._foreman.known()
        await self._foreman.refresh(name)
        return self._status()

    @rpc("machine.update.full", "POST", access=Access.ADMIN)
    async def full(self, call: Call) -> Literal["ok"]:
        """Update everything: the system first, Klipper and the bridge last."""
        await self._foreman.update_all()
        return "ok"

    @rpc("machine.update.upgrade", "POST", access=Access.ADMIN)
    async def upgrade(
        self, call: Call, *, name: Annotated[str | None, Meta(description="one of them; null: all")] = None
    ) -> Literal["ok"]:
        """Update one component, or everything."""
        if name is None:
            await self._foreman.update_all()
        else:
            await self._foreman.update(name)
        return "ok"

    @rpc("machine.update.moonraker", "POST", access=Access.ADMIN)
    async def moonraker(self, call: Call) -> Literal["ok"]:
        """Update the bridge; it restarts as a new process."""
        await self._foreman.update(BRIDGE)
        return "ok"

    @rpc("machine.update.klipper", "POST", access=Access.ADMIN)
    async def klipper(self, call: Call) -> Literal["ok"]:
        """Update Klipper."""
        await self._foreman.update(KLIPPER)
        return "ok"

    @rpc("machine.update.client", "POST", access=Access.ADMIN)
    async def client(
        self, call: Call, *, name: Annotated[str | None, Meta(description="its name")] = None
    ) -> Literal["ok"]:
        """Update a web UI, or any other component."""
        if name is None:
            raise missing("name")
        await self._foreman.update(name)
        return "ok"

    @rpc("machine.update.system", "POST", access=Access.ADMIN)
    async def system(self, call: Call) -> Literal["ok"]:
        """Upgrade the packages of the system."""
        await self._foreman.update(SYSTEM)
        return "ok"

    @rpc("machine.update.recover", "POST", access=Access.ADMIN)
    async def recover(
        self,
        call: Call,
        *,
        name: Name,
        hard: Annotated[bool, Meta(description="fetch all of it anew, not only what was changed")] = False,
    ) -> Literal["ok"]:
        """Mend a component; local changes are lost."""
        await self._foreman.recover(name, hard=hard)
        return "ok"

    @rpc("machine.update.rollback", "POST", access=Access.ADMIN)
    async def rollback(self, call: Call, *, name: Name) -> Literal["ok"]:
        """Back to the version before the last update."""
        await self._foreman.rollback(name)
        return "ok"

    def _begin(self, name: str) -> Any:
        async def begin() -> None:
            await self._foreman.begin(name)

        return begin

    def _status(self) -> UpdateStatus:
        limit, info = self._foreman.limit, self._foreman.status
        for name, other in ((BRIDGE, MOONRAKER), (MOONRAKER, BRIDGE)):  # what clients call us, and our name
            if name in info and other not in info:
                info[other] = {**info[name], "name": other}
        return UpdateStatus(
            busy=self._foreman.busy,
            github_rate_limit=limit.limit,
            github_requests_remaining=limit.remaining,
            github_limit_reset_time=limit.reset,
            version_info=info,
        )
