"""The HTTP door as a part: binds its port, and takes each request from its path to its answer."""

import asyncio
import contextlib
import errno
import logging
from pathlib import Path

from aiohttp import hdrs, web

from bridge.access import Guard
from bridge.config import Http
from bridge.errors import (
    BadRequest,
    BridgeError,
    Busy,
    ConfigError,
    InternalError,
    MethodNotAllowed,
    Unauthorized,
)
from bridge.http_compat import answers, arguments
from bridge.http_compat.guard import Gate, Visitor
from bridge.http_compat.klippysocket import KlippySockets
from bridge.http_compat.origins import Origins, cors, preflight
from bridge.http_compat.routes import Routes, allowed
from bridge.http_compat.sockets import Sockets
from bridge.http_compat.websocket import WebSockets
from bridge.http_compat.wire import Server, Wire
from bridge.rpc import Registry, printable

log = logging.getLogger(__name__)

GOODBYE = 2.0  # seconds for clients to close
LAST_REQUESTS = 0.5  # seconds for requests under way at the end; aiohttp takes it twice

_TAKEN = {
    errno.EADDRINUSE: "something else listens there; stop it, or choose another port",
    errno.EACCES: "not permitted; ports below 1024 belong to root",
    errno.EADDRNOTAVAIL: "this machine has no such address; see http.host",
}


class HttpDoor:
    """Moonraker's HTTP API over a table of methods, and its WebSockets."""

    def __init__(
        self, config: Http, registry: Registry, guard: Guard, sockets: Sockets, klippy_socket: Path
    ) -> None:
        self._config, self._registry, self._sockets = config, registry, sockets
        self._gate = Gate(guard, Origins(config.cors_origins))
        self._websockets = WebSockets(registry, sockets, self._gate, max_message=config.max_body)
        self._klippysockets = KlippySockets(klippy_socket, max_message=config.max_body)
        self._routes = Routes(registry, max_body=config.max_body)
        self._runner: web.ServerRunner | None = None
        self.port = config.port

    @property
    def url(self) -> str:
        """Where a client on this machine finds it."""
        host = self._config.host
        shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - not bound here
        return f"http://{shown}:{self.port}"

    async def open(self) -> None:
        """Build the routes from the table and bind the port, or raise ConfigError."""
        self._routes.add_methods()
        self._routes.add("POST", "/server/jsonrpc", self._jsonrpc)
        self._routes.add("GET", "/websocket", self._websocket)
        self._routes.add("GET", "/klippysocket", self._klippysocket)
        server = Server(self._handle, max_connections=self._config.max_connections)
        self._runner = web.ServerRunner(server, shutdown_timeout=LAST_REQUESTS)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._config.host, self._config.port)
        try:
            await site.start()
        except OSError as error:
            remedy = _TAKEN.get(error.errno or 0, error.strerror or str(error))
            raise ConfigError(
                f"http.port: cannot listen on {self._config.host} port {self._config.port}: {remedy}"
            ) from error
        self.port = self._runner.addresses[0][1]
        log.info("HTTP on %s", self.url)

    async def run(self) -> None:
        """Look after the WebSockets; requests come by themselves."""
        await self._sockets.watch()

    async def close(self) -> None:
        """Take no more, say goodbye, and end what does not end by itself."""
        if self._runner is None:
            return
        for site in tuple(self._runner.sites):
            await site.stop()
        with contextlib.suppress(TimeoutError):  # who takes no goodbye is cut below
            async with asyncio.timeout(GOODBYE):
                await asyncio.gather(self._websockets.close(), self._klippysockets.close())
        await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Any request to its answer."""
        try:
            visitor = self._admit(request)
        except BridgeError as error:
            return _refusal(error)
        response = await self._outcome(request, visitor)
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is not None and not response.prepared:
            response.headers.update(cors(origin))
        return response

    def _admit(self, request: web.BaseRequest) -> Visitor:
        """Who calls, unless there are too many or a page calls that may not."""
        wire = request.protocol
        if isinstance(wire, Wire) and wire.surplus:
            raise Busy(f"{self._config.max_connections} connections are open (http.max_connections)")
        visitor = self._gate.visitor(request)
        self._gate.check_page(request, visitor)
        return visitor

    async def _outcome(self, request: web.BaseRequest, visitor: Visitor) -> web.StreamResponse:
        """An answer in any case: here errors become JSON."""
        try:
            return await self._answer(request, visitor)
        except BridgeError as error:
            return answers.failure(error)
        except web.HTTPException as error:
            return answers.failure(BadRequest(error.reason))
        except ConnectionError:  # the client is gone; nobody reads this
            return answers.failure(BadRequest("The connection broke off"))
        except Exception:
            log.exception("a request failed")
            return answers.failure(
                InternalError("The request failed inside the bridge; its log has the details")
            )

    async def _answer(self, request: web.BaseRequest, visitor: Visitor) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        if not path.startswith("/"):  # the absolute form, as proxies send it
            path, query = request.rel_url.raw_path, request.rel_url.raw_query_string
        verbs = self._routes.find(path)
        page = verbs.get(request.method)
        if page is not None:
            return await page(request, query, visitor)
        if request.method == hdrs.METH_OPTIONS:
            response: web.StreamResponse = answers.empty()
            response.headers.update(preflight())
        else:
            response = answers.failure(
                MethodNotAllowed(f"{printable(path)} takes {allowed(verbs)}, not {printable(request.method)}")
            )
        response.headers[hdrs.ALLOW] = allowed(verbs)
        return response

    async def _jsonrpc(self, request: web.BaseRequest, _query: str, visitor: Visitor) -> web.StreamResponse:
        """JSON-RPC 2.0 in a body; the HTTP status is that of the transport."""
        if not visitor.identity.known:
            raise Unauthorized(visitor.identity.refusal)
        payload = await arguments.body(request, self._config.max_body)
        answer = await self._registry.dispatch(payload, visitor)
        return answers.empty() if answer is None else answers.raw(answer)

    async def _websocket(
        self, request: web.BaseRequest, _query: str, _visitor: Visitor
    ) -> web.StreamResponse:
        """Open to all: what a client may call is decided at each call."""
        return await self._websockets.serve(request)

    async def _klippysocket(
        self, request: web.BaseRequest, _query: str, visitor: Visitor
    ) -> web.StreamResponse:
        return await self._klippysockets.serve(request, visitor)


def _refusal(error: BridgeError) -> web.StreamResponse:
    """An error that ends the connection: its body, if any, is not read."""
    response = answers.failure(error)
    response.force_close()
    return response
