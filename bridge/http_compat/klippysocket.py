"""`/klippysocket`: Klippy's own API socket for a WebSocket client, one connection each."""

import asyncio
import logging
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from aiohttp import WSCloseCode, WSMsgType

from bridge.errors import BadRequest, Busy, KlippyUnavailable
from bridge.http_compat import web
from bridge.http_compat.guard import Visitor
from bridge.klippy.frames import ETX, FrameSplitter, FrameTooLong
from bridge.rpc import Access

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 16  # each is a client of Klippy's own
STALL = 10.0  # seconds either side may refuse to take what the other says
HEARTBEAT = 30.0
_CHUNK = 65_536


class KlippySockets:
    """Passes JSON through in both directions; a text frame on one side is an ETX frame on the other."""

    def __init__(self, path: Path, *, max_message: int) -> None:
        self._path, self._max_message = path, max_message
        self._open: dict[web.WebSocketResponse, tuple[Visitor, asyncio.Transport]] = {}
        self._count = 0

    async def serve(self, request: web.BaseRequest, visitor: Visitor) -> web.StreamResponse:
        """One connection, until either side closes it; refused before the upgrade."""
        if (refusal := visitor.allows(Access.CONTROL, "klippysocket")) is not None:
            raise refusal
        if self._count >= MAX_CONNECTIONS:
            raise Busy(f"{MAX_CONNECTIONS} clients already talk to Klippy's socket")
        self._count += 1
        try:
            return await self._pass_through(request, visitor)
        finally:
            self._count -= 1

    async def close(self) -> None:
        """Say goodbye to all."""
        await asyncio.gather(
            *(response.close(code=WSCloseCode.GOING_AWAY, drain=False) for response in tuple(self._open)),
            return_exceptions=True,
        )

    def review(self) -> None:
        """Who may do what has changed: cut whoever may not talk to Klippy any more."""
        for visitor, transport in tuple(self._open.values()):
            identity = visitor.reviewed(visitor.identity)
            if identity.refuse(Access.CONTROL, "klippysocket") is not None:
                transport.abort()

    async def _pass_through(self, request: web.BaseRequest, visitor: Visitor) -> web.StreamResponse:
        response = web.WebSocketResponse(
            compress=False, max_msg_size=self._max_message, heartbeat=HEARTBEAT, timeout=1.0
        )
        if not response.can_prepare(request):
            raise BadRequest("This is a WebSocket: ask for an upgrade (RFC 6455)")
        try:
            reader, writer = await asyncio.open_unix_connection(str(self._path))
        except OSError as error:
            raise KlippyUnavailable("Klippy's socket cannot be reached; is Klipper running?") from error
        try:
            await response.prepare(request)
            if request.transport is not None:
                self._open[response] = (visitor, request.transport)
            await _first_of(_to_klippy(response, writer), _from_klippy(reader, response))
            async with asyncio.timeout(STALL):
                await response.close()
        except* (TimeoutError, ConnectionError, FrameTooLong) as errors:
            log.info(
                "a connection to /klippysocket ended: %s", errors.exceptions[0] or "one side took no more"
            )
        finally:
            self._open.pop(response, None)
            writer.transport.abort()
            if request.transport is not None and response.prepared and not response.closed:
                request.transport.abort()
        return response


async def _to_klippy(response: web.WebSocketResponse, writer: asyncio.StreamWriter) -> None:
    while True:
        message = await response.receive()
        if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            return
        payload = message.data.encode() if isinstance(message.data, str) else message.data
        writer.write(payload.rstrip(ETX) + ETX)
        async with asyncio.timeout(STALL):
            await writer.drain()


async def _from_klippy(reader: asyncio.StreamReader, response: web.WebSocketResponse) -> None:
    splitter = FrameSplitter()
    while data := await reader.read(_CHUNK):
        for frame in splitter.feed(data):
            async with asyncio.timeout(STALL):
                await response.send_str(frame.decode(errors="replace"))


async def _first_of(*directions: Coroutine[Any, Any, None]) -> None:
    """Run both ways until one ends, then end the other; a failure of either is raised."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(direction) for direction in directions]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
