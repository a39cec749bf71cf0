"""The bytes of one upload on their way to the disk, hashed as they pass."""

import asyncio
import contextlib
import hashlib
from concurrent.futures import Executor
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from bridge.errors import BadRequest, TooLarge, Unprocessable
from bridge.files import disk
from bridge.files.names import Names

# Bytes that go to the disk in one step. One waits for the other: quicker than any network, and it leaves a
# core to everybody else. Larger blocks are no quicker.
BLOCK = 256 * 1024


class Incoming:
    """A context: what is not given its name in it leaves nothing behind."""

    def __init__(self, names: Names, slots: asyncio.Semaphore, writers: Executor, max_size: int) -> None:
        self.size = 0
        self._names, self._slots, self._writers, self._max_size = names, slots, writers, max_size
        self._hash = hashlib.sha256()
        self._folder = Path()  # where the file is while it comes
        self._path: Path | None = None
        self._file: BinaryIO | None = None
        self._pieces: list[bytes] = []
        self._held = 0
        self._writing: asyncio.Future[None] | None = None

    async def __aenter__(self) -> Self:
        await self._slots.acquire()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._writing is not None:
                await asyncio.wait({self._writing})  # a thread may still write for somebody who has gone
                self._writing.exception()
            if self._path is not None and self._file is not None:
                with contextlib.suppress(OSError):  # a full disk refuses the last bytes once more
                    self._file.close()
                disk.remove(self._path)
        finally:
            self._slots.release()

    @property
    def begun(self) -> bool:
        """Whether a file has begun to come."""
        return self._path is not None

    def is_beside(self, folder: Path) -> bool:
        """Whether it can go to that folder without being copied to another disk."""
        return self._folder.stat().st_dev == folder.stat().st_dev

    def begin(self, folder: Path) -> None:
        """A file begins; `folder` is on the disk that it is likely to go to."""
        if self._path is not None:
            raise BadRequest("One upload holds one file")
        self._folder, self._path = folder, self._names.new(folder)
        with disk.speaking_of("The upload"):
            self._file = self._path.open("xb")

    def take(self, piece: bytes) -> bool:
        """Take a piece; whether it is time to `flush`."""
        self.size += len(piece)
        if self.size > self._max_size:
            raise TooLarge(f"The upload is larger than {self._max_size} bytes (files.max_upload)")
        self._pieces.append(piece)
        self._held += len(piece)
        return self._held >= BLOCK

    async def flush(self) -> None:
        """Write what is held."""
        pieces, self._pieces, self._held = self._pieces, [], 0
        self._writing = asyncio.get_running_loop().run_in_executor(self._writers, self._store, pieces)
        await asyncio.shield(self._writing)

    async def whole(self, checksum: str | None) -> Path:
        """All bytes are there; the file, still under the name that nobody sees."""
        if self._path is None:
            raise BadRequest("The upload holds no file: a part named 'file' with a file name is needed")
        await self.flush()
        await asyncio.to_thread(self._settle, self._path)
        if checksum and checksum.strip().lower() != self._hash.hexdigest():
            raise Unprocessable("The checksum does not match: the file was damaged on its way, send it again")
        return self._path

    def _store(self, pieces: list[bytes]) -> None:
        file = self._file
        if file is not None:
            with disk.speaking_of("The upload"):
                disk.check_room(self._folder, sum(map(len, pieces)), "the rest of the upload")
                for piece in pieces:
                    self._hash.update(piece)
                    file.write(piece)

    def _settle(self, path: Path) -> None:
        if self._file is not None:
            with disk.speaking_of("The upload"):
                self._file.close()
                disk.settle(path)
