"""TinyDB's extension points: a Storage, a Table and a database that work on rows."""

from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, cast

import msgspec
from tinydb import TinyDB
from tinydb.queries import QueryLike
from tinydb.storages import Storage
from tinydb.table import Table

from bridge.store.errors import StoreFailed
from bridge.store.rows import CHUNK, Json, Rows


class StoredRows(Mapping[str, Json]):
    """A table as TinyDB reads it: one row by its id, or a stream of all."""

    def __init__(self, rows: Rows, name: str) -> None:
        self._rows = rows
        self._name = name

    def __getitem__(self, doc_id: str) -> Json:
        document = self._rows.fetch(self._name, int(doc_id))
        if document is None:
            raise KeyError(doc_id)
        return document

    def __iter__(self) -> Iterator[str]:
        return map(str, self._rows.ids(self._name))

    def __len__(self) -> int:
        return self._rows.count(self._name)

    def items(self) -> ItemsView[str, Json]:
        """All rows in one pass instead of one query a row."""
        return RowItems(self, self._rows.stream(self._name))


class RowItems(ItemsView[str, Json]):
    """One pass over a table."""

    def __init__(self, rows: StoredRows, stream: Iterator[tuple[int, Json]]) -> None:
        super().__init__(rows)
        self._stream = stream

    def __iter__(self) -> Iterator[tuple[str, Json]]:
        return ((str(doc_id), document) for doc_id, document in self._stream)


class LiveRows(MutableMapping[int, Json]):
    """A table as TinyDB changes it, inside a transaction; documents changed in place are found by `flush`."""

    def __init__(self, rows: Rows, name: str) -> None:
        self._rows = rows
        self._shape = rows.prepare(name)
        self._loaded: dict[int, tuple[bytes, Json]] = {}

    def __getitem__(self, doc_id: int) -> Json:
        if doc_id not in self._loaded:
            # TinyDB is done with a document before it takes the next one, so memory stays bounded.
            if len(self._loaded) >= CHUNK:
                self.flush()
            self._loaded[doc_id] = self._load(doc_id)
        return self._loaded[doc_id][1]

    def _load(self, doc_id: int) -> tuple[bytes, Json]:
        document = self._rows.fetch(self._shape.name, doc_id)
        if document is not None:
            return msgspec.json.encode(document), document
        if doc_id in self:
            raise StoreFailed(
                f"Record {doc_id} of {self._shape.name} is damaged; remove it or write it anew."
            )
        raise KeyError(doc_id)

    def __setitem__(self, doc_id: int, document: Json) -> None:
        self._loaded.pop(doc_id, None)
        self._rows.put(self._shape, doc_id, document)

    def __delitem__(self, doc_id: int) -> None:
        self._loaded.pop(doc_id, None)
        if not self._rows.delete(self._shape, doc_id):
            raise KeyError(doc_id)

    def __contains__(self, doc_id: object) -> bool:
        return isinstance(doc_id, int) and self._rows.has(self._shape.name, doc_id)

    def __iter__(self) -> Iterator[int]:
        return iter(self._rows.ids(self._shape.name))

    def __len__(self) -> int:
        return self._rows.count(self._shape.name)

    def clear(self) -> None:
        """Remove all rows in one statement."""
        self._loaded.clear()
        self._rows.delete(self._shape, None)

    def flush(self) -> None:
        """Write the documents that were changed in place."""
        for doc_id, (raw, document) in self._loaded.items():
            if msgspec.json.encode(document) != raw:
                self._rows.put(self._shape, doc_id, document)
        self._loaded.clear()


class RowStorage(Storage):
    """TinyDB's view of the whole file; tables read and write their rows past it."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    def read(self) -> dict[str, dict[str, Any]]:
        """Every table, its rows read only when they are asked for."""
        # TinyDB promises itself dicts and uses them as mappings.
        return {name: cast("dict[str, Any]", StoredRows(self.rows, name)) for name in self.rows.names()}

    def write(self, data: dict[str, dict[str, Any]]) -> None:
        """Make the file hold exactly these tables; those that `read` gave are as they should be."""
        with self.rows.transaction():
            last_ids = self.rows.last_ids()
            for name in self.rows.names():
                if name not in data:
                    self.rows.drop(name)
            for name, documents in data.items():
                if isinstance(cast("object", documents), StoredRows):
                    continue
                live = LiveRows(self.rows, name)
                live.clear()
                for doc_id, document in documents.items():
                    live[int(doc_id)] = document
            self.rows.keep_ids(last_ids)


class RowTable(Table):
    """TinyDB's table with its reads and writes going to single rows."""

    def __init__(
        self, storage: RowStorage, name: str, cache_size: int = 0, *, persist_empty: bool = False
    ) -> None:
        self._rows = storage.rows
        # A query cache would hand the same document to two callers, and keep its memory.
        super().__init__(storage, name, cache_size, persist_empty)

    def update(
        self,
        fields: Mapping[str, Any] | Callable[[MutableMapping[str, Any]], None],
        cond: QueryLike | None = None,
        doc_ids: Iterable[int] | None = None,
    ) -> list[int]:
        """TinyDB's update; what matches is found in one pass."""
        if doc_ids is None and cond is not None:
            doc_ids = self._matching(cond)
        return super().update(fields, doc_ids=doc_ids)

    def remove(self, cond: QueryLike | None = None, doc_ids: Iterable[int] | None = None) -> list[int]:
        """TinyDB's remove; what matches is found in one pass."""
        if doc_ids is None and cond is not None:
            doc_ids = self._matching(cond)
        return super().remove(doc_ids=doc_ids)

    def _matching(self, cond: QueryLike) -> list[int]:
        return [doc_id for doc_id, document in self._rows.stream(self.name) if cond(document)]

    def _get_next_id(self) -> int:
        return self._rows.last_id(self.name) + 1

    def _read_table(self) -> dict[str, Mapping[Any, Any]]:
        return cast("dict[str, Mapping[Any, Any]]", StoredRows(self._rows, self.name))

    def _update_table(self, updater: Callable[[dict[int, Mapping[Any, Any]]], None]) -> None:
        with self._rows.transaction():
            live = LiveRows(self._rows, self.name)
            updater(cast("dict[int, Mapping[Any, Any]]", live))
            live.flush()


class RowDatabase(TinyDB):
    """TinyDB over one SQLite connection."""

    table_class: type[Table] = RowTable

    def __init__(self, rows: Rows) -> None:
        super().__init__(rows, storage=RowStorage)
        self.rows = rows
