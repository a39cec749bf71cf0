"""A guard with what it guards with, for tests of who gets in."""

import base64
import hashlib
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bridge.access import Guard, Sender
from bridge.auth.api_key import ApiKey
from bridge.auth.digest import Attempt
from bridge.auth.throttle import Throttle
from bridge.auth.tokens import Tokens
from bridge.auth.users import User, Users, new_session
from bridge.config import Http

# The password "sesame" at scrypt's least cost.
CHEAP = "scrypt$2$1$1$" + "$".join(
    base64.b64encode(part).decode()
    for part in (b"salt", hashlib.scrypt(b"sesame", salt=b"salt", n=2, r=1, p=1, dklen=32))
)
HOME, AWAY, PROXY = "192.168.1.20", "203.0.113.9", "10.0.0.2"


class People:
    """Ann, who has an account, and whatever she could send."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.now = time.time()
        self.users = Users(folder / "users.json")
        self.tokens = Tokens(folder / "token.key", self.users, clock=lambda: self.now)
        self.key = ApiKey(options.get("api_key"), folder / "api_key")
        self.guard = Guard(
            Http(**options), key=self.key, users=self.users, tokens=self.tokens, throttle=Throttle()
        )

    async def come(self) -> "People":
        await self.guard.open()
        await self.users.add(User("ann", CHEAP, created_on=1.0, session=new_session()))
        return self

    @property
    def ann(self) -> User:
        return self.users.get("ann")

    @property
    def token(self) -> str:
        return self.tokens.issue(self.ann, "auth")

    @property
    def expired(self) -> str:
        token = self.token
        self.now += 3601
        return token

    def oneshot(self, address: str) -> str:
        return self.guard.oneshots.make(self.guard.identity_of(self.ann), address)

    def digest(self, password: str, verb: str = "GET", uri: str = "/api/version") -> Attempt:
        return answer(self.guard.challenges(None)[0], password, verb, uri)

    def decide(self, peer: str, **sent: Any) -> str:
        """The decision in the words of docs/security.md."""
        found = self.guard.decide(Sender(peer, **sent))
        if found.known:
            return f"in as {found.user}" if found.user else "in"
        return found.refusal


def answer(
    challenge: str, password: str, verb: str, uri: str, count: int = 1, user: str = "maker"
) -> Attempt:
    """What a client sends back for a Digest challenge, by RFC 7616."""
    fields = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge.partition(" ")[2]))
    name = fields["algorithm"]

    def hashed(*parts: str) -> str:
        return hashlib.new(name.replace("-", ""), ":".join(parts).encode()).hexdigest()

    nc = f"{count:08x}"
    response = hashed(
        hashed(user, fields["realm"], password), fields["nonce"], nc, "c", "auth", hashed(verb, uri)
    )
    return Attempt(
        f'username="{user}", realm="{fields["realm"]}", nonce="{fields["nonce"]}", uri="{uri}", '
        f'algorithm={name}, response="{response}", qop=auth, nc={nc}, cnonce="c"',
        verb,
        uri,
    )


@asynccontextmanager
async def people(folder: Path, **options: Any) -> AsyncIterator[People]:
    yield await People(folder, **options).come()
