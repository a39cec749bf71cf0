"""Takes away what a bridge that was killed has left half written; nobody else would ever see it."""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bridge.files import disk
from bridge.roots import Roots, is_temporary

log = logging.getLogger(__name__)

GRAIN = 2.0  # seconds by which a disk's clock may be behind ours: FAT counts in such steps


class Sweeper:
    """Goes once through all folders of the roots that are written to, while the bridge is at work already."""

    def __init__(self, roots: Roots) -> None:
        self._roots = roots
        self._before = time.time() - GRAIN  # what is younger may be our own

    async def open(self) -> None:
        """Nothing that anybody should wait for."""

    async def run(self) -> None:
        """Go through them."""
        stop = threading.Event()
        try:
            swept = await asyncio.to_thread(self._sweep, stop.is_set)
        finally:
            stop.set()
        if swept:
            log.info("%d files that were left half written have been removed", swept)

    async def close(self) -> None:
        """Nothing to give back."""

    def _sweep(self, stopped: Callable[[], bool]) -> int:
        """Blocking; how many there were."""
        swept = 0
        for root in self._roots:
            for path in self._left(root.folder.resolve()) if root.writable else ():
                if stopped():
                    return swept
                disk.remove(path)
                swept += 1
        return swept

    def _left(self, top: Path) -> Iterator[Path]:
        """What bears a name of ours, and was there before us; links to folders are not followed."""
        for folder, folders, files in os.walk(top):
            if self._roots.is_reserved(folder):
                folders.clear()
                continue
            for name in filter(is_temporary, (*folders, *files)):
                path = Path(folder, name)
                if _changed(path) < self._before:
                    yield path
            folders[:] = [name for name in folders if not is_temporary(name)]


def _changed(path: Path) -> float:
    """When it was written or got its name: a copy has the time of its source in all else."""
    try:
        return path.lstat().st_ctime
    except OSError:  # its owner is done with it
        return time.time()
