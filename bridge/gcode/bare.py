"""Pictures without what nobody sees, which may cost time and memory: text, profiles, previews. Pure."""

import re
from collections.abc import Callable

MOST_PARTS = 4096  # of one picture; PNG writers begin a part every 4 or 8 KB
MOST_SCANS = 32  # over a JPEG's whole surface each; usual are up to 12

_HEAD = 8  # bytes before the first part of a PNG
_FRAME = 12  # bytes of a part of a PNG beside its content
_MARKER = re.compile(rb"\xff+([\x01-\xfe])")
_SCAN, _JFIF, _ADOBE = 0xDA, 0xE0, 0xEE  # the latter two say how the colours are to be read
_UNSEEN = {*range(0xE0, 0xF0), 0xFE} - {_JFIF, _ADOBE}


def bare(data: bytes, kind: str) -> bytes | None:
    """What is needed to decode a picture; None for one that is none, or would take too long."""
    strip = _STRIP.get(kind)
    return data if strip is None else strip(data)


def _png(data: bytes) -> bytes | None:
    """The parts whose names begin with a capital, and the transparent colours."""
    kept, at = bytearray(data[:_HEAD]), _HEAD
    for _ in range(MOST_PARTS):
        kind, end = data[at + 4 : at + 8], at + _FRAME + int.from_bytes(data[at : at + 4])
        if kind[:1].isupper() or kind == b"tRNS":
            kept += data[at:end]
        if kind == b"IEND" or end >= len(data):
            return bytes(kept)
        at = end
    return None


def _jpg(data: bytes) -> bytes | None:
    """From the first scan on nothing is left out: the decoder itself passes quickly over it."""
    kept, at = bytearray(data[:2]), 2
    for _ in range(MOST_PARTS):
        found = _MARKER.match(data, at)
        if found is None:
            return None
        start, marker = found.end(), found[1][0]
        if marker == _SCAN:
            scans = data.count(b"\xff\xda", start - 2)
            return bytes(kept) + data[start - 2 :] if scans <= MOST_SCANS else None
        at = start + int.from_bytes(data[start : start + 2])
        if marker not in _UNSEEN:
            kept += data[start - 2 : at]
    return None


_STRIP: dict[str, Callable[[bytes], bytes | None]] = {"png": _png, "jpg": _jpg}
