"""Objects that a slicer names in comments alone, marked for Klipper's EXCLUDE_OBJECT; blocking.

Off unless it is wished for: it rewrites the file, and slicers that know Klipper do it themselves.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

MAX_OBJECTS = 1000
PIECE = 128 * 1024  # bytes looked at in one go: others wait no longer than for that
MAX_LINE = 1024 * 1024  # bytes; what has longer ones is no G-code
DONE = (b"\nEXCLUDE_OBJECT_DEFINE", b"\nEXCLUDE_OBJECT_START")

# Slic3r's family, BambuStudio's label, Cura's mesh; and what ends them.
_LABEL = re.compile(
    rb"\n;(?: printing object ([^\r\n]{1,200})| start printing object, unique label id: ?(\d{1,10})"
    rb"|MESH:([^\r\n]{1,200})| stop printing object)"
)
LINE_END = 10
NOBODY = b"NONMESH"  # how Cura says that an object has ended
_PLAIN = re.compile(rb"\nG[0-3] X([-+]?[0-9]{1,6}\.?[0-9]{0,6}) Y([-+]?[0-9]{1,6}\.?[0-9]{0,6}) E[0-9.]")
_OTHER = re.compile(
    rb"\nG[0-3] (?!X[-+0-9.]{1,14} Y[-+0-9.]{1,14} E)(?=[^;\r\n]{0,160}E[0-9.])([^;\r\n]{0,160})"
)
_AXIS = re.compile(rb"([XY])([-+]?[0-9]{0,6}\.?[0-9]{0,6})")


@dataclass
class Found:
    """One object and the box in which it is printed."""

    name: bytes
    low: list[float] = field(default_factory=lambda: [float("inf")] * 2)
    high: list[float] = field(default_factory=lambda: [float("-inf")] * 2)

    def reach(self, moves: bytes) -> None:
        """It is printed where these moves extrude."""
        plain = _PLAIN.findall(moves)
        if plain:
            xs, ys = zip(*plain, strict=True)
            self._extend(0, [float(text) for text in xs])
            self._extend(1, [float(text) for text in ys])
        for words in _OTHER.findall(moves):
            for axis, text in _AXIS.findall(words):
                if text.strip(b"+-."):
                    self._extend(axis == b"Y", [float(text)])

    def _extend(self, axis: int, values: list[float]) -> None:
        self.low[axis] = min(self.low[axis], *values)
        self.high[axis] = max(self.high[axis], *values)

    def define(self) -> bytes:
        """The line that tells Klipper of it."""
        if self.high[0] < self.low[0] or self.high[1] < self.low[1]:
            return b"EXCLUDE_OBJECT_DEFINE NAME=%s\n" % self.name
        (left, front), (right, back) = self.low, self.high
        center = f"{(left + right) / 2:.3f},{(front + back) / 2:.3f}"
        corners = ((left, front), (right, front), (right, back), (left, back))
        polygon = ",".join(f"[{x:.3f},{y:.3f}]" for x, y in corners)
        return b"EXCLUDE_OBJECT_DEFINE NAME=%s CENTER=%s POLYGON=[%s]\n" % (
            self.name,
            center.encode(),
            polygon.encode(),
        )


def mark_objects(source: Path, target: Path) -> bool:
    """Write the file with its objects marked to `target`; False when there is nothing to mark."""
    with source.open("rb") as file:
        objects = _look(file)
        if not objects:
            return False
        file.seek(0)
        with target.open("xb") as out:
            _write(file, out, objects)
    return True


def _look(file: BinaryIO) -> dict[bytes, Found]:
    """All objects, with where they are; none when the slicer has marked them itself."""
    objects: dict[bytes, Found] = {}
    current: Found | None = None
    for piece in _pieces(file):
        if piece is None or any(done in piece for done in DONE):
            return {}
        at = 0
        for event in _LABEL.finditer(piece):
            if current is not None:
                current.reach(piece[at : event.start() + 1])
            at, label = event.end(), _label(event)
            current = None
            if label is not None:
                current = objects.setdefault(label, Found(_name(label, len(objects))))
        if len(objects) > MAX_OBJECTS:
            return {}
        if current is not None:
            current.reach(piece[at:])
    return objects


class _Marks:
    """Writes Klipper's marks around what belongs to an object."""

    def __init__(self, out: BinaryIO, objects: dict[bytes, Found]) -> None:
        self._out, self._objects = out, objects
        self._definitions = b"".join(one.define() for one in objects.values())
        self._current: Found | None = None

    @property
    def open(self) -> bool:
        """Whether something belongs to an object."""
        return self._current is not None

    def define(self) -> None:
        """All objects, before the first of them."""
        self._out.write(self._definitions)
        self._definitions = b""

    def begin(self, label: bytes) -> None:
        """What follows belongs to this object."""
        self._current = self._objects[label]
        self._out.write(b"EXCLUDE_OBJECT_START NAME=%s\n" % self._current.name)

    def end(self) -> None:
        """What follows belongs to nobody."""
        if self._current is not None:
            self._out.write(b"EXCLUDE_OBJECT_END NAME=%s\n" % self._current.name)
            self._current = None


def _write(file: BinaryIO, out: BinaryIO, objects: dict[bytes, Found]) -> None:
    marks = _Marks(out, objects)
    begin, last = 1, LINE_END  # behind the line break that every piece begins with
    for piece in _pieces(file):
        assert piece is not None  # noqa: S101 - for the type checker: it was looked at before
        at = begin
        for event in _LABEL.finditer(piece):
            line = event.start() + 1
            out.write(piece[at:line])
            marks.end()
            label = _label(event)
            if label is not None:
                marks.define()
            at = piece.find(b"\n", line) + 1 or len(piece)
            out.write(piece[line:at])
            out.write(b"" if piece[at - 1] == LINE_END else b"\n")
            if label is not None:
                marks.begin(label)
        out.write(piece[at:])
        last = piece[-1] if at < len(piece) else LINE_END
    if marks.open and last != LINE_END:
        out.write(b"\n")
    marks.end()


def _pieces(file: BinaryIO) -> Iterator[bytes | None]:
    """The file in pieces of whole lines, a line break before each; None where a line does not end."""
    rest = b""
    while data := file.read(PIECE):
        data = rest + data
        cut = data.rfind(b"\n") + 1
        if not cut and len(data) > MAX_LINE:
            yield None
            return
        rest = data[cut:]
        if cut:
            yield b"\n" + data[:cut]
    if rest:
        yield b"\n" + rest


def _label(event: re.Match[bytes]) -> bytes | None:
    """The object that begins; None where one ends."""
    label = next((group for group in event.groups() if group is not None), None)
    return None if label is None or label.strip() == NOBODY else label.strip()


def _name(label: bytes, number: int) -> bytes:
    """A name that is one word of G-code; each object has its own."""
    word = re.sub(rb"[^A-Za-z0-9]+", b"_", label).strip(b"_").upper()[:60]
    return b"%s_%d" % (word, number) if word else b"OBJECT_%d" % number
