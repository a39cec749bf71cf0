"""A git repository: fast forward in place, and back when it was cut short."""

import asyncio
import logging
from pathlib import Path

from bridge.config import hidden
from bridge.config.secrets import LOGIN_IN_URL
from bridge.config.updates import GitRepo
from bridge.errors import BridgeError, Conflict, DeviceFailed, NotFound
from bridge.programs import Say, run
from bridge.updates import swap
from bridge.updates.component import WHOLE, Status, Versions
from bridge.updates.environment import Environment
from bridge.updates.git import FETCHING, Git, GitFailed, short_version
from bridge.updates.memory import Memory
from bridge.updates.mend import clone, in_the_way, reset
from bridge.updates.survey import Survey, owner_and_name, survey

log = logging.getLogger(__name__)

PROVING = 120.0  # seconds


class Repository:
    """One work tree."""

    def __init__(self, name: str, settings: GitRepo, memory: Memory, proof: tuple[str, ...] = ()) -> None:
        self.name, self.services = name, settings.services
        self.path = Path(settings.path).expanduser()
        self._settings, self._memory, self._proof = settings, memory, proof
        self._git, self._found = Git(self.path), Survey()
        self._environment = None if settings.virtualenv is None else Environment(settings.virtualenv)

    @property
    def versions(self) -> Versions:
        """By the tags."""
        found = self._found
        known = found.current != ""
        return Versions(
            found.version if known else None, found.latest if found.target else None, self._link()
        )

    @property
    def status(self) -> Status:
        """As web UIs have it."""
        found = self._found
        owner, repo = owner_and_name(found.address, self.path)
        before = self._memory.of(self.name).before
        return {
            "name": self.name,
            "configured_type": "git_repo",
            "detected_type": "git_repo",
            "channel": self._settings.channel,
            **WHOLE,
            "is_valid": found.valid,
            "version": found.version,
            "remote_version": found.latest,
            "rollback_version": short_version(before.partition(" ")[2]) if before else found.version,
            "full_version_string": found.full_version + ("-dirty" if found.dirty else ""),
            "remote_hash": found.target,
            "current_hash": found.current,
            "remote_alias": found.remote,
            "remote_url": hidden(found.address),
            "recovery_url": hidden(self._settings.origin or found.address),
            "owner": owner,
            "branch": found.branch,
            "repo_name": repo,
            "repo_detected": found.detected,
            "is_dirty": found.dirty,
            "corrupt": found.corrupt,
            "pristine": not found.dirty,
            "detached": found.detached,
            "git_messages": found.messages,
            "anomalies": found.faults,
            "warnings": found.warnings,
            "commits_behind": found.commits,
            "commits_behind_count": found.count,
            "info_tags": [],
        }

    async def look(self, *, fetch: bool) -> None:
        """See what is there."""
        self._found = await survey(self._git, self._settings, fetch=fetch)

    async def update(self, say: Say) -> bool:
        """Fast forward; requirements that changed are installed before anybody uses the new files."""
        await self.look(fetch=True)
        found = self._found
        self._refuse(found)
        if found.messages:
            raise DeviceFailed(f"{self.name}: {found.messages[0]}")
        if found.target == found.current:
            say(f"{self.name} is up to date")
            return False
        say(f"Updating {self.name} from {found.version} to {found.latest}")
        await self._go(found.target, say)
        before = f"{found.current} {found.full_version}"
        await self._memory.note(self.name, before=before)
        await self.look(fetch=False)
        return True

    async def rollback(self, say: Say) -> None:
        """Back to the commit before the last update."""
        await self.look(fetch=False)
        self._refuse(self._found)
        before = self._memory.of(self.name).before
        commit = before.partition(" ")[0] if before else None
        if commit is None or commit == self._found.current:
            raise Conflict(f"No earlier version of {self.name} is known")
        say(f"Taking {self.name} back to {commit[:8]}")
        await self._go(commit, say)
        await self._memory.note(self.name, before=None)
        await self.look(fetch=False)

    async def recover(self, say: Say, *, hard: bool) -> None:
        """Throw away local changes; `hard` clones it anew."""
        await self.look(fetch=False)
        try:
            if hard:
                await clone(self.path, self._settings, self._found, say)
            else:
                await reset(self._git, self._settings, self._found, say, lambda aim: self._begin(aim, aim))
            await self._memory.note(self.name, begun=None, aim=None)
        except GitFailed as error:
            raise DeviceFailed(f"{self.name} was not recovered: {error}") from error
        await self._requirements(say, label="")
        await self.look(fetch=True)

    async def heal(self) -> None:
        """Back to the commit that was there before an update that did not end."""
        await asyncio.to_thread(swap.heal, self.path)
        if self._environment is not None:
            await asyncio.to_thread(swap.heal, self._environment.path)
        record = self._memory.of(self.name)
        if record.begun is None:
            return
        log.warning("the update of %s did not end; it goes back to %s", self.name, record.begun[:8])
        await self._git.unlock()
        if record.aim:  # so that git knows every file the update had already written
            await self._git.run("reset", "--hard", record.aim)
        done = await self._git.run("reset", "--hard", record.begun)
        if done.code:
            log.error("%s could not be taken back: %s", self.name, done.said)
            return
        await self._submodules(lambda _line: None)
        if self._environment is not None and record.aim:
            await asyncio.to_thread(self._environment.undo, record.aim)
        await self._memory.note(self.name, begun=None, aim=None)
        await self.look(fetch=False)

    async def _go(self, aim: str, say: Say) -> None:
        """To another commit, with all that belongs to it; back when anything fails."""
        old = self._found.current
        if ours := await in_the_way(self._git, old, aim):
            raise Conflict(f"{self.name}: your file {ours} is in the way of a new one; move it elsewhere")
        await self._begin(old, aim)
        try:
            await self._move(old, aim, say)
            await self._follow_up(old, aim, say)
        except (BridgeError, OSError) as error:
            say("It failed; going back")
            await self.heal()
            reason = error.strerror if isinstance(error, OSError) else error  # without a path
            raise DeviceFailed(f"{self.name} stays as it was: {reason}") from error
        await self._memory.note(self.name, begun=None, aim=None)
        if self._environment is not None:
            await asyncio.to_thread(self._environment.confirm)

    async def _begin(self, begun: str, aim: str) -> None:
        await self._memory.note(self.name, begun=begun, aim=aim)

    def _refuse(self, found: Survey) -> None:
        remedy = f"machine.update.recover with name={self.name} mends it and throws local changes away"
        if not found.detected:
            raise NotFound(f"{self.name}: {found.faults[0]}; recover with hard=true clones it")
        if found.corrupt:
            raise Conflict(f"{self.name} is damaged; recover with hard=true clones it anew")
        if found.faults:
            raise Conflict(f"{self.name}: {found.faults[0]}; {remedy}")
        if found.dirty:
            raise Conflict(f"{self.name} has local changes, which an update would lose; {remedy}")

    async def _move(self, old: str, aim: str, say: Say) -> None:
        if await self._git.is_ancestor(old, aim):
            await self._git.ask("merge", "--ff-only", "--no-stat", aim, patience=FETCHING, say=say)
        else:
            await self._git.ask("reset", "--keep", aim, patience=FETCHING, say=say)
        await self._submodules(say)

    async def _submodules(self, say: Say) -> None:
        if (self.path / ".gitmodules").exists():
            words = ("submodule", "update", "--init", "--recursive")
            await self._git.ask(*words, patience=FETCHING, say=say)

    async def _follow_up(self, old: str, new: str, say: Say) -> None:
        """Install the requirements where they differ between two commits, and see that it starts."""
        wanted = self._settings.requirements
        if wanted is not None and (await self._git.run("diff", "--quiet", old, new, "--", wanted)).code:
            await self._requirements(say, label=new)
        if self._proof:
            done = await run(*self._proof, folder=self.path, patience=PROVING)
            if done.code:
                raise DeviceFailed(f"the new version does not start: {done.last}")

    async def _requirements(self, say: Say, *, label: str) -> None:
        wanted = self._settings.requirements
        if self._environment is not None and wanted is not None and (self.path / wanted).is_file():
            await self._environment.install("--requirement", str(self.path / wanted), say=say, label=label)

    def _link(self) -> str | None:
        """Where its changes can be read, for what lies on a web site."""
        address = LOGIN_IN_URL.sub("", self._found.address).replace("://@", "://")
        if not address.startswith("https://"):
            return None
        return f"{address.removesuffix('.git')}/commits/{self._found.branch}"
