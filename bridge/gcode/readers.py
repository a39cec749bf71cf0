"""Building blocks of the table of dialects: each makes a reader, which takes one value out of a file."""

import re
from collections.abc import Callable
from typing import Any

from bridge.gcode import values
from bridge.gcode.source import Source

Reader = Callable[[Source], Any]
Convert = Callable[[str], Any]

_PLATES = {
    "cool plate": "cool_plate_temp_initial_layer",
    "supertack plate": "supertack_plate_temp_initial_layer",
    "engineering plate": "eng_plate_temp_initial_layer",
    "high temp plate": "hot_plate_temp_initial_layer",
    "smooth pei plate": "hot_plate_temp_initial_layer",
    "textured pei plate": "textured_plate_temp_initial_layer",
}


def key(convert: Convert, *names: str) -> Reader:
    """The first comment under the first of these keys that can be converted."""

    def read(source: Source) -> Any:
        texts = (source.first(name) for name in names)
        return _first(convert(text) for text in texts if text is not None)

    return read


def last(convert: Convert, *names: str) -> Reader:
    """As `key`, but the comment that stands last in the file."""

    def read(source: Source) -> Any:
        texts = (source.last(name) for name in names)
        return _first(convert(text) for text in texts if text is not None)

    return read


def highest(name: str) -> Reader:
    """The largest number among all comments under one key."""

    def read(source: Source) -> Any:
        found = [values.positive(text) for text in source.all(name)]
        return max((value for value in found if value), default=None)

    return read


def summed(convert: Convert, name: str) -> Reader:
    """The sum over all comments under one key: one line an extruder."""

    def read(source: Source) -> Any:
        found = [convert(text) for text in source.all(name)]
        return values.total_of([value for value in found if value is not None])

    return read


def numbered(begin: str, end: str = "") -> Reader:
    """The sum of lengths under keys with a number in them: one key an extruder."""

    def read(source: Source) -> Any:
        found = [values.length(text) for text in source.numbered(begin, end)]
        return values.total_of([value for value in found if value is not None])

    return read


def named(begin: str, end: str = "") -> Reader:
    """The texts under keys with a number in them, `;` between them."""

    def read(source: Source) -> Any:
        return ";".join(source.numbered(begin, end)) or None

    return read


def line(convert: Convert, pattern: bytes) -> Reader:
    """What the pattern's group holds where it is first found in the head."""
    compiled = re.compile(pattern)

    def read(source: Source) -> Any:
        text = source.first_line(compiled)
        return None if text is None else convert(text)

    return read


def last_line(convert: Convert, pattern: bytes) -> Reader:
    """What the pattern's group holds where it is last found in the tail."""
    compiled = re.compile(pattern)

    def read(source: Source) -> Any:
        text = source.last_line(compiled)
        return None if text is None else convert(text)

    return read


def first_layer(name: str, whole: Reader) -> Reader:
    """The first layer's height, which may be a percentage of another size."""

    def read(source: Source) -> Any:
        text = source.last(name)
        return None if text is None else values.share(text, whole(source))

    return read


def unless(name: str, reader: Reader) -> Reader:
    """What the reader finds, unless the file says `False` under that key."""

    def read(source: Source) -> Any:
        return None if (source.first(name) or "").lower() == "false" else reader(source)

    return read


def of_plate(source: Source) -> Any:
    """The first layer's bed temperature of the plate that was chosen (Orca's family)."""
    plate = (source.last("curr_bed_type") or "").strip('"').lower()
    return key(values.number, _PLATES[plate])(source) if plate in _PLATES else None


def total_of(*names: str) -> Reader:
    """The sum of a list with one number an extruder."""

    def read(source: Source) -> Any:
        found = key(values.numbers, *names)(source)
        return values.total_of(found) if found else None

    return read


def used_tools(source: Source) -> Any:
    """Which tools extrude; an empty list when there is no choice, as today's clients expect."""
    listed = key(values.integers, "filament")(source)  # Orca's family counts from one
    if listed:
        tools = [number - 1 for number in listed if number > 0]
        return [] if tools == [0] else tools
    used = key(values.numbers, "filament used [mm]", "filament used [g]")(source)
    if not used or len(used) == 1:
        return None if used is None else []
    return [tool for tool, amount in enumerate(used) if amount > 0]


def _first(found: Any) -> Any:
    return next((value for value in found if value is not None), None)
