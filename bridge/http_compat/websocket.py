"""`/websocket`: JSON-RPC in frames, a task for each request."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from aiohttp import WSCloseCode, WSMsgType
from aiohttp.abc import AbstractStreamWriter

from bridge.decoding import decode
from bridge.errors import BadRequest, ParseError, TooDeep, TooManyRequests
from bridge.http_compat import web
from bridge.http_compat.guard import Visitor
from bridge.http_compat.pipe import Pipe, text_frame
from bridge.http_compat.sockets import Socket, Sockets
from bridge.rpc import Lane, Registry, encode_failure

log = logging.getLogger(__name__)

URGENT_RESERVE = 16  # requests that may still come in when all others are refused

_MESSAGES = (WSMsgType.TEXT, WSMsgType.BINARY)


class WebSockets:
    """Upgrades requests, and serves each connection until it ends."""

    def __init__(self, registry: Registry, sockets: Sockets, *, max_message: int) -> None:
        self.refused = 0  # requests that were too many, or too deep
        self._registry, self._sockets = registry, sockets
        self._max_message = max_message
        self._open: set[web.WebSocketResponse] = set()

    async def serve(self, request: web.BaseRequest, visitor: Visitor) -> web.StreamResponse:
        """One connection, from its upgrade to its end; requests under way are carried out all the same."""
        response = web.WebSocketResponse(
            autoping=False, compress=False, max_msg_size=self._max_message, timeout=1.0
        )
        if not response.can_prepare(request):
            raise BadRequest("This is a WebSocket: ask for an upgrade (RFC 6455)")
        writer = await response.prepare(request)
        transport = request.transport
        if transport is None:
            return response
        try:
            await self._converse(response, transport, writer, visitor)
        except* Exception:  # a bug, and one client's alone
            log.exception("a WebSocket connection failed")
        return response

    async def _converse(
        self,
        response: web.WebSocketResponse,
        transport: asyncio.Transport,
        writer: AbstractStreamWriter,
        visitor: Visitor,
    ) -> None:
        async with asyncio.TaskGroup() as tasks:
            pipe = Pipe(transport, writer, self._sockets.limits, tasks.create_task)
            socket = self._sockets.join(pipe, visitor)
            self._open.add(response)
            try:
                limit = self._sockets.limits.in_flight
                await _Conversation(self._registry, socket, limit, tasks, self._count).run(response)
            finally:
                self._open.discard(response)
                self._sockets.leave(socket)

    def _count(self) -> None:
        self.refused += 1

    async def close(self) -> None:
        """Say goodbye to all; who does not answer is cut by the server's end."""
        await asyncio.gather(
            *(response.close(code=WSCloseCode.GOING_AWAY, drain=False) for response in tuple(self._open)),
            return_exceptions=True,
        )


class _Conversation:
    """What one client asks, and the answers."""

    def __init__(
        self,
        registry: Registry,
        socket: Socket,
        limit: int,
        tasks: asyncio.TaskGroup,
        count: Callable[[], None],
    ) -> None:
        self._registry, self._socket, self._limit, self._tasks = registry, socket, limit, tasks
        self._count = count  # what was too many or too deep
        self._flying = 0

    async def run(self, response: web.WebSocketResponse) -> None:
        """Until the connection ends."""
        socket = self._socket
        while True:
            message = await response.receive()
            socket.heard = True
            if message.type in _MESSAGES:
                self._take(message.data)
            elif message.type is WSMsgType.PING:
                await response.pong(message.data)
            elif message.type is not WSMsgType.PONG:
                return

    def _take(self, payload: str | bytes) -> None:
        try:
            message = decode(payload)
        except ParseError as error:
            if isinstance(error, TooDeep):
                self._count()
            self._socket.pipe.send(text_frame(encode_failure(None, error)))
            return
        if self._socket.questions.take(message):
            return
        if self._flying >= self._limit and not self._passes(message):
            self._refuse(message)
            return
        self._flying += 1
        self._tasks.create_task(self._answer(message))

    async def _answer(self, message: Any) -> None:
        try:
            answer = await self._registry.handle(message, self._socket)
        finally:
            self._flying -= 1
        if answer is not None:
            self._socket.pipe.send(text_frame(answer), more=self._flying > 0)

    def _passes(self, message: Any) -> bool:
        """Whether it is as urgent as an emergency stop."""
        name = message.get("method") if isinstance(message, dict) else None
        method = self._registry.methods.get(name) if isinstance(name, str) else None
        return (
            method is not None and method.lane is Lane.URGENT and self._flying < self._limit + URGENT_RESERVE
        )

    def _refuse(self, message: Any) -> None:
        self._count()
        busy = TooManyRequests(
            f"{self._limit} requests of this connection are under way; try again when some have ended"
        )
        for part in message if isinstance(message, list) else [message]:
            if isinstance(part, dict) and "id" in part:
                identifier = part["id"] if isinstance(part["id"], str | int | float) else None
                self._socket.pipe.send(text_frame(encode_failure(identifier, busy)), more=True)
