"""Jinja2 in a sandbox, for templates that come from the configuration."""

import math
from typing import Any, Final

from jinja2 import Template, TemplateError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bridge.errors import ConfigError

LARGEST_BASE, LARGEST_POWER = 65_536, 2000
MINUTE = 60
FORBIDDEN: Final = (nodes.For, nodes.Macro, nodes.CallBlock, nodes.Include, nodes.Import, nodes.FromImport)
SLOW: Final = frozenset({"center", "indent", "wordwrap", "batch", "slice", "format", "pprint", "urlize"})


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja2 without what takes time or room; arithmetic is for numbers."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Multiply numbers only, and raise no giants."""
        if not isinstance(left, int | float) or not isinstance(right, int | float):
            raise TemplateError(f"`{operator}` is for numbers")
        if operator == "**" and (abs(left) > LARGEST_BASE or abs(right) > LARGEST_POWER):
            raise TemplateError("the power is too large")
        return super().call_binop(context, operator, left, right)


def _environment() -> _Environment:
    made = _Environment(autoescape=False)
    made.globals.clear()
    made.filters["duration"] = duration
    for name in SLOW:
        made.filters.pop(name, None)
    return made


def compiled(text: str, where: str) -> Template:
    """A template that is safe to render, or ConfigError; `where` is its path in the configuration."""
    environment = _environment()
    try:
        tree = environment.parse(text)
        template = environment.from_string(text)
    except TemplateError as error:
        raise ConfigError(f"{where}: not a template: {error}") from error
    if next(tree.find_all(FORBIDDEN), None) is not None:
        raise ConfigError(f"{where}: loops, macros and imports are not taken here")
    return template


def duration(seconds: Any) -> str:
    """Seconds for people: 2 h 05 min, 7 min, 40 s."""
    if not isinstance(seconds, int | float) or not math.isfinite(seconds):
        return "?"
    if seconds < MINUTE:
        return f"{round(seconds)} s"
    minutes = round(seconds / MINUTE)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= MINUTE else f"{minutes} min"
