"""The G-code store: what was sent and what Klippy said, the newest lines of it."""

import time
from collections import deque

import msgspec

from bridge.klippy.commands import Commands
from bridge.klippy.printer_link import PrinterLink


class ConsoleLine(msgspec.Struct, frozen=True):
    """One entry: a command that was sent or a response that came."""

    message: str
    time: float  # Unix seconds
    type: str  # "command" or "response"


class Console:
    """A ring of console lines."""

    def __init__(self, link: PrinterLink, commands: Commands, size: int) -> None:
        self._lines: deque[ConsoleLine] = deque(maxlen=size)
        commands.sent.connect(lambda text: self._add(text, "command"))
        link.output.connect(lambda text: self._add(text, "response"))

    def last(self, count: int | None = None) -> list[ConsoleLine]:
        """The newest `count` lines, or all, the oldest first."""
        lines = list(self._lines)
        return lines if count is None else lines[max(0, len(lines) - count) :]

    def _add(self, message: str, kind: str) -> None:
        self._lines.append(ConsoleLine(message, time.time(), kind))
