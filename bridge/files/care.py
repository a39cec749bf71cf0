"""Keeps what is known of G-code in step with the files: whatever comes, changes, moves or goes."""

import asyncio
import logging

from bridge.errors import BridgeError
from bridge.files.index import GCODES, Index, is_gcode
from bridge.files.items import FileChange
from bridge.gcode.library import Library

log = logging.getLogger(__name__)


class Care:
    """Has new and changed G-code scanned, one file after the other."""

    def __init__(self, index: Index, library: Library) -> None:
        self._index, self._library = index, library
        self._waiting: dict[str, None] = {}  # files to look at, the first that came first
        self._news = asyncio.Event()
        index.changed.connect(self._changed)

    async def open(self) -> None:
        """Whatever came while nobody looked is looked at now."""
        found = [path for path in self._index.files(GCODES) if is_gcode(path)]
        if found:  # else the disk of the root may just be missing
            self._library.forget_others(set(found))
        self._want(*found)

    async def run(self) -> None:
        """Look at what waits, for ever."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                path = next(iter(self._waiting))
                del self._waiting[path]
                try:
                    await self._library.details(path)
                except BridgeError as error:
                    log.debug("%s is not described: %s", path, error)

    async def close(self) -> None:
        """Nothing to give back."""

    def _want(self, *paths: str) -> None:
        self._waiting |= dict.fromkeys(path for path in paths if is_gcode(path))
        if self._waiting:
            self._news.set()

    def _changed(self, change: FileChange) -> None:
        item, source = change.item, change.source_item
        left = source is not None and source.root == GCODES
        here = item.root == GCODES
        match change.action:
            case "create_file" | "modify_file" if here:
                self._want(item.path)
            case "create_dir" if here:
                self._want(*self._index.files(GCODES, item.path))
            case "delete_file" if here:
                self._library.forget(item.path)
            case "delete_dir" if here:
                self._library.forget_folder(item.path)
            case "move_file" | "move_dir" if source is not None:
                old, new = source.path if left else None, item.path if here else None
                self._moved(old, new, folder=change.action == "move_dir")
            case _:
                pass

    def _moved(self, old: str | None, new: str | None, *, folder: bool) -> None:
        """Inside gcodes, out of it (no `new`) or into it (no `old`)."""
        library = self._library
        if old is not None and new is not None:
            (library.rename_folder if folder else library.rename)(old, new)
        elif old is not None:
            (library.forget_folder if folder else library.forget)(old)
        if new is not None:
            self._want(*(self._index.files(GCODES, new) if folder else [new]))
