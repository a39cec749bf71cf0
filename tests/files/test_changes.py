"""What others do between two looks is told so that a client can do it after them in its own list."""

import asyncio
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.files.entry import stat_entry
from bridge.files.index import Index
from bridge.files.items import FileChange
from bridge.roots import Root, Roots

Model = set[str]  # all paths, with their roots


def roots_in(top: Path) -> Roots:
    roots = {name: Root(name, top / name, writable=True) for name in ("a", "b")}
    for root in roots.values():
        root.folder.mkdir(parents=True)
    return Roots(roots)


def write(path: Path, content: str = "") -> None:
    """A file that was written long ago: nobody waits for its end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    os.utime(path, (1e9, 1e9))


def listed(top: Path) -> Model:
    return {str(path.relative_to(top)) for path in top.rglob("*")} - {"a", "b"}


async def look(index: Index, roots: Roots) -> list[FileChange]:
    told: list[FileChange] = []
    disconnect = index.changed.connect(told.append)
    await index.look({root: index.folders(root) for root in roots})
    disconnect()
    return told


def text(change: FileChange) -> str:
    source = f" {change.source_item.root}/{change.source_item.path} ->" if change.source_item else ""
    return f"{change.action}{source} {change.item.root}/{change.item.path}"


def replayed(model: Model, told: list[FileChange]) -> Model:
    """The list of a client that was told."""
    for change in told:
        path = f"{change.item.root}/{change.item.path}"
        source = path
        if change.source_item is not None:
            source = f"{change.source_item.root}/{change.source_item.path}"
        taken = {one for one in model if one == source or one.startswith(f"{source}/")}
        assert bool(taken) is not change.action.startswith("create"), text(change)
        if change.action.startswith("modify"):
            continue
        model = model - taken
        if not change.action.startswith("delete"):
            assert path not in model, text(change)
            assert path.rpartition("/")[0] in model | {"a", "b"}, text(change)
            model |= {path, *(path + one[len(source) :] for one in taken)}
    return model


def disturb(top: Path, dice: random.Random) -> None:
    """One thing that people do."""
    existing = sorted(top / one for one in listed(top))
    folders = [top / "a", top / "b", *(one for one in existing if one.is_dir())]
    new = dice.choice(folders) / dice.choice("uvwxyz")
    old = dice.choice(existing) if existing else new
    other = dice.choice(existing) if existing else new
    match dice.choice(("move", "move", "move", "swap", "link", "delete", "make", "write")):
        case "move" if not new.exists() and old not in new.parents and old.exists():
            old.rename(new)
        case "swap" if old != other and old not in other.parents and other not in old.parents:
            old.rename(top / "aside")
            other.rename(old)
            (top / "aside").rename(other)
        case "link" if old.is_file() and not new.exists():
            new.hardlink_to(old)
        case "delete" if old.exists():
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        case "make" if not new.exists():
            new.mkdir()
        case "write" if not new.exists():
            write(new, str(dice.random()))
        case _:
            pass


@pytest.mark.parametrize("runs", [40, pytest.param(1000, marks=pytest.mark.torture)])
async def test_a_client_that_does_what_it_is_told_has_a_true_list(runs: int, tmp_path: Path) -> None:
    for seed in range(runs):
        dice, top = random.Random(seed), tmp_path / str(seed)
        roots = roots_in(top)
        for _ in range(20):
            disturb(top, dice)
        index = Index(roots)
        await index.load()
        before = listed(top)
        for _ in range(dice.randrange(1, 9)):
            disturb(top, dice)
        told = await look(index, roots)
        try:
            assert replayed(before, told) == listed(top)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}\n" + "\n".join(map(text, told))) from error
        shutil.rmtree(top)


def into_another_folder_and_its_file_up(top: Path) -> None:
    (top / "a/d").rename(top / "b/d")
    (top / "b/d/f/z").rename(top / "b/d/z")


def one_name_after_the_other(top: Path) -> None:
    (top / "b/e").rename(top / "b/z")
    (top / "a/d").rename(top / "b/e")


def deleted_in_a_folder_that_moves(top: Path) -> None:
    (top / "a/d/f/z").unlink()
    (top / "a/d").rename(top / "a/g")


def two_folders_change_names(top: Path) -> None:
    (top / "a/d").rename(top / "a/g")
    (top / "b/e").rename(top / "a/d")
    (top / "a/g").rename(top / "b/e")


def renamed_in_a_folder_that_moves(top: Path) -> None:
    (top / "a/d").rename(top / "a/g")
    (top / "a/g/f/z").rename(top / "a/g/f/y")


def saved_from_a_folder_that_goes(top: Path) -> None:
    (top / "a/d/f").rename(top / "b/f")
    (top / "b/f/z").unlink()
    (top / "a/d").rmdir()


def a_file_takes_the_name_of_a_folder(top: Path) -> None:
    (top / "b/e").rmdir()
    (top / "a/d/f/z").rename(top / "b/e")


def a_file_takes_the_name_of_its_folder(top: Path) -> None:
    (top / "a/d/f/z").rename(top / "a/z")
    shutil.rmtree(top / "a/d")
    (top / "a/z").rename(top / "a/d")


def two_new_names_of_one_file(top: Path) -> None:
    (top / "b/z").hardlink_to(top / "a/d/f/z")
    (top / "a/d/f/y").hardlink_to(top / "a/d/f/z")
    (top / "a/d/f/z").unlink()


def a_file_of_two_names_moves_with_its_folder(top: Path) -> None:
    (top / "a/d").rename(top / "a/e")
    (top / "a/a").hardlink_to(top / "a/e/f/z")


TOLD: dict[Callable[[Path], None], list[str]] = {
    into_another_folder_and_its_file_up: ["delete_file a/d/f/z", "move_dir a/d -> b/d", "create_file b/d/z"],
    one_name_after_the_other: ["move_dir b/e -> b/z", "move_dir a/d -> b/e"],
    deleted_in_a_folder_that_moves: ["delete_file a/d/f/z", "move_dir a/d -> a/g"],
    two_folders_change_names: [
        "delete_dir a/d",
        "move_dir b/e -> a/d",
        "create_dir b/e",
        "create_dir b/e/f",
        "create_file b/e/f/z",
    ],
    renamed_in_a_folder_that_moves: ["delete_file a/d/f/z", "move_dir a/d -> a/g", "create_file a/g/f/y"],
    saved_from_a_folder_that_goes: ["delete_file a/d/f/z", "move_dir a/d/f -> b/f", "delete_dir a/d"],
    a_file_takes_the_name_of_a_folder: ["delete_dir b/e", "move_file a/d/f/z -> b/e"],
    a_file_takes_the_name_of_its_folder: ["delete_dir a/d", "create_file a/d"],
    two_new_names_of_one_file: ["move_file a/d/f/z -> a/d/f/y", "create_file b/z"],
    a_file_of_two_names_moves_with_its_folder: ["move_dir a/d -> a/e", "create_file a/a"],
}


@pytest.mark.parametrize("done", TOLD, ids=lambda done: done.__name__)
async def test_of_what_was_done_only_this_is_told(tmp_path: Path, done: Callable[[Path], None]) -> None:
    roots = roots_in(tmp_path)
    write(tmp_path / "a/d/f/z")
    (tmp_path / "b/e").mkdir()
    index = Index(roots)
    await index.load()
    done(tmp_path)
    assert [text(change) for change in await look(index, roots)] == TOLD[done]
    assert sorted(f"{name}/{path}" for name in "ab" for path in index.files(name)) == sorted(
        one for one in listed(tmp_path) if (tmp_path / one).is_file()
    )


async def meanwhile(index: Index, roots: Roots, act: Callable[[], None]) -> list[FileChange]:
    """What is told of a look when `act` has its turn behind the first root, and before the second."""

    async def turn() -> None:
        async with index.turn:
            act()

    told, _ = await asyncio.gather(look(index, roots), turn())  # who asks for a turn first has it first
    return told


@pytest.mark.parametrize("change", ["gone", "modified"])
async def test_what_the_bridge_did_during_the_look_is_no_news(tmp_path: Path, change: str) -> None:
    roots = roots_in(tmp_path)
    path = tmp_path / "a/printer.cfg"
    write(path)
    index = Index(roots)
    await index.load()
    place = roots.locate("a/printer.cfg")

    def act() -> None:
        known = index.entry(place)
        if change == "gone":  # a client saves it anew
            assert known is None
            write(path, "new")
            entry = stat_entry(place)
            assert entry is not None
            index.put(place, entry)
        else:  # a client deletes it
            assert known is not None
            assert known.size == len("changed")
            path.unlink()
            index.drop(place)

    if change == "gone":
        path.unlink()
    else:
        write(path, "changed")
    assert await meanwhile(index, roots, act) == []
    assert (index.entry(place) is not None) is path.exists()


async def test_a_folder_that_is_replaced_is_told_though_its_name_is_there(tmp_path: Path) -> None:
    roots = roots_in(tmp_path)
    write(tmp_path / "a/d/x")
    index = Index(roots)
    await index.load()
    (tmp_path / "a/d").rename(tmp_path / "elsewhere")
    write(tmp_path / "a/d/y")
    told = [text(change) for change in await look(index, roots)]
    assert told == ["delete_dir a/d", "create_dir a/d", "create_file a/d/y"]
