"""The packages of the system, by whatever keeps them: it goes on to its end also without the bridge."""

import logging
from typing import Protocol

from bridge.errors import BridgeError, Conflict, NotFound
from bridge.programs import Say
from bridge.updates.component import Status, Versions

log = logging.getLogger(__name__)

NAME = "system"
LATEST = "up to date"


class Manager(Protocol):
    """What keeps the packages of a system."""

    async def waiting(self, *, fetch: bool) -> list[str]:
        """The packages that could be upgraded; with `fetch` after asking the mirrors."""

    async def upgrade(self, say: Say) -> None:
        """Upgrade all; settings that somebody has changed stay as they are."""

    async def mend(self, say: Say) -> None:
        """Finish what was not finished."""


class System:
    """All packages together."""

    def __init__(self, manager: Manager | None) -> None:
        self.name, self.services = NAME, list[str]()
        self._manager = manager
        self._packages: list[str] = []
        self._warning = ""

    @property
    def versions(self) -> Versions:
        """How many could be upgraded, for want of a version."""
        count = len(self._packages)
        return Versions(LATEST, f"{count} package{'s' * (count > 1)}" if count else LATEST)

    @property
    def status(self) -> Status:
        """As web UIs have it."""
        return {
            "name": self.name,
            "configured_type": NAME,
            "package_count": len(self._packages),
            "package_list": self._packages,
            "warnings": [self._warning] if self._warning else [],
        }

    async def look(self, *, fetch: bool) -> None:
        """See what could be upgraded."""
        self._warning = ""
        try:
            self._packages = await self._kept().waiting(fetch=fetch)
        except BridgeError as error:
            self._warning = str(error)

    async def update(self, say: Say) -> bool:
        """Upgrade all packages."""
        await self._kept().mend(say)
        await self._kept().upgrade(say)
        await self.look(fetch=False)
        return True

    async def rollback(self, say: Say) -> None:  # noqa: ARG002 - as all components
        """Refuse."""
        raise Conflict("Packages of the system cannot be taken back")

    async def recover(self, say: Say, *, hard: bool) -> None:  # noqa: ARG002 - as all components
        """Finish what was not finished."""
        await self._kept().mend(say)
        await self.look(fetch=False)

    async def heal(self) -> None:
        """Nothing without being asked: a package manager keeps what it had until a package is whole."""

    def _kept(self) -> Manager:
        if self._manager is None:
            raise NotFound("There is neither apt-get nor pkcon on this machine; take out updates.system")
        return self._manager
