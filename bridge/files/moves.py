"""What is gone in one place and new in another: the same thing under another name. Pure."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bridge.files.entry import Entry
from bridge.files.tree import Differences, split
from bridge.roots import Root

Found = Mapping[Root, Differences]
Spot = tuple[Root, str]


@dataclass(frozen=True)
class Move:
    """Something has another name, perhaps in another root."""

    source: Spot
    dest: Spot
    entry: Entry


Moves = dict[Spot, Move]  # by their sources


def moves(found: Found) -> Moves:
    """All of them, also what moved with its folder; of a thing with several names each is taken once."""
    was: dict[tuple[int, int], list[Spot]] = defaultdict(list)
    for root, one in found.items():
        for path, entry in sorted(one.gone.items(), key=_by_path):
            was[entry.device, entry.inode].append((root, path))
    new = [
        ((root, path), entry)
        for root, one in found.items()
        for path, entry in sorted(one.new.items(), key=_by_path)
        if (entry.device, entry.inode) in was
    ]
    matched: Moves = {}
    reached: Moves = {}  # by where they lead

    def match(*, folder: bool, fits: Callable[[Spot, Spot], bool]) -> None:
        for dest, entry in new:
            if dest in reached or entry.folder is not folder:
                continue
            for source in was[entry.device, entry.inode]:
                known = found[source[0]].gone[source[1]]
                if source in matched or source == dest or not known.same_thing(entry):
                    continue
                if fits(source, dest):
                    matched[source] = reached[dest] = Move(source, dest, entry)
                    break

    match(folder=True, fits=_in_one_root)
    match(folder=True, fits=_anywhere)
    match(folder=False, fits=lambda source, dest: _is_carried(source, dest, matched))
    match(folder=False, fits=_in_one_root)
    match(folder=False, fits=_anywhere)
    return matched


def is_carried(move: Move, known: Moves) -> bool:
    """Whether it moved with the folder that it is in."""
    return _is_carried(move.source, move.dest, known)


def above(spot: Spot) -> Spot:
    """The folder that something is in."""
    return spot[0], split(spot[1])[0]


def _is_carried(source: Spot, dest: Spot, known: Moves) -> bool:
    carrier = known.get(above(source))
    return carrier is not None and carrier.dest == above(dest) and split(source[1])[1] == split(dest[1])[1]


def _in_one_root(source: Spot, dest: Spot) -> bool:
    return source[0] == dest[0]


def _anywhere(_source: Spot, _dest: Spot) -> bool:
    return True


def _by_path(one: tuple[str, Entry]) -> str:
    return one[0]
