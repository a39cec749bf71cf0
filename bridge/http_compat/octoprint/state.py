"""The printer and its job in OctoPrint's words."""

import math
from typing import Any

from bridge.gcode.library import Details, Library
from bridge.jobs.progress import Figures, outlook
from bridge.klippy.state import Klippy, KlippyState, Machine
from bridge.klippy.status import StatusCache

Json = dict[str, Any]

DIAMETER = 1.75  # mm of filament where printer.cfg does not say
WANTED: dict[str, list[str] | None] = {
    "print_stats": ["state", "filename", "print_duration", "total_duration", "filament_used", "info"],
    "virtual_sdcard": ["progress", "file_position"],
    "gcode_move": ["gcode_position"],
}
ACTIVE = {"printing": "Printing", "paused": "Paused"}
NOT_READY = {
    KlippyState.DISCONNECTED: "Offline",
    KlippyState.STARTUP: "Connecting",
    KlippyState.SHUTDOWN: "Offline after error",
    KlippyState.ERROR: "Offline after error",
}


class State:
    """What of the printer OctoPrint's clients ask for."""

    def __init__(self, klippy: Klippy, cache: StatusCache, library: Library) -> None:
        self.selected: str | None = None  # the file a client has chosen to print next
        self._klippy, self._cache, self._library = klippy, cache, library
        self._heaters: dict[str, str] = {}  # OctoPrint's name -> the printer object
        cache.want(self, WANTED)
        klippy.surveyed.connect(self._surveyed)

    @property
    def operational(self) -> bool:
        """Whether the printer takes commands."""
        return self._klippy.ready

    @property
    def job(self) -> str | None:
        """`printing` or `paused` while there is a job."""
        state = self._cache.get("print_stats", "state")
        return state if self.operational and state in ACTIVE else None

    @property
    def file(self) -> str | None:
        """The file that prints, or would be printed."""
        loaded = self._cache.get("print_stats", "filename")
        name = loaded if self.job else self.selected or loaded
        return name if isinstance(name, str) and name else None

    @property
    def text(self) -> str:
        """The state in one or two words."""
        if not self.operational:
            return NOT_READY.get(self._klippy.info.state, "Offline")
        return ACTIVE.get(self.job or "", "Operational")

    def state(self) -> Json:
        """The state with its flags; a print that was cancelled or failed leaves a printer that is ready."""
        failed = self._klippy.info.state in (KlippyState.SHUTDOWN, KlippyState.ERROR)
        return {
            "text": self.text,
            "error": self._klippy.info.message if failed else "",
            "flags": {
                "operational": self.operational,
                "printing": self.job == "printing",
                "paused": self.job == "paused",
                "pausing": False,
                "resuming": False,
                "cancelling": False,
                "finishing": False,
                "error": failed,
                "ready": self.operational and self.job is None,
                "sdReady": False,
                "closedOrError": not self.operational,
            },
        }

    def temperatures(self) -> dict[str, Json]:
        """Each heater with its temperature and target."""
        return {
            name: {
                "actual": _rounded(self._cache.get(heater, "temperature")),
                "target": _rounded(self._cache.get(heater, "target")),
                "offset": 0,
            }
            for name, heater in self._heaters.items()
        }

    def heater(self, name: str) -> str | None:
        """The name under which Klipper knows a heater."""
        found = self._heaters.get(name)
        return found.rpartition(" ")[2] if found else None

    async def job_information(self) -> Json:
        """The job as seed 003 has it; percent, seconds, mm."""
        filename = self.file
        details = await self._library.details(filename) if filename else None
        return {
            "job": self._job(filename, details),
            "progress": self._progress(details) if self.operational else dict.fromkeys(PROGRESS),
            "state": self.text,
        }

    def _job(self, filename: str | None, details: Details | None) -> Json:
        metadata = details.metadata if details else None
        length = metadata.filament_total if metadata else None
        filament: Json = {"length": length, "volume": self._volume(length)}
        return {
            "file": {
                "name": filename.rpartition("/")[2] if filename else None,
                "display": filename.rpartition("/")[2] if filename else None,
                "path": filename,
                "origin": "local" if filename else None,
                "size": metadata.size if metadata else None,
                "date": int(metadata.modified) if metadata else None,
            },
            "estimatedPrintTime": metadata.estimated_time if metadata else None,
            "averagePrintTime": None,
            "lastPrintTime": None,
            "filament": filament | ({"tool0": filament} if length is not None else {}),
            "user": None,
        }

    def _progress(self, details: Details | None) -> Json:
        found = Figures.of(self._cache.snapshot(WANTED))
        ahead = outlook(found, details.metadata if details else None)
        if self._cache.get("print_stats", "state") == "complete":
            figures: tuple[float | None, ...] = (100.0, found.file_position, found.print_duration, 0)
        elif self.job is not None:
            share = 100 * (ahead.progress or 0.0)
            figures = (share, found.file_position, found.print_duration, ahead.remaining)
        else:
            return dict.fromkeys(PROGRESS)
        origin = {"slicer": "analysis", "file": "linear", "filament": "linear"}.get(ahead.source or "")
        whole = (None if value is None else int(value) for value in figures[1:])
        return dict(zip(PROGRESS, (figures[0], *whole, origin), strict=True))

    def _volume(self, length: float | None) -> float | None:
        """cm3 of that many mm of filament."""
        section: Any = self._klippy.machine.settings.get("extruder")
        diameter = section.get("filament_diameter") if isinstance(section, dict) else None
        if length is None:
            return None
        radius = (diameter if isinstance(diameter, int | float) and diameter > 0 else DIAMETER) / 2
        return round(length * math.pi * radius**2 / 1000, 2)

    def _surveyed(self, machine: Machine) -> None:
        self._heaters = {_name(heater): heater for heater in machine.heaters}
        heaters: dict[str, list[str] | None] = {key: ["temperature", "target"] for key in machine.heaters}
        self._cache.want(self, WANTED | heaters)


PROGRESS = ("completion", "filepos", "printTime", "printTimeLeft", "printTimeLeftOrigin")


def _name(heater: str) -> str:
    """OctoPrint's name of a heater."""
    if heater == "heater_bed":
        return "bed"
    if heater.startswith("extruder"):
        return f"tool{heater.removeprefix('extruder') or 0}"
    return heater.rpartition(" ")[2].lower()


def _rounded(value: Any) -> float | None:
    return round(value, 2) if isinstance(value, int | float) else None
