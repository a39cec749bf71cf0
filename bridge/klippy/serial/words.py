"""Klipper's commands that other firmware does not know, in words that it does. Pure: values stay values."""

import math
import re
import shlex
from collections.abc import Callable
from typing import Protocol

from bridge.config.serial import SerialPrinter
from bridge.errors import KlippyError
from bridge.klippy.serial.heat import extruder

_NAME = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN = re.compile(rb"[GMT]\d+", re.IGNORECASE)
MOST_OFFSET = 5.0  # mm
SWALLOWED = ("EXCLUDE_OBJECT", "EXCLUDE_OBJECT_DEFINE", "EXCLUDE_OBJECT_START", "EXCLUDE_OBJECT_END",
             "TIMELAPSE_TAKE_FRAME")  # fmt: skip


class Params:
    """The KEY=value pairs of one command."""

    def __init__(self, line: bytes) -> None:
        self.text = line.decode(errors="replace")
        words = shlex.shlex(self.text.partition(" ")[2], posix=True)
        words.whitespace_split, words.commenters = True, ""
        try:
            pairs = [word.split("=", 1) for word in words]
            self._values = {key.upper(): value for key, value in pairs}
        except ValueError as error:  # an open quote, or a word without "="
            raise KlippyError(f"Malformed command '{self.text}'") from error

    def get(self, key: str, default: str | None = None) -> str:
        """A value; without a default it must be there."""
        value = self._values.get(key, default)
        if value is None:
            raise KlippyError(f"Error on '{self.text}': missing {key}")
        return value

    def number(self, key: str, default: float | None = None, *, most: float = 1e6) -> float:
        """A finite number up to `most` in either direction."""
        text = self.get(key, None if default is None else str(default))
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not abs(value) <= most:
            raise KlippyError(f"Error on '{self.text}': {key} must be a number up to {most:g}, not {text}")
        return value

    def has(self, key: str) -> bool:
        """Whether it was given."""
        return key in self._values


class Known(Protocol):
    """What a translation may ask of the printer."""

    settings: SerialPrinter

    @property
    def offset(self) -> float | None:
        """The offset of Z in mm; None where it cannot be moved."""


def name_of(line: bytes) -> str:
    """The command's name in capitals; empty for G, M and T codes with a number."""
    if _PLAIN.match(line) is not None:
        return ""
    found = _NAME.match(line)
    return found[0].decode().upper() if found is not None else ""


def _heater(params: Params, known: Known) -> list[bytes]:
    heater, settings = params.get("HEATER"), known.settings
    names = {extruder(number): number for number in range(settings.extruders)}
    if heater in names:
        target = _target(params, settings.nozzle_max, heater)
        return [b"M104 T%d S%g" % (names[heater], target) if settings.extruders > 1 else b"M104 S%g" % target]
    if heater == "heater_bed" and settings.bed_max:
        return [b"M140 S%g" % _target(params, settings.bed_max, heater)]
    if heater == "chamber" and settings.chamber_max:
        return [b"M141 S%g" % _target(params, settings.chamber_max, heater)]
    raise KlippyError(f"The value '{heater}' is not valid for HEATER")


def _target(params: Params, most: float, heater: str) -> float:
    target = params.number("TARGET", 0.0)
    if not 0 <= target <= most:
        raise KlippyError(f"Requested temperature ({target:g}) out of range (0:{most:g}) for {heater}")
    return target


def heaters_off(settings: SerialPrinter) -> list[bytes]:
    """Every heater cold."""
    nozzles = [b"M104 T%d S0" % number for number in range(settings.extruders)]
    lines = nozzles if settings.extruders > 1 else [b"M104 S0"]
    if settings.bed_max:
        lines.append(b"M140 S0")
    return [*lines, b"M141 S0"] if settings.chamber_max else lines


def _offset(params: Params, known: Known) -> list[bytes]:
    if known.offset is None:
        raise KlippyError("This printer's firmware cannot move Z while it prints (BABYSTEPPING)")
    if params.has("Z"):
        step = params.number("Z", most=MOST_OFFSET) - known.offset
    else:
        step = params.number("Z_ADJUST", 0.0, most=MOST_OFFSET)
    return [b"M290 Z%.3f" % step] if abs(step) > 1e-4 else []  # noqa: PLR2004 - finer than any printer


def _limits(params: Params, _known: Known) -> list[bytes]:
    lines = []
    if params.has("VELOCITY"):
        speed = abs(params.number("VELOCITY", most=10_000))
        lines.append(b"M203 X%g Y%g" % (speed, speed))
    if params.has("ACCEL"):
        lines.append(b"M204 S%g" % abs(params.number("ACCEL")))
    return lines


def _display(params: Params, _known: Known) -> list[bytes]:
    return [f"M117 {params.get('MSG', '')}".strip().encode()]


def _sensor(params: Params, _known: Known) -> list[bytes]:
    return [b"M412 S%d" % bool(params.number("ENABLE"))]


Translation = Callable[[Params, Known], list[bytes]]
TRANSLATIONS: dict[str, Translation] = {
    "SET_HEATER_TEMPERATURE": _heater,
    "TURN_OFF_HEATERS": lambda _params, known: heaters_off(known.settings),
    "SET_DISPLAY_TEXT": _display,
    "SET_GCODE_OFFSET": _offset,
    "SET_VELOCITY_LIMIT": _limits,
    "SET_FILAMENT_SENSOR": _sensor,
    "QUERY_ENDSTOPS": lambda _params, _known: [b"M119"],
    "BED_MESH_CALIBRATE": lambda _params, _known: [b"G29"],
    "SAVE_CONFIG": lambda _params, _known: [b"M500"],
    **dict.fromkeys(SWALLOWED, lambda _params, _known: []),
}

HELP = {
    "CANCEL_PRINT": "Cancel the print",
    "CLEAR_PAUSE": "Forget that the print is paused",
    "FIRMWARE_RESTART": "Reset the board where it is wired for that, and connect anew",
    "PAUSE": "Pause the print",
    "QUERY_ENDSTOPS": "Ask for the end stops (M119)",
    "RESTART": "Connect anew",
    "RESTORE_GCODE_STATE": "Bring modes, speed and the extruder's count back; with MOVE=1 the place",
    "RESUME": "Resume the print",
    "SAVE_GCODE_STATE": "Keep modes, speed, the extruder's count and the place under a name",
    "SAVE_CONFIG": "Keep the settings in the printer's memory (M500)",
    "BED_MESH_CALIBRATE": "Probe the bed (G29)",
    "SDCARD_PRINT_FILE": "Print a file of the gcodes folder",
    "SDCARD_RESET_FILE": "Let the chosen file go",
    "SET_DISPLAY_TEXT": "A message on the display (M117)",
    "SET_FILAMENT_SENSOR": "Watch the filament, or not (M412)",
    "SET_GCODE_OFFSET": "Move Z by a little (M290)",
    "SET_HEATER_TEMPERATURE": "A heater's target (M104, M140, M141)",
    "SET_PRINT_STATS_INFO": "Tell which layer of how many is printed",
    "SET_VELOCITY_LIMIT": "Limits of speed and acceleration (M203, M204)",
    "TURN_OFF_HEATERS": "All heaters off",
}
