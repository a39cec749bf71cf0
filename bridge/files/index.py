"""What the watched roots hold, kept true: by what the bridge does itself, and by looking where others did."""

import asyncio
import os
import time
from collections.abc import Iterable, Mapping

from bridge.files.changes import changes
from bridge.files.entry import Entry, Listing, Look
from bridge.files.items import FileChange, FileInfo
from bridge.files.tree import Differences, Tree, join, split
from bridge.roots import Place, Root, Roots
from bridge.signals import Signal

GCODES = "gcodes"
GCODE_ENDINGS = (".gcode", ".g", ".gco", ".ufp", ".nc")
PICTURES = ".thumbs"  # ours: pictures come and go with their G-code


class Index:
    """Trees of the watched roots; every change is told once.

    Whoever changes something visible does it in its `turn`, so that nobody else takes it for news.
    """

    def __init__(self, roots: Roots) -> None:
        self.changed: Signal[FileChange] = Signal("files")
        self.turn = asyncio.Lock()
        self._roots = roots
        self._trees: dict[str, Tree] = {}
        self._lists: dict[str, list[FileInfo]] = {}

    async def load(self) -> None:
        """See for the first time what there is, and tell nobody."""
        for root in self._roots:
            if root.watched:
                await self._follow(root, [""], Differences())

    def knows(self, root: Root) -> bool:
        """Whether the root is followed."""
        return root.name in self._trees

    def folders(self, root: Root) -> list[str]:
        """The folders of a followed root."""
        return self._trees[root.name].folders if self.knows(root) else []

    def files(self, root: str, below: str = "") -> list[str]:
        """The files below a folder of a followed root."""
        tree = self._trees.get(root)
        return [path for path, _ in tree.files(below)] if tree else []

    async def listing(self, name: str) -> list[FileInfo]:
        """Every file of a root; of gcodes only G-code."""
        root = self._roots.get(name)
        if not self.knows(root):
            return await asyncio.to_thread(self._walk, root)
        if name not in self._lists:
            self._lists[name] = _infos(root, self._trees[name].files())
        return self._lists[name]

    def entry(self, place: Place) -> Entry | None:
        """What is known to be at a place."""
        tree = self._trees.get(place.root.name)
        return tree.get(place.path) if tree else None

    def put(self, place: Place, entry: Entry) -> None:
        """Something is there now."""
        if (tree := self._tree(place)) is not None:
            tree.put(place.path, entry)

    def drop(self, place: Place) -> None:
        """Something is there no more."""
        if (tree := self._tree(place)) is not None:
            tree.drop(place.path)

    def move(self, source: Place, dest: Place, entry: Entry) -> None:
        """Something has another name; a folder from another root is still to be adopted."""
        if source.root == dest.root and (tree := self._tree(dest)) is not None:
            tree.drop(dest.path)
            tree.move(source.path, dest.path)
        else:
            self.drop(source)
        self.put(dest, entry)

    async def adopt(self, place: Place) -> None:
        """Look at all that is below a new folder, and tell nobody."""
        if self.knows(place.root):
            await self._follow(place.root, [place.path], Differences())

    async def look(self, wanted: Mapping[Root, Iterable[str]]) -> dict[str, set[str]]:
        """Compare these folders of roots with the disk and tell the changes; those to look at again soon."""
        found: dict[Root, Differences] = {}
        again: dict[str, set[str]] = {}
        for root, folders in wanted.items():
            one = found[root] = Differences()
            unsettled = await self._follow(root, sorted(folders, reverse=True), one, patient=True)
            if unsettled:
                again[root.name] = unsettled
        for root, one in found.items():
            _without_own(self._trees[root.name], one)
        for change in changes(found):
            self.changed.emit(change)
        return again

    async def _follow(
        self, root: Root, waiting: list[str], found: Differences, *, patient: bool = False
    ) -> set[str]:
        """Take over folders and all that is new in them; the `patient` leave out what is being written."""
        tree, again = self._trees.setdefault(root.name, Tree()), set[str]()
        while waiting:
            path = waiting.pop()
            place = Place(root, path, root.folder / path)
            async with self.turn:
                listing = await asyncio.to_thread(Look(self._roots, place).folder, place)
                self._lists.pop(root.name, None)
                if listing is None and path:
                    if (known := tree.get(path)) is not None and known.folder:  # a file may have its name now
                        found.gone |= tree.drop(path)
                    continue
                listing = listing or {}
                _without_pictures(root, listing)
                if patient and _without_unsettled(tree, path, listing):
                    again.add(path)
                step = tree.update(path, listing)
            found.gone |= step.gone
            found.new |= step.new
            found.modified |= step.modified
            waiting += [path for path, entry in step.new.items() if entry.folder]
        return again

    def _tree(self, place: Place) -> Tree | None:
        """The tree to be changed; what is reached by a link is told by the watcher, under its real name."""
        self._lists.pop(place.root.name, None)
        tree = self._trees.get(place.root.name)
        pictures = place.root.name == GCODES and PICTURES in place.path.split("/")
        if tree is None or pictures or not place.path:
            return None
        folder, _ = split(place.path)
        known = tree.has(folder) or os.path.realpath(place.file.parent) == str(place.file.parent)
        return tree if known else None

    def _walk(self, root: Root) -> list[FileInfo]:
        found: list[tuple[str, Entry]] = []
        for place, listing in Look(self._roots, Place(root, "", root.folder)).walk():
            found += [(join(place.path, name), entry) for name, entry in listing.items() if not entry.folder]
        return _infos(root, found)


def is_gcode(path: str) -> bool:
    """Whether a name is that of a file to print."""
    return path.lower().endswith(GCODE_ENDINGS)


def _infos(root: Root, files: Iterable[tuple[str, Entry]]) -> list[FileInfo]:
    return [
        FileInfo(path, entry.modified, entry.size, root.permissions)
        for path, entry in files
        if root.name != GCODES or is_gcode(path)
    ]


def _without_own(tree: Tree, found: Differences) -> None:
    """Leave out what the bridge itself has taken away, or put there, since it was found, and has told."""
    found.new = {path: entry for path, entry in found.new.items() if tree.get(path) is not None}
    found.gone = {
        path: entry for path, entry in found.gone.items() if path in found.new or tree.get(path) is None
    }
    found.modified = {path: entry for path, entry in found.modified.items() if tree.get(path) == entry}


def _without_pictures(root: Root, listing: Listing) -> None:
    if root.name == GCODES:
        listing.pop(PICTURES, None)


def _without_unsettled(tree: Tree, folder: str, listing: Listing) -> bool:
    """Leave files as they were known that somebody may still be writing; whether there are any."""
    now, found = time.time(), False
    for name, entry in tuple(listing.items()):
        known = tree.get(join(folder, name))
        if known == entry or not entry.unsettled(now):
            continue
        found = True
        if known is None:
            del listing[name]
        else:
            listing[name] = known
    return found
