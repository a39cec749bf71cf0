"""The packages of the system, by apt; it goes on to its end also when the bridge does not."""

import logging
import re
import shutil
from pathlib import Path

from bridge.errors import BridgeError, Conflict, Forbidden, NotFound
from bridge.programs import Say, found, run
from bridge.services.rights import Rights
from bridge.updates.component import Status, Versions

log = logging.getLogger(__name__)

APT = "apt-get"
KEEP_SETTINGS = ("-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold")
LOOKING, UPGRADING = 600.0, 7200.0  # seconds
_WOULD_INSTALL = re.compile(r"^Inst (\S+) \[", re.MULTILINE)


class System:
    """All packages together."""

    def __init__(self, rights: Rights, folder: Path) -> None:
        self.name, self.services = "system", list[str]()
        self._rights, self._log = rights, folder / "apt.log"
        self._packages: list[str] = []
        self._warning = ""

    @property
    def versions(self) -> Versions:
        """How many could be upgraded, for want of a version."""
        count = len(self._packages)
        return Versions("up to date", f"{count} packages" if count else "up to date")

    @property
    def status(self) -> Status:
        """As web UIs have it."""
        return {
            "name": self.name,
            "configured_type": "system",
            "package_count": len(self._packages),
            "package_list": self._packages,
            "warnings": [self._warning] if self._warning else [],
        }

    async def look(self, *, fetch: bool) -> None:
        """See what could be upgraded; with `fetch` after asking the mirrors."""
        self._warning = ""
        try:
            apt = found(APT)
            if fetch:
                await self._ask_mirrors(apt)
            done = await run(apt, "--simulate", "--with-new-pkgs", "upgrade", patience=LOOKING)
        except BridgeError as error:
            self._warning = str(error)
            return
        if done.code:
            self._warning = f"apt: {done.said}"
        self._packages = sorted(set(_WOULD_INSTALL.findall(done.out)))

    async def update(self, say: Say) -> bool:
        """Upgrade all packages; settings that somebody has changed stay as they are."""
        apt = found(APT)
        await self._finish_earlier(say)
        await self._rights.as_root(apt, "update", patience=LOOKING, say=say)
        words = ("--yes", "--with-new-pkgs", *KEEP_SETTINGS, "upgrade")
        await self._rights.as_root(apt, *words, patience=UPGRADING, say=say, outlive=self._log)
        await self.look(fetch=False)
        return True

    async def rollback(self, say: Say) -> None:  # noqa: ARG002 - as all components
        """Refuse."""
        raise Conflict("Packages of the system cannot be taken back")

    async def recover(self, say: Say, *, hard: bool) -> None:  # noqa: ARG002 - as all components
        """Finish what was not finished."""
        await self._finish_earlier(say)

    async def heal(self) -> None:
        """Nothing without being asked: dpkg keeps what it had until a package is whole."""

    async def _ask_mirrors(self, apt: str) -> None:
        try:
            await self._rights.as_root(apt, "update", "--quiet", "--quiet", patience=LOOKING)
        except (Forbidden, NotFound) as error:
            log.info("apt looks at what it knew before: %s", error)

    async def _finish_earlier(self, say: Say) -> None:
        dpkg = shutil.which("dpkg")
        if dpkg is None:
            return
        if (await run(dpkg, "--audit", patience=LOOKING)).out.strip():
            say("Finishing what was left of an earlier upgrade")
            await self._rights.as_root(dpkg, "--configure", "--pending", patience=UPGRADING, say=say)
