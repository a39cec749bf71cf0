"""What each kind of control takes; everything else is refused before anything is done."""

import math
import re
from collections.abc import Callable
from typing import Any

import msgspec

from bridge.errors import BadParams
from bridge.klippy.commands import one_line
from bridge.mqtt.payloads import ControlRow, LightCommand, MacroCommand

PRESS = "PRESS"
LONGEST_TEXT = 255  # characters; Home Assistant has no longer ones
NOTHING = "—"  # the option of a select that has none

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_LONGEST_NUMBER = 40
_SWITCH = {"ON": True, "OFF": False}


def pressed(value: Any, row: ControlRow) -> str:
    """The one value of a button."""
    if value != PRESS:
        raise BadParams(f"'{row.key}' is a button: its only value is {PRESS}")
    return PRESS


def called(value: Any, row: ControlRow) -> dict[str, str | float | bool]:
    """A macro: PRESS, or its parameters by name."""
    if value == PRESS:
        return {}
    try:
        return msgspec.convert(value, MacroCommand).params
    except msgspec.ValidationError as error:
        wanted = '{"params": {"NAME": 1}} with texts, numbers, true and false'
        raise BadParams(f"'{row.key}' takes {PRESS} or {wanted}: {error}") from error


def figure(value: Any, row: ControlRow) -> float:
    """A finite number within the control's limits."""
    number = _number(value, row)
    low, high = row.min, row.max
    if (low is not None and number < low) or (high is not None and number > high):
        raise BadParams(f"'{row.key}' takes {_range(row)}, not {number:g}")
    return number


def _number(value: Any, row: ControlRow) -> float:
    text = value.strip() if isinstance(value, str) else ""
    if _NUMBER.fullmatch(text) and len(text) <= _LONGEST_NUMBER:
        value = float(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadParams(f"'{row.key}' takes a number: {_range(row)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise BadParams(f"'{row.key}' takes a finite number: {_range(row)}")
    return number


def _range(row: ControlRow) -> str:
    unit = f" {row.unit}" if row.unit else ""
    if row.min is None or row.max is None:
        return f"any number{unit}"
    return f"{row.min:g} to {row.max:g}{unit}"


def switched(value: Any, row: ControlRow) -> bool:
    """ON or OFF; over JSON-RPC true or false, too."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in _SWITCH:
        return _SWITCH[value]
    raise BadParams(f"'{row.key}' is a switch: it takes ON or OFF")


def chosen(value: Any, row: ControlRow) -> str:
    """One of the options."""
    options = row.options or ()
    if isinstance(value, str) and value in options and value != NOTHING:
        return value
    shown = ", ".join(option for option in options[:20] if option != NOTHING) or "none at present"
    raise BadParams(f"'{row.key}' takes one of its options: {shown}")


def written(value: Any, row: ControlRow) -> str:
    """One line of text."""
    if not isinstance(value, str):
        raise BadParams(f"'{row.key}' takes a text")
    if len(value) > LONGEST_TEXT:
        raise BadParams(f"'{row.key}' takes at most {LONGEST_TEXT} characters")
    return one_line(value, row.key)


def lit(value: Any, row: ControlRow) -> LightCommand:
    """What a light shall become; ON and OFF alone will do."""
    if isinstance(value, str) and value in _SWITCH:
        value = {"state": value}
    try:
        command = msgspec.convert(value, LightCommand)
    except msgspec.ValidationError as error:
        raise BadParams(f"'{row.key}' is a light: {error}") from error
    if command == LightCommand():
        raise BadParams(f"'{row.key}' is a light: say state, brightness or color")
    return command


CHECKS: dict[str, Callable[[Any, ControlRow], Any]] = {
    "button": pressed,
    "number": figure,
    "switch": switched,
    "select": chosen,
    "text": written,
    "light": lit,
}
