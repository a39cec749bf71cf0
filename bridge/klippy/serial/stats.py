"""The book of one print: its state, its times, its layers, how far it is."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from bridge.klippy.serial.feed import Layer

State = Literal["standby", "printing", "paused", "complete", "cancelled", "error"]


@dataclass
class PrintStats:
    """What `print_stats` and `virtual_sdcard` show."""

    clock: Callable[[], float] = time.monotonic
    state: State = "standby"
    filename: str = ""
    message: str = ""
    path: str | None = None
    size: int = 0
    position: int = 0
    progress: float = 0.0
    layer: int | None = None
    layers: int | None = None
    filament: float = 0.0
    _began: float | None = None
    _ended: float | None = None
    _extruding: float | None = None  # when the first filament was pushed, had there been no pause
    _paused_at: float | None = None
    _paused: float = 0.0
    _told: bool = field(default=False)  # whether the file tells its layers by a command

    def start(self) -> None:
        """It begins now."""
        self.state, self._began = "printing", self.clock()

    def pause(self, message: str = "") -> None:
        """It stands still."""
        if self._paused_at is None:
            self._paused_at = self.clock()
        self.state, self.message = "paused", message

    def go_on(self) -> None:
        """It moves again."""
        if self._paused_at is not None:
            self._paused += self.clock() - self._paused_at
            self._paused_at = None
        self.state, self.message = "printing", ""

    def end(self, state: State, message: str = "") -> None:
        """It is over."""
        self.state, self.message, self._ended = state, message, self.clock()
        self.path = None
        if state == "complete":
            self.position, self.progress = self.size, 1.0
        else:
            self.size = self.position = 0
            self.progress = 0.0

    def reached(self, position: int, filament: float) -> None:
        """The printer has carried out the file up to here."""
        self.position = position
        self.progress = position / self.size if self.size else 0.0
        self.filament = filament
        if self._extruding is None and filament > 0:
            self._extruding = self.clock() - self._paused

    def comes_to(self, layer: Layer) -> None:
        """A comment of the file tells of layers."""
        if self._told:
            return
        if layer.count is not None:
            self.layers = layer.count
        elif layer.number is not None:
            self.layer = layer.number + 1
        else:
            self.layer = (self.layer or 0) + 1

    def told(self, layer: int | None, layers: int | None) -> None:
        """A command of the file tells of layers: better than comments."""
        self._told = True
        if layers is not None:
            self.layers = layers or None
        if layer is not None:
            self.layer = layer if self.layers is None else min(layer, self.layers)

    def status(self) -> dict[str, Any]:
        """What `print_stats` shows."""
        total, printing = self._durations()
        return {
            "filename": self.filename,
            "total_duration": total,
            "print_duration": printing,
            "filament_used": self.filament,
            "state": self.state,
            "message": self.message,
            "info": {"total_layer": self.layers, "current_layer": self.layer},
        }

    def card(self) -> dict[str, Any]:
        """What `virtual_sdcard` shows."""
        return {
            "file_path": self.path,
            "progress": self.progress,
            "is_active": self.state == "printing",
            "file_position": self.position,
            "file_size": self.size,
        }

    def _durations(self) -> tuple[float, float]:
        if self._began is None:
            return 0.0, 0.0
        now = self.clock() if self._ended is None else self._ended
        if self._extruding is None:
            return now - self._began, 0.0
        resting = self._paused + (now - self._paused_at if self._paused_at is not None else 0.0)
        return now - self._began, max(0.0, now - resting - self._extruding)
