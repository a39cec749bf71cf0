"""From differences between two looks to what clients are told: moves as moves, each change once. Pure.

A client can do the same to a list of its own, one after the other: at its turn each source is still there
under that name, each target is free, and the folder that it goes to is there.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import filterfalse

from bridge.files.entry import Entry
from bridge.files.items import FileChange, SourceItem, gone, item
from bridge.files.moves import Found, Move, Moves, Spot, above, is_carried, moves
from bridge.roots import Place


@dataclass(frozen=True)
class _Gone:
    source: Spot
    entry: Entry


@dataclass(frozen=True)
class _New:
    dest: Spot
    entry: Entry


_Step = _Gone | Move | _New
_KINDS = (_Gone, Move, _New)  # in the order in which they are told, where there is a choice


def changes(found: Found) -> list[FileChange]:
    """What is gone, what has moved, what is new, as far as each can be; then what is modified."""
    known, apart = moves(found), set[Spot]()
    while True:
        kept = _kept(known, apart)
        lost, added = _lost(found, kept), _added(found, kept)
        moved = [move for move in kept.values() if not is_carried(move, kept)]
        # Files that are gone or new stand in nobody's way.
        ordered, circle = _ordered([*filter(_is_folder, lost), *moved, *filter(_is_folder, added)])
        if not circle:
            break
        apart |= {move.source for move in circle}
    told = [*filterfalse(_is_folder, lost), *ordered, *filterfalse(_is_folder, added)]
    return [*map(_told, told), *_modified(found)]


def _kept(known: Moves, apart: set[Spot]) -> Moves:
    """All moves but those that are to be told as something gone and something new, with what they carry."""
    kept: Moves = {}
    for source, move in sorted(known.items(), key=_by_source):
        if source not in apart and (not is_carried(move, known) or above(source) in kept):
            kept[source] = move
    return kept


def _lost(found: Found, known: Moves) -> list[_Gone]:
    """What is gone and has not moved; of a folder that is gone nothing that went with it."""
    lost = [
        _Gone((root, path), entry)
        for root, one in found.items()
        for path, entry in sorted(one.gone.items(), key=_by_path)
    ]
    gone_too = {one.source for one in lost if one.source not in known}
    return [one for one in lost if one.source in gone_too and above(one.source) not in gone_too]


def _added(found: Found, known: Moves) -> list[_New]:
    reached = {move.dest for move in known.values()}
    added = [
        _New((root, path), entry)
        for root, one in found.items()
        for path, entry in sorted(one.new.items(), key=_by_path)
    ]
    return [one for one in added if one.dest not in reached]


def _ordered(steps: list[_Step]) -> tuple[list[_Step], list[Move]]:
    """In an order that can be done; or moves that keep the others from one."""
    sorter = _sorter(steps)
    try:
        sorter.prepare()
    except CycleError as error:
        circle = [step for step in error.args[1] if isinstance(step, Move)]
        files = [step for step in steps if isinstance(step, Move) and not step.entry.folder]
        # Files, all at once, rather than a folder with all that is in it.
        return [], circle[:1] if all(map(_is_folder, circle)) else files
    ordered: list[_Step] = []
    while sorter.is_active():
        ready = sorter.get_ready()
        ordered += sorted(ready, key=_by_kind)
        sorter.done(*ready)
    return ordered, []


def _sorter(steps: list[_Step]) -> "TopologicalSorter[_Step]":
    """Each change behind those that it waits for."""
    leaving = {step.source: step for step in steps if not isinstance(step, _New)}
    coming = {step.dest: step for step in steps if not isinstance(step, _Gone)}
    sorter: TopologicalSorter[_Step] = TopologicalSorter()
    for step in steps:
        sorter.add(step)
        for spot in () if isinstance(step, _New) else _folders(step.source):
            if (carrier := leaving.get(spot)) is not None:  # would take it along
                sorter.add(carrier, step)
        for spot in () if isinstance(step, _Gone) else (step.dest, *_folders(step.dest)):
            for other in (leaving.get(spot), coming.get(spot)):  # has the name still, or is to have it first
                if other is not None and other is not step:
                    sorter.add(step, other)
    return sorter


def _told(step: _Step) -> FileChange:
    folder = step.entry.folder
    match step:
        case _Gone((root, path)):
            return FileChange("delete_dir" if folder else "delete_file", gone(root, path))
        case _New(dest):
            return FileChange("create_dir" if folder else "create_file", item(_place(dest), step.entry))
        case Move((root, path), dest):
            source = SourceItem(path, root.name)
            return FileChange("move_dir" if folder else "move_file", item(_place(dest), step.entry), source)


def _modified(found: Found) -> list[FileChange]:
    return [
        FileChange("modify_file", item(_place((root, path)), entry))
        for root, one in found.items()
        for path, entry in sorted(one.modified.items(), key=_by_path)
        if path not in one.new
    ]


def _is_folder(step: _Step) -> bool:
    return step.entry.folder


def _by_kind(step: _Step) -> tuple[int, str]:
    spot = step.source if isinstance(step, _Gone) else step.dest
    return _KINDS.index(type(step)), spot[1]


def _by_path(one: tuple[str, Entry]) -> str:
    return one[0]


def _by_source(one: tuple[Spot, Move]) -> str:
    return one[0][1]


def _folders(spot: Spot) -> Iterable[Spot]:
    """Those that something is in, the root excepted."""
    while (spot := above(spot))[1]:
        yield spot


def _place(spot: Spot) -> Place:
    root, path = spot
    return Place(root, path, root.folder)
