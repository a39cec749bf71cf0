"""WLED over a serial cable: the same JSON, without a frame around it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from bridge.config.wled import SerialStrip
from bridge.decoding import UNREADABLE
from bridge.errors import DeviceFailed, TimedOut
from bridge.extras import extra

MOST = 65_536  # bytes of an answer


class SerialLink:
    """Holds the port while it is watched."""

    def __init__(self, settings: SerialStrip, where: str) -> None:
        self._serial = extra("serial_asyncio", "serial", where)
        self._settings = settings
        self._port: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._turn = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Open the port, and give it back."""
        settings = self._settings
        port = await self._serial.open_serial_connection(url=settings.port, baudrate=settings.baud)
        self._port = port
        try:
            yield
        finally:
            self._port = None
            port[1].close()

    async def exchange(self, message: dict[str, Any] | None) -> Any:
        """Send what it shall become, or just ask; what it answers."""
        async with self._turn:
            if self._port is None:
                raise DeviceFailed(f"{self._settings.port} is not open")
            reader, writer = self._port
            await _forget(reader)
            writer.write(msgspec.json.encode(message or {"v": True}) + b"\n")
            try:
                async with asyncio.timeout(self._settings.timeout):
                    await writer.drain()
                    return await self._answer(reader)
            except TimeoutError as error:
                raise TimedOut(
                    f"no answer on {self._settings.port} within {self._settings.timeout:g} s"
                ) from error

    async def _answer(self, reader: asyncio.StreamReader) -> Any:
        """The first whole object; what comes before it is the boot's chatter, or late."""
        heard = b""
        while True:
            more = await reader.read(4096)
            if not more:
                raise DeviceFailed(f"{self._settings.port} was unplugged")
            heard = (heard + more)[-MOST:]
            for line in heard.splitlines():
                with contextlib.suppress(*UNREADABLE):
                    found = msgspec.json.decode(line)
                    if isinstance(found, dict) and ("state" in found or "on" in found):
                        return found


async def _forget(reader: asyncio.StreamReader) -> None:
    """What came after somebody had ceased to wait for it answers nothing any more."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0):
            while await reader.read(MOST):
                pass
