"""What the kernel tells in files: always small, and any of them may be missing or hold nonsense."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil

T = TypeVar("T")
LARGEST = 65_536  # bytes that are read of one file
LONGEST_NUMBER = 15  # digits; what has more of them fits no answer
MISSING = (
    OSError,
    psutil.Error,
    RuntimeError,
    NotImplementedError,
    AttributeError,
    LookupError,
    ValueError,
    ArithmeticError,
)


@dataclass(frozen=True)
class Kernel:
    """The files of the kernel below a root, which is another one only for tests."""

    root: Path = Path("/")

    def path(self, name: str) -> Path:
        """Where something is."""
        return self.root / name.lstrip("/")

    def text(self, name: str) -> str:
        """A small file without blanks and NULs around it; empty where there is none."""
        try:
            with open(self.path(name), "rb", opener=_at_once) as file:
                return file.read(LARGEST).decode(errors="replace").strip("\0 \t\r\n")
        except OSError:
            return ""

    def number(self, name: str, base: int = 10) -> int | None:
        """A file that holds a whole number."""
        text = self.text(name)
        try:
            return int(text, base) if len(text) <= LONGEST_NUMBER else None
        except ValueError:
            return None

    def names(self, folder: str) -> list[str]:
        """What is in a folder, in the order of names; not those that no text can hold."""
        try:
            return sorted(entry.name for entry in self.path(folder).iterdir() if entry.name.isprintable())
        except OSError:
            return []

    def exists(self, name: str) -> bool:
        """Whether there is such a thing."""
        try:
            return self.path(name).exists()
        except OSError:
            return False

    def target(self, name: str) -> Path | None:
        """Where a link leads in the end."""
        try:
            return self.path(name).resolve(strict=True)
        except (OSError, RuntimeError):
            return None

    def aliases(self, folder: str) -> dict[str, str]:
        """The names of a folder of links, by the path that each leads to."""
        return {
            str(target): f"{folder}/{name}"
            for name in self.names(folder)
            if (target := self.target(f"{folder}/{name}")) is not None
        }


def _at_once(path: str, flags: int) -> int:
    """Open without waiting for somebody at the other end of a pipe."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def told(read: Callable[[], T], otherwise: T) -> T:
    """What a library reads of the kernel, or something else where a container hides it."""
    try:
        return read()
    except MISSING:
        return otherwise


def fields(text: str) -> dict[str, str]:
    """Lines of `name: value`; of equal names the last."""
    pairs = (line.partition(":") for line in text.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs if name.strip()}
