"""Typed verbs for the printer: the only place where values become G-code."""

import math
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from bridge.errors import BadParams
from bridge.klippy.printer_link import PrinterLink
from bridge.klippy.starts import Starts
from bridge.signals import Signal

_LINE_BREAKS = frozenset("\u2028\u2029")
MAX_SCRIPT = 1_000_000  # characters; Klippy itself has no limit


@dataclass(frozen=True)
class PrintRequest:
    """Somebody asks for a print."""

    filename: str
    user: str | None
    time: float  # Unix seconds


class Commands:
    """What the printer can be told to do."""

    def __init__(
        self,
        link: PrinterLink,
        check_print: Callable[[], None] = lambda: None,
        starts: Starts | None = None,
    ) -> None:
        self.starting: Signal[PrintRequest] = Signal("request for a print")
        self.sent: Signal[str] = Signal("G-code sent")
        self.stopped: Signal[None] = Signal("emergency stop")
        self.starts = starts or Starts()
        self._link, self._check_print = link, check_print

    async def script(self, text: str) -> None:
        """Run G-code; returns when it has ended, however long that takes."""
        if "\0" in text or "\x03" in text:
            raise BadParams("G-code holds no control characters such as NUL or ETX")
        if len(text) > MAX_SCRIPT:
            raise BadParams(f"A script holds at most {MAX_SCRIPT} characters")
        self.sent.emit(text)
        await self._link.request("gcode/script", {"script": text}, unlimited=True)

    async def start_print(self, filename: str, user: str | None = None) -> None:
        """Print a file of the virtual SD card, its path relative to gcodes."""
        self._check_print()
        name = filename.lstrip("/")
        script = f"SDCARD_PRINT_FILE FILENAME={quoted(filename, 'filename')}"
        with self.starts.asked(name):
            self.starting.emit(PrintRequest(name, user, time.time()))
            await self.script(script)

    async def pause(self) -> None:
        """Pause the print, by the PAUSE macro where there is one."""
        await self._link.request("pause_resume/pause", unlimited=True)

    async def resume(self) -> None:
        """Resume the print."""
        await self._link.request("pause_resume/resume", unlimited=True)

    async def cancel(self) -> None:
        """Cancel the print."""
        await self._link.request("pause_resume/cancel", unlimited=True)

    async def emergency_stop(self) -> None:
        """Halt at once, whatever is running."""
        await self._link.request("emergency_stop")
        self.stopped.emit(None)

    async def restart(self) -> None:
        """Restart Klippy's host software."""
        await self._link.request("gcode/restart", unlimited=True)

    async def firmware_restart(self) -> None:
        """Restart firmware and host software."""
        await self._link.request("gcode/firmware_restart", unlimited=True)

    async def raw(self, endpoint: str, params: dict[str, Any]) -> msgspec.Raw:
        """Any endpoint of Klippy's, its answer as it is.

        Nobody knows which of them wait behind the G-code that runs, so none has a time-out.
        """
        return await self._link.request(endpoint, params, unlimited=True)


def quoted(value: str, name: str) -> str:
    """A value as one quoted parameter of a G-code line, or BadParams: it can never become more than that.

    Klippy takes parameters apart as a shell does; Klippers before 2024 answer `Malformed command` to a
    quoted `;` or `#`, and nothing is carried out.
    """
    return '"' + one_line(value, name).replace("\\", "\\\\").replace('"', '\\"') + '"'


def one_line(value: str, name: str) -> str:
    """A text that is one line and has no control characters."""
    if not value.strip():
        raise BadParams(f"Argument '{name}': expected a text that is not empty")
    if any(char in _LINE_BREAKS or unicodedata.category(char) in {"Cc", "Cs"} for char in value):
        raise BadParams(f"Argument '{name}': line breaks and control characters are not allowed")
    return value


def number(value: float, name: str, digits: int = 4) -> str:
    """A finite number for a G-code line."""
    if not math.isfinite(value):
        raise BadParams(f"Argument '{name}': expected a finite number")
    return f"{value:.{digits}f}".rstrip("0").rstrip(".") or "0"
