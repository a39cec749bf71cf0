"""One client of the simulator: its requests come in, its answers and its news go out."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from bridge.klippy.frames import FrameSplitter, FrameTooLong, encode
from bridge.klippy.simulator.faults import Faults

_PIECE = 4096  # what Klippy reads at a time
_FAREWELL = 0.2  # seconds for what is still to be sent to a client that is let go


@dataclass(frozen=True)
class Request:
    """What a client asks for; without an id it gets no answer."""

    id: Any
    method: str
    params: dict[str, Any]


def read_request(frame: bytes) -> Request | None:
    """A frame as a request; None for what Klippy only logs."""
    try:
        found = msgspec.json.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(found, dict) or not isinstance(found.get("method"), str):
        return None
    params = found.get("params", {})
    return Request(found.get("id"), found["method"], params) if isinstance(params, dict) else None


class Connection:
    """A client's socket and what it wants to be told."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, faults: Faults) -> None:
        self._reader, self._writer, self._faults = reader, writer, faults
        self._transport = writer.transport
        self._blocked_since: float | None = None
        self.output_template: dict[str, Any] | None = None
        self.remote_methods: dict[str, dict[str, Any]] = {}

    async def run(self, serve: Callable[[Request], None]) -> None:
        """Hand every request to `serve` until the client goes."""
        splitter = FrameSplitter()
        try:
            if self._faults.hang_connect:
                await asyncio.Event().wait()
            while data := await self._reader.read(_PIECE):
                for frame in splitter.feed(data):
                    request = read_request(frame)
                    if request is not None:
                        serve(request)
        except (ConnectionError, FrameTooLong):
            return  # the client went without a word, or speaks without end
        finally:
            await self._farewell()

    async def _farewell(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_FAREWELL):
                await self._writer.wait_closed()
        self._transport.abort()

    def send(self, message: dict[str, Any], *, spared: bool = False) -> None:
        """Send one message; `spared` from the faults when it is about them."""
        if self._transport.is_closing():
            return
        frame = encode(message)
        if not spared:
            if self._faults.silence:
                return
            frame = self._faults.spoil(frame)
        self._writer.write(frame)

    def output(self, text: str) -> None:
        """One G-code output line, if it was asked for."""
        if self.output_template is not None:
            self.send({**self.output_template, "params": {"response": text}})

    def call(self, method: str, params: dict[str, Any]) -> None:
        """A macro's call, if this client registered for it."""
        if method in self.remote_methods:
            self.send({**self.remote_methods[method], "params": params})

    def close(self) -> None:
        """Let the client go when what was sent is through."""
        self._writer.close()
        self._reader.feed_eof()

    def drop(self) -> None:
        """Let the client go at once."""
        self._transport.abort()

    def check_patience(self, seconds: float) -> None:
        """Drop a client that has left what it is sent unread for so long; call it every tick."""
        if not self._transport.get_write_buffer_size():
            self._blocked_since = None
            return
        now = time.monotonic()
        self._blocked_since = self._blocked_since or now
        if now - self._blocked_since >= seconds:
            self.drop()
