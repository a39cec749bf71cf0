"""From a slicer's words to values; what cannot be read is None, never an error."""

import re
from collections.abc import Sequence

# Twelve digits each side: a float then, whatever the file says, neither infinite nor slow to read.
_NUMBER = re.compile(
    r"[ \t\"]*([+-]?(?:[0-9]{1,12}(?:\.[0-9]{0,12})?|\.[0-9]{1,12})(?:[eE][+-]?[0-9]{1,2})?)"
)
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)[ \t]*(d|h|m|s)(?![0-9])", re.IGNORECASE)
_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_COLOR = re.compile(r"#[0-9A-Fa-f]{3,8}\Z")
MAX_ITEMS = 256


def number(text: str) -> float | None:
    """The number a text begins with."""
    found = _NUMBER.match(text)
    return float(found[1]) if found else None


def positive(text: str) -> float | None:
    """The number a text begins with, if it is above zero."""
    value = number(text)
    return value if value and value > 0 else None


def integer(text: str) -> int | None:
    """The whole number a text begins with."""
    value = number(text)
    return None if value is None else int(value)


def word(text: str) -> str | None:
    """A text without its quotes."""
    return ";".join(items(text)) if text else ""


def items(text: str, separator: str = ";") -> list[str]:
    """A list as slicers write it: `A;"B;C"` is two items; empty ones are left out."""
    found: list[str] = []
    for part in _split(text, separator):
        item = part.strip().strip('"').strip()
        if item and len(found) < MAX_ITEMS:
            found.append(item)
    return found


def _split(text: str, separator: str) -> list[str]:
    if '"' not in text:
        return text.split(separator)
    parts: list[str] = [""]
    for index, piece in enumerate(text.split('"')):
        if index % 2:  # between quotes
            parts[-1] += piece
            continue
        first, *rest = piece.split(separator)
        parts[-1] += first
        parts += rest
    return parts


def numbers(text: str) -> list[float]:
    """Numbers with `,` or `;` between them."""
    found = (number(part) for part in re.split(r"[,;]", text)[:MAX_ITEMS])
    return [value for value in found if value is not None]


def integers(text: str) -> list[int]:
    """Whole numbers with `,` or `;` between them."""
    return [int(value) for value in numbers(text)]


def colors(text: str) -> list[str]:
    """Colours as `#RRGGBB`, `;` between them; anything else is left out."""
    return [item for item in items(text.replace(",", ";")) if _COLOR.match(item)]


def duration(text: str) -> float | None:
    """Seconds from `1d 2h 3m 4s`, `3 hours 5 minutes`, `1h:20m:36s`, `10.16 minutes` or plain seconds."""
    parts = _DURATION.findall(text[:200])
    if parts:
        return round(sum(float(amount) * _SECONDS[unit.lower()] for amount, unit in parts), 3)
    return number(text)


def length(text: str) -> float | None:
    """Millimetres from `0.5m, 0.25m`, `305.09 mm (0.734 cm^3)` or plain millimetres; several are added up."""
    plain = re.sub(r"\([^()]{0,100}\)", "", text)
    total = [_millimetres(part) for part in re.split(r"[,;]", plain)[:MAX_ITEMS]]
    return total_of([value for value in total if value is not None])


def _millimetres(text: str) -> float | None:
    found = _NUMBER.match(text)
    if not found:
        return None
    unit = text[found.end() :].strip().lower()
    if unit.startswith("in"):
        return float(found[1]) * 25.4
    return float(found[1]) * (1000 if unit == "m" else 1)


def total_of(values: Sequence[float]) -> float | None:
    """The sum, or None of nothing."""
    return round(sum(values), 5) if values else None


def share(text: str, whole: float | None) -> float | None:
    """A size as `0.2`, or as `75%` of the whole."""
    value = positive(text)
    if value is None or "%" not in text:
        return value
    return round(value * whole / 100, 4) if whole else None
