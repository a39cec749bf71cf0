"""Credentials out of a request, and whether the page it came from may ask at all."""

from dataclasses import dataclass
from typing import Any

from aiohttp import hdrs, web
from multidict import istr

from bridge.access import Guard, Identity
from bridge.errors import BridgeError, Forbidden
from bridge.http_compat.origins import Origins
from bridge.rpc import Access, Door, printable

API_KEY = istr("X-Api-Key")
_REAL_IP = istr("X-Real-IP")
_MAX_REMEMBERED = 1000  # addresses whose identity is not worked out anew


@dataclass(frozen=True)
class Credentials:
    """What a request says of its sender."""

    peer: str
    forwarded: str | None = None
    api_key: str | None = None


class Visitor:
    """A caller over HTTP; nothing can be sent to it but the answer."""

    door = Door.HTTP

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.trusted_by_address = identity.known and identity.user is None

    @property
    def user(self) -> str | None:
        """Who is calling, when that is known."""
        return self.identity.user

    def allows(self, access: Access, method: str) -> BridgeError | None:
        """None when the caller may call `method`, else the refusal."""
        return self.identity.refuse(access, method)

    def notify(self, method: str, params: list[Any]) -> None:
        """Nobody listens on a request."""


class Gate:
    """Looks at each request before anything else does."""

    def __init__(self, guard: Guard, origins: Origins) -> None:
        self._guard, self._origins = guard, origins
        self._remembered: dict[str, Visitor] = {}

    def check_page(self, request: web.BaseRequest, visitor: Visitor) -> None:
        """Refuse what a browser sends for a page that has no business here."""
        headers = request.headers
        origin, host = headers.get(hdrs.ORIGIN), headers.get(hdrs.HOST)
        if origin is not None and not self._origins.allows(origin, host):
            raise Forbidden(
                f"pages of {printable(origin)} may not call this server; http.cors_origins can let them"
            )
        if visitor.trusted_by_address and not self._origins.knows_host(host):
            raise Forbidden(
                f"this server does not know itself as {printable(str(host))}; "
                "name that host in http.cors_origins, or send the API key"
            )

    def visitor(self, request: web.BaseRequest) -> Visitor:
        """Who calls; the plain case is remembered by address."""
        found = credentials(request)
        if found.forwarded is not None or found.api_key is not None:
            return Visitor(self.identify(found))
        visitor = self._remembered.get(found.peer)
        if visitor is None:
            if len(self._remembered) >= _MAX_REMEMBERED:
                self._remembered.clear()
            visitor = self._remembered[found.peer] = Visitor(self.identify(found))
        return visitor

    def identify(self, found: Credentials) -> Identity:
        """Who that is, by the one decision of access.py."""
        return self._guard.http(found.peer, found.forwarded, found.api_key)


def credentials(request: web.BaseRequest) -> Credentials:
    """What a request says of its sender; an empty key is none, as slicers send it."""
    headers = request.headers
    return Credentials(request.remote or "", _forwarded(request), headers.get(API_KEY) or None)


def _forwarded(request: web.BaseRequest) -> str | None:
    """The addresses a proxy says it speaks for, nearest last; None without a proxy."""
    headers = request.headers
    if lines := headers.getall(hdrs.X_FORWARDED_FOR, None):
        return ",".join(lines)
    if (single := headers.get(_REAL_IP)) is not None:
        return single
    if hdrs.FORWARDED in headers:
        return request.forwarded[-1].get("for", "") if request.forwarded else ""
    return None
