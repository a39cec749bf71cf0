"""A print file, read ahead in a thread: commands with the byte behind them, and the layers between them."""

import asyncio
import re
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from bridge.klippy.serial.lines import bare

CHUNK = 65_536  # bytes that are read at once
ENOUGH = 1_000  # lines that wait; below half of it more is read
LONGEST = 1_048_576  # a line beyond this is no G-code

_LAYER = re.compile(
    rb";\s*(?:LAYER_COUNT\s*:\s*(?P<count>\d+)|LAYER\s*:\s*(?P<number>-?\d+)|(?P<mark>LAYER_CHANGE)"
    rb"|total layers? (?:count|number)\s*[:=]\s*(?P<total>\d+))",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Layer:
    """A comment that tells of layers: the next one, one by its number from 0, or how many there are."""

    number: int | None = None
    count: int | None = None


Piece = tuple[bytes, int] | Layer  # a command and the byte behind it


class Feed:
    """Lines of one file; who takes them never waits for the disk."""

    def __init__(self, path: Path) -> None:
        self._stream: BinaryIO = path.open("rb")
        self.size = path.stat().st_size
        self.ended = False  # all of it was read
        self._pieces: deque[Piece] = deque()
        self._rest = b""
        self._read_to = 0  # bytes that were cut into lines
        self._wanted = asyncio.Event()
        self._reading = self._closed = False

    def take(self) -> Piece | None:
        """The next piece, or None while there is none."""
        if not self._pieces:
            return None
        if not self.ended and len(self._pieces) < ENOUGH // 2:
            self._wanted.set()
        return self._pieces.popleft()

    @property
    def dry(self) -> bool:
        """Whether nothing is left of the file."""
        return self.ended and not self._pieces

    async def fill(self) -> bool:
        """Read on when lines are wanted; whether there is more to come."""
        if len(self._pieces) >= ENOUGH // 2:
            self._wanted.clear()
            await self._wanted.wait()
        self._reading = True
        try:
            while not self.ended and len(self._pieces) < ENOUGH:
                self._pieces.extend(self._cut(await asyncio.to_thread(self._stream.read, CHUNK)))
        finally:
            self._reading = False
            if self._closed:
                self.close()
        return not self.ended

    def close(self) -> None:
        """Let the file go."""
        self.ended = self._closed = True
        self._pieces.clear()
        self._wanted.set()
        if not self._reading:
            self._stream.close()

    def _cut(self, data: bytes) -> list[Piece]:
        self.ended = self._closed or not data
        *complete, self._rest = (self._rest + data).split(b"\n")
        if self.ended and self._rest:
            complete.append(self._rest)
        elif len(self._rest) > LONGEST:
            complete.append(self._rest)
            self._rest = b""
        pieces: list[Piece] = []
        for line in complete:
            self._read_to += len(line) + 1
            if (command := bare(line)) != b"":
                pieces.append((command, min(self._read_to, self.size)))
            elif b";" in line and (layer := _layer(line)) is not None:
                pieces.append(layer)
        return pieces


def _layer(line: bytes) -> Layer | None:
    found = _LAYER.match(line.strip())
    if found is None:
        return None
    count = found["count"] or found["total"]
    number = found["number"]
    return Layer(int(number) if number is not None else None, int(count) if count is not None else None)
