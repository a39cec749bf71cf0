"""The text of a G-code file's two ends, as the dialects ask for it: comments by key, lines by pattern."""

import re
from collections import deque
from collections.abc import Iterator
from functools import cached_property
from itertools import chain, islice, pairwise

MAX_COMMENTS = 100_000
MAX_EXTRUDERS = 64
MAX_MOVES = 200_000
# `; key = value`, `;key:value`, `;   key,value`; each part is bounded and none can be read in two ways.
_COMMENT = re.compile(rb"\n;[ \t;]{0,8}([^=:,\r\n]{1,64})[=:,]([^\r\n]{0,4096})")
_MOVE = re.compile(rb"\n[ \t]{0,8}G[0-3] [^;\r\nZ]{0,160}")
_Z = re.compile(rb"Z([+-]?[0-9]{0,6}\.?[0-9]{0,6})")
LINE = 180  # bytes of a move up to its Z
_EXTRUDES = re.compile(rb"\n[ \t]{0,8}G[0-3] (?=[^;\r\nXY]{0,160}[XY])[^;\r\nE]{0,160}E(?!-)")


class Source:
    """What the readers in the table of dialects look at; without a tail, the head is the whole file."""

    def __init__(self, head: bytes | bytearray, tail: bytes | bytearray | None = None) -> None:
        self.head = head  # each begins with a line break
        self.tail = head if tail is None else tail

    @cached_property
    def comments(self) -> dict[str, list[bytes]]:
        """Raw values by key, each key's in the order of the file."""
        raw: dict[bytes, list[bytes]] = {}
        for end in (self.head,) if self.tail is self.head else (self.head, self.tail):
            for match in islice(_COMMENT.finditer(end), MAX_COMMENTS):
                raw.setdefault(match[1], []).append(match[2])
        found: dict[str, list[bytes]] = {}
        for key, values in raw.items():  # `key = ` and `key:` are one key
            found.setdefault(_text(key), []).extend(values)
        return found

    def all(self, key: str) -> list[str]:
        """Every value of a key."""
        return [_text(raw) for raw in self.comments.get(key, [])]

    def first(self, key: str) -> str | None:
        """The value that stands first in the file."""
        found = self.comments.get(key)
        return _text(found[0]) if found else None

    def last(self, key: str) -> str | None:
        """The value that stands last in the file."""
        found = self.comments.get(key)
        return _text(found[-1]) if found else None

    def numbered(self, begin: str, end: str = "") -> list[str]:
        """Values of keys such as `Filament Name #1`, `Filament Name #2`."""
        keys = (key for key in self.comments if key.startswith(begin) and key.endswith(end))
        return [_text(self.comments[key][0]) for key in islice(keys, MAX_EXTRUDERS)]

    def first_line(self, pattern: re.Pattern[bytes]) -> str | None:
        """The first group where the pattern is first found in the head."""
        found = pattern.search(self.head)
        return _text(found[1]) if found else None

    def last_line(self, pattern: re.Pattern[bytes]) -> str | None:
        """The first group where the pattern is last found in the tail."""
        found = deque(islice(pattern.finditer(self.tail), MAX_COMMENTS), maxlen=1)
        return _text(found[0][1]) if found else None

    @cached_property
    def printed_height(self) -> float | None:
        """The highest Z at which the tail's moves extrude."""
        highest = 0.0
        for (height, begin), (_, end) in pairwise(chain(self._lifts(), [(0.0, len(self.tail))])):
            if height > highest and _EXTRUDES.search(self.tail, begin, end):
                highest = height
        return highest or None

    def _lifts(self) -> Iterator[tuple[float, int]]:
        """Each move along Z in the tail: where to, and where its line begins."""
        for match in islice(_Z.finditer(self.tail), MAX_MOVES):
            at = match.start()
            begin = self.tail.rfind(b"\n", max(at - LINE, 0), at)
            if begin >= 0 and match[1].strip(b"+-.") and _MOVE.fullmatch(self.tail, begin, at):
                yield float(match[1]), begin


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").strip()
