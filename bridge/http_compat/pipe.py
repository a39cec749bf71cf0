"""The way out to one WebSocket: whole frames, written at once while the reader keeps up."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from aiohttp.abc import AbstractStreamWriter

from bridge.rpc import encode_notification

log = logging.getLogger(__name__)

Status = dict[str, dict[str, Any]]
STATUS_UPDATE = "notify_status_update"
PING = b"\x89\x00"


@dataclass(frozen=True)
class Limits:
    """What one WebSocket may cost."""

    behind: int = 65_536  # bytes not yet taken: from here on only the newest status is kept
    lost: int = 8_388_608  # bytes not yet taken: from here on the client is cut
    in_flight: int = 128  # requests without an answer
    silence: float = 30.0  # seconds after which a client is asked whether it lives; twice that ends it


def text_frame(payload: bytes) -> bytes:
    """A message as the one unmasked frame that every client gets."""
    size = len(payload)
    if size < 126:  # noqa: PLR2004 - the three lengths of RFC 6455
        return b"\x81" + size.to_bytes(1, "big") + payload
    if size < 65_536:  # noqa: PLR2004
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


def status_frame(status: Status, eventtime: float) -> bytes:
    """Changed fields as the notification of them."""
    return text_frame(encode_notification(STATUS_UPDATE, [status, eventtime]))


class Pipe:
    """Writes to the transport itself: a frame is the same bytes for all, and needs no task."""

    def __init__(
        self,
        transport: asyncio.Transport,
        writer: AbstractStreamWriter,
        limits: Limits,
        start: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._transport, self._writer, self._limits, self._start = transport, writer, limits, start
        self._held: list[bytes] = []  # frames of this turn of the loop, for one write
        self._late: Status = {}  # what a slow reader has yet to hear of
        self._late_time = 0.0
        self._catching_up = False
        self._open = True
        transport.set_write_buffer_limits(high=limits.behind)

    def send(self, frame: bytes, *, more: bool = False) -> None:
        """Write a frame; `more` are likely to follow within this turn of the loop."""
        if self._held:
            self._held.append(frame)
        elif more:
            self._held.append(frame)
            asyncio.get_running_loop().call_soon(self._release)
        else:
            self._write(frame)

    def send_status(self, frame: bytes, status: Status, eventtime: float) -> None:
        """Write a status update; while the reader is slow, fold it into the one to come."""
        if not self._late and self._transport.get_write_buffer_size() <= self._limits.behind:
            self.send(frame)
        elif self._open:
            for name, fields in status.items():
                self._late.setdefault(name, {}).update(fields)
            self._late_time = eventtime
            if not self._catching_up:
                self._catching_up = True
                self._start(self._catch_up())

    def forget_status(self) -> None:
        """Whatever is late is no longer wanted."""
        self._late = {}

    def cut(self, reason: str) -> None:
        """End the connection at once."""
        if self._open:
            self._open = False
            log.info("cut a WebSocket client: %s", reason)
            self._transport.abort()

    def close(self) -> None:
        """Write nothing any more."""
        self._open = False

    def _release(self) -> None:
        held, self._held = self._held, []
        self._write(held[0] if len(held) == 1 else b"".join(held))

    def _write(self, data: bytes) -> None:
        if not self._open or self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() > self._limits.lost:
            self.cut(f"{self._limits.lost} bytes wait for it")
            return
        self._transport.write(data)

    async def _catch_up(self) -> None:
        """Send the newest status once the reader has taken what it had."""
        while self._open and self._late:
            await asyncio.sleep(0)  # a transport may notice only in the next turn that it is full
            try:
                await self._writer.drain()
            except ConnectionError:
                break
            if self._late and self._transport.get_write_buffer_size() <= self._limits.behind:
                late, self._late = self._late, {}
                self.send(status_frame(late, self._late_time))

        self._catching_up = False
