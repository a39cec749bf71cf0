"""From differences between two looks to what clients are told: moves as moves, each change once. Pure."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from bridge.files.entry import Entry
from bridge.files.items import FileChange, SourceItem, gone, item
from bridge.files.tree import Differences, split
from bridge.roots import Place, Root

Found = Mapping[Root, Differences]
Spot = tuple[Root, str]


@dataclass(frozen=True)
class _Move:
    """Something has another name, perhaps in another root."""

    source: Spot
    dest: Spot
    entry: Entry


def changes(found: Found) -> list[FileChange]:
    """Moves, what is gone, what is new (folders before what is in them), what is modified."""
    moves = _moves(found)
    told = [_moved(move) for move in moves]
    for root, one in found.items():
        sources = {path for where, path in (move.source for move in moves) if where == root}
        told += _gone(root, one, sources)
    for root, one in found.items():
        dests = {path for where, path in (move.dest for move in moves) if where == root}
        told += _new(root, one, dests)
    return told


def _moved(move: _Move) -> FileChange:
    root, path = move.source
    return FileChange(
        "move_dir" if move.entry.folder else "move_file",
        item(_place(*move.dest), move.entry),
        SourceItem(path, root.name),
    )


def _gone(root: Root, found: Differences, sources: set[str]) -> list[FileChange]:
    """What has not moved; of a folder that is gone nothing below it."""
    folders = {path for path, entry in found.gone.items() if entry.folder and path not in sources}
    return [
        FileChange("delete_dir" if entry.folder else "delete_file", gone(root, path))
        for path, entry in sorted(found.gone.items(), key=_by_path)
        if path not in sources and folders.isdisjoint(_above(path))
    ]


def _new(root: Root, found: Differences, dests: set[str]) -> list[FileChange]:
    told = [
        FileChange("create_dir" if entry.folder else "create_file", item(_place(root, path), entry))
        for path, entry in sorted(found.new.items(), key=_by_path)
        if path not in dests
    ]
    return told + [
        FileChange("modify_file", item(_place(root, path), entry))
        for path, entry in sorted(found.modified.items(), key=_by_path)
        if path not in found.new
    ]


def _moves(found: Found) -> list[_Move]:
    """What is gone here and new there; what moved with its folder is taken out of the differences."""
    by_inode: dict[tuple[int, int], dict[Root, str]] = defaultdict(dict)
    for root, one in found.items():
        for path, entry in one.gone.items():
            by_inode[entry.device, entry.inode][root] = path
    outer: dict[Spot, _Move] = {}
    for root, one in found.items():
        for path, entry in sorted(one.new.items(), key=_by_path):
            was = by_inode.get((entry.device, entry.inode), {})
            source = _source(root, was)
            known = found[source[0]].gone.get(source[1]) if source is not None else None
            if source is None or known is None or source == (root, path) or not known.same_thing(entry):
                continue
            if _is_carried(source, (root, path), outer):
                del found[source[0]].gone[source[1]], one.new[path]
            else:
                outer[source] = _Move(source, (root, path), entry)
    return list(outer.values())


def _source(root: Root, was: Mapping[Root, str]) -> Spot | None:
    """Where something was: in the same root, else in another."""
    if root in was:
        return root, was[root]
    return next(iter(was.items()), None)


def _is_carried(source: Spot, dest: Spot, outer: Mapping[Spot, _Move]) -> bool:
    """Whether it moved with a folder that it is in."""
    root, path = source
    carriers = (outer[root, above] for above in _above(path) if (root, above) in outer)
    return any(
        dest == (carrier.dest[0], carrier.dest[1] + path[len(carrier.source[1]) :]) for carrier in carriers
    )


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
