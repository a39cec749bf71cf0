"""Pause, resume and cancel, and the filament sensor that pauses by itself."""

from collections.abc import Callable, Iterable, Mapping

from bridge.klippy.simulator.dispatch import Command, Dispatch, Status
from bridge.klippy.simulator.hardware import Hardware
from bridge.klippy.simulator.line import Line
from bridge.klippy.simulator.moves import Moves
from bridge.klippy.simulator.sdcard import SdCard

_STATE = "PAUSE_STATE"


class Pause:
    """PAUSE, RESUME, CLEAR_PAUSE, CANCEL_PRINT."""

    def __init__(self, gcode: Dispatch, sdcard: SdCard, moves: Moves) -> None:
        self._gcode, self._sdcard, self._moves = gcode, sdcard, moves
        self._paused = False
        self._stopped_file = False

    def commands(self) -> Iterable[Command]:
        """The commands it takes."""
        return (
            Command("PAUSE", lambda _: self._pause(), "Let the print stand still"),
            Command("RESUME", lambda _: self._resume(), "Go on with the print"),
            Command("CLEAR_PAUSE", lambda _: self._clear(), "Forget the pause, without going on"),
            Command("CANCEL_PRINT", lambda _: self._cancel(), "Give the print up"),
        )

    def stop_file(self) -> None:
        """Stop the file at once; the PAUSE follows."""
        if self._sdcard.active:
            self._stopped_file = True
            self._sdcard.stop()

    def _pause(self) -> None:
        if self._paused:
            self._gcode.info("Print already paused")
            return
        self.stop_file()
        self._moves.keep(_STATE)
        self._paused = True

    async def _resume(self) -> None:
        if not self._paused:
            self._gcode.info("Print is not paused, resume aborted")
            return
        await self._moves.take_back(_STATE, move=True)
        self._paused = False
        if self._stopped_file:
            self._stopped_file = False
            self._sdcard.resume()

    def _clear(self) -> None:
        self._paused = self._stopped_file = False

    def _cancel(self) -> None:
        self._sdcard.cancel()
        self._clear()

    def objects(self) -> Mapping[str, Callable[[], Status]]:
        """The printer objects it shows."""
        return {"pause_resume": lambda: {"is_paused": self._paused}}


class FilamentSensor:
    """A switch that knows whether there is filament."""

    def __init__(self, gcode: Dispatch, hardware: Hardware, pause: Pause) -> None:
        self._gcode, self._hardware, self._pause = gcode, hardware, pause
        self._enabled = True

    def commands(self) -> Iterable[Command]:
        """The commands it takes."""
        return (
            Command("SET_FILAMENT_SENSOR", self._enable, "Turn a filament sensor on or off"),
            Command("QUERY_FILAMENT_SENSOR", self._query, "Ask a filament sensor"),
        )

    def _enable(self, line: Line) -> None:
        line.choose("SENSOR", {"spool": None})
        self._enabled = line.flag("ENABLE", default=True)

    def _query(self, line: Line) -> None:
        line.choose("SENSOR", {"spool": None})
        found = "filament detected" if self._hardware.filament else "filament not detected"
        self._gcode.info(f"Filament Sensor spool: {found}")

    def ran_out(self) -> bool:
        """Stop the print if the spool has just run empty; whether a PAUSE is due then."""
        if self._hardware.filament or not self._enabled:
            return False
        self._pause.stop_file()
        return True

    def objects(self) -> Mapping[str, Callable[[], Status]]:
        """The printer objects it shows."""
        return {
            "filament_switch_sensor spool": lambda: {
                "filament_detected": self._hardware.filament,
                "enabled": self._enabled,
            }
        }
