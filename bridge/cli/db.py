"""`klipper-bridge db`: the whole database as JSON, out of a bridge that does not run and into it again."""

import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from bridge import __version__, durable
from bridge.config import load
from bridge.errors import BadRequest, Conflict, NotFound
from bridge.folders import Folders
from bridge.store import Store
from bridge.store.lock import FolderLock, InUse

FAILED = 1
ID, LARGEST_ID = re.compile("[1-9][0-9]{0,18}"), 2**63 - 1
PATIENCE = 0.5  # seconds; a bridge that runs does not end meanwhile


class Export(msgspec.Struct, frozen=True):
    """What the file holds: every table, its documents by their ids."""

    format: Literal["klipper-bridge database"]
    version: Literal[1]
    written_by: str
    tables: dict[str, dict[str, dict[str, Any]]]


async def export(config: Path, target: Path | None) -> int:
    """Write everything to `target` or to standard output; 1 when some of it cannot be read."""
    folders = Folders(Path(load(config).data).expanduser())
    if not database(folders).exists():
        raise NotFound(
            f"there is no database at {database(folders)}; has the bridge run with this configuration?"
        )
    async with stopped(folders) as store:
        tables = await store.export()
        warnings = list(store.warnings)
    whole = Export("klipper-bridge database", 1, __version__, tables)
    text = msgspec.json.format(msgspec.json.encode(whole), indent=2) + b"\n"
    if target is None:
        sys.stdout.buffer.write(text)
    else:
        write(target, text)
    tell(f"{counted(tables)} exported{f' to {target}' if target else ''}", warnings)
    return FAILED if warnings else 0


async def load_in(config: Path, source: Path) -> int:
    """Replace everything by what `source` holds, or nothing; what was there is kept as a backup."""
    tables = read(source)
    folders = Folders(Path(load(config).data).expanduser())
    folders.make()
    before = folders.own / "backups" / f"before-import-{datetime.now().astimezone():%Y%m%d-%H%M%S}.db"
    kept = f"; what was there before is kept as {before}" if database(folders).exists() else ""
    async with stopped(folders) as store:
        if kept:
            await store.backup(before)
        await store.load(tables)
        warnings = list(store.warnings)
    tell(f"{counted(tables)} imported{kept}", warnings)
    return 0


def database(folders: Folders) -> Path:
    """Where the store is."""
    return folders.own / "bridge.db"


@asynccontextmanager
async def stopped(folders: Folders) -> AsyncIterator[Store]:
    """The store of a bridge that does not run, and that cannot begin to meanwhile."""
    lock = FolderLock(folders.own, patience=PATIENCE)
    try:
        await lock.open()
    except InUse as error:
        raise Conflict(
            f"{error}; stop it first, for example by: sudo systemctl stop klipper-bridge "
            "(a bridge that runs makes copies by server.database.post_backup)"
        ) from error
    try:
        async with Store(database(folders)) as store:
            yield store
    finally:
        await lock.close()


def read(source: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """The tables of an exported file, or BadRequest that says what is wrong with it."""
    try:
        tables = msgspec.json.decode(source.read_bytes(), type=Export).tables
    except OSError as error:
        raise NotFound(f"{source} cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadRequest(f"{source} is no export of the bridge's database: {error}") from error
    for name, documents in tables.items():
        for key in documents:
            if not ID.fullmatch(key) or int(key) > LARGEST_ID:
                raise BadRequest(f"{source}: '{key[:40]}' in table '{name[:40]}' is no id")
    return tables


def write(target: Path, text: bytes) -> None:
    """Put the file there whole or not at all, to be read by its owner alone."""
    try:
        durable.write(target, text, mode=0o600)
    except OSError as error:
        raise BadRequest(f"{target} cannot be written: {error.strerror}") from error


def counted(tables: dict[str, dict[str, Any]]) -> str:
    """How much that is, in words."""
    return f"{sum(map(len, tables.values()))} records of {len(tables)} tables"


def tell(done: str, warnings: list[str]) -> None:
    """What was done, beside the output."""
    for text in (*warnings, done):
        print(text, file=sys.stderr)
