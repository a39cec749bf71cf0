"""The store as the bridge sees it: awaited, durable when answered, never in the event loop's way."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

from tinydb.queries import QueryLike
from tinydb.table import Document

from bridge.errors import BadRequest, NotFound
from bridge.store import file
from bridge.store.errors import DAMAGED, StoreClosed, StoreFailed, explain, primary_code
from bridge.store.rows import Columns, Condition, Rows, check_columns
from bridge.store.tables import RowDatabase

T = TypeVar("T")
Fields = Mapping[str, Any] | Callable[[MutableMapping[str, Any]], None]
log = logging.getLogger(__name__)
MOST_WARNINGS = 20


class Compacted(NamedTuple):
    """The file's size in bytes before and after."""

    previous_size: int
    new_size: int


class Store:
    """TinyDB documents in one SQLite file; all work is done in order on one thread of its own.

    `patience` is how many seconds a lock that another program holds on the file is waited for.
    """

    def __init__(self, path: Path, patience: float = 5.0) -> None:
        self.warnings: list[str] = []
        self._path = path
        self._patience = patience
        self._columns: dict[str, Columns] = {}
        self._is_open = False
        # Its one thread begins with the first work and ends with the store.
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="store")
        # Belongs to the worker's thread.
        self._db: RowDatabase | None = None

    async def open(self) -> None:
        """Open the file; a broken one is set aside, told in `warnings`, and a new one begun."""
        if self._is_open:
            return
        self._is_open = True
        try:
            await self._submit(self._open)
        except BaseException:
            # Also when the caller was cancelled: what is being opened is closed after it.
            self._worker.submit(self._close)
            self._is_open = False
            raise

    async def close(self) -> None:
        """Finish what was asked before, move the log into the file and close it."""
        if self._is_open:
            closing = self._submit(self._close)
            self._is_open = False
            await closing

    async def run(self) -> None:
        """Nothing by itself: work comes from those who await it."""

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def table(self, name: str, columns: Columns | None = None) -> "Table":
        """One table; fields named in `columns` are kept as indexed columns beside the document."""
        if columns is not None:
            check_columns(columns)
            if self._columns.setdefault(name, dict(columns)) != columns:
                raise ValueError(f"table {name!r} is declared with other columns already")
        return Table(self, name)

    async def write(self, work: Callable[[RowDatabase], T]) -> T:
        """Call `work` with the TinyDB in the store's thread; all it does is kept, or nothing."""

        def whole(db: RowDatabase) -> T:
            with db.rows.transaction():
                return work(db)

        return await self.read(whole)

    async def read(self, work: Callable[[RowDatabase], T]) -> T:
        """Like `write`, for what only looks; no transaction is begun."""
        return await self._submit(lambda: self._with_database(work))

    async def compact(self) -> Compacted:
        """Give free space in the file back to the disk."""
        return await self.read(_compact)

    async def backup(self, path: Path) -> None:
        """Copy the database to a file of its own."""
        await self.read(lambda db: _backup(db, path))

    async def restore(self, path: Path) -> list[str]:
        """Replace everything by a backup; the names of the tables it held."""
        return await self.read(lambda db: _restore(db, path))

    async def export(self) -> dict[str, dict[str, Any]]:
        """Everything, laid out as in a TinyDB JSON file: table -> id -> document."""
        return await self.read(_export)

    async def load(self, data: Mapping[str, Mapping[str, Any]]) -> None:
        """Replace everything by what `export` gave."""
        tables = _checked_export(data)
        await self.write(lambda db: db.storage.write(tables))

    def _submit(self, work: Callable[[], T]) -> asyncio.Future[T]:
        if not self._is_open:
            raise StoreClosed("The database is closed; nothing was read or written.")
        # Who waits here is bounded by the doors: each entry has a caller. One that is cancelled
        # leaves its work done whole or not at all.
        return asyncio.get_running_loop().run_in_executor(self._worker, work)

    def _open(self) -> None:
        try:
            connection = file.open_file(self._path, self._patience, self._warn)
        except sqlite3.Error as error:
            raise explain(error) from error
        rows = Rows(connection, self._columns, self._warn)
        self._db = RowDatabase(rows)
        if file.is_small(self._path):
            try:
                self._with_database(lambda db: db.rows.verify())
            except StoreFailed as error:
                self._warn(str(error))

    def _close(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            # The last connection to close moves the log into the file and removes it.
            db.rows.connection.close()

    def _with_database(self, work: Callable[[RowDatabase], T]) -> T:
        if self._db is None:
            raise StoreClosed("The database is closed; nothing was read or written.")
        try:
            return work(self._db)
        except sqlite3.Error as error:
            if primary_code(error) in DAMAGED:
                self._warn(
                    f"The database {self._path.name} is damaged; restart the bridge to begin a new one."
                )
            raise explain(error) from error
        except StopIteration as error:
            # A future cannot carry it: the caller would wait for ever.
            raise RuntimeError("a query or an update raised StopIteration") from error

    def _warn(self, text: str) -> None:
        if text not in self.warnings and len(self.warnings) < MOST_WARNINGS:
            self.warnings.append(text)
            log.warning("%s", text)


class Table:
    """TinyDB's table, awaited; queries and update functions are called in the store's thread."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self.name = name

    async def insert(self, document: Mapping[str, Any]) -> int:
        """Add a document; its id, higher than every id before."""
        return await self._store.write(lambda db: db.table(self.name).insert(document))

    async def insert_multiple(self, documents: Iterable[Mapping[str, Any]]) -> list[int]:
        """Add all documents or none; their ids."""
        return await self._store.write(lambda db: db.table(self.name).insert_multiple(documents))

    async def get(self, cond: QueryLike | None = None, *, doc_id: int | None = None) -> Document | None:
        """The document of that id, or the first that matches."""
        if doc_id is not None:
            return await self._store.read(lambda db: db.table(self.name).get(doc_id=doc_id))
        if cond is None:
            raise ValueError("get needs a query or a doc_id")
        return await self._store.read(lambda db: db.table(self.name).get(cond))

    async def search(self, cond: QueryLike) -> list[Document]:
        """All documents that match, in the order of their ids."""
        return await self._store.read(lambda db: db.table(self.name).search(cond))

    async def all(self) -> list[Document]:
        """All documents, in the order of their ids."""
        return await self._store.read(lambda db: db.table(self.name).all())

    async def page(
        self, *, where: Sequence[Condition] = (), order: str = "id", limit: int = 50, offset: int = 0
    ) -> list[Document]:
        """A part of the table by its columns: `where=[("start_time", ">", 5.0)], order="-start_time"`."""
        rows = await self._store.read(lambda db: db.rows.page(self.name, where, order, limit, offset))
        return [Document(document, doc_id) for doc_id, document in rows]

    async def count(self, cond: QueryLike | None = None, *, where: Sequence[Condition] = ()) -> int:
        """How many documents there are, match the query, or fulfil conditions on the columns."""
        if cond is None:
            return await self._store.read(lambda db: db.rows.count(self.name, where))
        return await self._store.read(
            lambda db: sum(1 for _, document in db.rows.stream(self.name) if cond(document))
        )

    async def update(
        self, fields: Fields, cond: QueryLike | None = None, *, doc_ids: Iterable[int] | None = None
    ) -> list[int]:
        """Set fields, or apply an operation, in the documents that match (all without a condition)."""
        return await self._store.write(lambda db: db.table(self.name).update(fields, cond, doc_ids))

    async def upsert(self, document: Mapping[str, Any], cond: QueryLike | None = None) -> list[int]:
        """Update what matches, or insert; a TinyDB Document is matched by its id."""
        return await self._store.write(lambda db: db.table(self.name).upsert(document, cond))

    async def remove(
        self, cond: QueryLike | None = None, *, doc_ids: Iterable[int] | None = None
    ) -> list[int]:
        """Remove what matches; the ids that went."""
        return await self._store.write(lambda db: db.table(self.name).remove(cond, doc_ids))

    async def clear(self) -> None:
        """Remove all documents; their ids do not come back."""
        await self._store.write(lambda db: db.table(self.name).truncate())


def _export(db: RowDatabase) -> dict[str, dict[str, Any]]:
    # `items` reads a table in one pass; dict() of the table itself would ask for each row.
    return {name: dict(rows.items()) for name, rows in (db.storage.read() or {}).items()}


def _compact(db: RowDatabase) -> Compacted:
    def size() -> int:
        (pages,) = db.rows.connection.execute("PRAGMA page_count").fetchone()
        (page,) = db.rows.connection.execute("PRAGMA page_size").fetchone()
        return int(pages) * int(page)

    before = size()
    db.rows.connection.execute("VACUUM")
    db.rows.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return Compacted(before, size())


def _backup(db: RowDatabase, path: Path) -> None:
    try:
        file.copy_out(db.rows.connection, path)
    except OSError as error:
        raise StoreFailed(f"The backup {path.name} cannot be written: {error.strerror}.") from error


def _restore(db: RowDatabase, path: Path) -> list[str]:
    last_ids = db.rows.last_ids()
    try:
        file.copy_in(path, db.rows.connection)
    except FileNotFoundError as error:
        raise NotFound(f"There is no backup {path.name}.") from error
    except file.Unusable as error:
        raise BadRequest(f"{path.name} cannot be restored: {error}.") from error
    db.rows.forget()
    with db.rows.transaction():
        db.rows.keep_ids(last_ids)
    return db.rows.names()


def _checked_export(data: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    for name, documents in data.items():
        if not isinstance(documents, Mapping):
            raise BadRequest(f"Table {name}: an object of documents by their ids was expected.")
        for doc_id, document in documents.items():
            if not str(doc_id).isdecimal() or not isinstance(document, Mapping):
                raise BadRequest(f"Table {name}: {doc_id!r} is no id, or its document no object.")
    return {name: dict(documents) for name, documents in data.items()}
