"""The HTTP server's connections: counted, and JSON also where the request cannot even be read."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from bridge.errors import BadRequest, InternalError
from bridge.http_compat import answers

log = logging.getLogger(__name__)

IDLE = 75.0  # seconds a connection may be silent between requests, longer than proxies keep theirs

Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Server(web.Server):
    """Makes a Wire for each connection."""

    def __init__(self, handle: Handle, *, max_connections: int) -> None:
        super().__init__(handle)
        self.open = 0
        self.max_connections = max_connections

    def __call__(self) -> "Wire":
        """A protocol for a connection that was accepted."""
        return Wire(self, loop=asyncio.get_running_loop(), access_log=None, keepalive_timeout=IDLE)


class Wire(web.RequestHandler):
    """One connection."""

    def __init__(self, server: Server, **options: Any) -> None:
        super().__init__(server, **options)
        self._server = server
        self.surplus = False  # one more than http.max_connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it."""
        self._server.open += 1
        self.surplus = self._server.open > self._server.max_connections
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Count it no more."""
        self._server.open -= 1
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP; everything else is answered long before it gets here."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun already")
        if exc is not None and status >= 500:  # noqa: PLR2004 - the server's own faults
            log.error("a request failed: %s", message, exc_info=exc)
        response = answers.failure(
            BadRequest("This is no HTTP that can be read here")
            if status < 500  # noqa: PLR2004
            else InternalError("The request failed inside the bridge; its log has the details")
        )
        response.force_close()
        return response
