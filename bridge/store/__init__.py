"""The durable store: TinyDB's API over SQLite rows, off the event loop."""

from tinydb.table import Document

from bridge.store.errors import StoreClosed, StoreFailed
from bridge.store.rows import Columns, Condition
from bridge.store.store import Compacted, Store, Table
from bridge.store.tables import RowDatabase

__all__ = [
    "Columns",
    "Compacted",
    "Condition",
    "Document",
    "RowDatabase",
    "Store",
    "StoreClosed",
    "StoreFailed",
    "Table",
]
