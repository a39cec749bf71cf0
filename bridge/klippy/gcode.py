"""Lines of G-code, one function a command: names and numbers come in, one safe line comes out."""

import re
from collections.abc import Mapping

from bridge.errors import BadParams
from bridge.klippy.commands import number, one_line, quoted

FULL_FAN = 255  # what M106 calls full speed
MAX_PARAMS, LONGEST_NAME = 32, 64
COLOURS = {"r": "RED", "g": "GREEN", "b": "BLUE", "w": "WHITE"}

_PLAIN = re.compile(r"[A-Za-z0-9_]+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TRADITIONAL = re.compile(r"[A-Z][0-9]+(\.[0-9]+)?")

ParamValue = str | float | bool


def heater_target(heater: str, target: float) -> str:
    """A heater gets its target; 0 is off."""
    return f"SET_HEATER_TEMPERATURE HEATER={_word(heater)} TARGET={number(target, 'target')}"


def fan_target(fan: str, target: float) -> str:
    """A temperature fan gets its target."""
    return f"SET_TEMPERATURE_FAN_TARGET TEMPERATURE_FAN={_word(fan)} TARGET={number(target, 'target')}"


def part_fan(share: float) -> str:
    """The part fan, as a share of 1."""
    return f"M106 S{number(share * FULL_FAN, 'speed', 2)}"


def fan_speed(fan: str, share: float) -> str:
    """A fan of its own name, as a share of 1."""
    return f"SET_FAN_SPEED FAN={_word(fan)} SPEED={number(share, 'speed')}"


def pin(name: str, value: float) -> str:
    """An output pin gets its value."""
    return f"SET_PIN PIN={_word(name)} VALUE={number(value, 'value')}"


def led(name: str, channels: Mapping[str, float]) -> str:
    """A light gets its colour, each channel as a share of 1; at once, not behind the moves."""
    parts = (f"{COLOURS[channel]}={number(value, channel)}" for channel, value in channels.items())
    return f"SET_LED LED={_word(name)} {' '.join(parts)} SYNC=0"


def speed_factor(percent: float) -> str:
    """The speed of all moves."""
    return f"M220 S{number(percent, 'percent')}"


def flow_factor(percent: float) -> str:
    """The flow of all extrusions."""
    return f"M221 S{number(percent, 'percent')}"


def z_offset(height: float, *, move: bool) -> str:
    """The offset of Z in mm; `move` goes there at once, which an axis that is not homed cannot."""
    return f"SET_GCODE_OFFSET Z={number(height, 'height')}{' MOVE=1' if move else ''}"


def pressure_advance(extruder: str, seconds: float) -> str:
    """The pressure advance of an extruder."""
    return f"SET_PRESSURE_ADVANCE EXTRUDER={_word(extruder)} ADVANCE={number(seconds, 'advance', 5)}"


def filament_sensor(name: str, *, enabled: bool) -> str:
    """Whether a filament sensor pauses the print."""
    return f"SET_FILAMENT_SENSOR SENSOR={_word(name)} ENABLE={int(enabled)}"


def mesh(profile: str | None) -> str:
    """A bed mesh is loaded; None clears it."""
    return "BED_MESH_CLEAR" if profile is None else f"BED_MESH_PROFILE LOAD={quoted(profile, 'profile')}"


def exclude(name: str) -> str:
    """An object of the print is left out from now on."""
    return f"EXCLUDE_OBJECT NAME={_whole(name)}"


def display(text: str) -> str:
    """A message on the printer's display."""
    return f"SET_DISPLAY_TEXT MSG={quoted(text, 'message')}"


def home(axes: str = "") -> str:
    """Home these axes, or all."""
    return " ".join(("G28", *axes.upper()))


def is_callable(macro: str) -> bool:
    """Whether Klipper takes a macro of that name as a command."""
    return macro.replace("_", "A").isalnum()


def call(macro: str, params: Mapping[str, ParamValue]) -> str:
    """A macro with its parameters: numbers as they are, truth as 1 or 0, texts in quotes."""
    name = macro.upper()
    if not is_callable(macro):
        raise BadParams(f"'{one_line(macro, 'macro')[:LONGEST_NAME]}' cannot be called as a command")
    if len(params) > MAX_PARAMS:
        raise BadParams(f"{name} was given {len(params)} parameters, at most {MAX_PARAMS} are taken")
    if _TRADITIONAL.fullmatch(name):
        return name + "".join(f" {_letter(key)}{_figure(key, value)}" for key, value in params.items())
    return name + "".join(f" {_key(key)}={_value(key, value)}" for key, value in params.items())


def _word(section: str) -> str:
    """A section's own name as a parameter: Klipper goes by its last word."""
    return _whole((section.rsplit(maxsplit=1) or [""])[-1])


def _whole(name: str) -> str:
    """A name as a parameter, in quotes only where it needs them."""
    return name if _PLAIN.fullmatch(name) else quoted(name, "name")


def _key(key: str) -> str:
    if not _NAME.fullmatch(key) or len(key) > LONGEST_NAME:
        raise BadParams(
            f"The parameter {key[:LONGEST_NAME]!r} has no name that Klipper takes: A-Z, 0-9 and _"
        )
    return key.upper()


def _letter(key: str) -> str:
    """Commands such as M600 know letters with figures only."""
    if len(key) != 1 or not _NAME.fullmatch(key):
        raise BadParams(
            f"The parameter {key[:LONGEST_NAME]!r} is not one letter; this command takes no other"
        )
    return key.upper()


def _figure(key: str, value: ParamValue) -> str:
    if isinstance(value, str):
        raise BadParams(f"The parameter '{key}' is a text; this command takes only numbers")
    return _value(key, value)


def _value(key: str, value: ParamValue) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, str):
        return quoted(value, key)
    return number(value, key)
