"""The G-code files of the gcodes root and what is known of them: scanned once, remembered in the store."""

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakValueDictionary

import msgspec

from bridge.errors import BridgeError
from bridge.gcode import thumbnails
from bridge.gcode.gallery import ROOT, Gallery
from bridge.gcode.metadata import Metadata, Thumbnail
from bridge.gcode.records import Record, Records
from bridge.gcode.scan import scan
from bridge.roots import Roots
from bridge.signals import Signal
from bridge.store import Store

log = logging.getLogger(__name__)

AT_ONCE = 2  # scans; a Raspberry Pi prints meanwhile


@dataclass(frozen=True)
class FileState:
    """What tells whether a file is still the same."""

    size: int
    modified: float


@dataclass(frozen=True)
class Details:
    """All that is known of a file."""

    filename: str
    metadata: Metadata
    print_start_time: float | None
    job_id: str | None


class Library:
    """Metadata by path, size and time of change; a changed file is scanned again.

    Its pictures are taken out of a file once its metadata is known, while the library runs.
    """

    def __init__(self, roots: Roots, store: Store) -> None:
        self.described: Signal[Details] = Signal("metadata of a file")  # found anew, with its pictures
        self.gallery = Gallery(roots)
        self._roots = roots
        self._records = Records(store)
        self._scans = asyncio.Semaphore(AT_ONCE)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def open(self) -> None:
        """Remember."""
        await self._records.load()

    async def run(self) -> None:
        """Take pictures out of files, and write down what is found."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.gallery.run())
            group.create_task(self._records.run())

    async def close(self) -> None:
        """Write down what is left."""
        await self._records.flush()

    def state(self, filename: str) -> FileState | None:
        """Size and time of change of a file, or None where there is none."""
        try:
            found = self._roots.resolve(ROOT, filename).stat()
        except (BridgeError, OSError):
            return None
        return FileState(found.st_size, found.st_mtime)

    def path(self, filename: str) -> Path:
        """Where a file of the gcodes root is, or NotFound."""
        return self._roots.file(ROOT, filename)

    async def metadata(self, filename: str) -> Metadata | None:
        """What is known of a file; None where there is none that can be read."""
        found = await self.details(filename)
        return found.metadata if found else None

    async def details(self, filename: str, *, anew: bool = False) -> Details | None:
        """All that is known of a file; it is scanned when nothing is, or `anew`."""
        await self._records.load()
        state = self.state(filename)
        if state is None:
            return None
        if not anew and (known := self.known(filename, state)) is not None:
            self._check_pictures(known)
            return known
        turn = self._turns.setdefault(filename, asyncio.Lock())
        async with turn:  # who waited here may find that another has scanned it
            if not anew and (known := self.known(filename, state)) is not None:
                return known
            found = await self._scan(filename)
        if found is None:
            return None
        self._keep(filename, state, found)
        if not self._take_pictures(filename, state):
            self._tell(filename, state)
        return self.known(filename, state)

    def known(self, filename: str, state: FileState) -> Details | None:
        """What is known of a file in that state, without looking into it."""
        record = self._records.get(filename)
        if record is None or (record.size, record.modified) != (state.size, state.modified):
            return None
        metadata = record.metadata
        if metadata is None:
            return None
        return Details(filename, metadata, record.print_start_time, record.job_id)

    async def note_print(self, filename: str, job_id: str, start_time: float) -> None:
        """A print of this file has begun."""
        state = await asyncio.to_thread(self.state, filename)
        if state is not None:
            record = self._record(filename, state)
            record.job_id, record.print_start_time = job_id, start_time
            self._records.put(filename, record)

    def forget(self, filename: str) -> None:
        """A file is gone, and its pictures go with it."""
        self._remove_pictures(filename, _pictures(self._records.drop(filename)))

    def forget_folder(self, folder: str) -> None:
        """A folder is gone with all that was in it."""
        for path in self._records.paths(below=folder):
            self._records.drop(path)

    def forget_others(self, existing: set[str]) -> None:
        """Of all files, these are what there is."""
        for path in self._records.paths():
            if path not in existing:
                self._records.drop(path)

    def rename(self, old: str, new: str) -> None:
        """A file has another name; its pictures get it too."""
        record = self._records.drop(old)
        if record is None:
            return
        self._records.put(new, record)
        pictures, state = _pictures(record), FileState(record.size, record.modified)
        if pictures:
            before = self._roots.resolve(ROOT, old).parent

            def work(path: Path, folder: Path) -> list[Thumbnail]:
                return thumbnails.rename_thumbnails(pictures, before, path, folder)

            self.gallery.begin(new, work, lambda found: self._show(new, state, found))

    def rename_folder(self, old: str, new: str) -> None:
        """A folder has another name, and with it all that is in it."""
        for path in self._records.paths(below=old):
            record = self._records.drop(path)
            if record is not None:
                self._records.put(new + path[len(old) :], record)

    async def take_picture(self, filename: str, image: Path) -> None:
        """A picture came beside the file: it is the file's."""
        state = self.state(filename)
        found = await self.gallery.do(
            filename, lambda path, folder: thumbnails.thumbnails_of_image(image, path, folder)
        )
        if state is not None and found and await self.details(filename) is not None:
            self._show(filename, state, found)

    async def _scan(self, filename: str) -> Metadata | None:
        async with self._scans:
            try:
                return await asyncio.to_thread(scan, self.path(filename))
            except (BridgeError, OSError) as error:
                log.debug("%s cannot be scanned: %s", filename, error)
                return None

    def _record(self, filename: str, state: FileState) -> Record:
        """The record of a file in that state; a new one when it was another."""
        record = self._records.get(filename)
        if record is None or (record.size, record.modified) != (state.size, state.modified):
            return Record(state.size, state.modified)
        return record

    def _keep(self, filename: str, state: FileState, found: Metadata) -> None:
        before, record = self._records.get(filename), self._record(filename, state)
        if before is not record:
            self._remove_pictures(filename, _pictures(before))
        if not found.thumbnails and (pictures := _pictures(record)):  # they came beside the file
            found = msgspec.structs.replace(found, thumbnails=pictures)
        record.metadata = found
        self._records.put(filename, record)

    def _check_pictures(self, known: Details) -> None:
        """Take the pictures out again if somebody has deleted them."""
        if not self._are_there(known.filename, known.metadata):
            state = FileState(known.metadata.size, known.metadata.modified)
            self._take_pictures(known.filename, state)

    def _are_there(self, filename: str, metadata: Metadata) -> bool:
        folder = self._roots.resolve(ROOT, filename).parent
        return all((folder / picture.relative_path).exists() for picture in metadata.thumbnails or ())

    def _take_pictures(self, filename: str, state: FileState) -> bool:
        return self.gallery.begin(
            filename, thumbnails.extract_thumbnails, lambda found: self._show(filename, state, found)
        )

    def _remove_pictures(self, filename: str, pictures: list[Thumbnail]) -> None:
        if pictures:
            self.gallery.begin(filename, lambda _path, folder: _removed(pictures, folder), lambda _none: None)

    def _show(self, filename: str, state: FileState, pictures: list[Thumbnail]) -> None:
        """These are the file's pictures on the disk, unless it has changed meanwhile."""
        record = self._records.get(filename)
        if record is None or (record.size, record.modified) != (state.size, state.modified):
            return
        metadata = record.metadata
        if metadata is not None and (pictures or not self._are_there(filename, metadata)):
            record.metadata = msgspec.structs.replace(metadata, thumbnails=pictures or None)
            self._records.put(filename, record)
        self._tell(filename, state)

    def _tell(self, filename: str, state: FileState) -> None:
        if (known := self.known(filename, state)) is not None:
            self.described.emit(known)


def _pictures(record: Record | None) -> list[Thumbnail]:
    metadata = record.metadata if record is not None else None
    return (metadata.thumbnails or []) if metadata is not None else []


def _removed(pictures: list[Thumbnail], folder: Path) -> list[Thumbnail]:
    thumbnails.remove_thumbnails(pictures, folder)
    return []
