"""Passwords as scrypt keeps them, worked out in a thread, one after the other."""

import asyncio
import base64
import hashlib
import hmac
import secrets

from bridge.errors import BadParams

COST, BLOCK, PARALLEL = 2**14, 8, 5  # 16 MB and a fifth of a second, OWASP's advice for little memory
MEMORY = 64 * 2**20
SALT, LENGTH = 16, 32
LONGEST = 1024  # characters

NOBODY = "scrypt$16384$8$5$AAAAAAAAAAAAAAAAAAAAAA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


class Passwords:
    """Hashes and compares."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def hash(self, password: str) -> str:
        """What is kept of a password."""
        if not 0 < len(password) <= LONGEST:
            raise BadParams(f"A password has 1 to {LONGEST} characters")
        salt = secrets.token_bytes(SALT)
        digest = await self._work(password, salt, (COST, BLOCK, PARALLEL))
        return "$".join(("scrypt", str(COST), str(BLOCK), str(PARALLEL), _text(salt), _text(digest)))

    async def verify(self, password: str, kept: str | None) -> bool:
        """Whether that is the password; for nobody's, None, it takes as long and is never right."""
        _, cost, block, parallel, salt, digest = (kept or NOBODY).split("$")
        parameters = (int(cost), int(block), int(parallel))
        found = await self._work(password[:LONGEST], base64.b64decode(salt), parameters)
        right = hmac.compare_digest(found, base64.b64decode(digest))
        return right and kept is not None and len(password) <= LONGEST

    async def _work(self, password: str, salt: bytes, parameters: tuple[int, int, int]) -> bytes:
        cost, block, parallel = parameters
        async with self._turn:
            return await asyncio.to_thread(
                hashlib.scrypt,
                password.encode(errors="surrogatepass"),
                salt=salt,
                n=cost,
                r=block,
                p=parallel,
                maxmem=MEMORY,
                dklen=LENGTH,
            )


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
