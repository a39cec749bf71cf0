"""Klipper's virtual SD card: which file it has, and whether it is the folder that we serve."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bridge.errors import Conflict
from bridge.klippy.starts import Starts
from bridge.klippy.state import Klippy, Machine
from bridge.klippy.status import StatusCache

log = logging.getLogger(__name__)

OVER = ("complete", "cancelled", "error")  # a file that is still loaded then is not in use


class SdCard:
    """What of the virtual SD card matters to files."""

    def __init__(
        self,
        klippy: Klippy,
        cache: StatusCache,
        gcodes: Path,
        configured: str,  # the same folder, as the configuration has it
        running: Callable[[], str | None],
        starts: Starts,
        *,
        compare: bool = True,
    ) -> None:
        self.mismatch: str | None = None  # why no print can be started
        self._cache, self._gcodes, self._configured = cache, gcodes, configured
        self._running, self._starts = running, starts
        cache.want(self, {"virtual_sdcard": ["file_path"], "print_stats": ["state"]})
        if compare:
            klippy.surveyed.connect(self._compare)

    def in_use(self) -> frozenset[Path]:
        """The file that is printing, or chosen to be printed, and those whose print is asked for."""
        running = self._running()
        names = (*self._starts.filenames, *(() if running is None else (running,)))
        found = {_real(self._gcodes / name) for name in names}
        loaded = self._cache.get("virtual_sdcard", "file_path")
        over = running is None and self._cache.get("print_stats", "state") in OVER
        if isinstance(loaded, str) and loaded and not over:
            found.add(_real(Path(loaded)))
        return frozenset(found)

    def check(self) -> None:
        """Refuse a print that Klipper would look for somewhere else."""
        if self.mismatch is not None:
            raise Conflict(f"The print was not started: {self.mismatch}")

    def _compare(self, machine: Machine) -> None:
        """Klipper has told its configuration, and in it a folder that should be ours."""
        before = self.mismatch
        self.mismatch = mismatch(machine.settings, self._gcodes, self._configured)
        if self.mismatch not in (None, before):
            log.warning("%s", self.mismatch)


def mismatch(settings: dict[str, Any], gcodes: Path, configured: str) -> str | None:
    """Why Klipper, with these settings, would not find the files of a folder; None where it does."""
    section = settings.get("virtual_sdcard")
    path = section.get("path") if isinstance(section, dict) else None
    if not isinstance(path, str) or not path or _real(Path(path).expanduser()) == _real(gcodes):
        return None
    return (
        f"Klipper prints from {path} (printer.cfg, [virtual_sdcard] path), and the bridge serves "
        f"{configured} (files.gcodes); make them the same folder"
    )


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
