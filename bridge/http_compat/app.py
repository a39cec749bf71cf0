"""The HTTP door as a part: binds its port, and takes each request from its path to its answer."""

import asyncio
import contextlib
import errno
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from aiohttp import hdrs
from multidict import istr

from bridge.access import Guard
from bridge.config import Http
from bridge.errors import (
    BadRequest,
    BridgeError,
    ConfigError,
    InternalError,
    MethodNotAllowed,
    Unauthorized,
)
from bridge.http_compat import answers, arguments, web
from bridge.http_compat.guard import Gate, Visitor, without_tokens
from bridge.http_compat.klippysocket import KlippySockets
from bridge.http_compat.origins import Origins, cors, preflight
from bridge.http_compat.routes import Pages, Routes, allowed
from bridge.http_compat.sockets import Sockets
from bridge.http_compat.websocket import WebSockets
from bridge.http_compat.wire import Server, Wire
from bridge.rpc import Registry, printable

log = logging.getLogger(__name__)

GOODBYE = 2.0  # seconds for clients to close
NOSNIFF = istr("X-Content-Type-Options")
OVERLOADS = (413, 429, 431)
PRIVATE = "/access/"  # answers below it hold keys and tokens
BACKLOG = 128  # connections that wait to be taken
LAST_REQUESTS = 0.5  # seconds for requests under way at the end; aiohttp takes it twice

_TAKEN = {
    errno.EADDRINUSE: "something else listens there; stop it, or choose another port",
    errno.EACCES: "not permitted; ports below 1024 belong to root",
    errno.EADDRNOTAVAIL: "this machine has no such address; see http.host",
}


class HttpDoor:
    """Moonraker's HTTP API over a table of methods, and its WebSockets."""

    def __init__(
        self,
        config: Http,
        registry: Registry,
        guard: Guard,
        sockets: Sockets,
        klippy_socket: Path,
        pages: Sequence[Pages] = (),
    ) -> None:
        self._pages = pages
        self._config, self._registry, self._sockets = config, registry, sockets
        self._guard = guard
        self._gate = Gate(guard, Origins(config.cors_origins, config.hosts))
        self._websockets = WebSockets(registry, sockets, max_message=config.max_body)
        self._klippysockets = KlippySockets(klippy_socket, max_message=config.max_body)
        self._routes = Routes(registry, max_body=config.max_body)
        self._server: Server | None = None
        self._listener: asyncio.Server | None = None
        self._refused: Counter[int] = Counter()  # answers by status
        self.port = config.port
        guard.changed.connect(lambda _change: self._review())

    @property
    def url(self) -> str:
        """Where a client on this machine finds it."""
        host = self._config.host
        shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - not bound here
        return f"http://{shown}:{self.port}"

    async def open(self) -> None:
        """Build the routes from the table and bind the port, or raise ConfigError."""
        self._routes.add_methods()
        for pages in self._pages:
            pages.add_to(self._routes)
        self._routes.add("POST", "/server/jsonrpc", self._jsonrpc)
        self._routes.add("GET", "/websocket", self._websocket)
        self._routes.add("GET", "/klippysocket", self._klippysocket)
        self._server = Server(
            self._handle,
            max_connections=self._config.max_connections,
            max_per_address=self._config.max_connections_per_address,
            shared=self._guard.is_proxy,
        )
        try:
            self._listener = await asyncio.get_running_loop().create_server(
                self._server, self._config.host, self._config.port, backlog=BACKLOG
            )
        except OSError as error:
            remedy = _TAKEN.get(error.errno or 0, error.strerror or str(error))
            raise ConfigError(
                f"http.port: cannot listen on {self._config.host} port {self._config.port}: {remedy}"
            ) from error
        self.port = self._listener.sockets[0].getsockname()[1]
        log.info("HTTP on %s", self.url)

    async def run(self) -> None:
        """Look after the WebSockets; requests come by themselves."""
        await self._sockets.watch()

    async def close(self) -> None:
        """Take no more, say goodbye, and end what does not end by itself."""
        if self._server is None or self._listener is None:
            return
        self._listener.close()
        with contextlib.suppress(TimeoutError):  # who takes no goodbye is cut below
            async with asyncio.timeout(GOODBYE):
                await asyncio.gather(self._websockets.close(), self._klippysockets.close())
        await asyncio.sleep(0)  # a request that has just come is begun before idle connections are closed
        self._server.pre_shutdown()
        await self._server.shutdown(LAST_REQUESTS)

    @property
    def overloads(self) -> int:
        """Requests that were refused because they were too large, too deep or too many."""
        unread = self._server.too_large if self._server is not None else 0
        return sum(self._refused[status] for status in OVERLOADS) + unread + self._websockets.refused

    @property
    def strangers(self) -> int:
        """Requests that were refused for want of a right key, token or address."""
        return self._refused[Unauthorized.status]

    def _review(self) -> None:
        """Look at all connections anew, once the answer that changed something is on its way."""

        def review() -> None:
            self._sockets.review()
            self._klippysockets.review()

        asyncio.get_running_loop().call_soon(review)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Any request to its answer."""
        try:
            visitor = self._admit(request)
        except BridgeError as error:
            self._refused[error.status] += 1
            return _refusal(error)
        if visitor.identity.guessed:
            await visitor.slow(visitor.identity)
        response = await self._outcome(request, visitor)
        if not response.prepared:
            self._finish(request, response)
        return response

    def _finish(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        """The headers that an answer needs whatever it is."""
        headers = response.headers
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is not None:
            headers.update(cors(origin))
        if request.raw_path.startswith(PRIVATE):
            headers[hdrs.CACHE_CONTROL] = "no-store"
        if response.status >= 400:  # noqa: PLR2004 - what HTTP calls an error
            self._refused[response.status] += 1
            if response.status == Unauthorized.status:
                for challenge in self._gate.challenges(request):
                    headers.add(hdrs.WWW_AUTHENTICATE, challenge)
        headers.setdefault(NOSNIFF, "nosniff")

    def _admit(self, request: web.BaseRequest) -> Visitor:
        """Who calls, unless there are too many or a page calls that may not."""
        wire = request.protocol
        if isinstance(wire, Wire):
            wire.begun()
            if wire.surplus is not None:
                raise wire.surplus
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
        if "token=" in query:
            query = without_tokens(query)
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

    async def _websocket(self, request: web.BaseRequest, _query: str, visitor: Visitor) -> web.StreamResponse:
        """Open to all: what a client may call is decided at each call."""
        return await self._websockets.serve(request, visitor)

    async def _klippysocket(
        self, request: web.BaseRequest, _query: str, visitor: Visitor
    ) -> web.StreamResponse:
        return await self._klippysockets.serve(request, visitor)


def _refusal(error: BridgeError) -> web.StreamResponse:
    """An error that ends the connection: its body, if any, is not read."""
    response = answers.failure(error)
    response.force_close()
    return response
