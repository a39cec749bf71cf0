"""The G-code files of the gcodes root and what is known of them: scanned once, remembered in the store."""

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from bridge.errors import BridgeError
from bridge.gcode.metadata import Metadata
from bridge.gcode.scan import scan
from bridge.roots import Roots
from bridge.store import Store

log = logging.getLogger(__name__)

ROOT = "gcodes"
AT_ONCE = 2  # scans; a Raspberry Pi prints meanwhile


@dataclass(frozen=True)
class FileState:
    """What tells whether a file is still the same."""

    size: int
    modified: float


class Library:
    """Metadata by path, size and time of change; a changed file is scanned again."""

    def __init__(self, roots: Roots, store: Store) -> None:
        self._roots = roots
        self._table = store.table("gcode_metadata", {"path": str})
        self._turn = asyncio.Semaphore(AT_ONCE)

    def state(self, filename: str) -> FileState | None:
        """Size and time of change of a file, or None where there is none."""
        try:
            found = self._roots.resolve(ROOT, filename).stat()
        except (BridgeError, OSError):
            return None
        return FileState(found.st_size, found.st_mtime)

    def path(self, filename: str) -> Path:
        """Where a file of the gcodes root is, or NotFound."""
        return self._roots.file(ROOT, filename)

    async def metadata(self, filename: str) -> Metadata | None:
        """What is known of a file; None where there is none that can be read."""
        state = self.state(filename)
        if state is None:
            return None
        known = await self._recall(filename, state)
        if known is not None:
            return known
        async with self._turn:
            try:
                found = await asyncio.to_thread(scan, self.path(filename))
            except (BridgeError, OSError) as error:
                log.debug("%s cannot be scanned: %s", filename, error)
                return None
        await self._remember(filename, state, found)
        return found

    async def _recall(self, filename: str, state: FileState) -> Metadata | None:
        rows = await self._table.page(where=[("path", "=", filename)], limit=1)
        if not rows or rows[0].get("size") != state.size or rows[0].get("modified") != state.modified:
            return None
        try:
            return msgspec.convert(rows[0].get("metadata"), Metadata)
        except msgspec.ValidationError:
            return None

    async def _remember(self, filename: str, state: FileState, metadata: Metadata) -> None:
        document: dict[str, Any] = {
            "path": filename,
            "size": state.size,
            "modified": state.modified,
            "metadata": msgspec.to_builtins(metadata),
        }
        rows = await self._table.page(where=[("path", "=", filename)], limit=1)
        if rows:
            await self._table.update(document, doc_ids=[rows[0].doc_id])
        else:
            await self._table.insert(document)
