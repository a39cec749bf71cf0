"""The store's one file: opened, checked, set aside when broken, begun anew, copied."""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from bridge import durable
from bridge.store.errors import primary_code

APPLICATION = int.from_bytes(b"KlBr")
VERSION = 1
# A full check reads every page: 1 ms a megabyte here, perhaps ten from a cold card.
CHECKED_SIZE = 64 * 1024 * 1024
SETTINGS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA trusted_schema=OFF",
)
BEGINNING = (
    # Nothing waits for the disk here: `replace` does, once.
    "PRAGMA synchronous=OFF",
    f"PRAGMA application_id={APPLICATION}",
    f"PRAGMA user_version={VERSION}",
    # Leaves SQLite's table of the highest ids ever given.
    "CREATE TABLE first (id INTEGER PRIMARY KEY AUTOINCREMENT)",
    "DROP TABLE first",
)
COMPANIONS = ("", "-wal", "-shm")
# Moving the file away would not help against these.
NOT_THE_FILE = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM})

Warn = Callable[[str], None]


class Unusable(Exception):
    """Why the file cannot be the store."""


def is_small(path: Path) -> bool:
    """Whether the whole file is read and checked when it is opened."""
    return not path.exists() or path.stat().st_size <= CHECKED_SIZE


def open_file(path: Path, patience: float, warn: Warn) -> sqlite3.Connection:
    """The database at `path`; whatever is wrong with it, there is one to work with afterwards."""
    try:
        return _open(path, patience)
    except (Unusable, OSError, sqlite3.Error) as error:
        if isinstance(error, sqlite3.Error) and primary_code(error) in NOT_THE_FILE:
            raise
        reason = _brief(error)
    aside = None
    try:
        aside = _set_aside(path)
        connection = _open(path, patience)
    except (Unusable, OSError, sqlite3.Error) as error:
        if aside is not None:
            _move(aside, path)
        warn(
            f"The database {path.name} could not be opened ({_brief(error)}) and no other can be made beside "
            "it: nothing will be kept. Check the disk, the folder and its owner, then restart."
        )
        connection = _connect(":memory:")
        _apply(connection, BEGINNING)
        return connection
    kept = f" It is kept as {aside.name}." if aside else ""
    warn(f"The database {path.name} could not be used: {reason}.{kept} A new, empty one was begun.")
    return connection


def _brief(error: Exception) -> str:
    # An OSError's own text shows the whole path.
    return str(error.strerror if isinstance(error, OSError) else error)


def _open(path: Path, patience: float) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        if _beside(path, "-wal").exists():
            raise Unusable("the file is gone while its log is there")
        _begin(path)
    if not os.access(path, os.W_OK):  # SQLite would tell at the first write
        raise Unusable("this user may not write to it")
    connection = _connect(str(path), patience)
    try:
        # Before any setting: what is not ours must not be touched.
        check(connection, path)
        _apply(connection, SETTINGS)
        _apply(connection, ["BEGIN IMMEDIATE", "ROLLBACK"])
    except BaseException:
        connection.close()
        raise
    return connection


def _connect(where: str, patience: float = 0) -> sqlite3.Connection:
    connection = sqlite3.connect(where, timeout=patience, isolation_level=None, uri=where.startswith("file:"))
    # A scribbled name or message must not raise where SQLite itself does not.
    connection.text_factory = partial(str, encoding="utf-8", errors="replace")
    return connection


def _apply(connection: sqlite3.Connection, statements: Sequence[str]) -> None:
    for statement in statements:
        connection.execute(statement)


def check(connection: sqlite3.Connection, path: Path) -> None:
    """Raise Unusable unless this is a sound database of ours that we understand."""

    def ask(pragma: str) -> object:
        # Every question reads the file's head, which finds missing pages.
        try:
            return connection.execute(f"PRAGMA {pragma}").fetchone()[0]
        except UnicodeDecodeError as error:
            # Python cannot read SQLite's own complaint when it quotes a scribbled name.
            raise Unusable("it is damaged") from error

    if ask("application_id") != APPLICATION:
        raise Unusable("it is not a database of the bridge")
    version = ask("user_version")
    if version != VERSION:
        raise Unusable(
            f"it was written by another version of the bridge (format {version}, known is {VERSION})"
        )
    size, log = path.stat().st_size, _beside(path, "-wal")
    # SQLite takes a page cut short for a page with zeros; with a log, it may be just being written.
    if size % int(str(ask("page_size"))) and not (log.exists() and log.stat().st_size):
        raise Unusable("its end is missing")
    if is_small(path) and (answer := ask("quick_check(1)")) != "ok":
        raise Unusable(f"it is damaged ({answer})")


def _begin(path: Path) -> None:
    # Made under another name: an empty file at `path` is then always the trace of an accident.
    fresh = _beside(path, ".new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    with contextlib.closing(_connect(str(fresh))) as connection:
        _apply(connection, BEGINNING)
    durable.replace(fresh, path)


def _set_aside(path: Path) -> Path | None:
    stamp = datetime.now().astimezone().strftime("%Y%m%dT%H%M%S")
    aside = _beside(path, f".broken-{stamp}")
    count = 1
    while any(_beside(aside, end).exists() for end in COMPANIONS):
        count += 1
        aside = _beside(path, f".broken-{stamp}-{count}")
    return aside if _move(path, aside) else None


def _move(path: Path, target: Path) -> bool:
    found = [end for end in COMPANIONS if os.path.lexists(_beside(path, end))]
    for end in found:
        _beside(path, end).rename(_beside(target, end))
    return bool(found)


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def copy_out(connection: sqlite3.Connection, target: Path) -> None:
    """A copy of the database as one self-contained file; there is never half of one under its name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = _beside(target, ".new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    try:
        with contextlib.closing(_connect(str(fresh))) as copy:
            connection.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
        durable.replace(fresh, target)
    except (OSError, sqlite3.Error):
        fresh.unlink(missing_ok=True)
        raise


def copy_in(source: Path, connection: sqlite3.Connection) -> None:
    """Replace everything by the copy at `source`, in one transaction; Unusable when it is no good copy."""
    source.stat()
    with contextlib.closing(_connect(f"{source.absolute().as_uri()}?mode=ro")) as copy:
        try:
            check(copy, source)
        except sqlite3.DatabaseError as error:
            raise Unusable(str(error)) from error
        copy.backup(connection)
