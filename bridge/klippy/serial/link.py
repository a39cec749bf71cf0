"""The link to a printer on a serial line: a Klippy in miniature, so that everything above works unchanged."""

import asyncio
import errno
import getpass
import logging
import os
import platform
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from bridge.config import Klippy
from bridge.errors import BridgeError, Busy, KlippyError, KlippyUnavailable
from bridge.klippy.printer_link import (
    MAX_PENDING,
    NOT_CONNECTED,
    Done,
    PrinterLink,
    RemoteCall,
    StatusUpdate,
)
from bridge.klippy.serial.actions import Actions
from bridge.klippy.serial.firmware import Firmware
from bridge.klippy.serial.job import Job
from bridge.klippy.serial.objects import Objects, objects_of
from bridge.klippy.serial.port import BAUDS, Greeting, Port, serial_package
from bridge.klippy.serial.printer import Printer
from bridge.klippy.serial.scripts import Scripts
from bridge.klippy.serial.ticker import Ticker
from bridge.klippy.serial.words import HELP
from bridge.lifecycle import Crew
from bridge.signals import Signal

log = logging.getLogger(__name__)

LIVES = 1_000_000  # beyond any process id of Linux: each life of the printer counts as a process
Params = dict[str, Any]
Answer = Callable[[Params], Any]
Slow = Callable[[Params], Awaitable[Any]]


class _Life:
    """All that exists from one connection to its loss."""

    def __init__(
        self, link: "SerialLink", port: Port, firmware: Firmware, settings: Klippy, gcodes: Path
    ) -> None:
        self.printer = Printer(port, firmware, settings.printer, link.lose)
        self.job = Job(self.printer, gcodes, link.crew.start)
        self.objects: Objects = objects_of(self.printer, self.job, str(gcodes))
        self.ticker = Ticker(self.objects, link.updated.emit)
        self.scripts = Scripts(self.printer, self.job, lambda firmware: link.restart(firmware=firmware))
        self.actions = Actions(self.printer, self.job, link.aside)
        self.printer.said.connect(link.output.emit)
        self.printer.halted.connect(lambda _reason: self.ticker.flush())

    def close(self, reason: str) -> None:
        """The end of it."""
        self.ticker.stop()
        self.job.close()
        self.printer.close(reason)


class SerialLink(PrinterLink):
    """Answers what is asked of Klippy, from what the firmware says."""

    def __init__(self, settings: Klippy, gcodes: Path) -> None:
        serial_package()
        self.path = Path(settings.serial or "").expanduser()
        self.timeout = settings.request_timeout
        self.dropped_frames = 0
        self.updated: Signal[StatusUpdate] = Signal("status update")
        self.output: Signal[str] = Signal("G-code output")
        self.called: Signal[RemoteCall] = Signal("remote method")
        self.lost: Signal[str] = Signal("loss of the serial port")
        self.crew = Crew()  # a part: it owns what takes time
        self._settings, self._gcodes = settings, gcodes
        self._life: _Life | None = None
        self._lives = 0
        self._baud: int | None = None  # the speed that was right last time
        self._pending: dict[int, Done] = {}
        self._next_id = 0
        self._answers: dict[str, Answer] = {
            "info": lambda _: self._info(),
            "list_endpoints": lambda _: {"endpoints": sorted({*self._answers, *self._slow})},
            "objects/list": lambda _: {"objects": list(self._now.objects)},
            "objects/query": self._query,
            "objects/subscribe": self._subscribe,
            "gcode/help": lambda _: HELP,
            "gcode/subscribe_output": lambda _: {},
            "register_remote_method": lambda _: {},
            "emergency_stop": lambda _: self._stop(),
        }
        self._slow: dict[str, Slow] = {
            "gcode/script": self._script,
            "gcode/restart": lambda _: self.restart(firmware=False),
            "gcode/firmware_restart": lambda _: self.restart(firmware=True),
            "pause_resume/pause": lambda _: self._print("PAUSE"),
            "pause_resume/resume": lambda _: self._print("RESUME"),
            "pause_resume/cancel": lambda _: self._print("CANCEL_PRINT"),
            "query_endstops/status": lambda _: self._endstops(),
        }

    # -- the connection

    @property
    def connected(self) -> bool:
        """Whether a request can be answered."""
        return self._life is not None

    @property
    def printer(self) -> Printer | None:
        """The printer while it is connected."""
        return self._life.printer if self._life is not None else None

    async def connect(self) -> None:
        """Open the port, find out who is there, and learn its state."""
        settings = self._settings
        bauds = self._bauds()
        port = await Port.open(str(self.path), bauds[0])
        dialect = settings.printer.firmware
        try:
            greeting = Greeting(port, None if dialect == "auto" else dialect)
            firmware, self._baud = await greeting.exchange(bauds, settings.printer.connect_timeout)
            life = self._life = _Life(self, port, firmware, settings, self._gcodes)
            await life.printer.prepare()
            life.objects = life.ticker.objects = objects_of(life.printer, life.job, str(self._gcodes))
        except BaseException:
            port.close()
            self.close()
            raise
        self._lives += 1
        log.info("%s at %s, %d baud", firmware.version, self.path, self._baud)

    def close(self) -> None:
        """Hang up; what would stay hot without us is switched off."""
        if self._life is not None and self._life.job.active:
            self._life.printer.leave()
        self.lose("closed by the bridge")

    def lose(self, reason: str) -> None:
        """The printer is gone: whoever waits is told."""
        life, self._life = self._life, None
        if life is None:
            return
        life.close(reason)
        pending, self._pending = self._pending, {}
        for done in pending.values():
            done(KlippyUnavailable(f"The connection to the printer was lost: {reason}"))
        self.lost.emit(reason)

    def trouble(self, error: Exception) -> str:
        """Why the port cannot be used, and what to do about it."""
        return f"cannot reach the printer at {self.path}: {remedy(error)}"

    def _bauds(self) -> list[int]:
        if self._settings.baud != "auto":
            return [self._settings.baud]
        first = [] if self._baud is None else [self._baud]
        return [*first, *(baud for baud in BAUDS if baud != self._baud)]

    # -- requests

    def send(self, method: str, params: Params | None, done: Done) -> int:
        """Answer a request: at once what is known, later what the printer has to do."""
        if self._life is None:
            raise KlippyUnavailable(NOT_CONNECTED)
        if len(self._pending) >= MAX_PENDING:
            raise Busy(f"{MAX_PENDING} requests wait for the printer; try again when it has answered some")
        self._next_id += 1
        if (answer := self._answers.get(method)) is not None:
            try:
                done(_encoded(answer(params or {})))
            except KlippyError as error:
                done(error)
        elif (slow := self._slow.get(method)) is not None:
            self._pending[self._next_id] = done
            if not self.crew.start(self._later(self._next_id, slow, params or {})):
                self.forget(self._next_id)
                raise KlippyUnavailable("The bridge ends")
        else:
            done(KlippyError(f"webhooks: No registered callback for path '{method}'"))
        return self._next_id

    def forget(self, identifier: int) -> None:
        """Nobody waits for this answer any more."""
        self._pending.pop(identifier, None)

    async def _later(self, identifier: int, slow: Slow, params: Params) -> None:
        try:
            outcome: Any = _encoded(await slow(params))
        except BridgeError as error:
            outcome = KlippyError(str(error).strip())
        if self._life is not None:
            self._life.ticker.flush()  # who asked shall find what it has changed
        if (done := self._pending.pop(identifier, None)) is not None:
            done(outcome)

    def aside(self, work: Coroutine[Any, Any, None]) -> None:
        """Work that nobody waits for; its error is told on the console."""
        self.crew.start(self._told(work))

    async def _told(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except BridgeError as error:
            self.output.emit(f"!! {error}")

    # -- answers

    @property
    def _now(self) -> _Life:
        if self._life is None:
            raise KlippyUnavailable(NOT_CONNECTED)
        return self._life

    def _info(self) -> dict[str, Any]:
        printer = self._now.printer
        return {
            "state": printer.state,
            "state_message": printer.message,
            "hostname": platform.node(),
            "klipper_path": None,
            "python_path": None,
            "process_id": LIVES + self._lives,
            "user_id": os.getuid(),
            "group_id": os.getgid(),
            "log_file": None,
            "config_file": None,
            "software_version": printer.firmware.version,
            "cpu_info": platform.machine(),
        }

    def _query(self, params: Params) -> dict[str, Any]:
        return self._now.ticker.query(params)

    def _subscribe(self, params: Params) -> dict[str, Any]:
        return self._now.ticker.subscribe(params)

    def _stop(self) -> dict[str, Any]:
        self._now.printer.stop("Shutdown due to webhooks request")
        return {}

    async def _script(self, params: Params) -> dict[str, Any]:
        script = params.get("script")
        if not isinstance(script, str):
            problem = "Missing Argument" if script is None else "Invalid Argument Type"
            raise KlippyError(f"{problem} [script]")
        await self._now.scripts.run(script)
        return {}

    async def _print(self, verb: str) -> dict[str, Any]:
        await self._now.scripts.run(verb)
        return {}

    async def _endstops(self) -> dict[str, str]:
        await self._now.scripts.run("M119")
        return dict(self._now.printer.endstops)

    async def restart(self, *, firmware: bool) -> dict[str, Any]:
        """Let the answer go, then begin a new life."""
        life = self._now
        if firmware:
            await life.printer.restart()
        asyncio.get_running_loop().call_soon(partial(self._end_life, life))
        return {}

    def _end_life(self, life: _Life) -> None:
        if self._life is life:
            self.lose("it is restarted")


_ADVICE = {
    errno.ENOENT: "no such port; is it plugged in and on, is klippy.serial right?",
    errno.ENXIO: "nothing is plugged in there",
    errno.EACCES: "no permission; add the user {user} to the port's group, often dialout",
    errno.EAGAIN: "another program has it open; end that one",
}


def remedy(error: Exception) -> str:
    """What went wrong at the port, and what to do about it."""
    if isinstance(error, OSError):
        code = errno.EAGAIN if "lock port" in str(error) else error.errno
        advice = _ADVICE.get(code or 0)
        if advice is not None:
            return advice.format(user=_user())
    return str(error)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _encoded(found: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(found))
