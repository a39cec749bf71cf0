"""Takes away what a bridge that was killed has left half written; nobody else would ever see it."""

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from bridge.files import disk
from bridge.files.names import Names
from bridge.roots import Roots, is_temporary

log = logging.getLogger(__name__)


class Sweeper:
    """Goes once through all folders of the roots that are written to, while the bridge is at work already."""

    def __init__(self, roots: Roots, names: Names) -> None:
        self._roots, self._names = roots, names

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
            for path in self._left(root.folder.resolve(), stopped) if root.writable else ():
                disk.remove(path)
                swept += 1
        return swept

    def _left(self, top: Path, stopped: Callable[[], bool]) -> Iterator[Path]:
        """What an earlier start has left, until `stopped`; links to folders are not followed."""
        for folder, folders, files in os.walk(top):
            if stopped():
                return
            if self._roots.is_reserved(folder):
                folders.clear()
                continue
            yield from (Path(folder, name) for name in (*folders, *files) if self._names.is_left(name))
            folders[:] = [name for name in folders if not is_temporary(name)]
