"""The configfile object: printer.cfg, what Klippy took from it, and what waits for SAVE_CONFIG."""

from collections.abc import Callable, Iterable, Mapping

from bridge.klippy.simulator.config import Section, Sections, settings
from bridge.klippy.simulator.dispatch import Command, Status
from bridge.klippy.simulator.hardware import Hardware
from bridge.klippy.simulator.line import Line

_PROFILE = "bed_mesh "


class ConfigFile:
    """Printer.cfg and its pending changes."""

    def __init__(self, sections: Sections, hardware: Hardware, restart: Callable[[], None]) -> None:
        self._hardware, self._restart = hardware, restart
        self._config = {**sections, **hardware.saved}
        self._settings = settings(self._config)
        self._pending: dict[str, Section | None] = {}

    def saved_profiles(self) -> list[str]:
        """The bed meshes that SAVE_CONFIG has kept."""
        return [name.removeprefix(_PROFILE) for name in self._hardware.saved if name.startswith(_PROFILE)]

    def pend(self, section: str, values: Section | None) -> None:
        """A change that SAVE_CONFIG will write; None takes the section away."""
        self._pending = {**self._pending, section: values}

    def commands(self) -> Iterable[Command]:
        """The commands it takes."""
        yield Command("SAVE_CONFIG", self._save, "Write what is pending into printer.cfg and restart")

    def _save(self, line: Line) -> None:
        if not self._pending:
            return
        for section, values in self._pending.items():
            self._hardware.saved.pop(section, None)
            if values is not None:
                self._hardware.saved[section] = values
        self._pending = {}
        if line.flag("RESTART", default=True):
            self._restart()

    def objects(self) -> Mapping[str, Callable[[], Status]]:
        """The printer objects it shows."""
        return {"configfile": self._status}

    def _status(self) -> Status:
        return {
            "config": self._config,
            "warnings": [],
            "save_config_pending": bool(self._pending),
            "save_config_pending_items": self._pending,
            "settings": self._settings,
        }
