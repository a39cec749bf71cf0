"""What one root holds, as it was last seen; and what has changed since."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from bridge.files.entry import Entry, Listing


@dataclass
class Differences:
    """What a look at the disk found changed; of a folder that is gone also all below it."""

    gone: dict[str, Entry] = field(default_factory=dict)
    new: dict[str, Entry] = field(default_factory=dict)
    modified: dict[str, Entry] = field(default_factory=dict)


class Tree:
    """Entries by folder and name."""

    def __init__(self) -> None:
        self._folders: dict[str, Listing] = {"": {}}

    @property
    def folders(self) -> list[str]:
        """The paths of all folders, the root's own being empty."""
        return list(self._folders)

    def has(self, folder: str) -> bool:
        """Whether a folder is known."""
        return folder in self._folders

    def get(self, path: str) -> Entry | None:
        """What is known of a path."""
        folder, name = split(path)
        return self._folders.get(folder, {}).get(name)

    def files(self, below: str = "") -> Iterator[tuple[str, Entry]]:
        """Every file below a folder."""
        for folder in self._below(below):
            for name, entry in self._folders[folder].items():
                if not entry.folder:
                    yield join(folder, name), entry

    def put(self, path: str, entry: Entry) -> None:
        """Note what is at a path."""
        folder, name = split(path)
        self._folders.setdefault(folder, {})[name] = entry
        if entry.folder:
            self._folders.setdefault(path, {})

    def drop(self, path: str) -> dict[str, Entry]:
        """Forget a path and all below it; what that was."""
        folder, name = split(path)
        entry = self._folders.get(folder, {}).pop(name, None)
        if entry is None:
            return {}
        dropped = {path: entry}
        for below in self._below(path) if entry.folder else ():
            dropped |= {join(below, name): found for name, found in self._folders.pop(below).items()}
        return dropped

    def move(self, source: str, dest: str) -> None:
        """A path and all below it have another name now."""
        for path, entry in self.drop(source).items():
            self.put(dest + path[len(source) :], entry)

    def update(self, folder: str, found: Listing) -> Differences:
        """Take over what is in a folder now; its new folders are noted, and still to be looked at."""
        differences, known = Differences(), self._folders.setdefault(folder, {})
        for name in [name for name in known if name not in found]:
            differences.gone |= self.drop(join(folder, name))
        for name, entry in found.items():
            path, before = join(folder, name), known.get(name)
            if before is not None and before.folder is entry.folder:
                if not entry.folder and (before.size, before.modified) != (entry.size, entry.modified):
                    differences.modified[path] = entry
                elif entry.folder and before.inode != entry.inode:
                    differences.gone |= self.drop(path)
                    differences.new[path] = entry
            else:
                differences.gone |= self.drop(path)
                differences.new[path] = entry
            self.put(path, entry)
        return differences

    def _below(self, folder: str) -> list[str]:
        if not folder:
            return list(self._folders)
        return [path for path in self._folders if path == folder or path.startswith(f"{folder}/")]


def split(path: str) -> tuple[str, str]:
    """Folder and name."""
    folder, _, name = path.rpartition("/")
    return folder, name


def join(folder: str, name: str) -> str:
    """The path of a name in a folder."""
    return f"{folder}/{name}" if folder else name
