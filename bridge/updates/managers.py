"""Package managers: apt where we may be root, else PackageKit, which asks polkit."""

import logging
import os
import re
import shutil
from pathlib import Path

from bridge.errors import DeviceFailed, Forbidden, NotFound
from bridge.programs import Done, Say, found, run
from bridge.services.rights import Rights
from bridge.updates.system import Manager

log = logging.getLogger(__name__)

APT, PACKAGEKIT = "apt-get", "pkcon"
KEEP_SETTINGS = ("-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold")
LOOKING, UPGRADING = 600.0, 7200.0  # seconds
NOTHING_TO_DO = 5  # what pkcon ends with
_WOULD_INSTALL = re.compile(r"^Inst (\S+) \[", re.MULTILINE)
_UPDATE = re.compile(r"^\s*[A-Z][a-z ]+?\s+(\S+?)-\d\S*\.\w+ \(", re.MULTILINE)


def manager(rights: Rights, folder: Path) -> Manager | None:
    """Whatever this machine has, and lets us use."""
    if shutil.which(PACKAGEKIT) is not None and not (_may_be_root() and shutil.which(APT)):
        return PackageKit(rights)
    return None if shutil.which(APT) is None else Apt(rights, folder)


class Apt:
    """apt-get; what it is asked for goes on when the bridge ends."""

    def __init__(self, rights: Rights, folder: Path) -> None:
        self._rights, self._log = rights, folder / "apt.log"

    async def waiting(self, *, fetch: bool) -> list[str]:
        """What a simulated upgrade would install in place of something older."""
        apt = found(APT)
        if fetch:
            try:
                await self._rights.as_root(apt, "update", "--quiet", "--quiet", patience=LOOKING)
            except (Forbidden, NotFound) as error:
                log.info("apt looks at what it knew before: %s", error)
        done = await run(apt, "--simulate", "--with-new-pkgs", "upgrade", patience=LOOKING)
        if done.code:
            raise DeviceFailed(f"apt: {done.said}")
        return sorted(set(_WOULD_INSTALL.findall(done.out)))

    async def upgrade(self, say: Say) -> None:
        """Upgrade all packages."""
        apt = found(APT)
        await self._rights.as_root(apt, "update", patience=LOOKING, say=say)
        words = ("--yes", "--with-new-pkgs", *KEEP_SETTINGS, "upgrade")
        await self._rights.as_root(apt, *words, patience=UPGRADING, say=say, outlive=self._log)

    async def mend(self, say: Say) -> None:
        """Have dpkg configure what it has unpacked."""
        dpkg = shutil.which("dpkg")
        if dpkg is None:
            return
        if (await run(dpkg, "--audit", patience=LOOKING)).out.strip():
            say("Finishing what was left of an earlier upgrade")
            await self._rights.as_root(dpkg, "--configure", "--pending", patience=UPGRADING, say=say)


class PackageKit:
    """pkcon; the work is done by a service of the system's, which goes on by itself."""

    def __init__(self, rights: Rights) -> None:
        self._rights = rights

    async def waiting(self, *, fetch: bool) -> list[str]:
        """What PackageKit would update."""
        if fetch:
            try:
                await self._rights.run(found(PACKAGEKIT), "--plain", "refresh", patience=LOOKING)
            except (Forbidden, NotFound, DeviceFailed) as error:
                log.info("PackageKit looks at what it knew before: %s", error)
        done = await run(found(PACKAGEKIT), "--plain", "get-updates", patience=LOOKING)
        _check(done)
        return sorted(set(_UPDATE.findall(done.out)))

    async def upgrade(self, say: Say) -> None:
        """Update all packages."""
        if not await self.waiting(fetch=True):
            return
        words = ("--plain", "--noninteractive", "update")
        await self._rights.run(found(PACKAGEKIT), *words, patience=UPGRADING, say=say)

    async def mend(self, say: Say) -> None:
        """Have it take up what was left undone."""
        done = await run(found(PACKAGEKIT), "--plain", "repair", patience=LOOKING, say=say)
        if done.code:
            log.info("PackageKit has nothing to repair: %s", done.said)


def _may_be_root() -> bool:
    """By sudo, which is there in vain where the process may not gain rights (NoNewPrivileges of systemd)."""
    if os.getuid() == 0:
        return True
    try:
        is_bound = "NoNewPrivs:\t1" in Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        is_bound = False
    return shutil.which("sudo") is not None and not is_bound


def _check(done: Done) -> None:
    if done.code not in (0, NOTHING_TO_DO):
        raise DeviceFailed(f"PackageKit: {done.said}")
