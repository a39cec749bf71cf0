"""Brokers that are no good: a way to one that can be cut, and a tiny one of MQTT 3.1.1 that misbehaves."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Self

from tests.wire import HOST, free_port

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, UNSUBSCRIBE, PINGREQ = 1, 2, 3, 4, 8, 10, 12
UNACCEPTABLE = b"\x20\x02\x00\x01"  # CONNACK of 3.1.1: this version is not spoken here


class Door:
    """A listening socket on a port of its own, that can be shut and opened again."""

    def __init__(self) -> None:
        self.port = free_port()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._guests: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.shut()

    async def open(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._guest, HOST, self.port)

    async def shut(self, *, reset: bool = False) -> None:
        """Refuse connections from now on, and end those that stand."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut(reset=reset)
        if self._guests:
            await asyncio.wait(self._guests)

    def cut(self, *, reset: bool = False) -> None:
        """End the connections that stand; with RST where asked for."""
        for writer in self._writers:
            if reset:
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
        for task in self._guests:
            task.cancel()

    async def _guest(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._attended(reader, writer))
        self._writers.add(writer)
        self._guests.add(task)
        await asyncio.wait([task])
        self._writers.discard(writer)
        self._guests.discard(task)
        writer.transport.abort()

    async def _attended(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await self.attend(reader, writer)

    def attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Coroutine[Any, Any, None]:
        raise NotImplementedError


class Proxy(Door):
    """The way to a good broker; cut it and the broker is away for one client alone."""

    def __init__(self, target: int) -> None:
        super().__init__()
        self.target = target
        self.hold = False  # accept, never answer
        self.held = 0  # how many wait for an answer

    async def attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.hold:
            await self._keep_waiting(reader)
        there, back = await asyncio.open_connection(HOST, self.target)
        self._writers.add(back)
        ways = [asyncio.ensure_future(_pump(reader, back)), asyncio.ensure_future(_pump(there, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)
            self._writers.discard(back)
            back.transport.abort()

    async def _keep_waiting(self, reader: asyncio.StreamReader) -> None:
        self.held += 1
        try:
            while await reader.read(65536):
                pass
        finally:
            self.held -= 1


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


@dataclass(frozen=True)
class Hello:
    """A CONNECT packet, taken apart."""

    level: int
    flags: int
    keepalive: int
    rest: bytes

    @property
    def clean(self) -> bool:
        return bool(self.flags & 2)

    @property
    def will_qos(self) -> int:
        return self.flags >> 3 & 3

    @property
    def will_retain(self) -> bool:
        return bool(self.flags & 0x20)


class TinyBroker(Door):
    """Speaks MQTT to one client at a time, 3.1.1 alone at first, remembers what it was told, and does worse when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.hellos: list[Hello] = []
        self.retained: dict[str, bytes] = {}
        self.patterns: dict[str, int] = {}  # what it is to hear, and the QoS it asked for
        self.heard = b""  # the last messages, one behind the other
        self.speaks_5 = False
        self.close_5 = False  # hang up on MQTT 5 in place of a refusal
        self.close_all = False  # hang up on everybody
        self.before = b""  # sent in place of a CONNACK
        self.after = b""  # sent behind the CONNACK
        self._writer: asyncio.StreamWriter | None = None
        self._level = 4

    @property
    def levels(self) -> list[int]:
        return [hello.level for hello in self.hellos]

    def send(self, data: bytes) -> None:
        """Bytes as they are, to the client."""
        assert self._writer is not None
        self._writer.write(data)

    def tell(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish to the client with QoS 0."""
        name = topic.encode()
        head = struct.pack(">H", len(name)) + name + b"\x00" * (self._level == 5)
        self.send(packet(PUBLISH, head + payload, flags=int(retain)))

    async def attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, _, body = await _packet(reader)
        length = struct.unpack_from(">H", body)[0]
        level, flags, keepalive = struct.unpack_from(">BBH", body, 2 + length)
        self.hellos.append(Hello(level, flags, keepalive, body[6 + length :]))
        if self.close_all or (self.close_5 and level == 5):
            return
        if self.before:
            writer.write(self.before)
            await asyncio.Event().wait()
        if level == 5 and not self.speaks_5:
            writer.write(UNACCEPTABLE)
            await writer.drain()
            return
        self._level = level
        writer.write((b"\x20\x03\x00\x00\x00" if level == 5 else b"\x20\x02\x00\x00") + self.after)
        self._writer = writer
        while True:
            self._serve(writer, *await _packet(reader))

    def _serve(self, writer: asyncio.StreamWriter, kind: int, flags: int, body: bytes) -> None:
        if kind == SUBSCRIBE:
            at = 2 + (self._level == 5)  # behind the properties, of which there are none
            length = struct.unpack_from(">H", body, at)[0]
            self.patterns[body[at + 2 : at + 2 + length].decode()] = body[at + 2 + length] & 3
            writer.write(packet(9, body[:2] + b"\x00" * (self._level == 5) + b"\x01"))
        elif kind == UNSUBSCRIBE:
            at = 4 + (self._level == 5)
            self.patterns.pop(body[at:].decode())
            writer.write(packet(11, body[:2] + b"\x00\x00" * (self._level == 5)))
        elif kind == PINGREQ:
            writer.write(packet(13, b""))
        elif kind == PUBLISH:
            length = struct.unpack_from(">H", body)[0]
            topic, rest = body[2 : 2 + length].decode(), body[2 + length :]
            if flags & 6:
                writer.write(packet(PUBACK, rest[:2]))
                rest = rest[2:]
            if self._level == 5:
                rest = rest[1 + rest[0] :]
            self.heard = self.heard[-10_000:] + rest
            if flags & 1:
                self.retained[topic] = rest


async def _packet(reader: asyncio.StreamReader) -> tuple[int, int, bytes]:
    first = (await reader.readexactly(1))[0]
    length = shift = 0
    while True:
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 127) << shift
        shift += 7
        if not byte & 128:
            return first >> 4, first & 15, await reader.readexactly(length)


def packet(kind: int, body: bytes, *, flags: int = 0) -> bytes:
    """One packet with its fixed header."""
    head = bytearray([kind << 4 | flags])
    length = len(body)
    while True:
        length, digit = length >> 7, length & 127
        head.append(digit | (0x80 if length else 0))
        if not length:
            return bytes(head) + body
