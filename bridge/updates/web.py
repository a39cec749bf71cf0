"""A web UI or an application that is a zip file: made beside, then put in place in one step."""

import asyncio
import logging
from pathlib import Path

import msgspec

from bridge.config.updates import Web, Zip, kind
from bridge.decoding import UNREADABLE
from bridge.errors import BridgeError, Conflict, DeviceFailed
from bridge.programs import Say
from bridge.threads import to_its_end
from bridge.updates import bundle, swap
from bridge.updates.component import WHOLE, Status, Versions
from bridge.updates.environment import Environment
from bridge.updates.memory import Memory
from bridge.updates.releases import Release, Releases

log = logging.getLogger(__name__)

INFO, VERSION = "release_info.json", ".version"
MADE_FOR = ".made-for"  # with which environment a release came, for those that have one
UNKEPT = "one of its persistent_files is nothing that can be copied"  # shutil tells of whole paths
LONGEST_VERSION, LONGEST_TEXT = 100, 65_536  # characters


class _Info(msgspec.Struct, frozen=True):
    version: str | None = None


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
        self._download = self.path.with_name(f".{self.path.name}.download.zip")
        environment = getattr(settings, "virtualenv", None)
        self._environment = None if environment is None else Environment(environment)

    @property
    def versions(self) -> Versions:
        """By its own file, and the newest release."""
        record, latest = self._memory.of(self.name), self._memory.of(self.name).latest
        if self._installed is not None and latest is not None and _same(self._installed, latest):
            latest = self._installed
        return Versions(self._installed, latest, record.link)

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
        if self._installed is not None and _same(self._installed, release.tag_name):
            say(f"{self.name} is up to date")
            return False
        await self._bring(release, say)
        return True

    async def rollback(self, say: Say) -> None:
        """Exchange it for the one before; what is kept over updates is kept here, too."""
        old = swap.previous(self.path)
        if not old.is_dir():
            raise Conflict(f"No earlier version of {self.name} is kept")
        say(f"Taking {self.name} back")
        await asyncio.to_thread(bundle.carry_over, self.path, old, self._settings.persistent_files)
        await to_its_end(swap.exchange, self.path, old)
        if self._environment is not None and swap.previous(self._environment.path).exists():
            await to_its_end(self._environment.rollback)
        await self.look(fetch=False)

    async def recover(self, say: Say, *, hard: bool) -> None:  # noqa: ARG002 - as all components
        """Install the newest release once more."""
        await self._bring(await self._newest(), say)

    async def heal(self) -> None:
        """Clear away what was half made."""
        self._download.unlink(missing_ok=True)
        await asyncio.to_thread(swap.heal, self.path)
        if self._environment is not None:
            begun = self._memory.of(self.name).begun
            await asyncio.to_thread(self._settle_environment, begun)
            await self._memory.note(self.name, begun=None)

    async def _bring(self, release: Release, say: Say) -> None:
        """Fetch it, check it, and put it in place; when anything fails the old one stays."""
        asset = bundle.asset_of(release, self._settings.asset)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            await bundle.fetch(self._releases, release, asset, self._download, say)
            say(f"Installing {self.name} {release.tag_name}")
            await self._install(release, say)
        except OSError as error:
            raise DeviceFailed(f"{self.name} stays as it was: {error.strerror or UNKEPT}") from error
        finally:
            await self.heal()
        await self.look(fetch=False)

    async def _newest(self) -> Release:
        release = await self._releases.newest(self._settings.repo, self._settings.channel)
        await self._memory.note(self.name, latest=release.tag_name, link=release.html_url)
        return release

    async def _install(self, release: Release, say: Say) -> None:
        made = await asyncio.to_thread(swap.prepare, self.path, 0)
        await asyncio.to_thread(
            bundle.unpack, self._download, self.path, made, self._settings.persistent_files
        )
        version = _version_in(made)
        if version is None:
            (made / VERSION).write_text(release.tag_name, encoding="utf-8")
        wanted = getattr(self._settings, "requirements", None)
        if self._environment is not None and wanted is not None and (made / wanted).is_file():
            label = f"{version or release.tag_name} {made.name}"
            await self._memory.note(self.name, begun=label)
            await self._environment.install("--requirement", str(made / wanted), say=say, label=label)
            (made / MADE_FOR).write_text(label, encoding="utf-8")
        await to_its_end(swap.replace, self.path, made)

    def _settle_environment(self, begun: str | None) -> None:
        """A release and its environment belong together: of two exchanges one may have been cut short."""
        assert self._environment is not None  # noqa: S101 - for the type checker: asked before
        swap.heal(self._environment.path)
        mine = _text(self.path / MADE_FOR)
        if begun is not None and mine != begun:
            self._environment.undo(begun)
        elif mine is not None and self._environment.label != mine and self._environment.before.label == mine:
            self._environment.rollback()

    def _versions_here(self) -> tuple[str | None, str | None]:
        return _version_in(self.path), _version_in(swap.previous(self.path))


def _version_in(path: Path) -> str | None:
    """What a folder says that it is."""
    try:
        found = msgspec.json.decode(_text(path / INFO) or "", type=_Info).version
    except UNREADABLE:
        found = None
    version = (found or _text(path / VERSION) or "").strip()
    return "".join(sign for sign in version if sign.isprintable())[:LONGEST_VERSION] or None


def _text(path: Path) -> str | None:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(LONGEST_TEXT)
    except OSError:
        return None


def _same(one: str, other: str) -> bool:
    """Tags say v1.2.3 where files may say 1.2.3."""
    return one.removeprefix("v") == other.removeprefix("v")
