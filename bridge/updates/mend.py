"""What an update of a git repository must not touch, and how a broken one is mended."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

from bridge.config import hidden
from bridge.config.updates import GitRepo
from bridge.errors import BridgeError, Conflict
from bridge.programs import Say
from bridge.threads import to_its_end
from bridge.updates import swap
from bridge.updates.git import FETCHING, Git, GitFailed, same_address
from bridge.updates.survey import Survey, survey


async def in_the_way(git: Git, old: str, new: str) -> str | None:
    """A file that git does not know, where the way from one commit to another would put one of its own."""
    changes = await git.changes(old, new)
    leaving = {path for kind, path in changes if kind != "A"}
    added = [path for kind, path in changes if kind == "A"]
    return await asyncio.to_thread(_first_there, git.path, added, leaving)


def _first_there(root: Path, added: list[str], leaving: set[str]) -> str | None:
    homes = {str(parent) for path in leaving for parent in Path(path).parents}
    for path in map(Path, added):
        for place in (path, *list(path.parents)[:-1]):
            there = root / place
            if str(place) in leaving:
                break  # it is git's, and goes
            is_folder = there.is_dir() and not there.is_symlink()
            if is_folder and (place != path or str(place) in homes):
                continue
            if there.is_symlink() or there.exists():
                return str(place)
    return None


async def reset(
    git: Git, settings: GitRepo, found: Survey, say: Say, begin: Callable[[str], Awaitable[None]]
) -> None:
    """What the remote has, on its branch and in its files; `begin` is told what it will be."""
    if found.corrupt or not found.detected:
        raise Conflict(f"{git.path.name} is damaged; recover with hard=true clones it anew")
    await git.unlock()
    await _right_remote(git, settings, found, say)
    words = ("fetch", "--quiet", "--prune", "--tags", "--force")
    await git.ask(*words, "--", found.remote, patience=FETCHING)
    fresh = await survey(git, settings, fetch=False)
    target = await _where_to(git, settings, fresh)
    branch = f"refs/heads/{settings.branch or fresh.branch}"
    # git is on the right branch before a file is touched: what is cut short then can be ended later
    await git.ask("update-ref", branch, target)
    await git.ask("symbolic-ref", "HEAD", branch)
    await begin(target)
    await git.ask("clean", "--force", "-d", say=say)
    await git.ask("reset", "--hard", target, say=say)


async def _right_remote(git: Git, settings: GitRepo, found: Survey, say: Say) -> None:
    if settings.origin is not None and not (found.address and same_address(found.address, settings.origin)):
        say(f"The remote {found.remote} becomes {hidden(settings.origin)}")
        await git.ask("config", "--replace-all", f"remote.{found.remote}.url", settings.origin)
    if not await git.maybe("config", "--get-all", f"remote.{found.remote}.fetch"):
        everything = f"+refs/heads/*:refs/remotes/{found.remote}/*"
        await git.ask("config", "--replace-all", f"remote.{found.remote}.fetch", everything)


async def _where_to(git: Git, settings: GitRepo, fresh: Survey) -> str:
    """The commit of the channel; the branch's own where it has commits that the remote lacks."""
    if settings.channel == "dev" and settings.pinned_commit is None:
        head = await git.commit(f"refs/remotes/{fresh.remote}/{settings.branch or fresh.branch}")
        if head is not None:
            return head
    if not fresh.target:
        raise GitFailed(fresh.faults[-1] if fresh.faults else "nobody knows where to")
    return fresh.target


async def clone(path: Path, settings: GitRepo, found: Survey, say: Say) -> None:
    """All of it anew, made beside and then put in place."""
    address = settings.origin or found.address
    if not address or address.startswith("-"):
        raise Conflict(f"{path.name}: nobody knows where it comes from; set its option `origin`")
    made = await asyncio.to_thread(swap.prepare, path, 0)
    try:
        chosen = () if settings.branch is None else ("--branch", settings.branch)
        say(f"Cloning {hidden(address)}")
        git = Git(made)
        await git.ask("clone", "--quiet", *chosen, "--", address, ".", patience=FETCHING, say=say)
        fresh = await survey(git, settings, fetch=False)
        if not fresh.target:
            raise GitFailed(fresh.faults[-1] if fresh.faults else "the remote is empty")
        await git.ask("reset", "--hard", fresh.target)
        if (made / ".gitmodules").exists():
            await git.ask("submodule", "update", "--init", "--recursive", patience=FETCHING, say=say)
        await asyncio.to_thread(_keep_environment, path, made, settings.virtualenv)
        await to_its_end(swap.replace, path, made)
        await asyncio.to_thread(shutil.rmtree, swap.previous(path), ignore_errors=True)
    except BridgeError:
        await asyncio.to_thread(shutil.rmtree, made, ignore_errors=True)
        raise


def _keep_environment(path: Path, made: Path, virtualenv: str | None) -> None:
    """A Python environment that lies in the work tree belongs to it and not to git."""
    if virtualenv is None:
        return
    environment = Path(virtualenv).expanduser()
    if environment.is_relative_to(path) and environment.is_dir() and environment != path:
        shutil.copytree(environment, made / environment.relative_to(path), symlinks=True)
