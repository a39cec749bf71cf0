"""What can go wrong in the store, said to people."""

import sqlite3

from bridge.errors import BridgeError


class StoreClosed(BridgeError):
    """The store is not open (any more): nothing was read or written."""

    status = 503


class StoreFailed(BridgeError):
    """SQLite refused; nothing of the operation was kept."""

    status = 500


class DiskFull(StoreFailed):
    """No room for the write; what was there stays whole."""

    status = 507


EXPLAINED = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space and try again",
    sqlite3.SQLITE_BUSY: "another program keeps the database locked; try again when it is done",
    sqlite3.SQLITE_READONLY: "the database may only be read; check the owner of its file",
    sqlite3.SQLITE_CORRUPT: "the database is damaged; restart the bridge to begin a new one",
    sqlite3.SQLITE_NOTADB: "the database is damaged; restart the bridge to begin a new one",
    sqlite3.SQLITE_IOERR: "the disk does not read or write; check the card and the free space",
}
DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 when Python raised the error before SQLite was asked."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


def explain(error: sqlite3.Error) -> StoreFailed:
    """The same failure in words for people."""
    code = primary_code(error)
    kind = DiskFull if code == sqlite3.SQLITE_FULL else StoreFailed
    return kind(f"Nothing was stored: {EXPLAINED.get(code, error)}.")
