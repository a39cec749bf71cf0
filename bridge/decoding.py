"""JSON that comes in: plain values, or one error that says why not."""

from collections.abc import Iterable
from typing import Any

import msgspec

from bridge.errors import ParseError, TooDeep

UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)  # what msgspec makes of no JSON
MAX_DEPTH = 100  # objects and arrays inside one another; what the database keeps is the deepest

_decode = msgspec.json.Decoder().decode


def decode(payload: bytes | str) -> Any:
    """JSON as plain values; ParseError, or TooDeep, which is one."""
    try:
        found = _decode(payload)
    except RecursionError as error:
        raise TooDeep(_too_deep()) from error
    except (msgspec.DecodeError, UnicodeError) as error:
        raise ParseError(f"The payload is not JSON: {error}") from error
    if len(payload) > 2 * MAX_DEPTH and _brackets(payload) > MAX_DEPTH and _is_deep(found):
        raise TooDeep(_too_deep())
    return found


def _brackets(payload: bytes | str) -> int:
    """At least as many as levels: mostly so few that nobody has to look closer."""
    if isinstance(payload, str):
        return payload.count("[") + payload.count("{")
    return payload.count(b"[") + payload.count(b"{")


def _is_deep(value: Any) -> bool:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _inside(outer) if isinstance(inner, dict | list)]
    return bool(level)


def _inside(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def _too_deep() -> str:
    return f"The payload is nested deeper than {MAX_DEPTH} objects and arrays"
