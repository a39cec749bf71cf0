"""server.database.*: what clients keep with the bridge, by namespace and key (seed 004, Database APIs)."""

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Protocol

import msgspec
from msgspec import Meta

from bridge.errors import BadRequest, BridgeError, Conflict, Forbidden, NotFound
from bridge.jobs.ledger import name_of
from bridge.roots import MAX_NAME, checked
from bridge.rpc import Access, Call, rpc
from bridge.signals import Signal
from bridge.store import Store
from bridge.store.namespaces import (
    MISSING,
    Namespaces,
    View,
    checked_name,
    found_at,
    not_found,
    parts_of,
)

log = logging.getLogger(__name__)

UNFINISHED = ".new"  # what a backup is called while it is written
METADATA_VERSION = 3  # of Moonraker's metadata fields, which ours are
VERSION = 1  # of the layout of namespaces
HEX = re.compile("[0-9A-Fa-f]{1,15}")  # a job's id
NO_ROW = -1
NamespaceName = Annotated[str, Meta(description="whose things: each client has a namespace of its own")]
Key = Annotated[
    str | list[str], Meta(description="a dot leads into an object; an array does too, and may hold dots")
]
BackupName = Annotated[str, Meta(description="name of a backup, without a path")]


class Shown(Protocol):
    """A reserved namespace: to be read, never to be written."""

    async def items(self, key: str | None = None) -> dict[str, Any]:
        """Its top-level items, or only that of `key`."""


class Item(msgspec.Struct, frozen=True):
    """A value and where it is."""

    namespace: str
    key: str | list[str] | None
    value: Any


class Listing(msgspec.Struct, frozen=True):
    """What there is."""

    namespaces: list[str]
    backups: list[str]


class Sizes(msgspec.Struct, frozen=True):
    """Bytes of the database's file."""

    previous_size: int
    new_size: int


class BackupPath(msgspec.Struct, frozen=True):
    """Where a backup is, or was."""

    backup_path: str


class Restored(msgspec.Struct, frozen=True):
    """What came out of a backup."""

    restored_tables: list[str]
    restored_namespaces: list[str]


class Database:
    """Namespaces of clients, the bridge's own for reading, and copies of it all."""

    components = ("database",)

    def __init__(
        self,
        store: Store,
        backups: Path,
        *,
        reserved: Mapping[str, Shown],
        busy: Callable[[], bool],
        restart: Callable[[], None],
    ) -> None:
        self._store, self._backups = store, backups
        self.written: Signal[str] = Signal("a namespace")
        self._namespaces = Namespaces(store)
        self._reserved = reserved
        self._busy, self._restart = busy, restart

    @rpc("server.database.list", "GET", access=Access.FILES)
    async def listing(self, call: Call) -> Listing:
        """All namespaces, the reserved ones too, and all backups."""
        names = await self._namespaces.names()
        return Listing(sorted({*names, *self._reserved}), await asyncio.to_thread(self._backup_names))

    @rpc("server.database.get_item", "GET", path="/server/database/item", access=Access.FILES)
    async def get_item(self, call: Call, *, namespace: NamespaceName, key: Key | None = None) -> Item:
        """The value at a key; without one the whole namespace."""
        path = None if key is None else parts_of(key)
        top = path[0] if path else None
        shown = self._reserved.get(namespace)
        if shown is not None:
            items = await shown.items(top)
        else:
            items = await self._namespaces.items(checked_name(namespace), top)
            if path is None and not items:
                raise not_found(namespace, None)
        value = items if path is None else found_at(items, path)
        if value is MISSING:
            raise not_found(namespace, path)
        return Item(namespace, key, value)

    @rpc("server.database.post_item", "POST", path="/server/database/item", access=Access.FILES)
    async def post_item(self, call: Call, *, namespace: NamespaceName, key: Key, value: Any) -> Item:
        """Keep a value, null too; objects that lead to it are made, any other parent is refused (400)."""
        self._own(namespace)
        await self._namespaces.put(namespace, parts_of(key), value)
        self.written.emit(namespace)
        return Item(namespace, key, value)

    @rpc("server.database.delete_item", "DELETE", path="/server/database/item", access=Access.FILES)
    async def delete_item(self, call: Call, *, namespace: NamespaceName, key: Key) -> Item:
        """Remove a key; its value is the answer.

        A top-level object goes with its last field, a namespace with its last key.
        """
        self._own(namespace)
        path = parts_of(key)
        value = await self._namespaces.remove(namespace, path)
        if value is MISSING:
            raise not_found(namespace, path)
        self.written.emit(namespace)
        return Item(namespace, key, value)

    @rpc("server.database.compact", "POST", access=Access.FILES)
    async def compact(self, call: Call) -> Sizes:
        """Give free space in the database's file back to the disk."""
        return Sizes(*await self._store.compact())

    @rpc("server.database.post_backup", "POST", path="/server/database/backup", access=Access.FILES)
    async def post_backup(self, call: Call, *, filename: BackupName | None = None) -> BackupPath:
        """Copy the database, by default under a name with the time; one of the same name is replaced."""
        if filename is None:
            filename = f"sqldb-backup-{datetime.now().astimezone():%Y%m%d-%H%M%S}.db"
        path = self._backup(filename)
        await self._store.backup(path)
        return BackupPath(str(path))

    @rpc("server.database.delete_backup", "DELETE", path="/server/database/backup", access=Access.FILES)
    async def delete_backup(self, call: Call, *, filename: BackupName) -> BackupPath:
        """Remove a backup."""
        path = self._backup(filename)
        try:
            await asyncio.to_thread(path.unlink)
        except FileNotFoundError as error:
            raise NotFound(f"Backup {filename} not found") from error
        except OSError as error:
            raise BadRequest(f"Backup {filename} cannot be removed: {error.strerror}") from error
        return BackupPath(str(path))

    @rpc("server.database.restore", "POST", access=Access.FILES)
    async def restore(self, call: Call, *, filename: BackupName) -> Restored:
        """Replace everything by a backup and restart the bridge; not while a print is in progress."""
        path = self._backup(filename)
        if self._busy():
            raise Conflict("A print is in progress; restore the database when it has ended")
        tables = await self._store.restore(path)
        answer = Restored(tables, await self._namespaces.names())
        log.warning("the database was replaced by its backup %s", path.name)
        try:
            self._restart()
        except BridgeError as error:
            log.warning("restart the bridge by hand, so that it works with what was restored: %s", error)
        return answer

    def _own(self, namespace: str) -> None:
        """Refuse what is no client's to change."""
        if namespace in self._reserved:
            raise Forbidden(f"Namespace '{namespace}' may only be read")
        checked_name(namespace)

    def _backup(self, filename: str) -> Path:
        """The place of a backup: one plain name in its folder."""
        parts = checked(filename)
        plain = len(parts) == 1 and parts[0] == filename and not filename.startswith(".")
        if not plain or filename.endswith(UNFINISHED) or len((filename + UNFINISHED).encode()) > MAX_NAME:
            raise BadRequest(
                f"A backup has a plain name, such as mine.db: no path, no dot first, no {UNFINISHED} last"
            )
        return self._backups / filename

    def _backup_names(self) -> list[str]:
        if not self._backups.is_dir():
            return []
        found = (path for path in self._backups.iterdir() if path.is_file())
        return sorted(path.name for path in found if not path.name.endswith(UNFINISHED))


class Fixed:
    """A reserved namespace of a few facts."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self._facts = dict(facts)

    async def items(self, key: str | None = None) -> dict[str, Any]:
        """All of them, or only that of `key`."""
        return {name: value for name, value in self._facts.items() if key in (None, name)}


def reserved(store: Store, instance_id: str) -> dict[str, Shown]:
    """The namespaces that Moonraker keeps for itself, out of what the bridge keeps."""
    facts = {
        "database": {"version": VERSION},
        "file_manager": {"metadata_version": METADATA_VERSION},
        "instance_id": instance_id,
    }
    return {
        "moonraker": Fixed(facts),
        "gcode_metadata": View(
            store,
            "gcode_metadata",
            where=lambda key: ("path", "=", key),
            key=lambda _row, document: str(document.get("path")),
            value=lambda document: document.get("metadata"),
        ),
        "history": View(
            store,
            "history",
            where=lambda key: ("id", "=", int(key, 16) if HEX.fullmatch(key) else NO_ROW),
            key=lambda row, _document: name_of(row),
            value=lambda document: document,
        ),
    }
