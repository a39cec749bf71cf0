"""The HTTP server's connections: counted, timed, and JSON also where the request cannot even be read."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar, cast

from aiohttp.http_exceptions import LineTooLong

from bridge.errors import BadRequest, BridgeError, Busy, HeadersTooLarge, InternalError, TooManyRequests
from bridge.http_compat import answers, web

log = logging.getLogger(__name__)

IDLE = 75.0  # seconds a connection may be silent between requests, longer than proxies keep theirs
FIRST = 20.0  # seconds the first request may take to arrive
FIRST_OF_SURPLUS = 1.0
MAX_LINE = 8190  # bytes of a header, or of the request line
MAX_HEADERS = 100

Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
T = TypeVar("T")


class Server(web.Server):
    """Makes a Wire for each connection."""

    def __init__(
        self, handle: Handle, *, max_connections: int, max_per_address: int, shared: Callable[[str], bool]
    ) -> None:
        super().__init__(handle)
        self.open: Counter[str] = Counter()  # connections by address
        self.too_large = 0  # requests whose headers were refused
        self.max_connections, self.max_per_address = max_connections, max_per_address
        self._shared = shared

    def __call__(self) -> "Wire":
        """A protocol for a connection that was accepted."""
        return Wire(
            self,
            loop=asyncio.get_running_loop(),
            access_log=None,
            keepalive_timeout=IDLE,
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
            max_headers=MAX_HEADERS,
        )

    def surplus(self, address: str) -> BridgeError | None:
        """Why one more connection of an address is one too many; None when it is not."""
        if self.open.total() > self.max_connections:
            return Busy(f"{self.max_connections} connections are open (http.max_connections)")
        if self.open[address] > self.max_per_address and not self._shared(address):
            return TooManyRequests(
                f"{self.max_per_address} connections of {address} are open (http.max_connections_per_address)"
            )
        return None


class Wire(web.RequestHandler):
    """One connection."""

    def __init__(self, server: Server, **options: Any) -> None:
        super().__init__(server, **options)
        self._server = server
        self._address = ""
        self._patience: asyncio.TimerHandle | None = None
        self._memory: tuple[Hashable, Any] = (None, None)
        self.surplus: BridgeError | None = None  # why it is one connection too many

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it."""
        peer = transport.get_extra_info("peername")
        self._address = str(peer[0]) if isinstance(peer, tuple) else ""
        self._server.open[self._address] += 1
        self.surplus = self._server.surplus(self._address)
        patience = FIRST if self.surplus is None else FIRST_OF_SURPLUS
        self._patience = asyncio.get_running_loop().call_later(patience, self.force_close)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Count it no more."""
        self.begun()
        self._server.open[self._address] -= 1
        if not self._server.open[self._address]:
            del self._server.open[self._address]
        super().connection_lost(exc)

    def begun(self) -> None:
        """The first request is there."""
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def remembered(self, key: Hashable, make: Callable[[], T]) -> T:
        """What was made for the last request, if this one has the same key."""
        if self._memory[0] != key:
            self._memory = (key, make())
        return cast("T", self._memory[1])

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
        response = answers.failure(self._explained(status, exc))
        response.force_close()
        return response

    def _explained(self, status: int, error: BaseException | None) -> BridgeError:
        if status >= 500:  # noqa: PLR2004
            return InternalError("The request failed inside the bridge; its log has the details")
        if isinstance(error, LineTooLong) or "Too many headers" in str(error):
            self._server.too_large += 1
            return HeadersTooLarge(
                f"At most {MAX_HEADERS} headers of {MAX_LINE} bytes are taken, and a request line of as many"
            )
        return BadRequest("This is no HTTP that can be read here")
