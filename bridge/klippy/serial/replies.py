"""What firmware says, told apart by one table: Marlin, RepRapFirmware, Klipper's terminal. Pure."""

import re
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What a line of the firmware means to the host."""

    OK = "ok"  # a line is done
    RESEND = "resend"  # send again from `number` on
    BUSY = "busy"  # still at work on a line
    WAIT = "wait"  # idle, and expecting lines
    START = "start"  # it has just booted
    LOSS = "loss"  # Klipper, which is between, has no printer any more
    HALT = "halt"  # it has stopped for good
    ERROR = "error"  # a line failed
    FAULTY = "faulty"  # a line came damaged; a request to resend follows
    ACTION = "action"  # it asks the host for something
    REPORT = "report"  # temperatures, unasked
    TEXT = "text"  # anything else


@dataclass(frozen=True, slots=True)
class Reply:
    """One line of the firmware; `text` is what it says beside its kind."""

    kind: Kind
    text: str = ""
    number: int | None = None  # of the line that is meant
    free: int | None = None  # places for lines that are left in its buffer


PLAIN_OK = Reply(Kind.OK)
_OK = re.compile(r"ok(?=$|[\s:NPBT])\s*(?:N(\d+)\s*)?(?:P(\d+)\s*)?(?:B(\d+)(?!:)\s*)?(.*)")
_RESEND = re.compile(r"(?:Resend|rs)\b:?\s*N?(\d+)", re.IGNORECASE)
_HEAT = re.compile(r"\b(?:T\d*|B|C\d*|P):\s*-?\d+(?:\.\d+)?\s*/\s*-?\d")

_HALTS = (
    r"kill\(\) called",
    r"Printer (?:halted|stopped)",
    r"STOP called",
    r"(?:Heating|PID Autotune) failed, system stopped",
    r"Thermal Runaway",
    r"(?:MAX|MIN)TEMP triggered",
    r"Emergency stop",
    r"Klipper state: Shutdown",
)
_FAULTS = (
    r"checksum mismatch",
    r"No (?:Checksum|Line Number) with",
    r"Line Number is not Last",
    r"Format error",
    r"Missing checksum",
)
_TABLE: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    (Kind.WAIT, re.compile(r"()wait$")),
    (Kind.BUSY, re.compile(r"(?:echo:\s*)?busy:\s*(.*)")),
    (Kind.START, re.compile(r"()(?:start$|Marlin \d[\d.]*$|RepRapFirmware .*is up)")),
    (Kind.LOSS, re.compile(r"()// Klipper state: Disconnect$")),
    (Kind.HALT, re.compile(rf"(?:Error:\s*!!|Error:|!!|//)\s*(.*(?:{'|'.join(_HALTS)}).*)", re.IGNORECASE)),
    (Kind.FAULTY, re.compile(rf"Error:\s*(.*(?:{'|'.join(_FAULTS)}).*)", re.IGNORECASE)),
    (Kind.ERROR, re.compile(r"(?:Error:|!!)\s*(.*)", re.IGNORECASE)),
    (Kind.ACTION, re.compile(r"//\s*action:\s*(.*)")),
)


def understood(line: str) -> Reply:
    """What one line means."""
    if line == "ok":
        return PLAIN_OK
    if (found := _OK.match(line)) is not None:
        number, _, free, text = found.groups()
        return Reply(Kind.OK, text, _int(number), _int(free))
    if (found := _RESEND.match(line)) is not None:
        return Reply(Kind.RESEND, "", int(found[1]))
    for kind, pattern in _TABLE:
        if (found := pattern.match(line)) is not None:
            return Reply(kind, found[1])
    return Reply(Kind.REPORT if is_heat(line) else Kind.TEXT, line)


def is_heat(text: str) -> bool:
    """Whether this is a report of temperatures."""
    return _HEAT.search(text) is not None


def _int(text: str | None) -> int | None:
    return int(text) if text is not None else None
