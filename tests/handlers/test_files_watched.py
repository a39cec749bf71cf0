"""Changes on the disk by others: told once each, moves as moves, and the list is true."""

import os
import shutil
import time
from pathlib import Path

from tests.filing import PRUSA, SHORT, Filing
from tests.wire import until


async def listed(files: Filing) -> list[str]:
    return sorted(one["path"] for one in await files.call("server.files.list"))


async def settled(files: Filing) -> None:
    """Everything that happened before this is told."""
    mark = files.config / f"mark-{time.monotonic_ns()}"
    other = files.gcodes / mark.name
    for path in (mark, other):
        path.write_text("")
    for root in ("config", "gcodes"):
        await files.until(
            lambda root=root: any(
                one["item"]["path"] == mark.name and one["item"]["root"] == root for one in files.changes
            )
        )


def told(files: Filing) -> list[tuple[str, str]]:
    return [one for one in files.actions if not one[1].startswith("mark-")]


async def test_a_file_that_others_write_is_told_once_when_it_is_whole(files: Filing) -> None:
    path = files.gcodes / "slow.gcode"
    with path.open("wb") as file:
        for _ in range(3):
            file.write(SHORT)
            file.flush()
            await settled(files)
    await files.change("create_file", "slow.gcode")
    await settled(files)
    told_of = [one for one in files.changes if one["item"]["path"] == "slow.gcode"]
    assert next(one["action"] for one in told_of) == "create_file"
    assert told_of[-1]["item"]["size"] == 3 * len(SHORT)
    assert told_of[-1]["item"]["modified"] == path.stat().st_mtime
    assert (await files.call("server.files.metadata", filename="slow.gcode"))["size"] == 3 * len(SHORT)


async def test_each_kind_of_change_is_told_once(files: Filing) -> None:
    path = files.gcodes / "a.gcode"
    path.write_bytes(SHORT)
    await files.change("create_file", "a.gcode")
    path.write_bytes(SHORT * 2)
    await files.change("modify_file", "a.gcode")
    path.rename(files.gcodes / "b.gcode")
    moved = await files.change("move_file", "b.gcode")
    assert moved["source_item"] == {"path": "a.gcode", "root": "gcodes"}
    (files.gcodes / "b.gcode").unlink()
    await files.change("delete_file", "b.gcode")
    (files.gcodes / "d").mkdir()
    await files.change("create_dir", "d")
    (files.gcodes / "d").rmdir()
    await files.change("delete_dir", "d")
    await settled(files)
    assert told(files) == [
        ("create_file", "a.gcode"),
        ("modify_file", "a.gcode"),
        ("move_file", "b.gcode"),
        ("delete_file", "b.gcode"),
        ("create_dir", "d"),
        ("delete_dir", "d"),
    ]


async def test_a_tree_that_is_copied_in_is_told_folder_by_folder(files: Filing, tmp_path: Path) -> None:
    source = tmp_path / "tree"
    (source / "x" / "y").mkdir(parents=True)
    for name in ("a.gcode", "x/b.gcode", "x/y/c.gcode"):
        (source / name).write_bytes(SHORT)
    os.utime(source / "a.gcode", (1_600_000_000, 1_600_000_000))
    shutil.copytree(source, files.gcodes / "tree")
    await files.change("create_file", "tree/x/y/c.gcode")
    await settled(files)
    assert sorted(told(files)) == sorted(
        [
            ("create_dir", "tree"),
            ("create_dir", "tree/x"),
            ("create_dir", "tree/x/y"),
            ("create_file", "tree/a.gcode"),
            ("create_file", "tree/x/b.gcode"),
            ("create_file", "tree/x/y/c.gcode"),
        ]
    )
    order = [path for _, path in told(files)]
    assert order.index("tree") < order.index("tree/x") < order.index("tree/x/y")
    assert [path for path in await listed(files) if path.startswith("tree")] == [
        "tree/a.gcode",
        "tree/x/b.gcode",
        "tree/x/y/c.gcode",
    ]


async def test_a_folder_that_moves_or_goes_is_one_change(files: Filing) -> None:
    for name in ("a/x.gcode", "a/deep/y.gcode"):
        await files.upload(name)
    await settled(files)
    files.forget()
    (files.gcodes / "a").rename(files.gcodes / "b")
    moved = await files.change("move_dir", "b")
    assert moved["source_item"]["path"] == "a"
    await settled(files)
    assert told(files) == [("move_dir", "b")]
    assert [path for path in await listed(files) if "/" in path] == ["b/deep/y.gcode", "b/x.gcode"]
    # what is below it is watched under its new name
    (files.gcodes / "b/deep/z.gcode").write_bytes(SHORT)
    await files.change("create_file", "b/deep/z.gcode")
    files.forget()
    shutil.rmtree(files.gcodes / "b")
    await files.change("delete_dir", "b")
    await settled(files)
    assert [path for path in await listed(files) if "/" in path] == []
    assert told(files)[-1] == ("delete_dir", "b")


async def test_what_goes_to_another_root_moves_as_well(files: Filing) -> None:
    await files.upload("a/deep/x.gcode", root="config")
    await files.upload("b.gcode", root="config")
    await settled(files)
    files.forget()
    (files.config / "a").rename(files.gcodes / "a")
    (files.config / "b.gcode").rename(files.gcodes / "c.gcode")
    moved = await files.change("move_dir", "a")
    assert (moved["source_item"], moved["item"]["root"]) == ({"path": "a", "root": "config"}, "gcodes")
    moved = await files.change("move_file", "c.gcode")
    assert moved["source_item"] == {"path": "b.gcode", "root": "config"}
    await settled(files)
    assert sorted(told(files)) == [("move_dir", "a"), ("move_file", "c.gcode")]
    assert [path for path in await listed(files) if "mark-" not in path] == ["a/deep/x.gcode", "c.gcode"]
    # what is below it is watched in its new root, and described
    (files.gcodes / "a/deep/z.gcode").write_bytes(SHORT)
    await files.change("create_file", "a/deep/z.gcode")
    (files.gcodes / "c.gcode").rename(files.config / "d.gcode")
    await until(lambda: "d.gcode" in {path for _, path in told(files)})
    await settled(files)
    assert (await files.refused("server.files.metadata", filename="c.gcode"))["code"] == 404


async def test_a_second_name_of_a_file_whose_folder_moves_is_a_file_of_its_own(files: Filing) -> None:
    await files.upload("d/x.gcode")
    await settled(files)
    files.forget()
    (files.gcodes / "d").rename(files.gcodes / "e")
    os.link(files.gcodes / "e/x.gcode", files.gcodes / "z.gcode")
    await files.change("create_file", "z.gcode")
    await settled(files)
    assert told(files) == [("move_dir", "e"), ("create_file", "z.gcode")]


async def test_what_the_bridge_does_itself_is_told_once(files: Filing) -> None:
    await files.upload("sub/a.gcode")
    await files.upload("sub/a.gcode", SHORT * 2)
    await files.call("server.files.post_directory", path="gcodes/d")
    await files.call("server.files.move", source="gcodes/sub/a.gcode", dest="gcodes/d/b.gcode")
    await files.call("server.files.copy", source="gcodes/d", dest="gcodes/e")
    await files.call("server.files.delete_file", path="gcodes/d/b.gcode")
    await files.call("server.files.delete_directory", path="gcodes/e", force=True)
    await settled(files)
    assert told(files) == [
        ("create_dir", "sub"),
        ("create_file", "sub/a.gcode"),
        ("modify_file", "sub/a.gcode"),
        ("create_dir", "d"),
        ("move_file", "d/b.gcode"),
        ("create_dir", "e"),
        ("delete_file", "d/b.gcode"),
        ("delete_dir", "e"),
    ]


async def test_an_editor_that_replaces_a_file_modifies_it(files: Filing) -> None:
    await files.upload("printer.cfg", b"[mcu]\n", root="config")
    await settled(files)
    files.forget()
    new = files.config / "printer.cfg.new"
    new.write_bytes(b"[mcu]\nserial: x\n")
    new.replace(files.config / "printer.cfg")
    changed = await files.change("modify_file", "printer.cfg")
    assert changed["item"]["size"] == len(b"[mcu]\nserial: x\n")


async def test_pictures_and_half_written_files_are_nobody_s_news(files: Filing) -> None:
    await files.upload("part.gcode", PRUSA.read_bytes())
    await files.until(lambda: files.notes("notify_metadata_update"))
    (files.gcodes / f".{'0' * 32}.part").write_bytes(b"half")
    await settled(files)
    assert told(files) == [("create_file", "part.gcode")]
    found = await files.call("server.files.get_directory")
    assert [one["filename"] for one in found["files"] if not one["filename"].startswith("mark-")] == [
        "part.gcode"
    ]


async def test_a_root_whose_folder_goes_and_comes_back(files: Filing) -> None:
    await files.upload("a.gcode")
    away = files.data / "away"
    files.gcodes.rename(away)
    await files.change("delete_file", "a.gcode")
    assert await files.call("server.files.list") == []
    assert (await files.call("server.info"))["klippy_connected"]
    away.rename(files.gcodes)
    found = await files.call("server.files.get_directory")
    assert [one["filename"] for one in found["files"]] == ["a.gcode"]


async def test_new_gcode_is_described_without_being_asked_for(files: Filing) -> None:
    shutil.copy(PRUSA, files.gcodes / "part.gcode")
    await until((files.gcodes / ".thumbs/part-32x32.png").exists)
    (found,) = await files.until(lambda: files.notes("notify_metadata_update"))
    assert (found["filename"], found["estimated_time"]) == ("part.gcode", 285)
