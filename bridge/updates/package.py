"""A Python package in an environment of its own, from the index that pip is configured for."""

import asyncio
import logging
from typing import Any

import msgspec

from bridge.config.updates import PythonPackage
from bridge.errors import BridgeError, DeviceFailed
from bridge.programs import Say
from bridge.threads import to_its_end
from bridge.updates import swap
from bridge.updates.component import WHOLE, Status, Versions
from bridge.updates.environment import Environment
from bridge.updates.memory import Memory

log = logging.getLogger(__name__)


class Package:
    """One package."""

    def __init__(
        self, name: str, settings: PythonPackage, memory: Memory, proof: tuple[str, ...] = ()
    ) -> None:
        self.name, self.services = name, settings.services
        self._settings, self._memory, self._proof = settings, memory, proof
        self._project = settings.project or name
        self._environment = Environment(settings.virtualenv)
        self._installed: str | None = None
        self._before: str | None = None
        self._error = ""

    @property
    def versions(self) -> Versions:
        """By its own record, and pip's answer."""
        return Versions(self._installed, self._memory.of(self.name).latest)

    @property
    def status(self) -> Status:
        """As web UIs have it."""
        known = self.versions
        return {
            "name": self.name,
            "configured_type": "python",
            "detected_type": "python",
            "channel": self._settings.channel,
            **WHOLE,
            "owner": "?",
            "repo_name": self._project,
            "branch": None,
            "version": known.installed or "?",
            "remote_version": known.latest or known.installed or "?",
            "rollback_version": self._before or known.installed or "?",
            "full_version_string": known.installed or "?",
            "current_hash": "",
            "remote_hash": "",
            "is_valid": self._installed is not None,
            "is_dirty": False,
            "pristine": True,
            "changelog_url": "",
            "anomalies": [] if self._installed is not None else [f"{self._project} is not installed"],
            "warnings": [self._error] if self._error else [],
            "info_tags": [],
        }

    async def look(self, *, fetch: bool) -> None:
        """See what is installed, and with `fetch` ask pip what could be."""
        self._installed, self._before = await asyncio.to_thread(self._versions_here)
        if fetch:
            try:
                await self._newest()
                self._error = ""
            except BridgeError as error:
                self._error = str(error)

    async def update(self, say: Say) -> bool:
        """Install the newest version."""
        await self.look(fetch=False)
        newest = await self._newest()
        if newest == self._installed:
            say(f"{self.name} is up to date")
            return False
        say(f"Updating {self.name} from {self._installed} to {newest}")
        try:
            await self._environment.install(
                "--upgrade", f"{self._wanted()}=={newest}", say=say, proof=self._proof
            )
        except OSError as error:
            raise DeviceFailed(f"{self.name} was not updated: {error.strerror or error}") from error
        await self.look(fetch=False)
        return True

    async def rollback(self, say: Say) -> None:
        """Exchange the environment for the one before."""
        say(f"Taking {self.name} back")
        await to_its_end(self._environment.rollback)
        await self.look(fetch=False)

    async def recover(self, say: Say, *, hard: bool) -> None:  # noqa: ARG002 - as all components
        """Install what there is once more."""
        await self.look(fetch=False)
        wanted = f"{self._wanted()}=={self._installed or await self._newest()}"
        await self._environment.install("--force-reinstall", wanted, say=say, proof=self._proof)
        await self.look(fetch=False)

    async def heal(self) -> None:
        """Clear away what was half made."""
        await asyncio.to_thread(swap.heal, self._environment.path)

    async def _newest(self) -> str:
        """The version pip would install; the present one where it would do nothing."""
        pre = () if self._settings.channel == "stable" else ("--pre",)
        words = ("install", "--dry-run", "--quiet", "--report", "-", "--no-deps", "--upgrade", *pre)
        done = await self._environment.pip(*words, self._wanted())
        if done.code:
            raise DeviceFailed(f"pip: {done.said}")
        newest = reported(done.out) or self._installed
        if newest is None:
            raise DeviceFailed(f"pip does not tell of any {self._project}")
        await self._memory.note(self.name, latest=newest)
        return newest

    def _wanted(self) -> str:
        extras = ",".join(self._settings.extras)
        return f"{self._project}[{extras}]" if extras else self._project

    def _versions_here(self) -> tuple[str | None, str | None]:
        return self._environment.version(self._project), self._environment.before.version(self._project)


def reported(text: str) -> str | None:
    """The version in pip's report."""
    try:
        report: Any = msgspec.json.decode(text[text.index("{") :])
        return str(report["install"][0]["metadata"]["version"])
    except (ValueError, RecursionError, LookupError, TypeError):
        return None
