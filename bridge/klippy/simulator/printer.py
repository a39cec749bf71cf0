"""One life of the printer, from start-up to the next restart: its parts, its state, its objects."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.klippy.simulator import config, macros
from bridge.klippy.simulator.clock import Clock, Halted
from bridge.klippy.simulator.configfile import ConfigFile
from bridge.klippy.simulator.dispatch import Command, Dispatch, Part, Status
from bridge.klippy.simulator.display import Display, Idle
from bridge.klippy.simulator.exclude import Exclude
from bridge.klippy.simulator.fans import Fans
from bridge.klippy.simulator.hardware import Hardware
from bridge.klippy.simulator.heaters import Heaters
from bridge.klippy.simulator.host import Host
from bridge.klippy.simulator.line import GcodeError, Line
from bridge.klippy.simulator.mesh import Mesh
from bridge.klippy.simulator.moves import Moves
from bridge.klippy.simulator.outputs import Outputs
from bridge.klippy.simulator.pause import FilamentSensor, Pause
from bridge.klippy.simulator.print_stats import PrintStats
from bridge.klippy.simulator.sdcard import SdCard
from bridge.klippy.simulator.toolhead import Toolhead
from bridge.signals import Signal

log = logging.getLogger(__name__)
READY = "Printer is ready"
STARTUP = """
Printer is not ready
The klippy host software is attempting to connect.  Please
retry in a few moments.
"""
_FIRMWARE_RESTART = """Once the underlying issue is corrected, use the
"FIRMWARE_RESTART" command to reset the firmware, reload the
config, and restart the host software.
"""
_RESTART = """Once the underlying issue is corrected, use the "RESTART"
command to reload the config and restart the host software.
"""
HALTED = "Printer is halted\n"
_MCU_IS_SHUTDOWN = f"Can not update MCU 'mcu' config as it is shutdown\n{_FIRMWARE_RESTART}{HALTED}"
_ENDSTOP_SECONDS = 0.25
_RUNOUT_PAUSE = 0.5  # seconds between the runout and its PAUSE


@dataclass(frozen=True)
class RemoteCall:
    """A macro calls a method that a client has registered."""

    method: str
    params: dict[str, Any]


class Printer:
    """A printer until its next restart; `hardware` is what stays."""

    def __init__(
        self,
        *,
        clock: Clock,
        hardware: Hardware,
        gcodes: Path,
        executed: deque[str],
        config_error: str | None,
    ) -> None:
        self.clock, self.hardware = clock, hardware
        self.state, self.message = "startup", STARTUP
        self.called: Signal[RemoteCall] = Signal("remote method called")
        self.became_ready: Signal[None] = Signal("printer ready")
        self.spool_changed = asyncio.Event()
        self.ended = asyncio.Event()
        self.firmware_restart = False
        self._worked = 0
        self._config_error = config_error
        self.gcode = Dispatch(executed, self.not_ready)
        self.configfile = ConfigFile(
            {**macros.sections(), **config.sections(gcodes)}, hardware, lambda: self.restart(firmware=False)
        )
        self._build(gcodes)
        self.objects: dict[str, Callable[[], Status]] = {}
        self._mount()

    def _build(self, gcodes: Path) -> None:
        clock, gcode = self.clock, self.gcode
        self.heaters = Heaters(clock, gcode, self.hardware)
        self.toolhead = Toolhead(clock, self.heaters)
        self.exclude = Exclude(gcode)
        self.moves = Moves(gcode, self.toolhead, self.exclude.skipping)
        self.stats = PrintStats(clock)
        self.moves.extruded.connect(self.stats.extruded)
        self.sdcard = SdCard(
            gcode,
            self.stats,
            gcodes,
            settle=self.toolhead.settle,
            loaded=self.exclude.reset,
            ready=lambda: self.state == "ready",
        )
        self.pause = Pause(gcode, self.sdcard, self.moves)
        self.filament = FilamentSensor(gcode, self.hardware, self.pause)
        self.idle = Idle(clock, self._active, self._switch_off)
        self.host = Host()

    def _mount(self) -> None:
        for command in self._own():
            self.gcode.table[command.name] = command
        self.objects["gcode"] = self._gcode_status
        self.objects["webhooks"] = lambda: {"state": self.state, "state_message": self.message}
        self.objects.update(self.configfile.objects())
        if self._config_error is not None:
            return
        parts: tuple[Part, ...] = (
            self.configfile,
            self.host,
            macros.Macros(self.gcode, self._call, self.shut_down),
            self.heaters,
            Fans(self.clock, self.heaters, self.hardware, self.toolhead.motors_on),
            Outputs(),
            self.pause,
            self.filament,
            self.moves,
            Mesh(self.gcode, self.toolhead, self.configfile),
            self.stats,
            self.sdcard,
            self.idle,
            Display(self.clock, self.gcode, self.sdcard.progress),
            self.exclude,
            self.toolhead,
        )
        for part in parts:
            self.objects.update(part.objects())
            for command in part.commands():
                self.gcode.table[command.name] = command

    def _own(self) -> tuple[Command, ...]:
        return (
            Command("RESTART", lambda _: self.restart(firmware=False), "Read the config again", always=True),
            Command(
                "FIRMWARE_RESTART",
                lambda _: self.restart(firmware=True),
                "Restart the firmware and read the config again",
                always=True,
            ),
            Command("M112", lambda _: self.shut_down("Shutdown due to M112 command"), always=True),
            Command("QUERY_ENDSTOPS", self._query_endstops, "Ask the end stops"),
        )

    # -- states

    def not_ready(self) -> str | None:
        """Why G-code cannot run, or None when it can."""
        return None if self.state == "ready" else self.message

    def start(self) -> None:
        """The end of the start-up: ready, or what is in the way."""
        if self.state != "startup":
            return
        if self._config_error is not None:
            self.state, self.message = "error", f"{self._config_error}\n{_RESTART}{HALTED}"
        elif self.hardware.mcu_shutdown:
            self.state, self.message = "error", _MCU_IS_SHUTDOWN
        else:
            self.state, self.message = "ready", READY
            self.gcode.output.emit("// Klipper state: Ready")
            self.became_ready.emit(None)

    def shut_down(self, reason: str) -> None:
        """Stop everything at once; only a firmware restart helps after that."""
        if self.state in ("shutdown", "error"):
            return
        self.state = "shutdown"
        self.message = f"{reason}\n{_FIRMWARE_RESTART}Printer is shutdown\n"
        self.hardware.mcu_shutdown = True
        self.heaters.advance()
        self.heaters.off()
        self.toolhead.halt()
        self.gcode.output.emit("// Klipper state: Shutdown")
        self.clock.halt()

    def restart(self, *, firmware: bool) -> None:
        """End this life; what still waits for the mutex is lost."""
        self.firmware_restart = firmware
        self.gcode.end()
        self.ended.set()

    # -- what goes on by itself

    def tick(self) -> None:
        """Let heat flow and the idle time-out count."""
        self.heaters.advance()
        self.idle.check()

    async def watch_spool(self) -> None:
        """Pause the print each time the spool has run empty, for ever."""
        while True:
            await self.spool_changed.wait()
            self.spool_changed.clear()
            if self.sdcard.active and self.filament.ran_out():
                await self._pause_for_runout()

    async def _pause_for_runout(self) -> None:
        try:
            await self.clock.sleep(_RUNOUT_PAUSE)
            await self.gcode.exclusive(lambda: self.gcode.reported(["PAUSE"]))
        except (GcodeError, Halted) as error:
            log.debug("shut down before the pause: %s", error)

    def _active(self) -> bool:
        """Whether the printer works, or has worked since this was asked last."""
        worked, self._worked = self._worked, self.gcode.worked
        has_worked = self.gcode.worked != worked
        return has_worked or self.gcode.busy or self.sdcard.active or self.toolhead.busy()

    def _switch_off(self) -> None:
        self.heaters.off()
        self.toolhead.motors_off()

    def _call(self, method: str, params: dict[str, Any]) -> None:
        self.called.emit(RemoteCall(method, params))

    # -- printer objects and the end stops

    def _gcode_status(self) -> Status:
        rows = self.gcode.table.items()
        return {"commands": {name: {"help": row.help} if row.help else {} for name, row in rows}}

    async def endstops(self) -> dict[str, str]:
        """Ask the MCU for its end stops, which takes a moment."""
        await self.clock.sleep(_ENDSTOP_SECONDS)
        return self.host.query_endstops(self.toolhead.position)

    async def _query_endstops(self, _: Line) -> None:
        answers = await self.endstops()
        self.gcode.raw(" ".join(f"{name}:{state}" for name, state in answers.items()))
