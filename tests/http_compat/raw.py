"""A WebSocket client down at the bytes: it can stop reading, and send several frames in one write."""

import asyncio
import json
from typing import Any

from tests.http_compat.house import House


class RawSocket:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def begin(cls, one: House) -> "RawSocket":
        reader, writer = await asyncio.open_connection("127.0.0.1", one.door.port, limit=1000)
        writer.write(
            b"GET /websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        return cls(reader, writer)

    def ask(self, *requests: dict[str, Any]) -> None:
        """Send requests, all in one write."""
        frames = b""
        for request in requests:
            text = json.dumps({"jsonrpc": "2.0", **request}).encode()
            frames += b"\x81\xfe" + len(text).to_bytes(2, "big") + bytes(4) + text
        self._writer.write(frames)

    async def hear(self) -> Any:
        """The next message."""
        size = (await self._reader.readexactly(2))[1]
        if size == 126:
            size = int.from_bytes(await self._reader.readexactly(2), "big")
        elif size == 127:
            size = int.from_bytes(await self._reader.readexactly(8), "big")
        return json.loads(await self._reader.readexactly(size))

    async def subscribe(self, *objects: str) -> Any:
        """Subscribe, and take the answer."""
        self.ask(
            {"method": "sample.subscribe", "params": {"objects": dict.fromkeys(objects)}, "id": "subscribe"}
        )
        while (message := await self.hear()).get("id") != "subscribe":
            pass
        return message["result"]["status"]

    async def to_the_end(self) -> None:
        """Read until the connection is gone."""
        while True:
            await self.hear()

    def close(self) -> None:
        self._writer.close()
