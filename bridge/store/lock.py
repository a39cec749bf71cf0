"""One process a folder: what a bridge keeps must not be changed behind its back."""

import asyncio
import fcntl
import logging
import os
import time
from pathlib import Path

from bridge.errors import Conflict

log = logging.getLogger(__name__)

PAUSE = 0.05  # seconds between two tries


class InUse(Conflict):
    """Another process works on the same folder."""


class FolderLock:
    """Held from `open` to `close`; the kernel gives it back when the process dies, however it dies.

    `patience` is how many seconds another process, which may be about to end, is waited for.
    """

    def __init__(self, folder: Path, patience: float = 1.0) -> None:
        self._path = folder / "lock"
        self._patience = patience
        self._file: int | None = None

    async def open(self) -> None:
        """Take it, or raise InUse."""
        end = time.monotonic() + self._patience
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            while not self._taken(self._file):
                if time.monotonic() >= end:
                    raise InUse(f"another klipper-bridge {self._owner(self._file)} works in this folder")
                await asyncio.sleep(PAUSE)
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            # Not every file system has locks, and a folder that cannot be written to is the store's news.
            log.warning("Whether another bridge works in the same folder cannot be told: %s", error.strerror)

    async def run(self) -> None:
        """Nothing by itself."""

    async def close(self) -> None:
        """Give it back."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @staticmethod
    def _taken(file: int) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    @staticmethod
    def _owner(file: int) -> str:
        number = os.pread(file, 20, 0).decode(errors="replace").strip()
        return f"(process {number})" if number.isdecimal() else "(process unknown)"
