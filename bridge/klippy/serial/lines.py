"""Lines of G-code as bytes: bare, numbered, with checksum; and what is read cut into lines. Pure."""

import re
from functools import reduce
from operator import xor

LONGEST = 95  # bytes that Marlin keeps of one line, number and checksum among them
FRAME = 14  # of them for `N123456 ` and `*255`
MAX_WAITING = 4096  # bytes without an end: this is noise, no firmware
MESSAGES = (b"M117", b"M118")  # texts, of which the beginning will do

_BLANKED = bytes(32 if code < 32 or code == 127 else code for code in range(256))  # noqa: PLR2004 - ASCII's controls
_CODE = re.compile(rb"\s*(?:N\d+\s*)?[GMT]\d", re.IGNORECASE)
_WHOLE = re.compile(rb'(?:[^;"\\]|\\.|"(?:[^"\\]|\\.)*")*')
_OWN_NUMBER = re.compile(rb"[Nn]\d+\s*")
_OWN_CHECKSUM = re.compile(rb"\s*\*\d+$")


def bare(line: bytes) -> bytes:
    """The command of a line: no comment, no number of its own, nothing that could end it early."""
    if b";" in line:
        line = _without_comment(line)
    line = line.translate(_BLANKED).strip()
    if line[:1] in (b"N", b"n") and (own := _OWN_NUMBER.match(line)) is not None:
        line = _OWN_CHECKSUM.sub(b"", line[own.end() :])
    return line


def _without_comment(line: bytes) -> bytes:
    """The line up to its comment; values in quotes may hold a `;`, texts of M117 have no quotes."""
    if b'"' in line and _CODE.match(line) is None and (found := _WHOLE.match(line)) is not None:
        return found[0]
    return line[: line.index(b";")]


def commands(script: str) -> list[bytes]:
    """The commands of a script, one a line."""
    found = (bare(line.encode("utf-8", "replace")) for line in re.split(r"[\r\n]", script))
    return [line for line in found if line]


def fitting(line: bytes, longest: int = LONGEST - FRAME) -> bytes | None:
    """The line as the firmware can hold it, or None: half a move is none."""
    if len(line) <= longest:
        return line
    return line[:longest].decode(errors="ignore").encode() if line[:4].upper() in MESSAGES else None


def numbered(number: int, line: bytes) -> bytes:
    """The line with its number and the checksum over both."""
    body = b"N%d %b" % (number, line)
    return b"%b*%d\n" % (body, reduce(xor, body))


class LineSplitter:
    """Cuts a byte stream into lines; what is not yet complete waits for the next feed."""

    def __init__(self) -> None:
        self._rest = b""
        self.dropped = 0

    def feed(self, data: bytes) -> list[str]:
        """The lines that `data` completes, without blank ones and without bytes that no firmware means."""
        *complete, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_WAITING:
            self.dropped += len(self._rest)
            self._rest = b""
        return [text for line in complete if (text := _readable(line))]


def _readable(line: bytes) -> str:
    if line.isascii() and b"\0" not in line:
        return line.decode().strip()
    return "".join(char for char in line.decode(errors="ignore") if char.isprintable()).strip()
