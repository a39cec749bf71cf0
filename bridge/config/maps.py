"""Where below a table of the user's own names a value does not fit: msgspec does not tell the name."""

import re
import types
import typing
from dataclasses import dataclass
from typing import Any

import msgspec

from bridge.config import yaml_file

ENTRY = "[...]"  # msgspec's word for "some key of a table"

_STEP = re.compile(r"[^.\[\]]+|\[\.\.\.\]")


@dataclass(frozen=True)
class Culprit:
    """The value that does not fit, where it is, and what is said of it."""

    path: str
    text: str
    value: Any
    options: tuple[str, ...]  # of the section that it is, or should be
    choices: tuple[str, ...]  # where only some words are taken


def culprit(kind: Any, raw: Any, path: str) -> Culprit | None:
    """The first value in `raw` that does not fit `kind`; None where all of it does."""
    try:
        msgspec.convert(yaml_file.fill(raw), kind, strict=False)
    except msgspec.ValidationError as error:
        text, _, where = str(error).partition(" - at `$")
        steps = _STEP.findall(where.rstrip("`"))
        if ENTRY not in steps:
            found = _at(kind, raw, steps)
            choices = _kinds(kind) if steps == ["type"] else _words(found)
            return Culprit(_joined(path, steps), text, dig(raw, steps), _options(found), choices)
        before = steps[: steps.index(ENTRY)]
        table, inner = dig(raw, before), _at(kind, raw, before)
        return _first(typing.get_args(inner)[1], table, _joined(path, before))
    return None


def _first(kind: Any, table: Any, path: str) -> Culprit | None:
    for name, item in table.items():
        if (found := culprit(kind, item, f"{path}.{name}")) is not None:
            return found
    return None


def _at(kind: Any, raw: Any, steps: list[str]) -> Any:
    """The type at a path."""
    current = _bare(kind, raw)
    for count, step in enumerate(steps, start=1):
        hints = typing.get_type_hints(current, include_extras=True) if _is_section(current) else {}
        current = _bare(hints.get(step, Any), dig(raw, steps[:count]))
    return current


def _bare(kind: Any, raw: Any) -> Any:
    """A type without its description and null; of several sections that of the value's own `type`."""
    while typing.get_origin(kind) is typing.Annotated:
        kind = typing.get_args(kind)[0]
    if not isinstance(kind, types.UnionType) and typing.get_origin(kind) is not typing.Union:
        return kind
    members = [member for member in typing.get_args(kind) if member is not type(None)]
    tag = raw.get("type") if isinstance(raw, dict) else None
    chosen = [member for member in members if _is_section(member) and member.__struct_config__.tag == tag]
    return _bare((chosen or members)[0], raw)


def _options(kind: Any) -> tuple[str, ...]:
    return kind.__struct_encode_fields__ if _is_section(kind) else ()


def _words(kind: Any) -> tuple[str, ...]:
    return tuple(map(str, typing.get_args(kind))) if typing.get_origin(kind) is typing.Literal else ()


def _kinds(kind: Any) -> tuple[str, ...]:
    """The values of `type` where it tells several sections apart."""
    members = typing.get_args(kind) if isinstance(kind, types.UnionType) else ()
    return tuple(member.__struct_config__.tag for member in members)


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _joined(path: str, steps: list[str]) -> str:
    return ".".join([path, *steps] if path else steps)


def dig(raw: Any, steps: list[str]) -> Any:
    """What is written at a path; None where nothing is."""
    for step in steps:
        if isinstance(raw, list) and step.isdigit() and int(step) < len(raw):
            raw = raw[int(step)]
        elif isinstance(raw, dict) and step in raw:
            raw = raw[step]
        else:
            return None
    return raw
