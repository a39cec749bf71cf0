"""Bare asyncio clients: they share the machine with what they measure, so they must cost next to nothing."""

import asyncio
import base64
import itertools
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, cast

import msgspec

Reply = Callable[[bytes | None], None]

_ID = re.compile(rb'"id":\s*(77\d{8})')
_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
_number = itertools.count(7_700_000_000)


class Client(asyncio.Protocol):
    """Requests by id, and everything else to `on_other`."""

    def __init__(self) -> None:
        self.on_other: Callable[[bytes], None] = lambda _data: None
        self._pending: dict[int, Reply] = {}
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        pending, self._pending = self._pending, {}
        for reply in pending.values():
            reply(None)

    def request(self, method: str, params: dict[str, Any] | None, reply: Reply) -> None:
        """Send one request; `reply` gets the answer's bytes, or None when the connection is gone."""
        number = next(_number)
        self._pending[number] = reply
        message: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "id": number}
        if params:
            message["params"] = params
        self.send(msgspec.json.encode(message))

    def send(self, payload: bytes) -> None:
        """Write one message."""
        raise NotImplementedError

    def received(self, payload: bytes) -> None:
        """One message came; its id is looked for at the tail, then at the head."""
        found = _ID.search(payload, max(0, len(payload) - 64)) or _ID.search(payload)
        reply = self._pending.pop(int(found[1]), None) if found else None
        if reply is not None:
            reply(payload)
        else:
            self.on_other(payload)

    async def call(self, method: str, params: dict[str, Any] | None = None, timeout: float = 30) -> Any:
        """One request and its result."""
        answer: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self.request(method, params, lambda data: None if answer.done() else answer.set_result(data))
        data = await asyncio.wait_for(answer, timeout)
        if data is None:
            raise ConnectionError("the server closed the connection")
        found = msgspec.json.decode(data)
        if "error" in found:
            raise RuntimeError(f"{method}: {found['error']}")
        return found["result"]

    def close(self) -> None:
        """Hang up."""
        self._transport.close()


class Klippy(Client):
    """Klippy's own framing."""

    def send(self, payload: bytes) -> None:
        self._transport.write(payload + b"\x03")

    def data_received(self, data: bytes) -> None:
        *frames, self._buffer = (self._buffer + data).split(b"\x03")
        for frame in frames:
            self.received(frame)

    @classmethod
    async def open(cls, path: Path) -> Self:
        _, client = await asyncio.get_running_loop().create_unix_connection(cls, str(path))
        return client


class WebSocket(Client):
    """A masked client with a mask of zeros: legal, and free."""

    def __init__(self) -> None:
        super().__init__()
        self._open = asyncio.get_running_loop().create_future()
        self._parts = b""

    def send(self, payload: bytes) -> None:
        size = len(payload)
        if size < 126:
            head = bytes((0x81, 0x80 | size))
        elif size < 65_536:
            head = b"\x81\xfe" + size.to_bytes(2, "big")
        else:
            head = b"\x81\xff" + size.to_bytes(8, "big")
        self._transport.write(head + b"\0\0\0\0" + payload)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._open.done():
            head, mark, self._buffer = self._buffer.partition(b"\r\n\r\n")
            if not mark:
                self._buffer = head
            elif b" 101 " not in head[:32]:
                self._open.set_exception(ConnectionError(head[:200].decode()))
            else:
                self._open.set_result(None)
        if self._open.done():
            self._frames()

    def _frames(self) -> None:
        """Take every complete frame out of the buffer."""
        buffer, position = self._buffer, 0
        while len(buffer) - position >= 2:
            size, head = buffer[position + 1] & 127, 2
            if size >= 126:
                head = 4 if size == 126 else 10
                size = int.from_bytes(buffer[position + 2 : position + head], "big")
            end = position + head + size
            if len(buffer) < end:
                break
            self._frame(buffer[position], buffer[position + head : end])
            position = end
        self._buffer = buffer[position:]

    def _frame(self, first: int, payload: bytes) -> None:
        kind = first & 15
        if kind in {0, 1, 2}:
            self._parts += payload
            if first & 0x80:
                whole, self._parts = self._parts, b""
                self.received(whole)
        elif kind == 9:
            self._transport.write(bytes((0x8A, 0x80 | len(payload))) + b"\0\0\0\0" + payload)
        elif kind == 8:
            self._transport.close()

    @classmethod
    async def open(cls, port: int) -> Self:
        _, client = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        key = base64.b64encode(os.urandom(16)).decode()
        client._transport.write(
            f"GET /websocket HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        await asyncio.wait_for(client._open, 10)
        return client


def _text(value: str) -> bytes:
    encoded = value.encode()
    return len(encoded).to_bytes(2, "big") + encoded


def _packet(first: int, body: bytes) -> bytes:
    """An MQTT packet: its size in sevens of bits, the lowest first."""
    size, head = len(body), bytearray((first,))
    while True:
        size, digit = size >> 7, size & 127
        head.append(digit | (0x80 if size else 0))
        if not size:
            return bytes(head) + body


class Mqtt(Client):
    """MQTT 3.1.1 at QoS 0; with an instance's name, a client of its JSON-RPC."""

    def __init__(self) -> None:
        super().__init__()
        self.on_publish: Callable[[bytes, bytes], None] = lambda _topic, _payload: None
        self._acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request_topic = self._response_topic = b""

    def send(self, payload: bytes) -> None:
        self._transport.write(_packet(0x30, self._request_topic + payload))

    async def subscribe(self, topic: str) -> None:
        """Ask for a topic and wait until the broker has noted it."""
        self._acknowledged = asyncio.get_running_loop().create_future()
        self._transport.write(_packet(0x82, b"\0\1" + _text(topic) + b"\0"))
        await asyncio.wait_for(self._acknowledged, 10)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        position = 0
        while (sized := self._size(buffer, position)) is not None:
            start, end = sized
            if len(buffer) < end:
                break
            self._handle(buffer[position] >> 4, buffer[start:end])
            position = end
        self._buffer = buffer[position:]

    @staticmethod
    def _size(buffer: bytes, position: int) -> tuple[int, int] | None:
        """Where the body of the packet at `position` begins and ends, once that can be told."""
        size = shift = 0
        for index in range(position + 1, len(buffer)):
            size |= (buffer[index] & 127) << shift
            shift += 7
            if buffer[index] < 128:
                return index + 1, index + 1 + size
        return None

    def _handle(self, kind: int, body: bytes) -> None:
        if kind == 3:
            size = int.from_bytes(body[:2], "big") + 2
            if body[2:size] == self._response_topic:
                self.received(body[size:])
            else:
                self.on_publish(body[2:size], body[size:])
        elif kind in {2, 9} and not self._acknowledged.done():
            self._acknowledged.set_result(None)

    @classmethod
    async def open(cls, port: int, instance: str | None = None) -> Self:
        _, client = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        name = f"bench-{os.getpid()}-{next(_number)}"
        client._transport.write(_packet(0x10, _text("MQTT") + b"\4\2\0\0" + _text(name)))
        await asyncio.wait_for(client._acknowledged, 10)
        if instance is not None:
            client._request_topic = _text(f"{instance}/moonraker/api/request")
            client._response_topic = f"{instance}/moonraker/api/response".encode()
            await client.subscribe(f"{instance}/moonraker/api/response")
        return client


class Http(asyncio.Protocol):
    """One keep-alive connection with one request at a time."""

    def __init__(self) -> None:
        self.status = 0
        self._buffer = b""
        self._reply: Reply | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own

    def get(self, path: str, reply: Reply) -> None:
        """GET `path`; `reply` gets the body."""
        self._reply = reply
        self._transport.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, mark, body = self._buffer.partition(b"\r\n\r\n")
        found = _LENGTH.search(head) if mark else None
        if found is not None and len(body) >= int(found[1]):
            self.status, self._buffer = int(head[9:12]), b""
            self._done(body)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        self._done(None)

    def _done(self, body: bytes | None) -> None:
        reply, self._reply = self._reply, None
        if reply is not None:
            reply(body)

    async def fetch(self, path: str, timeout: float = 30) -> Any:
        """The `result` of a GET; ConnectionError for anything but 200."""
        answer: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self.get(path, lambda body: None if answer.done() else answer.set_result(body))
        body = await asyncio.wait_for(answer, timeout)
        if body is None or self.status != 200:
            raise ConnectionError(f"{path}: {self.status}")
        return msgspec.json.decode(body)["result"]

    def close(self) -> None:
        """Hang up."""
        self._transport.close()

    @classmethod
    async def open(cls, port: int) -> Self:
        _, client = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return client
