"""Klipper's virtual SD card: which file it has, and whether it is the folder that we serve."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bridge.errors import Conflict
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
        *,
        compare: bool = True,
    ) -> None:
        self.mismatch: str | None = None  # why no print can be started
        self._cache, self._gcodes, self._configured, self._running = cache, gcodes, configured, running
        cache.want(self, {"virtual_sdcard": ["file_path"], "print_stats": ["state"]})
        if compare:
            klippy.surveyed.connect(self._compare)

    def in_use(self) -> Path | None:
        """The file that is printing, or chosen to be printed."""
        if (name := self._running()) is not None:
            return _real(self._gcodes / name)
        loaded = self._cache.get("virtual_sdcard", "file_path")
        if not isinstance(loaded, str) or not loaded or self._cache.get("print_stats", "state") in OVER:
            return None
        return _real(Path(loaded))

    def check(self) -> None:
        """Refuse a print that Klipper would look for somewhere else."""
        if self.mismatch is not None:
            raise Conflict(f"The print was not started: {self.mismatch}")

    def _compare(self, machine: Machine) -> None:
        """Klipper has told its configuration, and in it a folder that should be ours."""
        section: Any = machine.settings.get("virtual_sdcard")
        path = section.get("path") if isinstance(section, dict) else None
        before, self.mismatch = self.mismatch, None
        if not isinstance(path, str) or not path or _real(Path(path).expanduser()) == _real(self._gcodes):
            return
        self.mismatch = (
            f"Klipper prints from {path} (printer.cfg, [virtual_sdcard] path), and the bridge serves "
            f"{self._configured} (files.gcodes); make them the same folder"
        )
        if self.mismatch != before:
            log.warning("%s", self.mismatch)


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
