"""The one HTTP session for everything that the bridge itself asks of others."""

import os
from urllib.parse import urlsplit

import aiohttp

from bridge import __version__
from bridge.errors import Busy, TooLarge

CONNECTIONS = 32
CONNECT = 5.0  # seconds
# what somebody's failure says where the system has no words for it; the first that fits
REASONS: tuple[tuple[type[Exception], str], ...] = (
    (aiohttp.InvalidURL, "its address is none"),
    (TimeoutError, "it does not answer"),
    (aiohttp.ServerDisconnectedError, "it hung up"),
    (ConnectionError, "it hung up"),
    (aiohttp.ClientPayloadError, "it broke off"),
    (aiohttp.TooManyRedirects, "it sends us from one address to the next"),
    (aiohttp.ClientResponseError, "its answer is no HTTP"),
    (aiohttp.ClientSSLError, "no secure connection comes about"),
    (ValueError, "what it is asked holds a character that cannot be sent"),
)


class Outgoing:
    """A part that owns the session from its opening to its end."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """The session, while the bridge runs."""
        if self._session is None:
            raise Busy("The bridge is starting or ending; nothing is sent now")
        return self._session

    async def open(self) -> None:
        """Begin the session; nothing is connected before it is asked for."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, limit_per_host=4),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"klipper-bridge/{__version__}"},
            timeout=aiohttp.ClientTimeout(total=30, sock_connect=CONNECT),
        )

    async def run(self) -> None:
        """Nothing by itself."""

    async def close(self) -> None:
        """Hang up everywhere."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def is_web_address(url: str) -> bool:
    """Whether it can be asked: http or https, a host, and a port that is one."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


async def body_of(answer: aiohttp.ClientResponse, most: int) -> bytes:
    """The whole body, or TooLarge."""
    found = bytearray()
    async for chunk in answer.content.iter_any():
        found += chunk
        if len(found) > most:
            raise TooLarge(f"{answer.url.host} answers with more than {most} bytes")
    return bytes(found)


def reason_of(error: Exception) -> str:
    """Why somebody cannot be reached, without the address, which may hold a secret."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, OSError) and cause.errno:
        return os.strerror(cause.errno) if cause.errno > 0 else cause.strerror or "no such host"
    return next((words for kind, words in REASONS if isinstance(error, kind)), type(error).__name__)
