"""Reads the feeds that have an address, at their interval and when somebody asks."""

import asyncio
import logging
import time
from urllib.parse import quote, urlsplit

import aiohttp

from bridge.announcements.board import Board
from bridge.announcements.feeds import parse
from bridge.config.announcements import Announcements as Settings
from bridge.errors import BridgeError, ConfigError, DeviceFailed, TimedOut
from bridge.lifecycle import Nagger
from bridge.outgoing import Outgoing, body_of, is_web_address, reason_of

log = logging.getLogger(__name__)

MOST = 1_048_576  # bytes of a feed
WARNED = 60.0  # seconds between two looks at the bridge's own warnings


class Reader:
    """A part; without an address it only looks at the bridge's own warnings."""

    def __init__(self, board: Board, outgoing: Outgoing, settings: Settings) -> None:
        self._board, self._outgoing, self._settings = board, outgoing, settings
        self._nags: dict[str, Nagger] = {}
        self._turn = asyncio.Lock()  # of two looks at a time the older answer could come last
        for name, url in settings.feeds.items():
            _check(url, f"announcements.feeds.{name}")
        if settings.address is not None:
            _check(settings.address, "announcements.address")

    async def open(self) -> None:
        """Read what was kept."""
        await self._board.open()

    async def run(self) -> None:
        """Look now and then."""
        last = -self._settings.interval
        while True:
            self._board.look()
            if time.monotonic() - last >= self._settings.interval or last < 0:
                last = time.monotonic()
                await self.read()
            await asyncio.sleep(min(WARNED, self._settings.interval))

    async def close(self) -> None:
        """Stop the clock."""
        self._board.close()

    async def read(self) -> None:
        """Read every feed that has an address; one that fails is told once, and keeps its entries."""
        async with self._turn:
            found = {name: self._address(name) for name in self._board.feeds}
            await asyncio.gather(*(self._read(name, url) for name, url in found.items() if url is not None))

    def _address(self, name: str) -> str | None:
        configured = self._settings.feeds.get(name)
        if configured is not None or self._settings.address is None or name == self._board.feeds[0]:
            return configured
        return self._settings.address.replace("{name}", quote(name, safe=""))

    async def _read(self, name: str, url: str) -> None:
        nag = self._nags.setdefault(name, Nagger(log))
        try:
            content = await self._fetch(url)
            await self._board.take(name, await asyncio.to_thread(parse, content, name, time.time()))
        except BridgeError as error:
            nag.warn(f"the feed '{name}' of announcements cannot be read: {error}")
        else:
            nag.reset()

    async def _fetch(self, url: str) -> bytes:
        where = urlsplit(url).hostname or "its server"
        timeout = aiohttp.ClientTimeout(total=self._settings.timeout)
        try:
            async with self._outgoing.session.get(url, timeout=timeout, max_redirects=3) as answer:
                if answer.status >= 400:  # noqa: PLR2004 - HTTP's own bound
                    raise DeviceFailed(f"{where} answers {answer.status} {answer.reason}")
                return await body_of(answer, MOST)
        except TimeoutError as error:
            raise TimedOut(f"no answer from {where} within {self._settings.timeout:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise DeviceFailed(f"{where} cannot be reached: {reason_of(error)}") from error


def _check(url: str, where: str) -> None:
    if not is_web_address(url):
        raise ConfigError(f"{where}: expected an address that begins with http:// or https://")
