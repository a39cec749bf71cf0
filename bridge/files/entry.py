"""What is on the disk, read at one moment; blocking."""

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bridge.roots import Place, Roots, is_listed

SETTLE = 0.25  # seconds without a change until a file that others write counts as written


@dataclass(frozen=True, slots=True)
class Entry:
    """One file or folder."""

    folder: bool
    size: int
    modified: float  # Unix seconds
    inode: int
    device: int

    @classmethod
    def of(cls, found: os.stat_result) -> "Entry":
        """From what the disk says of it."""
        return cls(stat.S_ISDIR(found.st_mode), found.st_size, found.st_mtime, found.st_ino, found.st_dev)

    def same_thing(self, other: "Entry") -> bool:
        """Whether the other is this one under another name."""
        known = (self.inode, self.device, self.folder)
        if known != (other.inode, other.device, other.folder):
            return False
        return self.folder or (self.size, self.modified) == (other.size, other.modified)

    def unsettled(self, now: float) -> bool:
        """Whether somebody may still be writing it."""
        return not self.folder and abs(now - self.modified) < SETTLE


Listing = dict[str, Entry]


class Look:
    """Looks at folders of one root as clients may see them."""

    def __init__(self, roots: Roots, place: Place) -> None:
        self._roots, self._start = roots, place
        self._inside = os.path.realpath(place.root.folder).rstrip("/") + "/"

    def folder(self, place: Place, *, links: bool = False) -> Listing | None:
        """What is in a folder; None where there is none.

        Links that lead out of the root are left out, those to folders too unless `links` are wanted.
        """
        found: Listing = {}
        hides = self._roots.holds_reserved(os.path.realpath(place.file))
        try:
            with os.scandir(place.file) as entries:
                for one in entries:
                    entry = self._entry(one, links=links, hides=hides) if is_listed(one.name) else None
                    if entry is not None:
                        found[one.name] = entry
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:  # a folder that may not be read is as good as empty
            return {}
        return found

    def walk(self, enter: Callable[[Place], bool] = lambda _place: True) -> Iterator[tuple[Place, Listing]]:
        """The folder and all below it; links to folders are not followed."""
        waiting = [self._start]
        while waiting:
            place = waiting.pop()
            found = self.folder(place)
            if found is None:
                continue
            yield place, found
            below = (place.below(name) for name, entry in found.items() if entry.folder)
            waiting += [folder for folder in below if enter(folder)]

    def _entry(self, one: "os.DirEntry[str]", *, links: bool, hides: bool) -> Entry | None:
        try:
            found = one.stat()
        except OSError:  # gone since, or a link to nowhere
            return None
        link = one.is_symlink()
        if not (stat.S_ISREG(found.st_mode) or (stat.S_ISDIR(found.st_mode) and (links or not link))):
            return None
        if link or hides:
            real = os.path.realpath(one.path)
            if self._roots.is_reserved(real) or not real.startswith(self._inside):
                return None
        return Entry.of(found)


def stat_entry(place: Place) -> Entry | None:
    """What is at a place; None where there is nothing."""
    try:
        return Entry.of(place.file.stat())
    except OSError:
        return None
