"""git, by its own command: never asks, never runs hooks, never tells a login."""

import asyncio
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.config import hidden
from bridge.errors import BridgeError, DeviceFailed, NotFound
from bridge.programs import Done, Say, run

SILENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "true",
    "SSH_ASKPASS": "true",
    "GIT_ADVICE": "0",
}
TAMED = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "gc.auto=0")
PRERELEASE = ("alpha", "beta", "dev", "pre", "rc", "a", "b")  # what comes after a version that is none yet
OLDER = tuple(
    word
    for sign in PRERELEASE
    for join in ("-", ".", "")
    for word in ("-c", f"versionsort.suffix={join}{sign}")
)
PATIENCE, FETCHING = 60.0, 900.0  # seconds
LOOKED_AT, SHOWN = 100, 30  # commits
CORRUPT = (
    "object file",
    "loose object",
    "bad object",
    "unable to read",
    "is corrupt",
    "missing blob",
    "missing tree",
    "invalid object",
    "index file corrupt",
    "bad signature",
    "failed to read",
    "did not send all necessary objects",
    "pack has bad",
    "not a git repository",
    "needed a single revision",
    "bad revision",
)
GLANCE = 0.2  # seconds between two looks for a git that another process has left behind
LOCKS = ("index", "HEAD", "ORIG_HEAD", "packed-refs", "config", "shallow")
_HASH = re.compile(r"[0-9a-f]{40,64}")
_FORMAT, PARTS = "--format=%H%x00%an%x00%ct%x00%s%x00%b%x00", 5
LONGEST_NAME, LONGEST_MESSAGE = 200, 2000  # characters


@dataclass(frozen=True)
class Here:
    """What is checked out."""

    commit: str
    branch: str  # empty: none
    dirty: bool


class GitFailed(DeviceFailed):
    """A command of git's failed; its words hold no login."""

    @property
    def corrupt(self) -> bool:
        """Whether it says that the repository is broken."""
        text = str(self).lower()
        return any(sign in text for sign in CORRUPT)


class Git:
    """Commands in one work tree."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def run(
        self,
        *words: str,
        patience: float = PATIENCE,
        say: Say | None = None,
        settings: tuple[str, ...] = (),
    ) -> Done:
        """Run a command, whatever comes of it."""
        program = shutil.which("git")
        if program is None:
            raise NotFound("There is no program `git` on this machine")
        folder = ("-C", str(self.path))
        done = await run(
            program,
            *folder,
            *TAMED,
            *settings,
            *words,
            environment=SILENT,
            patience=patience,
            say=_masking(say),
        )
        return Done(done.code, done.out, hidden(done.errors))

    async def ask(self, *words: str, patience: float = PATIENCE, say: Say | None = None) -> str:
        """What it answers, or GitFailed."""
        try:
            done = await self.run(*words, patience=patience, say=say)
        except BridgeError as error:
            raise GitFailed(str(error)) from error
        if done.code:
            raise GitFailed(f"git {words[0]}: {done.said}")
        return done.out.strip()

    async def maybe(self, *words: str) -> str:
        """What it answers; empty when it fails."""
        done = await self.run(*words)
        return "" if done.code else done.out.strip()

    async def here(self) -> "Here":
        """What is checked out; GitFailed where that cannot be told."""
        words = ("status", "--porcelain=v2", "--branch", "--untracked-files=no", "--ignore-submodules=none")
        lines = (await self.ask(*words)).splitlines()
        told = dict(line[2:].split(" ", 1) for line in lines if line.startswith("# "))
        commit, branch = told.get("branch.oid", ""), told.get("branch.head", "")
        if _HASH.fullmatch(commit) is None:
            raise GitFailed("bad revision: no commit is checked out")
        dirty = any(not line.startswith("# ") for line in lines)
        return Here(commit, "" if branch == "(detached)" else branch, dirty)

    async def options(self) -> dict[str, str]:
        """The remotes and branches of its configuration, read as a file: what is damaged has them, too."""
        file = self.path / ".git/config"
        source = ("--file", str(file)) if file.is_file() else ()
        text = await self.maybe("config", *source, "--null", "--get-regexp", r"^(remote|branch)\.")
        entries = (entry.partition("\n") for entry in text.split("\0"))
        return {key: value for key, _, value in entries if key}

    async def is_ancestor(self, old: str, new: str) -> bool:
        """Whether `new` comes after `old`, or is the same."""
        return not (await self.run("merge-base", "--is-ancestor", old, new)).code

    async def commit(self, name: str) -> str | None:
        """The hash of a commit by any name."""
        found = await self.maybe("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        return found if _HASH.fullmatch(found) else None

    async def described(self, commit: str) -> str:
        """Its version: the tag before it, how many commits after that, and its hash."""
        words = ("describe", "--tags", "--long", "--abbrev=8", "--match=v*", "--match=[0-9]*")
        if found := await self.maybe(*words, commit):
            return found
        count = await self.maybe("rev-list", "--count", commit)
        return f"v0.0.0-{count or 0}-g{commit[:8]}"

    async def tags(self) -> dict[str, str]:
        """Commit -> its tag."""
        text = await self.maybe(
            "for-each-ref", "refs/tags", "--format=%(objectname) %(*objectname) %(refname:short)"
        )
        rows = (line.split(" ", 2) for line in text.splitlines())
        return {row[1] or row[0]: row[2] for row in rows if len(row) == len(("hash", "of", "tag"))}

    async def releases(self, head: str) -> list[str]:
        """The tags of versions that lead to a commit, the newest first; 1.0-rc1 is older than 1.0."""
        words = ("tag", "--merged", head, "--sort=-version:refname", "--list", "v[0-9]*", "[0-9]*")
        done = await self.run(*words, settings=OLDER)
        return [] if done.code else done.out.split()

    async def changes(self, old: str, new: str) -> list[tuple[str, str]]:
        """What is different between two commits: a letter and a path for each file."""
        words = ("diff", "--name-status", "--no-renames", old, new)
        done = await self.run(*words, settings=("-c", "core.quotePath=false"))
        if done.code:
            raise GitFailed(f"git diff: {done.said}")
        rows = (line.partition("\t") for line in done.out.splitlines())
        return [(kind, path) for kind, _, path in rows]

    async def between(self, old: str, new: str) -> list[dict[str, Any]]:
        """The commits after `old` up to `new`, the newest first: thirty, and older ones that have a tag."""
        text = await self.maybe("log", _FORMAT, f"--max-count={LOOKED_AT}", f"{old}..{new}")
        tags, words = await self.tags(), text.split("\0")
        found: list[dict[str, Any]] = []
        for number, at in enumerate(range(0, len(words) - PARTS, PARTS)):
            sha, author, date, subject, message = (word.strip() for word in words[at : at + PARTS])
            if _HASH.fullmatch(sha) is None:
                break
            if number < SHOWN or sha in tags:
                found.append(
                    {
                        "sha": sha,
                        "author": author[:LONGEST_NAME],
                        "date": date,
                        "subject": subject[:LONGEST_NAME],
                        "message": message[:LONGEST_MESSAGE],
                        "tag": tags.get(sha),
                    }
                )
        return found

    async def unlock(self) -> None:
        """Wait for a git that is still at work here, then take away the locks of one that was killed."""
        folder = await self.maybe("rev-parse", "--absolute-git-dir")
        if not folder:
            return
        end = asyncio.get_running_loop().time() + FETCHING
        while await _somebody(self.path) and asyncio.get_running_loop().time() < end:  # noqa: ASYNC110
            await asyncio.sleep(GLANCE)
        await asyncio.to_thread(_take_locks, Path(folder))


def _take_locks(folder: Path) -> None:
    locks = [folder / f"{name}.lock" for name in LOCKS]
    for lock in (*locks, *(folder / "refs").rglob("*.lock")):
        lock.unlink(missing_ok=True)


async def _somebody(path: Path) -> bool:
    """Whether a git works there, as far as /proc tells."""

    def look() -> bool:
        wanted = str(path).encode()
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = process.read_bytes().split(b"\0")
            except OSError:
                continue
            if words[0].endswith(b"git") and wanted in words:
                return True
        return False

    return await asyncio.to_thread(look)


def _masking(say: Say | None) -> Say | None:
    return None if say is None else lambda line: say(hidden(line))


def short_version(full: str) -> str:
    """`v0.12.0-45-g7e230c1c` as people say it: v0.12.0-45, and v0.12.0 where nothing came after it."""
    version = re.sub(r"-g[0-9a-f]+$", "", full)
    return version.removesuffix("-0") if version != full else version


def same_address(one: str, other: str) -> bool:
    """Whether two addresses are of one repository: logins, `.git` and the case of names aside."""

    def bare(address: str) -> str:
        plain = re.sub(r"(?<=://)[^/@\s]+@", "", address.strip()).rstrip("/")
        return plain.removesuffix(".git").lower()

    return bare(one) == bare(other)
