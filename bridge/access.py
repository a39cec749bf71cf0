"""The one decision: who somebody is, and which classes of methods that one may call. Every door asks here."""

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass

from bridge.auth.addresses import Address, network, parse, parse_forwarded, within
from bridge.auth.api_key import KEY_USER, ApiKey
from bridge.auth.digest import Attempt, Digest, Verdict
from bridge.auth.oneshot import OneShots
from bridge.auth.throttle import Throttle
from bridge.auth.tokens import Tokens
from bridge.auth.trust import Trust
from bridge.auth.users import User, Users
from bridge.config import Http
from bridge.errors import BridgeError, Forbidden, Unauthorized
from bridge.rpc import Access
from bridge.signals import Signal

log = logging.getLogger(__name__)

MAX_WARNED = 1000  # addresses that are told once about a wrong key
EVERYTHING = frozenset(Access)

NOTHING_SENT = "no API key was sent, no token, and the address is not trusted"
UNLISTED_PROXY = "forwarded by a proxy that http.proxies does not name"
FORWARDED_STRANGER = "the proxy forwards an address that is not trusted"
LOGIN_REQUIRED = "a login is required (http.force_logins)"


@dataclass(frozen=True)
class Identity:
    """Who is at the far end, and which classes of methods that one may call."""

    allowed: frozenset[Access]
    user: str | None = None
    known: bool = True
    refusal: str = ""  # why there is nothing allowed, or what to do about it
    session: str = ""  # what it was proven by, and ends with; empty: by the address alone
    until: float = math.inf  # Unix seconds from which on it has to be proven anew
    guessed: bool = False  # a key or a password was tried, and is wrong

    def refuse(self, access: Access, method: str) -> BridgeError | None:
        """None when `method` of that class may be called."""
        if access in self.allowed:
            return None
        if not self.known:
            return Unauthorized(self.refusal)
        return Forbidden(f"{method} is of class '{access.value}'{self.refusal}")


TRUSTED = Identity(EVERYTHING)


@dataclass(frozen=True)
class Sender:
    """What a request says of who sends it."""

    peer: str
    forwarded: str | None = None  # the addresses a proxy speaks for, nearest last; None: no proxy
    api_key: str | None = None
    tokens: tuple[str, ...] = ()
    digest: Attempt | None = None
    oneshot: str | None = None

    @property
    def plain(self) -> "Sender":
        """The same without what would prove anything."""
        return Sender(self.peer, self.forwarded)


@dataclass(frozen=True)
class _Proof:
    """What one key, token or login is worth."""

    identity: Identity | None = None
    failure: str = ""
    guess: bool = False


class Guard:
    """Keys, tokens and trusted addresses weighed against one another (the table of docs/security.md)."""

    def __init__(self, http: Http, *, key: ApiKey, users: Users, tokens: Tokens, throttle: Throttle) -> None:
        self.changed: Signal[None] = Signal("who may do what")
        self.generation = 0  # counts the changes: what was decided before is worth nothing
        self.oneshots: OneShots[Identity] = OneShots()
        self.throttle = throttle
        self._trust = Trust(http.trusted)
        self._proxies = [network(text, "http.proxies") for text in http.proxies]
        self._force_logins = http.force_logins
        self._key, self._users, self._tokens = key, users, tokens
        self._digest = Digest()
        self._warned: set[str] = set()
        for signal in (key.changed, users.changed, self._trust.changed):
            signal.connect(self._count)

    async def open(self) -> None:
        """Read what is kept on disk, or ConfigError."""
        await self._key.open()
        await self._users.open()
        await self._tokens.open()

    async def run(self) -> None:
        """Keep the addresses of trusted host names fresh."""
        await self._trust.run()

    async def close(self) -> None:
        """Nothing to give back."""

    @property
    def login_required(self) -> bool:
        """Whether an address alone lets nobody in; only once there is a user, else there could be none."""
        return self._force_logins and len(self._users) > 0

    def decide(self, sender: Sender) -> Identity:
        """Right key or token, else trusted address, else refusal."""
        address, doubt = self._address(sender)
        wrong: _Proof | None = None
        for proof in self._proofs(sender, address):
            if proof.identity is not None:
                return proof.identity
            wrong = wrong or proof
        if not doubt and address in self._trust:
            if not self.login_required:
                if wrong is not None:
                    self._warn_once(str(address), wrong.failure)
                return TRUSTED
            doubt = LOGIN_REQUIRED
        if not doubt:
            doubt = NOTHING_SENT if sender.forwarded is None else FORWARDED_STRANGER
        reason = wrong.failure if wrong is not None else doubt
        guessed = wrong is not None and wrong.guess
        return Identity(frozenset(), known=False, refusal=f"Unauthorized: {reason}", guessed=guessed)

    def holds(self, identity: Identity) -> bool:
        """Whether what it was proven by still stands."""
        kind, _, rest = identity.session.partition(" ")
        if kind == "key":
            return identity.session == self._key.session
        name, _, session = rest.rpartition(" ")
        user = self._users.find(name) if kind == "user" else None
        return user is not None and user.session == session

    def identity_of(self, user: User, until: float = math.inf) -> Identity:
        """A user who is known by password or token."""
        session = f"user {user.username} {user.session}"
        return Identity(EVERYTHING, user=user.username, session=session, until=until)

    def vouch(self, secret: str) -> str | None:
        """The user behind a key or a token that came by another way, or None."""
        if self._key.matches(secret):
            return KEY_USER
        user = self._tokens.read(secret, "auth").user
        return None if user is None else user.username

    def address(self, sender: Sender) -> Address | None:
        """The address that counts: what a configured proxy forwards, else the peer's own."""
        return self._address(sender)[0]

    def is_proxy(self, peer: str) -> bool:
        """Whether many may come from that address."""
        return within(parse(peer), self._proxies)

    def challenges(self, attempt: str | None) -> list[str]:
        """What to answer to with HTTP Digest; `attempt` is the answer that was not good enough."""
        return self._digest.challenges(stale=attempt is not None and self._digest.is_stale(attempt))

    def _address(self, sender: Sender) -> tuple[Address | None, str]:
        """The address, and what speaks against trusting it; of proxies, those listed are believed."""
        peer = parse(sender.peer)
        if sender.forwarded is None:
            return peer, ""
        if not within(peer, self._proxies):
            return peer, UNLISTED_PROXY
        hops = [parse_forwarded(hop) for hop in sender.forwarded.split(",")]
        while len(hops) > 1 and within(hops[-1], self._proxies):
            hops.pop()
        return hops[-1], ""

    def _proofs(self, sender: Sender, address: Address | None) -> Iterator[_Proof]:
        """Each thing that was sent to prove something, in the order in which they count."""
        for token in sender.tokens:
            yield self._by_token(token)
        if sender.api_key is not None:
            yield self._by_key(sender.api_key)
        if sender.digest is not None:
            yield self._by_digest(sender.digest)
        if sender.oneshot is not None:
            holder = self.oneshots.take(sender.oneshot, str(address))
            yield _Proof(holder, "the one-shot token is wrong, used or too old")

    def _by_token(self, token: str) -> _Proof:
        if self._key.matches(token):  # OctoPrint's clients send the key as a bearer
            return self._by_key(token)
        found = self._tokens.read(token, "auth")
        if found.user is None:
            return _Proof(failure=found.failure)
        return _Proof(self.identity_of(found.user, found.until))

    def _by_key(self, key: str) -> _Proof:
        if self._key.matches(key):
            return _Proof(Identity(EVERYTHING, user=KEY_USER, session=self._key.session))
        return _Proof(failure="the API key is wrong", guess=True)

    def _by_digest(self, attempt: Attempt) -> _Proof:
        verdict = self._digest.check(attempt, self._key.value)
        if verdict is Verdict.RIGHT:
            return _Proof(Identity(EVERYTHING, user=KEY_USER, session=self._key.session))
        return _Proof(failure="the Digest login is wrong", guess=verdict is Verdict.WRONG)

    def _warn_once(self, address: str, failure: str) -> None:
        if address not in self._warned and len(self._warned) < MAX_WARNED:
            self._warned.add(address)
            log.warning("%s is trusted by its address; of what else it sent, %s", address, failure)

    def _count(self, _change: None) -> None:
        self.generation += 1
        self.changed.emit(None)
