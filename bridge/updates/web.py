"""A web UI or an application that is a zip file: made beside, then put in place in one step."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import msgspec

from bridge.config.updates import Web, Zip, kind
from bridge.errors import BridgeError, Conflict, DeviceFailed, NotFound
from bridge.programs import Say
from bridge.updates import bundle, swap
from bridge.updates.component import WHOLE, Status, Versions
from bridge.updates.environment import Environment
from bridge.updates.memory import Memory
from bridge.updates.releases import Release, Releases

log = logging.getLogger(__name__)

INFO, VERSION = "release_info.json", ".version"
LONGEST_VERSION = 100


class Site:
    """A folder that is replaced as a whole."""

    def __init__(self, name: str, settings: Web | Zip, memory: Memory, releases: Releases) -> None:
        self.name, self.services = name, settings.services
        self.path = Path(settings.path).expanduser()
        self._settings, self._memory, self._releases = settings, memory, releases
        self._installed: str | None = None
        self._before: str | None = None
        self._error = ""
        self._faults: list[str] = []

    @property
    def versions(self) -> Versions:
        """By its own file, and the newest release."""
        record = self._memory.of(self.name)
        return Versions(self._installed, record.latest, record.link)

    @property
    def status(self) -> Status:
        """As web UIs have it."""
        owner, _, repo = self._settings.repo.partition("/")
        known = self.versions
        return {
            "name": self.name,
            "configured_type": kind(self._settings),
            "detected_type": kind(self._settings),
            "channel": self._settings.channel,
            **WHOLE,
            "owner": owner,
            "repo_name": repo,
            "last_error": self._error,
            "version": known.installed or "?",
            "remote_version": known.latest or "?",
            "rollback_version": self._before or known.installed or "?",
            "is_valid": self._installed is not None,
            "pristine": True,
            "anomalies": self._faults,
            "warnings": [self._error] if self._error else [],
            "info_tags": [],
        }

    async def look(self, *, fetch: bool) -> None:
        """See what is there, and with `fetch` what the newest release is."""
        self._installed, self._before = await asyncio.to_thread(self._versions_here)
        missing = f"{self.path.name} is not installed, or does not tell its version"
        self._faults = [] if self._installed is not None else [missing]
        if fetch:
            try:
                await self._newest()
                self._error = ""
            except BridgeError as error:
                self._error = str(error)

    async def update(self, say: Say) -> bool:
        """Install the newest release."""
        release = await self._newest()
        await self.look(fetch=False)
        if self._installed == release.tag_name:
            say(f"{self.name} is up to date")
            return False
        asset = bundle.asset_of(release, self._settings.asset)
        file = self.path.with_name(f".{self.path.name}.download.zip")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            await bundle.fetch(self._releases, release, asset, file, say)
            say(f"Installing {self.name} {release.tag_name}")
            await self._install(file, release, say)
        except OSError as error:
            raise DeviceFailed(f"{self.name} was not updated: {error.strerror or error}") from error
        finally:
            file.unlink(missing_ok=True)
            await asyncio.to_thread(swap.heal, self.path)
        await self.look(fetch=False)
        return True

    async def rollback(self, say: Say) -> None:
        """Exchange it for the one before."""
        old = swap.previous(self.path)
        if not old.exists():
            raise Conflict(f"No earlier version of {self.name} is kept")
        say(f"Taking {self.name} back")
        await asyncio.to_thread(swap.exchange, self.path, old)
        if (environment := self._environment()) is not None and swap.previous(environment.path).exists():
            await asyncio.to_thread(environment.rollback)
        await self.look(fetch=False)

    async def recover(self, say: Say, *, hard: bool) -> None:  # noqa: ARG002 - as all components
        """Install the newest release once more."""
        self._memory.note(self.name, latest=None)
        await asyncio.to_thread(self._forget_version)
        await self.update(say)

    async def heal(self) -> None:
        """Clear away what was half made."""
        self.path.with_name(f".{self.path.name}.download.zip").unlink(missing_ok=True)
        await asyncio.to_thread(swap.heal, self.path)
        if (environment := self._environment()) is not None:
            await asyncio.to_thread(swap.heal, environment.path)

    async def _newest(self) -> Release:
        release = await self._releases.newest(self._settings.repo, self._settings.channel)
        self._memory.note(self.name, latest=release.tag_name, link=release.html_url)
        return release

    async def _install(self, file: Path, release: Release, say: Say) -> None:
        made = await asyncio.to_thread(bundle.unpack, file, self.path, self._settings.persistent_files)
        if _version_in(made) is None:
            (made / VERSION).write_text(release.tag_name, encoding="utf-8")
        environment, wanted = self._environment(), getattr(self._settings, "requirements", None)
        if environment is not None and wanted is not None and (made / wanted).is_file():
            await environment.install("--requirement", str(made / wanted), say=say)
        await asyncio.to_thread(swap.replace, self.path)

    def _environment(self) -> Environment | None:
        path = getattr(self._settings, "virtualenv", None)
        return None if path is None else Environment(path)

    def _versions_here(self) -> tuple[str | None, str | None]:
        return _version_in(self.path), _version_in(swap.previous(self.path))

    def _forget_version(self) -> None:
        if not self.path.parent.exists():
            raise NotFound(f"{self.path.parent.name} does not exist")
        (self.path / INFO).unlink(missing_ok=True)
        (self.path / VERSION).unlink(missing_ok=True)


def _version_in(path: Path) -> str | None:
    """What a folder says that it is."""
    found: Any = None
    try:
        found = msgspec.json.decode((path / INFO).read_bytes()).get("version")
    except (OSError, msgspec.DecodeError, AttributeError):
        found = None
    if not isinstance(found, str):
        try:
            found = (path / VERSION).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return None
    return found[:LONGEST_VERSION] or None
