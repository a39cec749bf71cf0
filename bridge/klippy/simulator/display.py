"""Words for people: the display's message and progress, echoed lines, and whether the printer is idle."""

import time
from collections.abc import Callable, Iterable, Mapping

from bridge.klippy.simulator.clock import Clock
from bridge.klippy.simulator.dispatch import Command, Dispatch, Status
from bridge.klippy.simulator.line import GcodeError, Line

_M73_HOLDS = 5.0  # seconds that a progress told by the file counts
_SETTLES = 0.5  # seconds after the last activity until the printer is called ready
_PREFIXES = {"echo": "echo: ", "echo_no_space": "echo:", "command": "// ", "error": "!! "}


class Display:
    """M117, M73, M118 and RESPOND."""

    def __init__(self, clock: Clock, gcode: Dispatch, file_progress: Callable[[], float]) -> None:
        self._clock, self._gcode, self._file_progress = clock, gcode, file_progress
        self._message: str | None = None
        self._told, self._told_until = 0.0, 0.0

    def commands(self) -> Iterable[Command]:
        """The commands it takes."""
        return (
            Command("M117", lambda line: self._show(line.rest)),
            Command("SET_DISPLAY_TEXT", lambda line: self._show(line.get("MSG", "")), "Show a message"),
            Command("M73", self._progress),
            Command("M118", lambda line: self._gcode.raw(f"echo: {line.rest}"), always=True),
            Command("RESPOND", self._respond, "Send a line to all clients", always=True),
        )

    def _show(self, text: str) -> None:
        self._message = text or None

    def _progress(self, line: Line) -> None:
        self._told = min(1.0, line.number("P", 0.0, least=0.0) / 100)
        self._told_until = self._clock.now() + _M73_HOLDS

    def _respond(self, line: Line) -> None:
        kind = line.get("TYPE", "echo").lower()
        if kind not in _PREFIXES:
            raise GcodeError(f"RESPOND TYPE '{kind}' is invalid. Must be one of {', '.join(_PREFIXES)}")
        prefix = f"{line.get('PREFIX')} " if "PREFIX" in line.params else _PREFIXES[kind]
        self._gcode.raw(prefix + line.get("MSG", ""))

    def objects(self) -> Mapping[str, Callable[[], Status]]:
        """The printer objects it shows."""
        return {"display_status": self._status}

    def _status(self) -> Status:
        told = self._clock.now() < self._told_until
        return {"progress": self._told if told else self._file_progress(), "message": self._message}


class Idle:
    """Idle, Printing or Ready; after its time-out the heaters and motors go off."""

    def __init__(self, clock: Clock, active: Callable[[], bool], switch_off: Callable[[], None]) -> None:
        self._clock, self._active, self._switch_off = clock, active, switch_off
        self._state, self._timeout = "Idle", 600.0
        self._since = self._last = clock.now()
        self._quiet_since = time.monotonic()

    def check(self) -> None:
        """Look at what the printer does; call it every tick."""
        now = self._clock.now()
        if self._active():
            if self._state != "Printing":
                self._state, self._since = "Printing", now
            self._last, self._quiet_since = now, time.monotonic()
        elif self._state == "Printing" and now - self._last >= _SETTLES:
            self._state = "Ready"
        # on the wall: at a hundredfold speed a paused print would lose its heat within seconds
        elif self._state == "Ready" and time.monotonic() - self._quiet_since >= self._timeout:
            self._state = "Idle"
            self._switch_off()

    def commands(self) -> Iterable[Command]:
        """The commands it takes."""
        yield Command("SET_IDLE_TIMEOUT", self._set_timeout, "Seconds until an idle printer cools down")

    def _set_timeout(self, line: Line) -> None:
        self._timeout = line.number("TIMEOUT", self._timeout, least=0.001)

    def objects(self) -> Mapping[str, Callable[[], Status]]:
        """The printer objects it shows."""
        return {"idle_timeout": self._status}

    def _status(self) -> Status:
        spent = self._clock.now() - self._since if self._state == "Printing" else 0.0
        return {"state": self._state, "printing_time": spent, "idle_timeout": self._timeout}
