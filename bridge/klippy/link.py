"""One connection to Klippy's API socket: requests out, answers matched by id, everything else as signals."""

import asyncio
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from bridge.errors import Busy, KlippyError, KlippyUnavailable
from bridge.klippy import frames
from bridge.klippy.printer_link import (
    MAX_PENDING,
    NOT_CONNECTED,
    OUTPUT,
    REMOTE,
    STATUS,
    Done,
    Outcome,
    PrinterLink,
    RemoteCall,
    StatusUpdate,
    decoded,
    status_update,
)
from bridge.signals import Signal

log = logging.getLogger(__name__)


class _Incoming(msgspec.Struct):
    """Any frame of Klippy's; what is large stays as its bytes."""

    id: Any = None
    method: Any = None
    result: msgspec.Raw = msgspec.Raw()
    params: msgspec.Raw = msgspec.Raw()
    error: Any = None


_read = msgspec.json.Decoder(_Incoming).decode


class KlippyLink(PrinterLink):
    """The socket. It connects when told to, and says when it is lost; who reconnects is above."""

    def __init__(self, path: Path, *, timeout: float) -> None:
        self.path = path
        self.updated: Signal[StatusUpdate] = Signal("status update")
        self.output: Signal[str] = Signal("G-code output")
        self.called: Signal[RemoteCall] = Signal("remote method")
        self.lost: Signal[str] = Signal("loss of Klippy's socket")
        self.dropped_frames = 0
        self.timeout = timeout
        self._transport: asyncio.Transport | None = None
        self._pending: dict[int, Done] = {}
        self._next_id = 0

    @property
    def connected(self) -> bool:
        """Whether a request can be sent."""
        return self._transport is not None

    async def connect(self) -> None:
        """Open the socket, or raise OSError."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_unix_connection(
            lambda: _Wire(self._receive, self._drop), str(self.path)
        )
        self._transport = transport

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._transport is not None:
            self._transport.abort()
            self._drop("closed by the bridge")

    def send(self, method: str, params: dict[str, Any] | None, done: Done) -> int:
        """Write a request; `done` is called with the outcome in the order of Klippy's frames."""
        if self._transport is None:
            raise KlippyUnavailable(NOT_CONNECTED)
        if len(self._pending) >= MAX_PENDING:
            raise Busy(f"{MAX_PENDING} requests wait for Klippy; try again when it has answered some")
        self._next_id += 1
        message = {"id": self._next_id, "method": method, "params": params or {}}
        self._transport.write(frames.encode(message))
        self._pending[self._next_id] = done
        return self._next_id

    def forget(self, identifier: int) -> None:
        """Nobody waits for this answer any more."""
        self._pending.pop(identifier, None)

    def trouble(self, error: Exception) -> str:
        """Why the socket cannot be reached, and what to do about it."""
        return f"cannot reach Klippy at {self.path}: {remedy(error)}"

    def _receive(self, frame: bytes) -> None:
        incoming = self._parse(frame)
        if incoming is None:
            self.dropped_frames += 1
            log.warning("dropped a frame of %d bytes from Klippy that is not JSON in UTF-8", len(frame))
        elif isinstance(incoming.method, str):
            self._notified(incoming.method, incoming.params)
        elif isinstance(incoming.id, int) and (done := self._pending.pop(incoming.id, None)) is not None:
            done(_outcome(incoming))

    def _parse(self, frame: bytes) -> _Incoming | None:
        """The frame's parts; old Klippers' NaN, which is no JSON, becomes null."""
        try:
            if not frame.isascii():
                frame.decode()
            return _read(frame)
        except UnicodeDecodeError:
            return None
        except (msgspec.DecodeError, RecursionError):
            return _read_leniently(frame)

    def _notified(self, method: str, params: msgspec.Raw) -> None:
        found = decoded(params) if bytes(params) else {}
        if not isinstance(found, dict):
            return
        if method == STATUS:
            self.updated.emit(status_update(found))
        elif method == OUTPUT:
            if isinstance(text := found.get("response"), str):
                self.output.emit(text)
        elif method.startswith(REMOTE):
            self.called.emit(RemoteCall(method.removeprefix(REMOTE), found))

    def _drop(self, reason: str) -> None:
        if self._transport is None:
            return
        self._transport = None
        pending, self._pending = self._pending, {}
        for done in pending.values():
            done(KlippyUnavailable(f"The connection to Klippy was lost: {reason}"))
        self.lost.emit(reason)


class _Wire(asyncio.Protocol):
    """Bytes to frames."""

    def __init__(self, receive: Callable[[bytes], None], drop: Callable[[str], None]) -> None:
        self._splitter = frames.FrameSplitter()
        self._receive, self._drop = receive, drop
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember whom to hang up on."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Pass on each complete frame; a peer that never ends one is no Klippy."""
        try:
            complete = self._splitter.feed(data)
        except frames.FrameTooLong as error:
            log.warning("Klippy's socket sent %s; reconnecting", error)
            if self._transport is not None:
                self._transport.abort()  # type: ignore[attr-defined]  # BaseTransport lacks what all transports have
            return
        for frame in complete:
            self._receive(frame)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the link."""
        self._drop(str(exc) if exc else "Klippy closed the socket")


def _outcome(incoming: _Incoming) -> Outcome:
    if incoming.error is not None:
        return KlippyError(_message(incoming.error))
    return msgspec.Raw(bytes(incoming.result) or b"{}")


def _message(error: Any) -> str:
    """The whole text of Klippy's error, whatever its shape."""
    text = error.get("message") if isinstance(error, dict) else error
    return (
        text.strip()
        if isinstance(text, str) and text.strip()
        else "Klippy reported an error without a message"
    )


def _read_leniently(frame: bytes) -> _Incoming | None:
    try:
        found = json.loads(frame, parse_constant=lambda _name: None)
        if not isinstance(found, dict):
            return None
        raw = {
            name: msgspec.Raw(msgspec.json.encode(found[name]))
            for name in ("result", "params")
            if name in found
        }
    except (ValueError, OverflowError, RecursionError):
        return None
    known = {name: found[name] for name in ("id", "method", "error") if name in found}
    return _Incoming(**known, **raw)


_REMEDIES: tuple[tuple[type[Exception], str], ...] = (
    (FileNotFoundError, "no such socket; is Klipper running with `-a` and this path (klippy.socket)?"),
    (ConnectionRefusedError, "nobody listens there; Klipper is stopped or restarting"),
    (PermissionError, "no permission; let this user read and write the socket, or run as Klipper's user"),
)


def remedy(error: Exception) -> str:
    """What went wrong at the socket, and what to do about it."""
    for kind, advice in _REMEDIES:
        if isinstance(error, kind):
            return advice
    return str(error)
