"""server.files.*: the files below the roots, and what is known of G-code (seed 004, File Operations)."""

import asyncio
import shutil
from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from bridge.errors import NotFound
from bridge.files import disk
from bridge.files.entry import Entry, Listing, Look
from bridge.files.index import GCODES, Index, is_gcode
from bridge.files.items import FileChange, FileInfo
from bridge.files.operations import Operations, Zipped
from bridge.gcode.library import Details, FileState, Library
from bridge.gcode.metadata import Metadata
from bridge.roots import Place, Roots, checked
from bridge.rpc import Access, Call, Notice, rpc

RootPath = Annotated[str, Meta(description="its root's name, a slash, and the path below it")]
Filename = Annotated[str, Meta(description="path relative to gcodes")]


class RootInfo(msgspec.Struct, frozen=True):
    """A root, and whether it can be written to."""

    name: str
    path: str
    permissions: str


class RootName(msgspec.Struct, frozen=True):
    """The root that was looked into."""

    name: str
    permissions: str


class DiskUsage(msgspec.Struct, frozen=True):
    """The disk a folder is on, in bytes."""

    total: int
    used: int
    free: int


class FolderEntry(msgspec.Struct, frozen=True):
    """A folder in a folder."""

    modified: float
    size: int
    permissions: str
    dirname: str


class FileEntry(Metadata, frozen=True, kw_only=True, omit_defaults=True):
    """A file in a folder; of G-code also its metadata, when that is asked for and known."""

    filename: str
    permissions: str
    print_start_time: float | UnsetType | None = UNSET
    job_id: str | UnsetType | None = UNSET


class Directory(msgspec.Struct, frozen=True):
    """What is in a folder."""

    dirs: list[FolderEntry]
    files: list[FileEntry]
    disk_usage: DiskUsage
    root_info: RootName


class FileMetadata(Metadata, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of a G-code file; what it does not tell is left out."""

    filename: str
    print_start_time: float | None
    job_id: str | None


class ThumbnailDetails(msgspec.Struct, frozen=True):
    """One picture; its path is seen from the root gcodes."""

    width: int
    height: int
    size: int
    thumbnail_path: str


class Files:
    """The files below the roots."""

    components = ("file_manager",)

    def __init__(self, roots: Roots, index: Index, operations: Operations, library: Library) -> None:
        self.changed: Notice[FileChange] = Notice(
            "notify_filelist_changed", FileChange, "A file or folder has changed, by whomever"
        )
        self.described: Notice[FileMetadata] = Notice(
            "notify_metadata_update", FileMetadata, "The metadata of a G-code file is known, or known anew"
        )
        self._roots, self._index, self._operations, self._library = roots, index, operations, library
        index.changed.connect(self.changed.emit)
        library.described.connect(lambda found: self.described.emit(_metadata(found)))

    @rpc("server.files.list", "GET", access=Access.READ)
    async def list_files(
        self, call: Call, *, root: Annotated[str, Meta(description="its name")] = GCODES
    ) -> list[FileInfo]:
        """Every file of a root with its path; of gcodes only G-code."""
        return await self._index.listing(root)

    @rpc("server.files.roots", "GET", access=Access.READ)
    async def list_roots(self, call: Call) -> list[RootInfo]:
        """The roots, and which can be written to."""
        return [RootInfo(root.name, str(root.folder), root.permissions) for root in self._roots]

    @rpc("server.files.metadata", "GET", access=Access.READ)
    async def metadata(self, call: Call, *, filename: Filename) -> FileMetadata:
        """What a G-code file tells of itself, and its last print."""
        return _metadata(await self._details(filename))

    @rpc("server.files.metascan", "POST", access=Access.FILES)
    async def metascan(self, call: Call, *, filename: Filename) -> FileMetadata:
        """Scan a G-code file again."""
        return _metadata(await self._details(filename, anew=True))

    @rpc("server.files.thumbnails", "GET", access=Access.READ)
    async def thumbnails(self, call: Call, *, filename: Filename) -> list[ThumbnailDetails]:
        """The pictures of a G-code file."""
        found = await self._details(filename)
        folder = found.filename.rpartition("/")[0]
        return [
            ThumbnailDetails(
                one.width,
                one.height,
                one.size,
                f"{folder}/{one.relative_path}" if folder else one.relative_path,
            )
            for one in found.metadata.thumbnails or ()
        ]

    @rpc("server.files.get_directory", "GET", path="/server/files/directory", access=Access.READ)
    async def get_directory(
        self,
        call: Call,
        *,
        path: RootPath = GCODES,
        extended: Annotated[bool, Meta(description="with the metadata of G-code files")] = False,
    ) -> Directory:
        """What is in one folder, and how full its disk is."""
        place = self._roots.locate(path)
        listing, usage = await asyncio.to_thread(self._look, place)
        permissions = place.root.permissions
        return Directory(
            dirs=[
                FolderEntry(entry.modified, entry.size, permissions, name)
                for name, entry in listing.items()
                if entry.folder
            ],
            files=list(self._entries(place, listing, extended=extended)),
            disk_usage=usage,
            root_info=RootName(place.root.name, permissions),
        )

    @rpc("server.files.post_directory", "POST", path="/server/files/directory", access=Access.FILES)
    async def post_directory(self, call: Call, *, path: RootPath) -> FileChange:
        """Make a folder."""
        return await self._operations.make_folder(path)

    @rpc("server.files.delete_directory", "DELETE", path="/server/files/directory", access=Access.FILES)
    async def delete_directory(
        self,
        call: Call,
        *,
        path: RootPath,
        force: Annotated[bool, Meta(description="also with all that is in it")] = False,
    ) -> FileChange:
        """Delete a folder."""
        return await self._operations.delete_folder(path, force=force)

    @rpc("server.files.move", "POST", access=Access.FILES)
    async def move(self, call: Call, *, source: RootPath, dest: RootPath) -> FileChange:
        """Move or rename a file or a folder; into `dest` where that is a folder already."""
        return await self._operations.move(source, dest)

    @rpc("server.files.copy", "POST", access=Access.FILES)
    async def copy(self, call: Call, *, source: RootPath, dest: RootPath) -> FileChange:
        """Copy a file or a folder; into `dest` where that is a folder already."""
        return await self._operations.copy(source, dest)

    @rpc("server.files.zip", "POST", access=Access.FILES)
    async def zip(
        self,
        call: Call,
        *,
        items: Annotated[
            list[RootPath], Meta(min_length=1, description="files, and folders with all in them")
        ],
        dest: Annotated[str, Meta(description="where to; default: config/collection-TIME.zip")] | None = None,
        store_only: Annotated[bool, Meta(description="do not compress")] = False,
    ) -> Zipped:
        """Pack files and folders into a zip archive."""
        return await self._operations.pack(dest, items, store_only=store_only)

    @rpc("server.files.delete_file", "DELETE", path="/server/files/{path}", access=Access.FILES)
    async def delete_file(self, call: Call, *, path: RootPath) -> FileChange:
        """Delete a file."""
        return await self._operations.delete_file(path)

    async def _details(self, filename: str, *, anew: bool = False) -> Details:
        name = "/".join(checked(filename))
        found = await self._library.details(name, anew=anew) if is_gcode(name) else None
        if found is None:
            raise NotFound(f"There is no metadata of {name[:200]}: no such G-code file, or it cannot be read")
        return found

    def _look(self, place: Place) -> tuple[Listing, DiskUsage]:
        listing = Look(self._roots, place).folder(place, links=True)
        if listing is None:
            raise NotFound(f"The folder {place.shown} does not exist")
        with disk.speaking_of(place.shown):
            usage = shutil.disk_usage(place.file)
        return listing, DiskUsage(usage.total, usage.used, usage.free)

    def _entries(self, place: Place, listing: Listing, *, extended: bool) -> Iterable[FileEntry]:
        for name, entry in listing.items():
            if not entry.folder:
                known = self._known(place.below(name), entry) if extended else {}
                figures: dict[str, Any] = {"size": entry.size, "modified": entry.modified}
                yield FileEntry(**known | figures, filename=name, permissions=place.root.permissions)

    def _known(self, place: Place, entry: Entry) -> dict[str, Any]:
        """The metadata of a G-code file as far as it is at hand."""
        if place.root.name != GCODES or not is_gcode(place.path):
            return {}
        found = self._library.known(place.path, FileState(entry.size, entry.modified))
        return {} if found is None else _fields(found)


def _metadata(found: Details) -> FileMetadata:
    return FileMetadata(**_fields(found), filename=found.filename)


def _fields(found: Details) -> dict[str, Any]:
    fields = msgspec.structs.asdict(found.metadata)
    return fields | {"print_start_time": found.print_start_time, "job_id": found.job_id}
