"""From differences between two looks to what clients are told: moves as moves, each change once. Pure."""

from dataclasses import dataclass

from bridge.files.entry import Entry
from bridge.files.items import FileChange, SourceItem, gone, item
from bridge.files.tree import Differences, split
from bridge.roots import Place, Root


@dataclass(frozen=True)
class _Move:
    """Something has another name."""

    source: str
    dest: str
    entry: Entry


def changes(root: Root, found: Differences) -> list[FileChange]:
    """Moves, what is gone, what is new (folders before what is in them), what is modified."""
    moves = _moves(found)
    sources, dests = {move.source for move in moves}, {move.dest for move in moves}
    folders = {path for path, entry in found.gone.items() if entry.folder and path not in sources}
    told = [
        FileChange(
            "move_dir" if move.entry.folder else "move_file",
            item(_place(root, move.dest), move.entry),
            SourceItem(move.source, root.name),
        )
        for move in moves
    ]
    told += [
        FileChange("delete_dir" if entry.folder else "delete_file", gone(root, path))
        for path, entry in sorted(found.gone.items(), key=_by_path)
        if path not in sources and folders.isdisjoint(_above(path))
    ]
    told += [
        FileChange("create_dir" if entry.folder else "create_file", item(_place(root, path), entry))
        for path, entry in sorted(found.new.items(), key=_by_path)
        if path not in dests
    ]
    told += [
        FileChange("modify_file", item(_place(root, path), entry))
        for path, entry in sorted(found.modified.items(), key=_by_path)
        if path not in found.new
    ]
    return told


def _moves(found: Differences) -> list[_Move]:
    """What is gone here and new there; what moved with its folder is taken out of the differences."""
    by_inode = {(entry.device, entry.inode): path for path, entry in found.gone.items()}
    outer: dict[str, _Move] = {}
    for path, entry in sorted(found.new.items(), key=_by_path):
        source = by_inode.get((entry.device, entry.inode))
        if source is None or source == path or not found.gone[source].same_thing(entry):
            continue
        carriers = (outer[above] for above in _above(source) if above in outer)
        if any(path == carrier.dest + source[len(carrier.source) :] for carrier in carriers):
            del found.gone[source], found.new[path]
        else:
            outer[source] = _Move(source, path, entry)
    return list(outer.values())


def _by_path(one: tuple[str, Entry]) -> str:
    return one[0]


def _above(path: str) -> list[str]:
    """The folders that a path is in."""
    found: list[str] = []
    folder, _ = split(path)
    while folder:
        found.append(folder)
        folder, _ = split(folder)
    return found


def _place(root: Root, path: str) -> Place:
    return Place(root, path, root.folder)
