"""One-shot tokens: good once, within seconds, for whoever cannot send headers."""

import base64
import hashlib
import secrets
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from bridge.errors import TooManyRequests

T = TypeVar("T")

LIFE = 5.0  # seconds
BYTES = 20  # 32 characters of base32
MOST = 1000  # at once


class OneShots(Generic[T]):
    """Tokens that stand for somebody; used from the address that asked for them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._made: dict[bytes, tuple[float, str, T]] = {}  # by their hashes, the oldest first

    def make(self, holder: T, address: str) -> str:
        """A token for `holder`."""
        now = self._clock()
        while self._made and next(iter(self._made.values()))[0] <= now:
            del self._made[next(iter(self._made))]
        if len(self._made) >= MOST:
            raise TooManyRequests(f"{MOST} one-shot tokens wait to be used; try again in {LIFE:g} s")
        token = base64.b32encode(secrets.token_bytes(BYTES)).decode()
        self._made[_hashed(token)] = (now + LIFE, address, holder)
        return token

    def take(self, token: str, address: str) -> T | None:
        """For whom it stands, this once."""
        until, home, holder = self._made.pop(_hashed(token), (0.0, "", None))
        return holder if self._clock() < until and home == address else None


def _hashed(token: str) -> bytes:
    """What is looked up: how long that takes tells nothing of a token."""
    return hashlib.sha256(token.encode(errors="replace")).digest()
