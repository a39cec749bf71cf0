"""What is remembered of G-code files: in memory at hand, in the store soon after, all in one transaction."""

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from bridge.errors import BridgeError
from bridge.gcode.metadata import Metadata
from bridge.store import Document, RowDatabase, Store

log = logging.getLogger(__name__)

TABLE = "gcode_metadata"
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Metadata).decode


@dataclass(slots=True)
class Record:
    """One file as it was when it was scanned, and its last print; metadata is kept packed."""

    size: int
    modified: float
    packed: bytes | None = None
    print_start_time: float | None = None
    job_id: str | None = None

    @property
    def metadata(self) -> Metadata | None:
        """Unpacked."""
        return _decode(self.packed) if self.packed is not None else None

    @metadata.setter
    def metadata(self, value: Metadata) -> None:
        self.packed = _encode(value)


class Records:
    """All records by the files' paths."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._table = store.table(TABLE, {"path": str})
        self._known: dict[str, Record] = {}
        self._dirty: set[str] = set()
        self._loading = asyncio.Lock()
        self._loaded = False
        self._work = asyncio.Event()

    async def load(self) -> None:
        """Read what the store has, once."""
        async with self._loading:
            if self._loaded:
                return
            try:
                rows = await self._table.all()
            except BridgeError as error:
                log.warning("the metadata of G-code files is read from the files anew: %s", error)
                rows = []
            found = await asyncio.to_thread(lambda: [(str(row.get("path")), _record(row)) for row in rows])
            for path, record in found:
                if record is not None:
                    self._known.setdefault(path, record)
            self._loaded = True

    def get(self, path: str) -> Record | None:
        """The record of a file."""
        return self._known.get(path)

    def paths(self, below: str = "") -> Iterator[str]:
        """The files that have one, all or those below a folder."""
        return (path for path in tuple(self._known) if not below or path.startswith(f"{below}/"))

    def put(self, path: str, record: Record) -> None:
        """Keep a record, new or changed."""
        self._known[path] = record
        self._soil(path)

    def drop(self, path: str) -> Record | None:
        """Forget a file; what was known of it."""
        record = self._known.pop(path, None)
        if record is not None:
            self._soil(path)
        return record

    async def run(self) -> None:
        """Write what changed, for ever."""
        while True:
            await self._work.wait()
            await self.flush()

    async def flush(self) -> None:
        """Write what changed, now; what a cancellation leaves unsure is written again."""
        self._work.clear()
        dirty, self._dirty = self._dirty, set()
        documents = {
            path: _document(path, record) if (record := self._known.get(path)) is not None else None
            for path in dirty
        }
        if not documents:
            return
        try:
            await self._store.write(lambda db: _write(db, documents))
        except BridgeError as error:  # it is a cache: the files still have it all
            log.warning("the metadata of G-code files was not stored: %s", error)
        except asyncio.CancelledError:
            self._dirty |= dirty
            raise

    def _soil(self, path: str) -> None:
        self._dirty.add(path)
        self._work.set()


def _write(db: RowDatabase, documents: dict[str, dict[str, Any] | None]) -> None:
    """Make the table say this of these files; None for one that is gone."""
    table = db.table(TABLE)
    for path, document in documents.items():
        rows = [row for row, _ in db.rows.page(TABLE, [("path", "=", path)], "id", -1, 0)]
        if document is not None and rows:
            table.update(document, doc_ids=rows)
        elif document is not None:
            table.insert(document)
        elif rows:
            table.remove(doc_ids=rows)


def _document(path: str, record: Record) -> dict[str, Any]:
    return {
        "path": path,
        "size": record.size,
        "modified": record.modified,
        "metadata": msgspec.json.decode(record.packed) if record.packed is not None else None,
        "print_start_time": record.print_start_time,
        "job_id": record.job_id,
    }


def _record(row: Document) -> Record | None:
    """A stored row; None when it was written by something else."""
    try:
        record = Record(
            size=msgspec.convert(row.get("size"), int),
            modified=msgspec.convert(row.get("modified"), float),
            print_start_time=msgspec.convert(row.get("print_start_time"), float | None),
            job_id=msgspec.convert(row.get("job_id"), str | None),
        )
        if row.get("metadata") is not None:
            record.metadata = msgspec.convert(row["metadata"], Metadata)
    except msgspec.ValidationError:
        return None
    return record
