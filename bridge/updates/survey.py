"""What a look at a git repository finds."""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bridge.config import hidden
from bridge.config.updates import GitRepo
from bridge.errors import BridgeError
from bridge.updates.git import FETCHING, PRERELEASE, Git, GitFailed, same_address, short_version

_PRERELEASE = re.compile(rf"\d[-._]?({'|'.join(PRERELEASE)})(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True)
class Survey:
    """A repository at one moment."""

    detected: bool = False
    corrupt: bool = False
    dirty: bool = False
    detached: bool = False
    remote: str = "origin"
    address: str = ""
    branch: str = ""
    current: str = ""
    target: str = ""
    full_version: str = "?"
    target_version: str = "?"
    commits: list[dict[str, Any]] = field(default_factory=list)
    count: int = 0
    messages: list[str] = field(default_factory=list)  # of git's last failure
    faults: list[str] = field(default_factory=list)  # for which it cannot be updated
    warnings: list[str] = field(default_factory=list)

    @property
    def valid(self) -> bool:
        """Whether an update can be tried."""
        return self.detected and not self.corrupt and not self.faults and bool(self.current)

    @property
    def version(self) -> str:
        """As people say it."""
        return short_version(self.full_version)

    @property
    def latest(self) -> str:
        """The version an update would bring, as people say it."""
        return short_version(self.target_version)


async def survey(git: Git, settings: GitRepo, *, fetch: bool) -> Survey:
    """Look at a repository; whatever is wrong with it is told in the result."""
    found = Survey()
    if not (git.path / ".git").exists():
        return replace(found, faults=[f"there is no git repository in the folder '{git.path.name}'"])
    found = replace(found, detected=True)
    try:
        options = await git.options()
        found = replace(found, address=options.get("remote.origin.url", ""))
        found = await _local(git, settings, found, options)
        if fetch and found.address:
            found = await _fetched(git, found)
        found = replace(found, full_version=await git.described(found.current))  # by tags that came just now
        return await _compared(git, settings, await _target(git, settings, found))
    except BridgeError as error:
        corrupt = isinstance(error, GitFailed) and error.corrupt
        return replace(found, corrupt=corrupt, messages=[str(error)], faults=[*found.faults, str(error)])


async def _local(git: Git, settings: GitRepo, found: Survey, options: dict[str, str]) -> Survey:
    here = await git.here()
    current, branch = here.commit, here.branch
    remote = options.get(f"branch.{branch}.remote") or "origin"
    address = options.get(f"remote.{remote}.url", "")
    faults = []
    if not address:
        faults.append(f"the remote '{remote}' has no address")
    elif settings.origin is not None and not same_address(address, settings.origin):
        faults.append(f"the remote is {hidden(address)}, not {hidden(settings.origin)}")
    if not branch and settings.pinned_commit is None:
        faults.append("no branch is checked out (detached HEAD)")
    elif branch and settings.branch is not None and branch != settings.branch:
        faults.append(f"the branch is {branch}, not {settings.branch}")
    return replace(
        found,
        current=current,
        branch=branch,
        detached=not branch,
        remote=remote,
        address=address,
        dirty=here.dirty,
        faults=faults,
    )


async def _fetched(git: Git, found: Survey) -> Survey:
    try:
        words = ("--quiet", "--prune", "--tags", "--force", "--no-recurse-submodules")
        await git.ask("fetch", *words, "--", found.remote, patience=FETCHING)
    except GitFailed as error:
        if error.corrupt:
            raise
        return replace(
            found, messages=[str(error)], warnings=[f"the remote could not be asked: {error}"[:300]]
        )
    return found


async def _target(git: Git, settings: GitRepo, found: Survey) -> Survey:
    """Where an update would lead."""
    branch = settings.branch or found.branch or await _default_branch(git, found.remote)
    head = await git.commit(f"refs/remotes/{found.remote}/{branch}")
    if head is None:
        return replace(
            found, branch=branch, faults=[*found.faults, f"the remote has no branch '{branch}' that is known"]
        )
    target = head
    if settings.pinned_commit is not None:
        pinned = await git.commit(settings.pinned_commit)
        if pinned is None:
            words = f"pinned_commit {settings.pinned_commit[:8]} is not known here"
            return replace(found, branch=branch, target=head, faults=[*found.faults, words])
        target = pinned
    elif settings.channel != "dev":
        target = await _newest_tag(git, head, beta=settings.channel == "beta") or head
    version = found.full_version if target == found.current else await git.described(target)
    return replace(found, branch=branch, target=target, target_version=version)


async def _compared(git: Git, settings: GitRepo, found: Survey) -> Survey:
    if not found.target or found.target == found.current:
        return found
    if await git.is_ancestor(found.current, found.target):
        count = await git.maybe("rev-list", "--count", f"{found.current}..{found.target}")
        commits = await git.between(found.current, found.target)
        return replace(found, commits=commits, count=int(count or 0))
    if settings.pinned_commit is not None:
        return found
    if await git.is_ancestor(found.target, found.current):  # newer than the newest release, or local work
        own = ["there are commits here that the remote lacks"] if settings.channel == "dev" else []
        warnings = [*found.warnings, *own]
        return replace(found, target=found.current, target_version=found.full_version, warnings=warnings)
    return replace(found, faults=[*found.faults, "the branch has commits of its own that the remote lacks"])


async def _default_branch(git: Git, remote: str) -> str:
    name = await git.maybe("symbolic-ref", "--quiet", "--short", f"refs/remotes/{remote}/HEAD")
    return name.removeprefix(f"{remote}/") or "master"


async def _newest_tag(git: Git, head: str, *, beta: bool) -> str | None:
    for name in await git.releases(head):
        if beta or not _PRERELEASE.search(name):
            return await git.commit(f"refs/tags/{name}")
    return None


def owner_and_name(address: str, path: Path) -> tuple[str, str]:
    """Whose repository it is and what it is called, by its address without the login."""
    plain = re.sub(r"^(?:\w+://)?(?:[^/@]*@)?[^/:]+(?::\d+)?[:/]", "", address)
    parts = [part for part in plain.removesuffix(".git").split("/") if part]
    if plain == address or address.startswith(("/", ".", "file:")) or not parts:
        return "?", path.name
    return (parts[-2] if len(parts) > 1 else "?"), parts[-1]
