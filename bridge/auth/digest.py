"""HTTP Digest (RFC 7616), as PrusaSlicer's PrusaLink mode logs in: any user name, the API key as password."""

import hashlib
import hmac
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

REALM = "klipper-bridge"
LIFE = 600.0  # seconds a nonce is good for
MOST = 1000  # nonces whose use is remembered
LONGEST = 4096  # characters of a header that are looked at

_HASHES: dict[str, Callable[[bytes], str]] = {
    "SHA-256": lambda text: hashlib.sha256(text).hexdigest(),
    "MD5": lambda text: hashlib.md5(text, usedforsecurity=False).hexdigest(),  # what older libraries know
}
_FIELD = re.compile(r'([a-zA-Z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_NEEDED = frozenset({"username", "realm", "nonce", "uri", "response", "qop", "nc", "cnonce"})
_COUNT = re.compile(r"[0-9a-fA-F]{8}")


class Verdict(Enum):
    """What an answer is worth."""

    RIGHT = "right"
    WRONG = "wrong"
    STALE = "stale"  # right or wrong, the nonce is too old or used: try again with a new one


@dataclass(frozen=True)
class Attempt:
    """An `Authorization: Digest …` and the request it came with."""

    header: str  # without its first word
    verb: str
    uri: str


class Digest:
    """Challenges, and the answers to them."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self._used: OrderedDict[str, int] = OrderedDict()  # nonce -> the highest count that came with it

    def challenges(self, *, stale: bool = False) -> list[str]:
        """The values of `WWW-Authenticate`, the best first."""
        nonce = self._nonce(f"{int(self._clock()):x}.{secrets.token_hex(8)}")
        again = ", stale=true" if stale else ""
        return [
            f'Digest realm="{REALM}", qop="auth", algorithm={name}, nonce="{nonce}"{again}'
            for name in _HASHES
        ]

    def check(self, attempt: Attempt, password: str) -> Verdict:
        """Whether the answer knows the password."""
        fields = _fields(attempt.header)
        name = fields.get("algorithm", "MD5").upper()
        if not fields.keys() >= _NEEDED or name not in _HASHES or not password:
            return Verdict.WRONG
        if fields["realm"] != REALM or fields["qop"] != "auth" or fields["uri"] != attempt.uri:
            return Verdict.WRONG
        if not self._ours(fields["nonce"]):
            return Verdict.STALE
        expected = _response(_HASHES[name], fields, attempt.verb, password)
        given = fields["response"].lower()
        if not hmac.compare_digest(expected.encode(), given.encode(errors="replace")):
            return Verdict.WRONG
        return Verdict.RIGHT if self._counts_up(fields["nonce"], fields["nc"]) else Verdict.STALE

    def is_stale(self, header: str) -> bool:
        """Whether all that an answer needs is a new nonce."""
        fields = _fields(header)
        nonce, count = fields.get("nonce"), fields.get("nc", "")
        if nonce is None:
            return False
        return not self._ours(nonce) or not self._is_higher(nonce, count)

    def _nonce(self, stem: str) -> str:
        return f"{stem}.{hmac.new(self._secret, stem.encode(), hashlib.sha256).hexdigest()[:32]}"

    def _ours(self, nonce: str) -> bool:
        stem = nonce.rpartition(".")[0]
        if not hmac.compare_digest(
            self._nonce(stem).encode(errors="replace"), nonce.encode(errors="replace")
        ):
            return False
        made = int(stem.partition(".")[0], 16)
        return 0 <= self._clock() - made < LIFE

    def _counts_up(self, nonce: str, count: str) -> bool:
        """A nonce's count only rises: what was overheard cannot be sent again."""
        if not self._is_higher(nonce, count):
            return False
        self._used[nonce] = int(count, 16)
        self._used.move_to_end(nonce)
        if len(self._used) > MOST:
            self._used.popitem(last=False)
        return True

    def _is_higher(self, nonce: str, count: str) -> bool:
        return _COUNT.fullmatch(count) is not None and int(count, 16) > self._used.get(nonce, 0)


def _fields(header: str) -> dict[str, str]:
    if len(header) > LONGEST:
        return {}
    return {
        name.lower(): re.sub(r"\\(.)", r"\1", quoted) if quoted or not bare else bare
        for name, quoted, bare in _FIELD.findall(header)
    }


def _response(digest: Callable[[bytes], str], fields: dict[str, str], verb: str, password: str) -> str:
    def hashed(*parts: str) -> str:
        return digest(":".join(parts).encode(errors="replace"))

    who = hashed(fields["username"], REALM, password)
    what = hashed(verb, fields["uri"])
    return hashed(who, fields["nonce"], fields["nc"], fields["cnonce"], "auth", what)
