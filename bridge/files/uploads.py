"""Uploads: whether there is room, where they go, and what follows when they are whole."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bridge.errors import BadRequest, BridgeError, Forbidden, NoSpace, TooLarge, Unprocessable
from bridge.files import disk
from bridge.files.incoming import Incoming
from bridge.files.index import GCODES
from bridge.files.items import Item, Started, Uploaded
from bridge.files.names import Names
from bridge.files.operations import InUse, Operations
from bridge.gcode.library import Library
from bridge.gcode.objects import mark_objects
from bridge.gcode.ufp import UfpError, is_ufp, unpack
from bridge.roots import Place, Roots, checked

AT_ONCE = 16  # uploads that are written at the same time; others wait
WRITERS = 4  # threads for them
PRINTABLE = (".gcode", ".g", ".gco")  # what Klipper's virtual SD card opens


class Starter(Protocol):
    """Whoever starts prints."""

    async def __call__(self, filename: str, user: str | None) -> Started:
        """Print a file of gcodes now, or queue it; a BridgeError says why neither."""


@dataclass(frozen=True)
class Form:
    """What a client says of its upload."""

    filename: str
    root: str = GCODES
    path: str = ""
    checksum: str | None = None
    start: bool = False


class Uploads:
    """Takes uploads in, and gives each the name it asks for."""

    def __init__(
        self,
        roots: Roots,
        operations: Operations,
        library: Library,
        names: Names,
        in_use: InUse,
        start: Starter,
        *,
        max_size: int,
        mark: bool,  # objects for EXCLUDE_OBJECT
    ) -> None:
        self._roots, self._operations, self._library = roots, operations, library
        self._names, self._in_use, self._start = names, in_use, start
        self._max_size, self._mark = max_size, mark
        self._slots = asyncio.Semaphore(AT_ONCE)
        # Threads that stay: to begin one for each block would hold up the loop.
        self._writers = ThreadPoolExecutor(WRITERS, thread_name_prefix="upload")

    async def open(self) -> None:
        """Nothing to acquire."""

    async def run(self) -> None:
        """Nothing by itself: uploads come by their doors."""

    async def close(self) -> None:
        """Let the threads go."""
        self._writers.shutdown(wait=False)

    def target(self, form: Form) -> Place:
        """Where it is to go, or why it cannot."""
        self._folder(form.root)
        folder, name = checked(form.path, folder=True), checked(form.filename)
        place = self._roots.place(form.root, (*folder, *name))
        if place.file.is_dir():
            raise BadRequest(f"{place.shown} is a folder")
        if Path(os.path.realpath(place.file)) in self._in_use():
            raise Forbidden(f"{place.shown} is printing; it can be replaced when that has ended")
        return place

    def check_size(self, size: int) -> None:
        """Refuse what is too large, or fits on no disk; to which it goes may not be known yet."""
        if size > self._max_size:
            raise TooLarge(
                f"The upload has {size} bytes, at most {self._max_size} are taken (files.max_upload)"
            )
        refusal: NoSpace | None = None
        for root in self._roots:
            if not root.writable:
                continue
            try:
                disk.check_room(root.folder, size)
            except NoSpace as error:
                refusal = refusal or error
            except OSError:  # a disk that is missing has no room
                continue
            else:
                return
        if refusal is not None:
            raise refusal

    def begin_file(self, incoming: Incoming, root: str, size: int) -> None:
        """A file of about that size begins; it waits for its name where it is likely to go to."""
        folder = self._folder(root)
        with disk.speaking_of(root):
            disk.check_room(folder, size)
        incoming.begin(folder)

    def check_root(self, incoming: Incoming, root: str) -> None:
        """The root is told behind the file: there must be room for it there, too."""
        folder = self._folder(root)
        with disk.speaking_of(root):
            if not incoming.is_beside(folder):
                disk.check_room(folder, incoming.size)

    def begin(self) -> Incoming:
        """One upload, as a context: what is not finished in it leaves nothing behind."""
        return Incoming(self._names, self._slots, self._writers, self._max_size)

    async def finish(self, incoming: Incoming, form: Form, user: str | None) -> Uploaded:
        """All bytes are there: check them, give the file its name, start its print if that is wished for."""
        file = await incoming.whole(form.checksum)
        place = self.target(form)
        await self._operations.make_folders(
            Place(place.root, place.path.rpartition("/")[0], place.file.parent)
        )
        if place.root.name != GCODES:
            return Uploaded((await self._operations.put(file, place)).item, "create_file")
        if place.path.lower().endswith(".ufp") and await asyncio.to_thread(is_ufp, file):
            place = place.beside(f"{place.file.stem}.gcode")
            item = await self._unpack(file, place)
        else:
            item = (await self._operations.put(await self._marked(file, place), place)).item
        started, refused = await self._print(place, user) if form.start else (None, None)
        return Uploaded(
            item,
            "create_file",
            print_started=started is not None and started.print_started,
            print_queued=started is not None and started.print_queued,
            print_refused=refused,
        )

    def _folder(self, root: str) -> Path:
        found = self._roots.get(root)
        if not found.writable:
            raise Forbidden(f"The root {found.name} is read-only")
        return found.folder

    async def _marked(self, file: Path, place: Place) -> Path:
        """The file with its objects marked, where that is wished for and needed."""
        if not (self._mark and place.path.lower().endswith(PRINTABLE)):
            return file
        marked = self._names.new(file.parent)
        try:
            with disk.speaking_of(place.shown):
                return marked if await asyncio.to_thread(mark_objects, file, marked) else file
        except BaseException:
            disk.remove(marked)
            raise

    async def _unpack(self, package: Path, place: Place) -> Item:
        """Cura's package: its G-code gets the name, its picture becomes the thumbnail."""
        gcode, picture = self._names.new(package.parent), self._names.new(package.parent)
        try:
            with disk.speaking_of(place.shown):
                pictured = await asyncio.to_thread(unpack, package, gcode, picture, max_gcode=self._max_size)
            item = (await self._operations.put(gcode, place)).item
            if pictured:
                await self._library.take_picture(place.path, picture)
        except UfpError as error:
            raise Unprocessable(str(error)) from error
        finally:
            disk.remove(picture)
        return item

    async def _print(self, place: Place, user: str | None) -> tuple[Started | None, str | None]:
        """Start, queue, or say why neither; the upload is kept in any case."""
        if not place.path.lower().endswith(PRINTABLE):
            return None, f"{place.shown} was not started: Klipper prints {', '.join(PRINTABLE)}"
        try:
            return await self._start(place.path, user), None
        except BridgeError as error:
            return None, str(error)
