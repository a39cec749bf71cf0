"""The two ends of a G-code file: enough of the head and the tail to know it, never the whole."""

import errno
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

PIECE = 512 * 1024
CONTEXT = 32 * 1024  # of moves that must be seen beside a command: layer marks and temperatures are there
HEAD_LIMIT = 4 * 1024 * 1024  # large thumbnails come before the first command
TAIL_LIMIT = 2 * 1024 * 1024  # a slicer's whole configuration comes after the last command

_FIRST_COMMAND = re.compile(rb"\n[MG][0-9]+\s")
# Greedy up to the last one. Moonraker counts the line after a bare command in; clients' progress rests on it.
_LAST_COMMAND = re.compile(rb"(?s:.*)(\n[MG][0-9]+(?:\s[^\n]*)?(?:\n|\Z))")


@dataclass(frozen=True)
class Windows:
    """Head and tail, each with a line break before its first byte; one and the same when they would touch."""

    size: int
    modified: float
    head: bytearray
    tail: bytearray
    tail_at: int  # where in the file the byte after the tail's line break is

    @property
    def whole(self) -> bool:
        """Whether the file is so small that head and tail are both all of it."""
        return self.tail is self.head

    @property
    def binary(self) -> bool:
        """Whether this is no text: binary G-code, an archive, anything with NUL bytes near its start."""
        return 0 in self.head[:4096] or self.head.startswith(b"\nGCDE")

    def first_command(self) -> int | None:
        """Where the line break before the first G or M command is."""
        found = _FIRST_COMMAND.search(self.head)
        return max(found.start() - 1, 0) if found else None

    def last_command(self) -> int | None:
        """Where the last G or M command has ended."""
        found = _LAST_COMMAND.match(self.tail)
        return found.end() - 1 + self.tail_at if found else None


def read_windows(path: Path) -> Windows:
    """Read both ends of a regular file; OSError for anything else."""
    with _open_regular(path) as file:
        status = os.fstat(file.fileno())
        head = _read_head(file)
        read = len(head) - 1
        if read >= status.st_size:
            return Windows(read, status.st_mtime, head, head, 0)
        if status.st_size - read <= PIECE:
            head += file.read(PIECE)
            return Windows(status.st_size, status.st_mtime, head, head, 0)
        tail, tail_at = _read_tail(file, read, status.st_size)
    return Windows(status.st_size, status.st_mtime, head, tail, tail_at)


def _open_regular(path: Path) -> BinaryIO:
    # NONBLOCK: opening a FIFO somebody left in the folder must not wait for its writer.
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return open(number, "rb", buffering=0)  # noqa: PTH123 - an open descriptor has no path


def _read_head(file: BinaryIO) -> bytearray:
    head = bytearray(b"\n")
    searched = 0
    while len(head) < HEAD_LIMIT:
        piece = file.read(PIECE)
        if not piece:
            break
        head += piece
        command = _FIRST_COMMAND.search(head, searched)
        if command and len(head) - command.start() >= CONTEXT:
            break
        searched = command.start() if command else max(len(head) - 64, 0)
    return head


def _read_tail(file: BinaryIO, lowest: int, size: int) -> tuple[bytearray, int]:
    tail, start = bytearray(b"\n"), size
    while start > lowest and size - start < TAIL_LIMIT:
        step = min(PIECE, start - lowest)
        start -= step
        file.seek(start)
        tail[1:1] = file.read(step)
        command = _LAST_COMMAND.match(tail)
        if command and command.end() >= CONTEXT:
            break
    return tail, start
