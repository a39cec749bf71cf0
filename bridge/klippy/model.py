"""What a printer consists of: Klipper's objects, configuration and first values, as far as they are known."""

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LONGEST_NAME = 256  # of a section; each entity repeats it in a topic

_NUMBERED_EXTRUDER = re.compile(r"extruder\d+")
_FIRST_NONCHARACTER, _LAST_NONCHARACTER = 0xFDD0, 0xFDEF


def kind_of(name: str) -> str:
    """The kind of an object: the first word of its name; `extruder1` is an extruder."""
    word = name.split(" ", 1)[0]
    return "extruder" if _NUMBERED_EXTRUDER.fullmatch(word) else word


def own_name(name: str) -> str:
    """What a section is called beside its kind: `my_pi` of `temperature_sensor my_pi`, else nothing."""
    return name.partition(" ")[2].strip()


def number(value: Any) -> float | None:
    """`value` when it is a finite number (no boolean), else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        result = float(value)
    except OverflowError:
        return None
    return result if math.isfinite(result) else None


@dataclass(frozen=True)
class PrinterModel:
    """One printer as Klipper tells of it; every part may be missing, null or of the wrong type."""

    objects: tuple[str, ...] = ()
    settings: Mapping[str, Mapping[str, Any]] | None = None
    status: Mapping[str, Mapping[str, Any]] | None = None

    @classmethod
    def of(cls, objects: Any, settings: Any, status: Any) -> "PrinterModel":
        """From `objects/list`, `configfile.settings` and a first `objects/query`; never raises."""
        sections, values = _tables(settings), _tables(status)
        listed = objects if isinstance(objects, list | tuple) else list(values)
        names = dict.fromkeys(name for name in listed if isinstance(name, str) and _usable(name))
        return cls(tuple(names), sections, values)

    def has(self, name: str) -> bool:
        """Whether there is an object of this name."""
        return name in self.objects

    def of_kind(self, *kinds: str) -> tuple[str, ...]:
        """The objects of these kinds, as Klipper lists them."""
        return tuple(name for name in self.objects if kind_of(name) in kinds)

    def fields(self, name: str) -> Mapping[str, Any]:
        """The values that are known of an object; empty when none are."""
        return (self.status or {}).get(name, {})

    def may_have(self, name: str, field: str) -> bool:
        """Whether an object has a field, or nothing is known of that object yet."""
        fields = self.fields(name)
        return not fields or field in fields

    def has_number(self, name: str, field: str) -> bool:
        """Whether an object reports a number in this field."""
        return number(self.fields(name).get(field)) is not None

    def setting(self, name: str, option: str) -> Any:
        """An option of a section in Klipper's configuration (which knows it in lower case), else None."""
        sections = self.settings or {}
        return sections.get(name, sections.get(name.lower(), {})).get(option)

    def heater_limits(self, name: str) -> tuple[float, float] | None:
        """The lowest and highest temperature that Klipper allows, when both are known and make sense."""
        low, high = number(self.setting(name, "min_temp")), number(self.setting(name, "max_temp"))
        return (low, high) if low is not None and high is not None and low < high else None


def _tables(value: Any) -> dict[str, Mapping[str, Any]]:
    if not isinstance(value, Mapping):
        return {}
    return {key: part for key, part in value.items() if isinstance(key, str) and isinstance(part, Mapping)}


def _usable(name: str) -> bool:
    """Whether a name can be a level of a topic for brokers and Home Assistant alike."""
    return 0 < len(name.strip()) <= len(name) <= LONGEST_NAME and not any(map(_forbidden, name))


def _forbidden(char: str) -> bool:
    code = ord(char)
    nonchar = _FIRST_NONCHARACTER <= code <= _LAST_NONCHARACTER or code & 0xFFFE == 0xFFFE  # noqa: PLR2004 - Unicode's own
    return nonchar or unicodedata.category(char) in ("Cc", "Cs")
