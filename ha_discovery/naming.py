"""Names for people and for machines, made from whatever Klipper's sections are called. Pure."""

import base64
import hashlib
import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

SLUG_LENGTH = 48
TITLE_LENGTH = 40
FOLDED = 2048  # texts; a description folds the same few hundred a dozen times each
ID_LENGTH = 9  # of an alphabet of 32: one in a hundred million that two of a printer's are equal
KEY_LENGTH = 14

_PLAIN = re.compile(r"[A-Za-z0-9_ .-]+")


@lru_cache(FOLDED)
def fold(text: str) -> str:
    """What is left of `text` as [a-z0-9_]: as Home Assistant makes an entity id of a plain name."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", ascii_text).strip("_")


def slug(text: str) -> str:
    """A part of a key, [a-z0-9_]. What cannot be told apart by its slug alone gets a mark of the whole text.

    So the slug of a name depends on that name only: it stays when other names come and go.
    """
    folded = fold(text)
    if folded and len(folded) <= SLUG_LENGTH and _PLAIN.fullmatch(text):
        return folded
    mark = hashlib.blake2s(text.encode(errors="replace"), digest_size=3).hexdigest()
    return f"{folded[:SLUG_LENGTH].rstrip('_')}_{mark}".lstrip("_")


def identifier(*parts: str) -> str:
    """A few characters that stand for these parts and no others."""
    digest = hashlib.blake2s("/".join(parts).encode(errors="replace"), digest_size=10).digest()
    return base64.b32encode(digest)[:ID_LENGTH].decode().lower()


def short(key: str) -> str:
    """A key as it is, or what stands for it: 150 macros make a large message."""
    return key if len(key) <= KEY_LENGTH else identifier(key)


def title(text: str) -> str:
    """A section's name as people write it: blanks for `_` and `-`, a capital first, cut when it is long."""
    words = " ".join(re.sub(r"[_\-]", " ", text).split())
    if len(words) > TITLE_LENGTH:
        words = words[: TITLE_LENGTH - 1].rstrip() + "…"
    return words[:1].upper() + words[1:]


def with_noun(name: str, noun: str) -> str:
    """`name` followed by `noun`, unless it says so already."""
    if not noun or fold(noun) in fold(name).split("_"):
        return name
    return f"{name} {noun}"


def without_prefix(name: str, prefix: str) -> str:
    """`name` without the words of `prefix` it begins with; empty when nothing else is left."""
    wanted, words = _comparable(prefix), name.split()
    for count in range(1, len(words) + 1):
        if wanted and _comparable(" ".join(words[:count])) == wanted:
            rest = " ".join(words[count:])
            return without_prefix(rest[:1].upper() + rest[1:], prefix)
    return name


def distinct(names: Sequence[str], joint: str) -> list[str]:
    """The same names, in order, where each but the first of equals (in any case) ends in a number."""
    taken: set[str] = set()
    reserved = {name.casefold() for name in names}
    result = []
    for name in names:
        chosen, number = name, 2
        while chosen.casefold() in taken or (chosen != name and chosen.casefold() in reserved):
            chosen, number = f"{name}{joint}{number}", number + 1
        taken.add(chosen.casefold())
        result.append(chosen)
    return result


def _comparable(text: str) -> str:
    return fold(text) or text.casefold()
