"""A method's signature as its schema: raw arguments are bound leniently, as Moonraker's clients send them."""

import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_origin

import msgspec

from bridge.errors import BadParams


@dataclass(frozen=True)
class Open:
    """Marks a parameter whose names are data: printer objects and their fields, power devices."""


@dataclass(frozen=True)
class Param:
    """One parameter of a method."""

    name: str
    type: Any  # with its Annotated metadata
    required: bool
    default: Any
    nullable: bool
    is_list: bool
    holds_lists: bool  # under names that are data


class Schema:
    """The parameters of one method: binding, and their description."""

    def __init__(self, function: Callable[..., Any]) -> None:
        hints = typing.get_type_hints(function, include_extras=True)
        self.returns: Any = hints.get("return", Any)
        self.params: dict[str, Param] = {}
        self.open: str | None = None
        for name, parameter in inspect.signature(function).parameters.items():
            if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
                continue
            self.params[name] = _param(name, hints[name], parameter.default)
            if any(isinstance(extra, Open) for extra in getattr(hints[name], "__metadata__", ())):
                self.open = name
        self.struct = msgspec.defstruct(
            function.__name__,
            [
                (p.name, p.type) if p.required else (p.name, p.type, msgspec.field(default=p.default))
                for p in sorted(self.params.values(), key=lambda p: not p.required)
            ],
        )

    def bind(self, raw: Mapping[str, Any] | list[Any] | None) -> dict[str, Any]:
        """Checked keyword arguments, or BadParams that names the argument."""
        if not self.params:
            return {}
        given = self._named(raw)
        if self.open is not None:
            given = self._gather(given)
        prepared: dict[str, Any] = {}
        for param in self.params.values():
            if param.name not in given:
                continue
            value = given[param.name]
            if value is None and not param.nullable and not param.required:
                continue  # clients send null for "not given"
            prepared[param.name] = value.split(",") if param.is_list and isinstance(value, str) else value
        try:
            bound = msgspec.convert(prepared, self.struct, strict=False)
        except msgspec.ValidationError as error:
            raise BadParams(_explain(str(error))) from error
        except UnicodeEncodeError as error:  # half a character, where no text is wanted
            raise BadParams("An argument holds a character that no text may have") from error
        return {name: getattr(bound, name) for name in self.params}

    def _named(self, raw: Mapping[str, Any] | list[Any] | None) -> dict[str, Any]:
        if raw is None:
            return {}
        if not isinstance(raw, list):
            return dict(raw)
        if len(raw) > len(self.params):
            raise BadParams(f"{len(raw)} arguments given, at most {len(self.params)} taken")
        return dict(zip(self.params, raw, strict=False))

    def _gather(self, given: dict[str, Any]) -> dict[str, Any]:
        """Names that are data go into the open parameter, unless it was given by its own name."""
        if self.open in given:
            return given
        named = {key: value for key, value in given.items() if key in self.params}
        free = {key: value for key, value in given.items() if key not in self.params}
        if free:
            lists = self.open is not None and self.params[self.open].holds_lists
            named[str(self.open)] = {key: _selection(value) for key, value in free.items()} if lists else free
        return named


def _selection(value: Any) -> Any:
    """`extruder=target,temperature` and a bare `gcode_move` of a query string as data."""
    if isinstance(value, str):
        return value.split(",") if value else None
    return value


def _param(name: str, hint: Any, default: Any) -> Param:
    members = _members(hint)
    return Param(
        name=name,
        type=hint,
        required=default is inspect.Parameter.empty,
        default=None if default is inspect.Parameter.empty else default,
        nullable=type(None) in members or Any in members,
        is_list=_has_list(members) and str not in members,
        holds_lists=any(
            get_origin(member) is dict and _has_list(_members(get_args(member)[1])) for member in members
        ),
    )


def _has_list(members: tuple[Any, ...]) -> bool:
    return any(get_origin(member) is list for member in members)


def _members(hint: Any) -> tuple[Any, ...]:
    """What a parameter may be, without notes: of `Annotated[list[str], …] | None` a list and None."""
    if hasattr(hint, "__metadata__"):
        return _members(get_args(hint)[0])
    if isinstance(hint, types.UnionType) or get_origin(hint) is typing.Union:
        return tuple(found for member in get_args(hint) for found in _members(member))
    return (hint,)


_MISSING = re.compile(r"Object missing required field `(\w+)`")


def _explain(message: str) -> str:
    """The words of msgspec with the argument's name in front."""
    if missing := _MISSING.match(message):
        return f"Missing argument '{missing[1]}'"
    text, _, where = message.partition(" - at `$.")
    return f"Argument '{where.rstrip('`')}': {text.replace('`', '')}" if where else text.replace("`", "")
