"""One connection to Klippy's API socket: requests out, answers matched by id, everything else as signals."""

import asyncio
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from bridge.errors import Busy, KlippyError, KlippyUnavailable, TimedOut
from bridge.klippy import frames
from bridge.signals import Signal

log = logging.getLogger(__name__)

CENTURIES = 1e10  # seconds; no machine is up for longer
MAX_PENDING = 2000  # requests without an answer; Klippy's own buffers have no bound
OUTPUT = "gcode_output"
STATUS = "status_update"
REMOTE = "remote/"

NOT_CONNECTED = "Klippy is not connected"


class _Incoming(msgspec.Struct):
    """Any frame of Klippy's; what is large stays as its bytes."""

    id: Any = None
    method: Any = None
    result: msgspec.Raw = msgspec.Raw()
    params: msgspec.Raw = msgspec.Raw()
    error: Any = None


_read = msgspec.json.Decoder(_Incoming).decode
_plain = msgspec.json.Decoder().decode

Outcome = msgspec.Raw | Exception


@dataclass(frozen=True)
class StatusUpdate:
    """Changed fields by object, as Klippy sent them."""

    eventtime: float  # Klippy's monotonic clock
    status: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class RemoteCall:
    """A macro called a method that we registered."""

    method: str
    params: dict[str, Any]


class KlippyLink:
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
        self._pending: dict[int, Callable[[Outcome], None]] = {}
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

    def send(self, method: str, params: dict[str, Any] | None, done: Callable[[Outcome], None]) -> int:
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

    async def request(
        self, method: str, params: dict[str, Any] | None = None, *, unlimited: bool = False
    ) -> msgspec.Raw:
        """Klippy's result as its JSON; `unlimited` for what waits behind G-code."""
        answer: asyncio.Future[msgspec.Raw] = asyncio.get_running_loop().create_future()

        def done(outcome: Outcome) -> None:
            if answer.done():
                return
            if isinstance(outcome, Exception):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome)

        identifier = self.send(method, params, done)
        try:
            async with asyncio.timeout(None if unlimited else self.timeout):
                return await answer
        except TimeoutError as error:
            raise TimedOut(f"Klippy did not answer '{method}' within {self.timeout:g} s") from error
        finally:
            self._pending.pop(identifier, None)

    async def fetch(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Klippy's result decoded; an empty dict where it is no object."""
        found = decoded(await self.request(method, params))
        return found if isinstance(found, dict) else {}

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


def decoded(raw: msgspec.Raw) -> Any:
    """What a part of a frame says, or None: its end was found without a look inside."""
    try:
        return _plain(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        log.warning("a message of Klippy cannot be read: %s", error)
        return None


def status_update(found: dict[str, Any]) -> StatusUpdate:
    """An update from whatever Klippy sent; what is not an object of fields is left out."""
    eventtime, status = found.get("eventtime"), found.get("status")
    if (
        not isinstance(eventtime, int | float)
        or isinstance(eventtime, bool)
        or not 0 <= eventtime < CENTURIES
    ):
        eventtime = time.monotonic()  # Klippy's clock is this machine's
    if not isinstance(status, dict):
        status = {}
    return StatusUpdate(float(eventtime), {k: v for k, v in status.items() if isinstance(v, dict)})


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
