"""Other programs: run by their words, never by a shell, bounded in time and in what they say."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bridge.errors import DeviceFailed, NotFound, TimedOut

LONGEST_LINE = 1 << 20  # bytes; pip describes a package in one
MOST = 4_000_000  # characters that are kept of one run
PLAIN = {
    "LC_ALL": "C.UTF-8",  # what they say is read by us
    "LANGUAGE": "C",
    "DEBIAN_FRONTEND": "noninteractive",  # nobody is there to be asked
}
GLANCE = 0.25  # seconds between two looks at the file of a program that outlives us
GOODBYE = 3.0  # seconds from asking one to end to making it

Say = Callable[[str], None]


@dataclass(frozen=True)
class Done:
    """What became of a run."""

    code: int
    out: str
    errors: str

    @property
    def said(self) -> str:
        """Its last words, for people."""
        lines = (self.errors.strip() or self.out.strip()).splitlines()
        return "; ".join(line.strip() for line in lines[-3:])[:400] or f"it ended with code {self.code}"

    @property
    def last(self) -> str:
        """The last line alone: of a traceback the one that names the fault, without a path."""
        lines = (self.errors.strip() or self.out.strip()).splitlines()
        return lines[-1].strip()[:200] if lines else f"it ended with code {self.code}"


def found(name: str) -> str:
    """Where a program is, or NotFound."""
    path = shutil.which(name)
    if path is None:
        raise NotFound(f"There is no program `{name}` on this machine")
    return path


async def run(
    *words: str,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    typed: str | None = None,
    patience: float = 30.0,
    say: Say | None = None,
    outlive: Path | None = None,
) -> Done:
    """Run a program to its end; each line goes to `say` as it comes. Whoever stops waiting ends it.

    With `outlive` it writes to that file and goes on by itself, whatever becomes of the bridge.
    """
    if outlive is not None:
        return await _let_go_on(words, outlive, typed, patience, say)
    process = await _begun(
        words, folder, {**os.environ, **PLAIN, **(environment or {})}, listens=typed is not None
    )
    try:
        async with asyncio.timeout(patience):
            return await _followed(process, typed, say)
    except TimeoutError as error:
        await _end(process)
        raise TimedOut(f"{Path(words[0]).name} did not end within {patience:g} s") from error
    except BaseException:
        await _end(process)
        raise


async def _begun(
    words: tuple[str, ...], folder: Path | None, environment: dict[str, str], *, listens: bool
) -> asyncio.subprocess.Process:
    """Begin a program; not cancelled amid that, as asyncio would wait for whoever holds its pipes then."""
    beginning = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.PIPE if listens else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=folder,
            env=environment,
            limit=LONGEST_LINE,
            start_new_session=True,
        )
    )
    try:
        return await asyncio.shield(beginning)
    except OSError as error:
        raise DeviceFailed(f"{Path(words[0]).name} cannot be started: {error.strerror}") from error
    except asyncio.CancelledError:
        await asyncio.wait((beginning,))
        if beginning.exception() is None:
            await _end(beginning.result())
        raise


async def _let_go_on(
    words: tuple[str, ...], file: Path, typed: str | None, patience: float, say: Say | None
) -> Done:
    """Asyncio would end the program with the loop; a plain child stays, and a thread sees its end."""
    await asyncio.to_thread(_make, file)
    loop, said, rest = asyncio.get_running_loop(), "", ""
    ended, end = loop.run_in_executor(None, _carry_out, words, file, typed), loop.time() + patience
    with file.open("rb") as read:
        while True:
            done, _ = await asyncio.wait((ended,), timeout=GLANCE)
            fresh = rest + read.read(MOST).decode(errors="replace")
            whole, _, rest = (fresh, "", "") if done else fresh.rpartition("\n")
            said = (said + whole + "\n")[-LONGEST_LINE:]
            for line in whole.splitlines():
                if say is not None and line.strip():
                    say(line)
            if done:
                return Done(ended.result(), said, "")
            if loop.time() > end:
                raise TimedOut(f"{Path(words[0]).name} did not end within {patience:g} s; it goes on")


def _make(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"")


def _carry_out(words: tuple[str, ...], file: Path, typed: str | None) -> int:
    """Begin it and see its end in one thread: nobody who stops waiting in between leaves it unwatched."""
    try:
        with file.open("wb") as written:
            process = subprocess.Popen(  # noqa: S603 - an argument vector
                words,
                stdin=subprocess.DEVNULL if typed is None else subprocess.PIPE,
                stdout=written,
                stderr=written,
                env={**os.environ, **PLAIN},
                start_new_session=True,
            )
    except OSError as error:
        raise DeviceFailed(f"{Path(words[0]).name} cannot be started: {error.strerror}") from error
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.write((typed or "").encode())
        process.stdin.close()
    return process.wait()


async def _followed(process: asyncio.subprocess.Process, typed: str | None, say: Say | None) -> Done:
    assert process.stdout is not None  # noqa: S101 - for the type checker: both are pipes
    assert process.stderr is not None  # noqa: S101
    if process.stdin is not None:
        with contextlib.suppress(ConnectionError):  # it did not want to know
            process.stdin.write((typed or "").encode())
            await process.stdin.drain()
        process.stdin.close()
    async with asyncio.TaskGroup() as group:
        out = group.create_task(_read(process.stdout, say))
        errors = group.create_task(_read(process.stderr, say))
    return Done(await process.wait(), out.result(), errors.result())


async def _read(stream: asyncio.StreamReader, say: Say | None) -> str:
    kept: list[str] = []
    size = 0
    while True:
        try:
            line = await stream.readline()
        except ValueError:  # longer than anybody wants to read
            continue
        if not line:
            return "".join(kept)
        text = line.decode(errors="replace")
        if say is not None and text.strip():
            say(text.rstrip().rpartition("\r")[2])
        if size < MOST:
            kept.append(text)
            size += len(text)


async def _end(process: asyncio.subprocess.Process) -> None:
    """End it, and whatever it has started, which may go on when it has ended itself."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE):
                await process.wait()
                return


async def output(*words: str, folder: Path | None = None, patience: float = 30.0) -> str:
    """What a program says, or DeviceFailed with its last words."""
    done = await run(*words, folder=folder, patience=patience)
    if done.code:
        raise DeviceFailed(f"{shown(words)}: {done.said}")
    return done.out


def shown(words: Sequence[str]) -> str:
    """A command for people: without where its program is."""
    return " ".join((Path(words[0]).name, *words[1:3]))
