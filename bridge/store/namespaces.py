"""Namespaces: what clients keep with us, one row for each top-level key, so that a change writes one row."""

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from bridge.errors import BadRequest, NotFound, TooLarge
from bridge.store.rows import Condition, Json
from bridge.store.store import Store
from bridge.store.tables import RowDatabase

TABLE = "namespaces"
COLUMNS = {"namespace": str, "key": str}
MAX_NAME = 255  # bytes of UTF-8 in the name of a namespace
MAX_PART = 1024  # bytes of UTF-8 in one part of a key
MAX_DEPTH = 64  # parts of a key; and again of objects and arrays in each other in a value
MAX_SIZE = 16 * 1024 * 1024  # bytes of JSON below one top-level key
ALL = -1  # SQLite's "no limit"
MISSING: Final = object()

Path = tuple[str, ...]


def checked_name(namespace: str) -> str:
    """A namespace's name, or BadRequest."""
    controls = any(unicodedata.category(char) == "Cc" for char in namespace)
    if controls or not 1 <= len(namespace.encode()) <= MAX_NAME:
        raise BadRequest(
            f"A namespace has a name of 1 to {MAX_NAME} bytes of UTF-8 without control characters"
        )
    return namespace


def parts_of(key: str | list[str]) -> Path:
    """The parts of a key: a string is divided at its dots, an array is taken as it is."""
    parts = tuple(key.split(".") if isinstance(key, str) else key)
    if not all(parts) or not 1 <= len(parts) <= MAX_DEPTH:
        raise BadRequest(f"A key has 1 to {MAX_DEPTH} parts, and none of them is empty")
    if any(len(part.encode()) > MAX_PART for part in parts):
        raise BadRequest(f"Each part of a key has at most {MAX_PART} bytes of UTF-8")
    return parts


def found_at(value: Any, path: Path) -> Any:
    """What is at `path` inside of `value`, or MISSING."""
    for part in path:
        if not isinstance(value, dict) or part not in value:
            return MISSING
        value = value[part]
    return value


class Namespaces:
    """All namespaces of clients; `change` and `remove` are one transaction each."""

    def __init__(self, store: Store) -> None:
        self._store = store
        store.table(TABLE, COLUMNS)

    async def names(self) -> list[str]:
        """Every namespace, by name."""
        return await self._store.read(_names)

    async def items(self, namespace: str, key: str | None = None) -> Json:
        """The top-level items of a namespace, or only that of `key`; empty where there are none."""
        where = _at(namespace, key)
        rows = await self._store.read(lambda db: db.rows.page(TABLE, where, "id", ALL, 0))
        return {
            document["key"]: document.get("value") for _, document in rows if document.get("key") is not None
        }

    async def put(self, namespace: str, path: Path, value: Any) -> None:
        """Set a value; objects that lead to it are made, and null on the way becomes one.

        A parent that holds something else raises BadRequest: nothing is lost by mistake.
        """
        await self._store.write(lambda db: _put(db, namespace, path, value))

    async def remove(self, namespace: str, path: Path) -> Any:
        """Take a value away and return it, or MISSING.

        An object that loses its last field stays, except at the top: there it goes, and the namespace
        with its last key.
        """
        return await self._store.write(lambda db: _remove(db, namespace, path))


@dataclass(frozen=True)
class View:
    """A table of the bridge's own, to be read as a namespace."""

    store: Store
    table: str
    where: Callable[[str], Condition]  # the row of a key
    key: Callable[[int, Mapping[str, Any]], str]
    value: Callable[[Mapping[str, Any]], Any]

    async def items(self, key: str | None = None) -> Json:
        """All rows by their keys, or only that of `key`."""
        where = [] if key is None else [self.where(key)]

        def read(db: RowDatabase) -> list[tuple[int, Json]]:
            return db.rows.page(self.table, where, "id", ALL, 0) if db.rows.exists(self.table) else []

        return {
            self.key(row, document): self.value(document) for row, document in await self.store.read(read)
        }


def _names(db: RowDatabase) -> list[str]:
    shape = db.rows.prepare(TABLE)
    select = shape.sql("SELECT DISTINCT namespace FROM @table WHERE namespace IS NOT NULL ORDER BY namespace")
    return [name for (name,) in db.rows.connection.execute(select)]


def _at(namespace: str, key: str | None = None) -> list[Condition]:
    if key is None:
        return [("namespace", "=", namespace)]
    # A range, so that SQLite takes the index of keys: few namespaces share one, while thousands of keys
    # may share a namespace.
    return [("key", "=", key), ("namespace", ">=", namespace), ("namespace", "<=", namespace)]


def _put(db: RowDatabase, namespace: str, path: Path, value: Any) -> None:
    top, *rest = path
    shape = db.rows.prepare(TABLE)
    rows = db.rows.page(TABLE, _at(namespace, top), "id", 1, 0)
    row, before = rows[0] if rows else (None, {})
    known = msgspec.json.encode(before)
    below = _with(before.get("value"), path, rest, _checked(value))
    document = {"namespace": namespace, "key": top, "value": below}
    wanted = msgspec.json.encode(document)
    if len(wanted) > MAX_SIZE:
        raise TooLarge(
            f"'{top}' would have {len(wanted)} bytes of JSON; at most {MAX_SIZE} are kept below one key"
        )
    if wanted == known:
        return  # saved as it was: nothing for the disk to do
    if row is None:
        _delete(db, namespace, top)  # a damaged record that `page` left out
        row = db.rows.last_id(TABLE) + 1
    db.rows.put(shape, row, document)


def _with(before: Any, path: Path, rest: list[str], value: Any) -> Any:
    """`before` with `value` put at `rest` inside of it."""
    if not rest:
        return value
    whole = {} if before is None else before
    parent = whole
    for depth, part in enumerate(rest, start=1):
        if not isinstance(parent, dict):
            raise BadRequest(
                f"'{'.'.join(path[:depth])}' holds a value that is no object, so nothing can be put below it"
            )
        if depth == len(rest):
            parent[part] = value
        elif parent.get(part) is None:
            parent[part] = {}
        parent = parent[part]
    return whole


def _checked(value: Any) -> Any:
    """The value, unless it is nested so deep that it could be written and not read."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return value
    raise BadRequest(f"The value is nested deeper than {MAX_DEPTH} objects and arrays")


def _inside(value: Any) -> Any:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _remove(db: RowDatabase, namespace: str, path: Path) -> Any:
    top, *between = path
    rows = db.rows.page(TABLE, _at(namespace, top), "id", 1, 0)
    if not rows:
        return MISSING
    row, document = rows[0]
    parent = found_at(document, ("value", *between[:-1])) if between else document
    last = between[-1] if between else "value"
    if not isinstance(parent, dict) or last not in parent:
        return MISSING
    value = parent.pop(last)
    if between and document["value"]:
        db.rows.put(db.rows.prepare(TABLE), row, document)
    else:
        _delete(db, namespace, top)
    return value


def _delete(db: RowDatabase, namespace: str, key: str) -> None:
    delete = db.rows.prepare(TABLE).sql(
        "DELETE FROM @table WHERE key IS ? AND namespace >= ? AND namespace <= ?"
    )
    db.rows.connection.execute(delete, [key, namespace, namespace])


def not_found(namespace: str, path: Path | None) -> NotFound:
    """Clients look for "not found" in it, to begin anew."""
    if path is None:
        return NotFound(f"Namespace '{namespace}' not found")
    return NotFound(f"Key '{'.'.join(path)}' in namespace '{namespace}' not found")
