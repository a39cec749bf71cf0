"""JSON Web Tokens: signed by a key that is made of the one on disk and of the user's session."""

import asyncio
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bridge.auth import secret_files
from bridge.auth.users import User, Users

Kind = Literal["auth", "refresh"]

LIFE: dict[Kind, float] = {"auth": 3600.0, "refresh": 90 * 86_400.0}  # seconds
ALGORITHM = "HS256"
ISSUER = "klipper-bridge"
KEY_BYTES = 32
LONGEST = 4096  # characters that are looked at


@dataclass(frozen=True)
class Reading:
    """What a token says: whose it is and until when, or why it says nothing."""

    user: User | None
    until: float = 0.0  # Unix seconds
    failure: str = ""


WRONG = Reading(None, failure="the token is not valid here, or its user has logged out")
EXPIRED = Reading(None, failure="the token has expired")


class Tokens:
    """Issues tokens and reads them; a logout or the end of a user makes them worthless."""

    def __init__(self, path: Path, users: Users, clock: Callable[[], float] = time.time) -> None:
        self._path, self._users, self._clock = path, users, clock
        self._key = b""

    async def open(self) -> None:
        """Read the key, or make it."""
        self._key = await asyncio.to_thread(self._recall_or_make)

    def issue(self, user: User, kind: Kind) -> str:
        """A token of a user."""
        now = self._clock()
        claims = {
            "iss": ISSUER,
            "iat": now,
            "exp": now + LIFE[kind],
            "username": user.username,
            "token_type": kind,
        }
        return _encoded(claims, self._signing(user))

    def read(self, token: str, kind: Kind) -> Reading:
        """Whose token it is."""
        if not self._key or len(token) > LONGEST:
            return WRONG
        try:
            user = self._users.find(str(_claims(token, None)["username"]))
            if user is None:
                return WRONG
            claims = _claims(token, self._signing(user))
            until = float(claims["exp"])
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
            return WRONG
        if claims.get("iss") != ISSUER or claims.get("token_type") != kind:
            return WRONG
        return Reading(user, until) if self._clock() < until else EXPIRED

    def _signing(self, user: User) -> bytes:
        return hmac.digest(self._key, f"{user.username}\0{user.session}".encode(), hashlib.sha256)

    def _recall_or_make(self) -> bytes:
        kept = secret_files.recall(self._path)
        if kept is not None and len(kept) == KEY_BYTES:
            return kept
        made = secrets.token_bytes(KEY_BYTES)
        secret_files.keep(self._path, made)
        return made


# PyJWT brings `cryptography` along where that is installed: 10 MB that a bridge without users does not need.


def _encoded(claims: dict[str, Any], key: bytes) -> str:
    import jwt  # noqa: PLC0415 - weight

    return jwt.encode(claims, key, algorithm=ALGORITHM)


def _claims(token: str, key: bytes | None) -> dict[str, Any]:
    """The claims of a token, or ValueError; without a key nothing of it is believed yet.

    Its end is looked at later.
    """
    import jwt  # noqa: PLC0415 - weight

    options: Any = {"verify_signature": key is not None, "verify_exp": False, "verify_iat": False}
    try:
        return dict(jwt.decode(token, key or b"", algorithms=[ALGORITHM], options=options))
    except jwt.PyJWTError as error:
        raise ValueError(str(error)) from error
