"""The folders of pictures beside G-code files: what is done in them, one after the other, in threads."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

from bridge.errors import BridgeError
from bridge.gcode.metadata import Thumbnail
from bridge.gcode.thumbnails import FOLDER
from bridge.lifecycle import Crew
from bridge.roots import Roots

log = logging.getLogger(__name__)

ROOT = "gcodes"
PATIENCE = 2.0  # seconds a picture that is being made is waited for

Work = Callable[[Path, Path], list[Thumbnail]]  # with the file and its folder of pictures
Done = Callable[[list[Thumbnail]], None]


class Gallery:
    """Takes pictures out of files; only while somebody runs it."""

    def __init__(self, roots: Roots) -> None:
        self._roots = roots
        self._crew = Crew()
        self._turn = asyncio.Lock()
        self._busy: dict[asyncio.Event, str] = {}  # what is under way, and the folder it is in

    async def run(self) -> None:
        """Own the tasks."""
        await self._crew.run()

    def begin(self, filename: str, work: Work, done: Done) -> bool:
        """Do something in the folder of a file's pictures soon; False when nobody runs."""
        ended = asyncio.Event()
        self._busy[ended] = filename.rpartition("/")[0]
        started = self._crew.start(self._see_through(ended, filename, work, done))
        if not started:
            del self._busy[ended]
        return started

    async def do(self, filename: str, work: Work) -> list[Thumbnail] | None:
        """Do it now; None when it fails."""
        try:
            path = self._roots.resolve(ROOT, filename)
            folder = self._roots.resolve(ROOT, f"{filename.rpartition('/')[0]}/{FOLDER}")
            async with self._turn:
                return await asyncio.to_thread(work, path, folder)
        except (BridgeError, OSError) as error:
            log.debug("the pictures of %s: %s", filename, error)
            return None

    async def ready(self, folder: str) -> None:
        """Wait a moment for what is under way in a folder."""
        waiting = [event for event, busy in self._busy.items() if busy == folder]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                for event in waiting:
                    await event.wait()

    async def _see_through(self, ended: asyncio.Event, filename: str, work: Work, done: Done) -> None:
        try:
            found = await self.do(filename, work)
            if found is not None:
                done(found)
        finally:
            del self._busy[ended]
            ended.set()
