"""WLED over HTTP: its JSON API."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec

from bridge.config.wled import HttpStrip
from bridge.decoding import UNREADABLE
from bridge.errors import ConfigError, DeviceFailed, TimedOut
from bridge.outgoing import Outgoing, body_of, reason_of

MOST = 262_144  # bytes of an answer
PATH = "/json/state"


class HttpLink:
    """One strip in the network."""

    def __init__(self, outgoing: Outgoing, settings: HttpStrip, where: str) -> None:
        self._outgoing, self._timeout = outgoing, settings.timeout
        address = settings.address if "://" in settings.address else f"http://{settings.address}"
        try:
            parts = urlsplit(address)
            fits = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.path.strip("/")
            _ = parts.port
        except ValueError:
            fits = False
        if not fits:
            raise ConfigError(f"{where}.address: expected host, host:port or http://host:port alone")
        self._url, self._host = address.rstrip("/") + PATH, parts.hostname

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Nothing to open."""
        yield

    async def exchange(self, message: dict[str, Any] | None) -> Any:
        """Send what it shall become, or just ask; what it answers."""
        verb = "GET" if message is None else "POST"
        try:
            async with self._outgoing.session.request(
                verb, self._url, json=message, timeout=aiohttp.ClientTimeout(total=self._timeout)
            ) as answer:
                body = await body_of(answer, MOST)
        except TimeoutError as error:
            raise TimedOut(f"no answer from {self._host} within {self._timeout:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise DeviceFailed(f"{self._host} cannot be reached: {reason_of(error)}") from error
        if answer.status >= 400:  # noqa: PLR2004 - HTTP's own bound
            raise DeviceFailed(f"{self._host} answers {answer.status} {answer.reason}")
        try:
            return msgspec.json.decode(body)
        except UNREADABLE as error:
            raise DeviceFailed(f"{self._host} does not answer as WLED does") from error
