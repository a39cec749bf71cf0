"""Who asks over HTTP, and whether the page that a browser speaks for may ask at all."""

import time
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import hdrs
from multidict import istr

from bridge.access import Guard, Identity, Sender
from bridge.auth.addresses import household
from bridge.auth.digest import Attempt
from bridge.errors import BridgeError, Forbidden
from bridge.http_compat import web
from bridge.http_compat.origins import Origins
from bridge.http_compat.wire import Wire
from bridge.rpc import Access, Door, printable

API_KEY = istr("X-Api-Key")
FETCH_SITE = istr("Sec-Fetch-Site")
BEARER, DIGEST = "bearer ", "digest "
IN_QUERY = ("access_token", "token")
MAX_QUERY = 65_536  # characters of a query that are searched for a token; a request line has fewer

_REAL_IP = istr("X-Real-IP")
_TELLING = (API_KEY, hdrs.AUTHORIZATION, hdrs.X_FORWARDED_FOR, _REAL_IP, hdrs.FORWARDED)
_MAX_REMEMBERED = 1000  # addresses whose identity is not worked out anew
_HARMLESS = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})


class Visitor:
    """A caller over HTTP; nothing can be sent to it but the answer."""

    door = Door.HTTP

    def __init__(self, guard: Guard, sender: Sender, identity: Identity) -> None:
        self.identity = identity
        self.sender, self._guard = sender, guard

    @property
    def user(self) -> str | None:
        """Who is calling, when that is known."""
        return self.identity.user

    @property
    def by_address_alone(self) -> bool:
        """Whether it is let in without having proven anything."""
        return self.identity.known and not self.identity.session

    @property
    def address(self) -> str:
        """The address that counts."""
        return str(self._guard.address(self.sender))

    @property
    def household(self) -> str:
        """By what its failed logins are counted."""
        return household(self._guard.address(self.sender))

    @property
    def trusted(self) -> bool:
        """Whether its address alone lets it in."""
        return self._guard.decide(self.sender.plain).known

    def allows(self, access: Access, method: str) -> BridgeError | None:
        """None when the caller may call `method`, else the refusal."""
        return self.identity.refuse(access, method)

    def notify(self, method: str, params: list[Any]) -> None:
        """Nobody listens on a request."""

    def become(self, identity: Identity) -> None:
        """Nothing: the next request proves anew who sends it."""

    def proven(self, *, api_key: str | None, access_token: str | None) -> Identity:
        """Who it is with a key or a token that came later."""
        tokens = (access_token,) if access_token else ()
        return self._guard.decide(Sender(self.sender.peer, self.sender.forwarded, api_key or None, tokens))

    async def slow(self, identity: Identity) -> None:
        """Let who guesses keys wait."""
        if identity.guessed:
            await self._guard.throttle.failed(self.household, "wrong API keys came")

    def reviewed(self, identity: Identity) -> Identity:
        """The same while what proved it stands, else what the address makes of it."""
        return identity if self._guard.holds(identity) else self._guard.decide(self.sender.plain)


class Gate:
    """Looks at each request before anything else does."""

    def __init__(self, guard: Guard, origins: Origins) -> None:
        self._guard, self._origins = guard, origins
        self._remembered: dict[str, Visitor] = {}
        self._generation = guard.generation

    def check_page(self, request: web.BaseRequest, visitor: Visitor) -> None:
        """Refuse what a browser sends for a page that has no business here."""
        headers = request.headers
        origin, host = headers.get(hdrs.ORIGIN), headers.get(hdrs.HOST)
        if origin is not None and not self._origins.allows(origin, host):
            raise Forbidden(
                f"pages of {printable(origin)} may not call this server; http.cors_origins can let them"
            )
        if not visitor.by_address_alone:
            return
        if not self._origins.knows_host(host):
            raise Forbidden(
                f"this server does not know itself as {printable(str(host))}; "
                "name that host in http.hosts, or send the API key"
            )
        if origin is None and request.method not in _HARMLESS and _sent_for_another_page(request):
            raise Forbidden(
                "a browser sent this for another page; send JSON, the API key or a token to change something"
            )

    def visitor(self, request: web.BaseRequest) -> Visitor:
        """Who calls; what was decided is remembered by address, and for a connection by what it sends."""
        if self._generation != self._guard.generation:
            self._generation = self._guard.generation
            self._remembered.clear()
        if not _says_who(request):
            peer = request.remote or ""
            return self._remembered.get(peer) or self._remember(peer)
        sender, wire = sender_of(request), request.protocol
        if sender.digest is not None or sender.oneshot is not None or not isinstance(wire, Wire):
            return self._decided(sender)
        visitor = wire.remembered((self._generation, sender), lambda: self._decided(sender))
        return visitor if visitor.identity.until > time.time() else self._decided(sender)

    def _remember(self, peer: str) -> Visitor:
        if len(self._remembered) >= _MAX_REMEMBERED:
            self._remembered.clear()
        visitor = self._remembered[peer] = self._decided(Sender(peer))
        return visitor

    def _decided(self, sender: Sender) -> Visitor:
        return Visitor(self._guard, sender, self._guard.decide(sender))

    def challenges(self, request: web.BaseRequest) -> list[str]:
        """The values of `WWW-Authenticate`; for a browser none that makes it ask for a password itself."""
        if hdrs.ORIGIN in request.headers or FETCH_SITE in request.headers:
            return ["Bearer"]
        scheme, value = _authorization(request)
        return [*self._guard.challenges(value if scheme == DIGEST else None), "Bearer"]


def _says_who(request: web.BaseRequest) -> bool:
    """Whether there is more to look at than the address it comes from."""
    headers = request.headers
    return "token=" in request.raw_path or any(name in headers for name in _TELLING)


def sender_of(request: web.BaseRequest) -> Sender:
    """What a request says of its sender; an empty key or token is none, as slicers send it."""
    headers, raw = request.headers, request.raw_path
    scheme, value = _authorization(request)
    tokens = (value,) if scheme == BEARER and value else ()
    digest = Attempt(value, request.method, raw) if scheme == DIGEST else None
    oneshot = None
    if "token=" in raw:
        found = dict(parse_qsl(raw.partition("?")[2][:MAX_QUERY]))
        oneshot = found.get("token") or None
        if access_token := found.get("access_token"):
            tokens = (*tokens, access_token)
    return Sender(
        request.remote or "", _forwarded(request), headers.get(API_KEY) or None, tokens, digest, oneshot
    )


def without_tokens(query: str) -> str:
    """A query without what proves who asks: no method needs it, and no message shall show it."""
    return "&".join(part for part in query.split("&") if part.partition("=")[0] not in IN_QUERY)


def _authorization(request: web.BaseRequest) -> tuple[str, str]:
    """The scheme in small letters with its blank, and what follows."""
    value = request.headers.get(hdrs.AUTHORIZATION)
    if value is None:
        return "", ""
    scheme, blank, rest = value.partition(" ")
    return scheme.lower() + blank, rest.strip()


def _forwarded(request: web.BaseRequest) -> str | None:
    """The addresses a proxy says it speaks for, nearest last; None without a proxy."""
    headers = request.headers
    if lines := headers.getall(hdrs.X_FORWARDED_FOR, None):
        return ",".join(lines)
    if (single := headers.get(_REAL_IP)) is not None:
        return single
    if hdrs.FORWARDED in headers:
        return ",".join(part.get("for", "") for part in request.forwarded)
    return None


def _sent_for_another_page(request: web.BaseRequest) -> bool:
    """Whether it looks as if a browser sent it, for a page that may be anybody's: a plain form, no JSON."""
    headers = request.headers
    site = headers.get(FETCH_SITE)
    if site in ("same-origin", "none") or (site is None and hdrs.REFERER not in headers):
        return False
    kind = headers.get(hdrs.CONTENT_TYPE, "").partition(";")[0].strip().lower()
    return kind != "application/json"
