"""Small templates over messages, as Home Assistant writes them: `{{ value_json.ENERGY.Total }}`.

Bounded by what they cannot do: no loops, macros and imports, no globals, no text that is multiplied.
"""

import contextlib
import math
from collections.abc import Mapping
from typing import Any

import msgspec
from jinja2 import TemplateError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bridge.errors import ConfigError, Unprocessable

LONGEST, LARGEST = 2000, 65_536  # characters of a template, bytes of a message
MINUTE = 60
FORBIDDEN = (nodes.For, nodes.Macro, nodes.CallBlock, nodes.Include, nodes.Import, nodes.FromImport)
SLOW = frozenset({"center", "indent", "wordwrap", "batch", "slice", "format", "pprint", "urlize"})


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja2 without what takes time or room; arithmetic is for numbers."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Multiply numbers only, and raise no giants."""
        if not isinstance(left, int | float) or not isinstance(right, int | float):
            raise TemplateError(f"`{operator}` is for numbers")
        if operator == "**" and (abs(left) > LARGEST or abs(right) > LONGEST):
            raise TemplateError("the power is too large")
        return super().call_binop(context, operator, left, right)


def _environment() -> _Environment:
    made = _Environment(autoescape=False)
    made.globals.clear()
    made.filters["duration"] = duration
    for name in SLOW:
        made.filters.pop(name, None)
    return made


class Template:
    """Makes one text of a message; `where` is its path in the configuration."""

    def __init__(self, text: str, where: str) -> None:
        self._where = where
        if len(text) > LONGEST:
            raise ConfigError(f"{where}: {len(text)} characters long, at most {LONGEST} are taken")
        environment = _environment()
        try:
            tree = environment.parse(text)
            self._template = environment.from_string(text)
        except TemplateError as error:
            raise ConfigError(f"{where}: not a template: {error}") from error
        if next(tree.find_all(FORBIDDEN), None) is not None:
            raise ConfigError(f"{where}: loops, macros and imports are not taken here")

    def render(self, payload: bytes) -> str:
        """What the template makes of a message, or Unprocessable."""
        if len(payload) > LARGEST:
            raise Unprocessable(f"a message of {len(payload)} bytes; at most {LARGEST} are looked at")
        text = payload.decode(errors="replace")
        known: dict[str, Any] = {"value": text}
        with contextlib.suppress(msgspec.DecodeError, RecursionError):  # a template that wants JSON says so
            known["value_json"] = msgspec.json.decode(payload)
        return self.fill(known)

    def fill(self, known: Mapping[str, Any]) -> str:
        """What the template makes of names, or Unprocessable."""
        try:
            return self._template.render(known).strip()[:LONGEST]
        except Exception as error:  # a template can raise whatever Python can
            raise Unprocessable(f"{self._where} does not fit the message: {error}") from error

    def figure(self, payload: bytes) -> Any:
        """What it makes, as a number, true or false where it is one; None for nothing."""
        return plain(self.render(payload))


def duration(seconds: Any) -> str:
    """Seconds for people: 2 h 05 min, 7 min, 40 s."""
    if not isinstance(seconds, int | float) or not math.isfinite(seconds):
        return "?"
    if seconds < MINUTE:
        return f"{round(seconds)} s"
    minutes = round(seconds / MINUTE)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= MINUTE else f"{minutes} min"


def plain(text: str) -> Any:
    """A text as what it says: a finite number, true, false, nothing, or itself."""
    lowered = text.lower()
    if lowered in ("", "none", "null", "unknown", "unavailable"):
        return None
    if lowered in ("true", "false"):
        return lowered == "true"
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) and "_" not in text else None
