"""GitHub's releases, or those of anything that answers like it; with its limit in sight."""

import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any
from urllib.parse import urlsplit

import aiohttp
import msgspec
from msgspec import Meta

from bridge.config.updates import Published
from bridge.decoding import UNREADABLE
from bridge.errors import ConfigError, DeviceFailed, NotFound, TooManyRequests
from bridge.outgoing import Outgoing, body_of, is_web_address

log = logging.getLogger(__name__)

LARGEST = 4_000_000  # bytes of an answer
LISTED = 20  # releases
DOWNLOAD = aiohttp.ClientTimeout(total=3600, sock_connect=10, sock_read=60)
MOST_DIGITS = 12
OK, UNCHANGED, FORBIDDEN, MISSING, TOO_MANY = 200, 304, 403, 404, 429
HOUR = LONGEST_REST = 3600.0  # seconds that it is not asked after it has said that it wants a rest
KNOWN = 64  # answers that are kept to be asked for anew at no cost


Tag = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+@/ -]{0,99}$")]  # it is shown and written
Name = Annotated[str, Meta(min_length=1, max_length=255)]


class Asset(msgspec.Struct, frozen=True):
    """A file of a release."""

    name: Name
    browser_download_url: str
    size: Annotated[int, Meta(ge=0)] = 0
    digest: str | None = None


class Release(msgspec.Struct, frozen=True):
    """One release."""

    tag_name: Tag
    draft: bool = False
    prerelease: bool = False
    html_url: str | None = None
    assets: list[Asset] = []


class Limit(msgspec.Struct):
    """How often GitHub may still be asked in this hour; null: it was not asked yet."""

    limit: int | None = None
    remaining: int | None = None
    reset: int | None = None


class Releases:
    """Asks for releases; an answer that has not changed costs nothing."""

    def __init__(self, outgoing: Outgoing, api: str, token: str | None) -> None:
        self.limit = Limit()
        if not is_web_address(api):
            raise ConfigError("updates.api: expected an address such as https://api.github.com")
        self._outgoing, self._api, self._token = outgoing, api.rstrip("/"), token
        self._known: dict[str, tuple[str, bytes]] = {}  # address -> its mark and answer
        self._rests_until = 0.0

    async def newest(self, repo: str, channel: Published) -> Release:
        """The newest release of a repository, or an error that tells why it is not known."""
        if channel == "stable":
            found: Release | None = await self._fetch(f"/repos/{repo}/releases/latest", Release)
        else:
            many = await self._fetch(f"/repos/{repo}/releases?per_page={LISTED}", list[Release])
            found = next((one for one in many if not one.draft), None)
        if found is not None and not (found.html_url or "").startswith(("https://", "http://")):
            found = msgspec.structs.replace(found, html_url=None)  # it becomes a link in web UIs
        if found is None:
            raise NotFound(f"{repo} has no release")
        return found

    @asynccontextmanager
    async def opened(self, asset: Asset) -> AsyncIterator[aiohttp.ClientResponse]:
        """The content of a file of a release."""
        try:
            async with self._outgoing.session.get(asset.browser_download_url, timeout=DOWNLOAD) as answer:
                if self._api.startswith("https:") and answer.url.scheme != "https":
                    raise DeviceFailed(f"{asset.name}: {answer.url.host} has no secure connection")
                if answer.status != OK:
                    raise DeviceFailed(f"{asset.name}: {answer.url.host} answers {answer.status}")
                yield answer
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise DeviceFailed(f"{asset.name} was not downloaded: {_plain(error)}") from error

    async def _fetch(self, path: str, kind: Any) -> Any:
        self._refuse_to_nag()
        address = self._api + path
        headers = {"Accept": "application/vnd.github+json", **self._login()}
        if address in self._known:
            headers["If-None-Match"] = self._known[address][0]
        try:
            async with self._outgoing.session.get(address, headers=headers) as answer:
                self._count(answer.status, answer.headers)
                if answer.status == UNCHANGED and address in self._known:
                    body = self._known[address][1]
                else:
                    self._refuse(answer.status, path)
                    body = await body_of(answer, LARGEST)
                    self._keep(address, answer.headers.get("ETag"), body)
            return msgspec.json.decode(body, type=kind)
        except (aiohttp.ClientError, TimeoutError, ValueError, RecursionError) as error:
            host = urlsplit(self._api).hostname
            raise DeviceFailed(f"{host} could not be asked: {_plain(error)}") from error

    def _login(self) -> dict[str, str]:
        return {} if self._token is None else {"Authorization": f"Bearer {self._token}"}

    def _keep(self, address: str, mark: str | None, body: bytes) -> None:
        if mark is not None and (address in self._known or len(self._known) < KNOWN):
            self._known[address] = (mark, body)

    def _refuse_to_nag(self) -> None:
        """Whoever says how long he wants to be left alone is."""
        is_spent = (
            self.limit.remaining == 0 and time.time() < (self.limit.reset or 0) < time.time() + 2 * HOUR
        )
        if is_spent or self._is_resting:
            raise self._too_often()

    @property
    def _is_resting(self) -> bool:
        return time.time() < self._rests_until

    def _too_often(self) -> TooManyRequests:
        host = urlsplit(self._api).hostname
        return TooManyRequests(f"{host} has been asked too often; updates.token raises its limit")

    def _count(self, status: int, headers: Mapping[str, str]) -> None:
        wait = headers.get("Retry-After", "")
        if status in (FORBIDDEN, TOO_MANY) and wait.isdecimal():
            self._rests_until = time.time() + min(float(wait), LONGEST_REST)
        for name in ("limit", "remaining", "reset"):
            told = headers.get(f"X-RateLimit-{name.capitalize()}", "")
            if told.isdecimal() and len(told) < MOST_DIGITS:
                setattr(self.limit, name, int(told))

    def _refuse(self, status: int, path: str) -> None:
        host, repo = urlsplit(self._api).hostname, "/".join(path.split("/")[2:4])
        if status == TOO_MANY or (status == FORBIDDEN and (self.limit.remaining == 0 or self._is_resting)):
            raise self._too_often()
        if status == MISSING:
            raise NotFound(f"{host} knows no release of {repo}")
        if status != OK:
            raise DeviceFailed(f"{host} answers {status} for {repo}")


def _plain(error: Exception) -> str:
    """An error for people: no address with a login in it."""
    if isinstance(error, UNREADABLE):
        return "its answer is no list of releases"
    words = getattr(error, "strerror", None) or (
        "no answer in time" if isinstance(error, TimeoutError) else ""
    )
    return words or type(error).__name__
