"""What clients do to files: each visible step is one rename, seen by nobody half done."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from bridge import durable
from bridge.errors import BadRequest, Forbidden, NotFound
from bridge.files import archive, disk
from bridge.files.entry import Entry, stat_entry
from bridge.files.index import PICTURES, Index
from bridge.files.items import FileChange, Item, SourceItem, gone, item
from bridge.files.names import Names
from bridge.roots import Place, Roots
from bridge.threads import to_its_end

InUse = Callable[[], frozenset[Path]]  # what is printing, or about to


class Zipped(msgspec.Struct, frozen=True):
    """An archive that was written."""

    destination: Item
    action: str = "zip_files"


class Operations:
    """Folders and files: make, move, copy, delete, pack; and the last step of an upload."""

    def __init__(self, roots: Roots, index: Index, names: Names, in_use: InUse) -> None:
        self._roots, self._index, self._names, self._in_use = roots, index, names, in_use

    async def make_folder(self, path: str) -> FileChange:
        """Make one folder."""
        place = self._writable(path)
        self._check_parent(place)
        async with self._index.turn:
            with disk.speaking_of(place.shown):
                await asyncio.to_thread(place.file.mkdir)
            return self._created(place)

    async def make_folders(self, place: Place) -> None:
        """Make a folder, and those it is in, where they are missing."""
        missing: list[Place] = []
        while place.path and not place.file.is_dir():
            missing.append(place)
            place = Place(place.root, place.path.rpartition("/")[0], place.file.parent)
        for folder in reversed(missing):
            async with self._index.turn:
                with disk.speaking_of(folder.shown):
                    await asyncio.to_thread(folder.file.mkdir, exist_ok=True)
                if self._index.entry(folder) is None:
                    self._created(folder)

    async def delete_folder(self, path: str, *, force: bool) -> FileChange:
        """Delete a folder; one that holds something only by `force`."""
        place = self._existing(self._writable(path))
        if not place.file.is_dir():
            raise BadRequest(f"{place.shown} is no folder; server.files.delete_file deletes files")
        async with self._index.turn:
            if not force and await asyncio.to_thread(_names, place) - {PICTURES}:
                raise BadRequest(f"{place.shown} is not empty; force=true deletes it with all that is in it")
            self._check_free(place)
            aside = self._names.new(place.file.parent)
            with disk.speaking_of(place.shown):
                await asyncio.to_thread(place.file.rename, aside)
            self._index.drop(place)
            change = self._tell(FileChange("delete_dir", gone(place.root, place.path)))
        await asyncio.to_thread(disk.remove, aside)
        return change

    async def delete_file(self, path: str) -> FileChange:
        """Delete a file."""
        place = self._existing(self._writable(path))
        if place.file.is_dir():
            raise BadRequest(f"{place.shown} is a folder; server.files.delete_directory deletes folders")
        async with self._index.turn:
            self._check_free(place)
            with disk.speaking_of(place.shown):
                await asyncio.to_thread(place.file.unlink)
            self._index.drop(place)
            return self._tell(FileChange("delete_file", gone(place.root, place.path)))

    async def move(self, source: str, dest: str) -> FileChange:
        """Move or rename; into a folder where `dest` is one, over a file where it is that."""
        here = self._existing(self._writable(source))
        there = self._target(here, self._writable(dest))
        for place in (here, there):
            self._check_free(place)
        if there.shown.startswith(f"{here.shown}/"):
            raise BadRequest(f"{here.shown} cannot go into itself")
        with disk.speaking_of(there.shown):
            beside = await asyncio.to_thread(self._carried, here.file, there)
        try:
            if beside != here.file:  # on the disk, whatever its size, before its source goes
                await asyncio.to_thread(disk.settle_all, beside)
            entry, aside = await self._rename(here, there, beside)
        except BaseException:
            if beside != here.file:
                await asyncio.to_thread(disk.remove, beside)
            raise
        if here.root != there.root:
            await self._adopt(there, entry)
        if aside is not None:
            await asyncio.to_thread(disk.remove, aside)
        action: Literal["move_dir", "move_file"] = "move_dir" if entry.folder else "move_file"
        return self._tell(FileChange(action, item(there, entry), SourceItem(here.path, here.root.name)))

    async def _rename(self, here: Place, there: Place, beside: Path) -> tuple[Entry, Path | None]:
        """The visible step of a move; what is there now, and what of the source is still to be removed."""
        async with self._index.turn:
            for place in (here, there):
                self._check_free(place)
            aside = None if beside == here.file else self._names.spare(here.file.parent)
            await to_its_end(_exchange, here, there, beside, aside)
            entry = self._entry(there)
            self._index.move(here, there, entry)
        return entry, aside

    async def copy(self, source: str, dest: str) -> FileChange:
        """Copy a file or a folder; into a folder where `dest` is one."""
        here = self._existing(self._roots.locate(source))
        there = self._target(here, self._writable(dest))
        self._check_free(there)
        if there.shown.startswith(f"{here.shown}/"):
            raise BadRequest(f"{here.shown} cannot go into itself")
        beside = self._names.new(there.file.parent)
        with disk.speaking_of(there.shown):
            await asyncio.to_thread(disk.copy, here.file, beside, self._roots.is_reserved)
        return await self.put(beside, there)

    async def pack(self, dest: str | None, items: list[str], *, store_only: bool) -> Zipped:
        """Write an archive of files and folders."""
        dest = dest or f"config/collection-{time.strftime('%Y%m%d-%H%M%S')}.zip"
        there = self._writable(dest)
        self._check_free(there)
        self._check_parent(there)
        places = [self._existing(self._roots.locate(one)) for one in items]
        beside = self._names.new(there.file.parent)
        with disk.speaking_of(there.shown):
            await asyncio.to_thread(archive.write, self._roots, places, beside, store_only=store_only)
        change = await self.put(beside, there)
        return Zipped(change.item)

    async def put(self, temporary: Path, there: Place) -> FileChange:
        """Give what was written its name, over what had it before; nothing is left on errors."""
        try:
            with disk.speaking_of(there.shown):
                beside = await asyncio.to_thread(self._carried, temporary, there)
                if beside != temporary:
                    await asyncio.to_thread(disk.remove, temporary)
                    temporary = beside
            async with self._index.turn:
                self._check_free(there)
                with disk.speaking_of(there.shown):
                    replaced = there.file.exists()
                    await asyncio.to_thread(temporary.replace, there.file)
                    entry = self._entry(there)
                self._index.put(there, entry)
        except BaseException:
            await asyncio.to_thread(disk.remove, temporary)
            raise
        await self._adopt(there, entry)
        if entry.folder:
            return self._tell(FileChange("create_dir", item(there, entry)))
        return self._tell(FileChange("modify_file" if replaced else "create_file", item(there, entry)))

    def _carried(self, source: Path, there: Place) -> Path:
        """What can be renamed to the target: the source itself, or a copy of it on the target's disk."""
        folder = there.file.parent
        if source.lstat().st_dev == folder.stat().st_dev:
            return source
        beside = self._names.new(folder)
        disk.copy(source, beside)
        return beside

    async def _adopt(self, place: Place, entry: Entry) -> None:
        if entry.folder:
            await self._index.adopt(place)

    def _created(self, place: Place) -> FileChange:
        entry = self._entry(place)
        self._index.put(place, entry)
        return self._tell(FileChange("create_dir", item(place, entry)))

    def _tell(self, change: FileChange) -> FileChange:
        self._index.changed.emit(change)
        return change

    def _entry(self, place: Place) -> Entry:
        entry = stat_entry(place)
        if entry is None:
            raise NotFound(f"{place.shown} has just been taken away")
        return entry

    def _writable(self, path: str) -> Place:
        """A place that may be changed; no root itself is one."""
        place = self._roots.locate(path)
        if not place.root.writable:
            raise Forbidden(f"The root {place.root.name} is read-only")
        if not place.path:
            raise Forbidden(f"The root {place.root.name} itself cannot be changed")
        return place

    def _existing(self, place: Place) -> Place:
        if not place.file.exists():
            raise NotFound(f"{place.shown} does not exist")
        return place

    def _target(self, here: Place, there: Place) -> Place:
        """Where something goes: into a folder that is there already, else to that very name."""
        if there.file.is_dir():
            there = there.below(here.file.name)
        self._check_parent(there)
        if there.file.exists():
            if there.file.is_dir() or here.file.is_dir():
                raise BadRequest(f"{there.shown} exists already")
            if there.file.samefile(here.file):
                raise BadRequest(f"{there.shown} is where it is already")
        return there

    def _check_parent(self, place: Place) -> None:
        if not place.file.parent.is_dir():
            folder = place.shown.rpartition("/")[0]
            raise NotFound(f"The folder {folder} does not exist")

    def _check_free(self, place: Place) -> None:
        """Refuse what would pull a file from under a print, or show what is hidden."""
        real = Path(os.path.realpath(place.file))
        if any(used == real or real in used.parents for used in self._in_use()):
            raise Forbidden(f"{place.shown} is printing; wait until that has ended")
        if self._roots.holds_reserved(str(real)):
            raise Forbidden(f"{place.shown} holds files that the bridge needs")


def _exchange(here: Place, there: Place, beside: Path, aside: Path | None) -> None:
    """Give what is moved its new name; of one that was copied to another disk the source is put aside.

    The source goes first: where it cannot, its target stays as it is.
    """
    if aside is None:
        with disk.speaking_of(there.shown):
            beside.rename(there.file)
        return
    with disk.speaking_of(here.shown):
        here.file.rename(aside)
    with disk.speaking_of(there.shown):
        try:
            durable.rename(beside, there.file)
        except OSError:
            aside.rename(here.file)
            raise


def _names(place: Place) -> set[str]:
    with disk.speaking_of(place.shown):
        return {path.name for path in place.file.iterdir()}
