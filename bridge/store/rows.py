"""Documents as rows: one SQLite table for each TinyDB table, with chosen fields as indexed columns."""

import contextlib
import math
import re
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any
from urllib.parse import unquote

import msgspec

Json = dict[str, Any]
Columns = Mapping[str, type[float] | type[int] | type[str] | type[bool]]
Condition = tuple[str, str, object]

SQL_TYPES: Mapping[type, str] = {float: "REAL", int: "INTEGER", bool: "INTEGER", str: "TEXT"}
OPERATORS = {"=": "IS", "!=": "IS NOT", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
OWN = ("id", "doc", "crc")
CHUNK = 256
LARGEST = 2**63


@lru_cache(maxsize=256)
def sql_name(name: str) -> str:
    """Reversible and free of upper case, because SQLite's names ignore case and TinyDB's do not."""
    return "t_" + re.sub(rb"[^a-z0-9_]", lambda m: b"%%%02x" % m[0][0], name.encode()).decode()


@lru_cache(maxsize=256)
def on_table(name: str, statement: str) -> str:
    """The statement with its `@table` filled in."""
    return statement.replace("@table", f'"{sql_name(name)}"')


@dataclass(frozen=True)
class Shape:
    """One table and its columns beside the document."""

    name: str
    columns: Columns

    def sql(self, statement: str, **parts: str) -> str:
        """The statement with `@table` and the other marked parts filled in."""
        for mark, part in parts.items():
            statement = statement.replace(f"@{mark}", part)
        return on_table(self.name, statement)

    @cached_property
    def upsert(self) -> str:
        """The statement that writes one row, new or not."""
        names = [*OWN, *self.columns]
        return self.sql(
            "INSERT INTO @table (@names) VALUES (@values) ON CONFLICT (id) DO UPDATE SET @news",
            names=", ".join(f'"{name}"' for name in names),
            values=", ".join("?" * len(names)),
            news=", ".join(f'"{name}" = excluded."{name}"' for name in names[1:]),
        )

    def values(self, document: Mapping[str, Any]) -> list[object]:
        """What goes into the columns; NULL where the field is absent or of another type."""
        return [column_value(document.get(name), kind) for name, kind in self.columns.items()]


def column_value(value: object, kind: type) -> object:
    """The value if it fits the column, else None."""
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        kind = int
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        return None
    if isinstance(value, int) and not -LARGEST <= value < LARGEST:
        return None
    return None if isinstance(value, float) and not math.isfinite(value) else value


def check_columns(columns: Columns) -> None:
    """Refuse names and types that cannot be columns."""
    for name, kind in columns.items():
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name in OWN or kind not in SQL_TYPES:
            raise ValueError(f"{name!r}: {kind!r} cannot be a column")


class Rows:
    """All tables of one SQLite connection; every method belongs to the store's own thread."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        declared: Mapping[str, Columns],
        warn: Callable[[str], None],
    ) -> None:
        self.connection = connection
        self._declared = declared
        self._warn = warn
        self._ready: dict[str, Shape] = {}

    def forget(self) -> None:
        """Look at the file's tables anew."""
        self._ready.clear()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; inside another one it is a savepoint, so that a caught failure leaves nothing."""
        nested = self.connection.in_transaction
        self.connection.execute("SAVEPOINT inner" if nested else "BEGIN IMMEDIATE")
        try:
            yield
            self.connection.execute("RELEASE inner" if nested else "COMMIT")
        except BaseException:
            self.forget()
            # A full disk may have ended the transaction already.
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK TO inner" if nested else "ROLLBACK")
                if nested:
                    self.connection.execute("RELEASE inner")
            raise

    def names(self) -> list[str]:
        """The tables in the file."""
        found = self.connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY rowid")
        return [unquote(name.removeprefix("t_")) for (name,) in found if name.startswith("t_")]

    def exists(self, name: str) -> bool:
        """Whether the file has the table."""
        if name in self._ready:
            return True
        select = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
        return self.connection.execute(select, [sql_name(name)]).fetchone() is not None

    def drop(self, name: str) -> None:
        """Remove the table and its indexes."""
        self.connection.execute(on_table(name, "DROP TABLE IF EXISTS @table"))
        self._ready.pop(name, None)

    def prepare(self, name: str) -> Shape:
        """The table, made when missing, its columns brought to what is declared."""
        shape = self._ready.get(name)
        columns = self._declared.get(name, {})
        if shape is None or shape.columns != columns:
            shape = Shape(name, columns)
            with self.transaction():
                self._shape_table(shape)
            self._ready[name] = shape
        return shape

    def _shape_table(self, shape: Shape) -> None:
        run = self.connection.execute
        run(
            shape.sql(
                "CREATE TABLE IF NOT EXISTS @table"
                " (id INTEGER PRIMARY KEY AUTOINCREMENT, doc BLOB NOT NULL, crc INTEGER NOT NULL)"
            )
        )
        have = {row[1]: row[2] for row in run(shape.sql("PRAGMA table_info(@table)")).fetchall()[len(OWN) :]}
        want = {name: SQL_TYPES[kind] for name, kind in shape.columns.items()}
        for name in have.keys() - {name for name, kind in want.items() if have.get(name) == kind}:
            run(shape.sql('DROP INDEX IF EXISTS "@index"', index=index_name(shape, name)))
            run(shape.sql('ALTER TABLE @table DROP COLUMN "@column"', column=name))
            del have[name]
        missing = [name for name in want if name not in have]
        for name in missing:
            run(shape.sql('ALTER TABLE @table ADD COLUMN "@column" @kind', column=name, kind=want[name]))
            run(
                shape.sql(
                    'CREATE INDEX "@index" ON @table ("@column")', index=index_name(shape, name), column=name
                )
            )
        if missing:
            for doc_id, document in self.stream(shape.name):
                self.put(shape, doc_id, document)

    def last_id(self, name: str) -> int:
        """The highest id that was ever given in this table."""
        return self.last_ids().get(sql_name(name), 0)

    def last_ids(self) -> dict[str, int]:
        """The highest id that was ever given, by SQL name."""
        return dict(self.connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall())

    def keep_ids(self, last_ids: Mapping[str, int]) -> None:
        """Give no id again that was given before the tables were replaced."""
        now = self.last_ids()
        higher = [(name, seq) for name, seq in last_ids.items() if seq > now.get(name, 0)]
        self.connection.executemany(
            "DELETE FROM sqlite_sequence WHERE name = ?", [(name,) for name, _ in higher]
        )
        self.connection.executemany("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", higher)

    def count(self, name: str, where: Sequence[Condition] = ()) -> int:
        """How many rows there are, or fulfil the conditions."""
        if not self.exists(name):
            return 0
        shape = self.prepare(name) if where else Shape(name, {})
        clause, values = where_clause(shape, where)
        select = shape.sql("SELECT count(*) FROM @table @where", where=clause)
        row = self.connection.execute(select, values).fetchone()
        return int(row[0])

    def ids(self, name: str) -> list[int]:
        """Every id, ascending."""
        if not self.exists(name):
            return []
        return [
            row[0] for row in self.connection.execute(on_table(name, "SELECT id FROM @table ORDER BY id"))
        ]

    def has(self, name: str, doc_id: int) -> bool:
        """Whether there is a row of this id, readable or not."""
        if not self.exists(name):
            return False
        select = on_table(name, "SELECT 1 FROM @table WHERE id = ?")
        return self.connection.execute(select, [doc_id]).fetchone() is not None

    def fetch(self, name: str, doc_id: int) -> Json | None:
        """One document."""
        if not self.exists(name):
            return None
        select = on_table(name, "SELECT doc, crc FROM @table WHERE id = ?")
        row = self.connection.execute(select, [doc_id]).fetchone()
        return self._decode(name, doc_id, *row) if row else None

    def stream(self, name: str) -> Iterator[tuple[int, Json]]:
        """Every readable document in the order of ids."""
        for doc_id, raw, crc in self._pieces(name):
            document = self._decode(name, doc_id, raw, crc)
            if document is not None:
                yield doc_id, document

    def verify(self) -> None:
        """Tell of every document whose bytes are not those that were written."""
        for name in self.names():
            for doc_id, raw, crc in self._pieces(name):
                if checksum(raw) != crc:
                    self._decode(name, doc_id, raw, crc)

    def _pieces(self, name: str) -> Iterator[tuple[int, bytes, int]]:
        # Fetched in pieces: no cursor stays open when the reader stops half way.
        if not self.exists(name):
            return
        select = on_table(name, "SELECT id, doc, crc FROM @table WHERE id > ? ORDER BY id LIMIT ?")
        last = -LARGEST
        while rows := self.connection.execute(select, [last, CHUNK]).fetchall():
            yield from rows
            last = rows[-1][0]

    def page(
        self, name: str, where: Sequence[Condition], order: str, limit: int, offset: int
    ) -> list[tuple[int, Json]]:
        """Rows by their columns; `order` is a column or `id`, with `-` in front for descending."""
        shape = self.prepare(name)
        clause, values = where_clause(shape, where)
        column, way = (order[1:], "DESC") if order.startswith("-") else (order, "ASC")
        check_name(shape, column)
        select = shape.sql(
            'SELECT id, doc, crc FROM @table @where ORDER BY "@column" @way, id @way LIMIT ? OFFSET ?',
            where=clause,
            column=column,
            way=way,
        )
        rows = self.connection.execute(select, [*values, limit, offset]).fetchall()
        decoded = ((row[0], self._decode(name, *row)) for row in rows)
        return [(doc_id, document) for doc_id, document in decoded if document is not None]

    def put(self, shape: Shape, doc_id: int, document: Mapping[str, Any]) -> None:
        """Write one document and its columns, new or not."""
        raw = msgspec.json.encode(document)
        self.connection.execute(shape.upsert, [doc_id, raw, checksum(raw), *shape.values(document)])

    def delete(self, shape: Shape, doc_id: int | None) -> int:
        """Remove one document, or all; how many went."""
        if doc_id is None:
            return self.connection.execute(shape.sql("DELETE FROM @table")).rowcount
        return self.connection.execute(shape.sql("DELETE FROM @table WHERE id = ?"), [doc_id]).rowcount

    def _decode(self, name: str, doc_id: int, raw: bytes, crc: int) -> Json | None:
        sound = checksum(raw) == crc
        try:
            document = msgspec.json.decode(raw, type=Json)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError):
            self._warn(f"Record {doc_id} of {name} in the database is damaged and is left out.")
            return None
        if not sound:
            self._warn(f"Record {doc_id} of {name} in the database was not written by the bridge; check it.")
        return document


def checksum(raw: object) -> int:
    """What tells a damaged document; a scribbled row may hold something else than bytes."""
    return zlib.crc32(raw) if isinstance(raw, bytes) else -1


def index_name(shape: Shape, column: str) -> str:
    """A column's index; the table's name cannot hold a dot."""
    return f"i_{sql_name(shape.name)}.{column}"


def check_name(shape: Shape, column: str) -> None:
    """Refuse what is no column: it would become part of a statement."""
    if column != "id" and column not in shape.columns:
        raise ValueError(f"{shape.name} has no column {column!r}")


def where_clause(shape: Shape, where: Sequence[Condition]) -> tuple[str, list[object]]:
    """The SQL of conditions such as ("start_time", ">", 5.0), and its values."""
    parts = []
    for column, operator, _ in where:
        check_name(shape, column)
        if operator not in OPERATORS:
            raise ValueError(f"{operator!r} is none of {' '.join(OPERATORS)}")
        parts.append(f'"{column}" {OPERATORS[operator]} ?')
    return ("WHERE " + " AND ".join(parts) if parts else ""), [value for _, _, value in where]
