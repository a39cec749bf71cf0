"""Klippy's frames: one JSON object in UTF-8, then the byte 0x03. Pure: bytes in, frames out."""

from typing import Any

import msgspec

ETX = b"\x03"
MAX_FRAME = 64 * 1024 * 1024  # the largest object seen is 16 kB; beyond this the peer is not Klippy

_encode = msgspec.json.Encoder().encode


class FrameTooLong(ValueError):
    """More than MAX_FRAME bytes came without an end mark."""


def encode(message: Any) -> bytes:
    """One message as Klippy reads it."""
    return _encode(message) + ETX


class FrameSplitter:
    """Cuts a byte stream into frames; what is not yet complete waits for the next feed."""

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._waiting = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that `data` completes, without their end marks; empty ones are left out."""
        *complete, rest = data.split(ETX)
        if complete and self._parts:
            complete[0] = b"".join((*self._parts, complete[0]))
            self._parts, self._waiting = [], 0
        if rest:
            self._parts.append(rest)
            self._waiting += len(rest)
            if self._waiting > self._limit:
                raise FrameTooLong(f"{self._waiting} bytes without an end mark (0x03)")
        return [frame for frame in complete if frame.strip()]
