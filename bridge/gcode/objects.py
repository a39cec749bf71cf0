"""Objects that a slicer names in comments alone, marked for Klipper's EXCLUDE_OBJECT; blocking.

Off unless it is wished for: it rewrites the file, and slicers that know Klipper do it themselves.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

MAX_OBJECTS = 1000
DONE = b"EXCLUDE_OBJECT_DEFINE"

# Slic3r's family (with and without a copy's number), BambuStudio's label, Cura's mesh.
_BEGIN = re.compile(
    rb"; (?:printing object (.{1,200}?)|start printing object, unique label id: ?(\d{1,10}))\s*\Z"
    rb"|;MESH:(.{1,200}?)\s*\Z"
)
_END = re.compile(rb"; stop printing object|;MESH:NONMESH")
_AXIS = re.compile(rb"([XY])([-+]?[0-9]{0,6}\.?[0-9]{0,6})")


@dataclass
class Found:
    """One object and the box in which it is printed."""

    name: bytes
    low: list[float] = field(default_factory=lambda: [float("inf")] * 2)
    high: list[float] = field(default_factory=lambda: [float("-inf")] * 2)

    def reach(self, position: list[float]) -> None:
        """It is printed there, too."""
        self.low = [min(pair) for pair in zip(self.low, position, strict=True)]
        self.high = [max(pair) for pair in zip(self.high, position, strict=True)]

    def define(self) -> bytes:
        """The line that tells Klipper of it."""
        if self.high[0] < self.low[0]:
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
    position = [0.0, 0.0]
    for line in file:
        if line.startswith(b";"):
            label = _label(line)
            if label is not None:
                if label not in objects and len(objects) >= MAX_OBJECTS:
                    return {}
                current = objects.setdefault(label, Found(_name(label, len(objects))))
            elif _END.match(line):
                current = None
        elif line.startswith(DONE):
            return {}
        elif line.startswith((b"G1 ", b"G0 ", b"G2 ", b"G3 ")):
            moved = _move(line, position)
            if current is not None and moved and b"E" in line and b"E-" not in line:
                current.reach(position)
    return objects


def _write(file: BinaryIO, out: BinaryIO, objects: dict[bytes, Found]) -> None:
    current: Found | None = None
    defined = False
    for line in file:
        label = _label(line) if line.startswith(b";") else None
        ends = label is not None or (current is not None and _END.match(line) is not None)
        if ends and current is not None:
            out.write(b"EXCLUDE_OBJECT_END NAME=%s\n" % current.name)
            current = None
        if label is not None and not defined:
            out.writelines(one.define() for one in objects.values())
            defined = True
        out.write(line)
        if label is not None:
            current = objects[label]
            out.write(b"EXCLUDE_OBJECT_START NAME=%s\n" % current.name)
    if current is not None:
        out.write(b"\nEXCLUDE_OBJECT_END NAME=%s\n" % current.name)


def _label(line: bytes) -> bytes | None:
    """The object that a comment says begins."""
    found = _BEGIN.match(line) if len(line) < 256 else None  # noqa: PLR2004 - no slicer's comment is longer
    label = next((group for group in found.groups() if group is not None), None) if found else None
    return None if label == b"NONMESH" else label


def _name(label: bytes, number: int) -> bytes:
    """A name that is one word of G-code; each object has its own."""
    word = re.sub(rb"[^A-Za-z0-9]+", b"_", label).strip(b"_").upper()[:60]
    return b"%s_%d" % (word, number) if word else b"OBJECT_%d" % number


def _move(line: bytes, position: list[float]) -> bool:
    """Follow X and Y of an absolute move; whether one of them was in it."""
    moved = False
    for axis, text in _AXIS.findall(line.partition(b";")[0]):
        try:
            position[axis == b"Y"] = float(text)
        except ValueError:
            continue
        moved = True
    return moved
