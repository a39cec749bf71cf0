"""Small templates over messages, as Home Assistant writes them: `{{ value_json.ENERGY.Total }}`.

Bounded by what they cannot do: no loops, macros and imports, no globals, no text that is multiplied.
"""

import contextlib
import math
from collections.abc import Mapping
from typing import Any

import msgspec

from bridge.decoding import UNREADABLE
from bridge.errors import ConfigError, Unprocessable

LONGEST, LARGEST = 2000, 65_536  # characters of a template, bytes of a message


class Template:
    """Makes one text of a message; `where` is its path in the configuration."""

    def __init__(self, text: str, where: str) -> None:
        self._where = where
        if len(text) > LONGEST:
            raise ConfigError(f"{where}: {len(text)} characters long, at most {LONGEST} are taken")
        from bridge.sandbox import compiled  # noqa: PLC0415 - Jinja2 is loaded where there are templates

        self._template = compiled(text, where)

    def render(self, payload: bytes) -> str:
        """What the template makes of a message, or Unprocessable."""
        if len(payload) > LARGEST:
            raise Unprocessable(f"a message of {len(payload)} bytes; at most {LARGEST} are looked at")
        text = payload.decode(errors="replace")
        known: dict[str, Any] = {"value": text}
        with contextlib.suppress(*UNREADABLE):  # a template that wants JSON says so
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
