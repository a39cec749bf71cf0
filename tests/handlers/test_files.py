"""server.files.*: what is there, and what can be done to it."""

import asyncio
import json
import zipfile
from pathlib import Path

from tests.conftest import Running, Start
from tests.filing import LONG, PRUSA, SHORT, Filing, filing
from tests.wire import Ear, until


async def test_gcode_is_listed_with_its_path_size_and_time(files: Filing) -> None:
    await files.call("server.files.post_directory", path="gcodes/sub")
    for name in ("sub/a.gcode", "b.g", "c.GCO"):
        await files.upload(name)
    await files.upload("notes.txt", b"no G-code")
    found = await files.call("server.files.list")
    assert sorted(one["path"] for one in found) == ["b.g", "c.GCO", "sub/a.gcode"]
    status = (files.gcodes / "sub/a.gcode").stat()
    assert {
        "path": "sub/a.gcode",
        "modified": status.st_mtime,
        "size": len(SHORT),
        "permissions": "rw",
    } in found


async def test_other_roots_list_every_file(files: Filing) -> None:
    (files.data / "logs" / "klippy.log").write_text("hello")
    (files.config / "macros").mkdir()
    await files.upload("printer.cfg", b"[mcu]\n", root="config")
    await files.upload("macros/park.cfg", b"[gcode_macro PARK]\n", root="config")
    found = await files.call("server.files.list", root="config")
    assert sorted(one["path"] for one in found) == ["macros/park.cfg", "printer.cfg"]
    logs = await files.call("server.files.list", root="logs")
    assert [(one["path"], one["permissions"]) for one in logs] == [("klippy.log", "r")]


async def test_the_roots_are_told_with_their_permissions(files: Filing) -> None:
    found = {one["name"]: one["permissions"] for one in await files.call("server.files.roots")}
    assert found == {"gcodes": "rw", "config": "rw", "logs": "r"}
    assert (await files.call("server.info"))["registered_directories"] == ["gcodes", "config", "logs"]
    assert "file_manager" in (await files.call("server.info"))["components"]


async def test_a_directory_tells_folders_files_and_how_full_the_disk_is(files: Filing) -> None:
    await files.upload("sub/part.gcode", PRUSA.read_bytes())
    await files.call("server.files.metadata", filename="sub/part.gcode")
    top = await files.call("server.files.get_directory")
    assert [(one["dirname"], one["permissions"]) for one in top["dirs"]] == [("sub", "rw")]
    assert top["files"] == []
    assert top["root_info"] == {"name": "gcodes", "permissions": "rw"}
    usage = top["disk_usage"]
    assert 0 < usage["free"] <= usage["total"]
    plain = await files.call("server.files.get_directory", path="gcodes/sub")
    assert set(plain["files"][0]) == {"filename", "size", "modified", "permissions"}
    extended = await files.call("server.files.get_directory", path="gcodes/sub/", extended=True)
    entry = extended["files"][0]
    assert (entry["filename"], entry["slicer"], entry["estimated_time"]) == ("part.gcode", "PrusaSlicer", 285)
    assert (entry["print_start_time"], entry["job_id"]) == (None, None)


async def test_a_folder_is_made_filled_and_deleted(files: Filing) -> None:
    made = await files.call("server.files.post_directory", path="gcodes/parts")
    assert (made["action"], made["item"]["path"], made["item"]["root"]) == ("create_dir", "parts", "gcodes")
    assert made["item"]["permissions"] == "rw"
    assert made["item"]["modified"] == (files.gcodes / "parts").stat().st_mtime
    await files.upload("parts/a.gcode")
    refusal = await files.refused("server.files.delete_directory", path="gcodes/parts")
    assert refusal["code"] == 400
    assert "force" in refusal["message"]
    gone = await files.call("server.files.delete_directory", path="gcodes/parts", force=True)
    assert gone["item"] == {"path": "parts", "root": "gcodes", "modified": 0.0, "size": 0, "permissions": ""}
    assert gone["action"] == "delete_dir"
    assert not (files.gcodes / "parts").exists()
    assert await files.call("server.files.list") == []
    assert files.left_over() == []


async def test_a_folder_that_holds_nothing_but_our_pictures_counts_as_empty(files: Filing) -> None:
    await files.upload("parts/a.gcode", PRUSA.read_bytes())
    await until(lambda: len(list((files.gcodes / "parts/.thumbs").glob("*"))) == 2)
    (files.gcodes / "parts/.thumbs/of-another.png").write_bytes(b"")
    await files.call("server.files.delete_file", path="gcodes/parts/a.gcode")
    await files.call("server.files.delete_directory", path="gcodes/parts")
    assert not (files.gcodes / "parts").exists()


async def test_a_copy_into_a_folder_just_made_does_not_wait(files: Filing) -> None:
    await files.upload("a.gcode")
    for number in range(10):
        await files.call("server.files.post_directory", path=f"gcodes/f{number}")
        copied = await files.call(
            "server.files.copy", source="gcodes/a.gcode", dest=f"gcodes/f{number}/a.gcode"
        )
        assert copied["action"] == "create_file"
    assert len(await files.call("server.files.list")) == 11


async def test_a_move_renames_over_a_file_and_into_a_folder(files: Filing) -> None:
    await files.upload("a.gcode", b"one")
    await files.upload("b.gcode", b"two")
    await files.call("server.files.post_directory", path="gcodes/sub")
    moved = await files.call("server.files.move", source="gcodes/a.gcode", dest="gcodes/b.gcode")
    assert moved["action"] == "move_file"
    assert moved["source_item"] == {"path": "a.gcode", "root": "gcodes"}
    assert (files.gcodes / "b.gcode").read_bytes() == b"one"
    into = await files.call("server.files.move", source="gcodes/b.gcode", dest="gcodes/sub")
    assert into["item"]["path"] == "sub/b.gcode"
    assert [one["path"] for one in await files.call("server.files.list")] == ["sub/b.gcode"]


async def test_a_folder_moves_into_one_that_exists_and_between_roots(files: Filing) -> None:
    await files.upload("a/x.gcode")
    await files.call("server.files.post_directory", path="gcodes/b")
    moved = await files.call("server.files.move", source="gcodes/a", dest="gcodes/b")
    assert (moved["action"], moved["item"]["path"]) == ("move_dir", "b/a")
    over = await files.call("server.files.move", source="gcodes/b/a", dest="config/a")
    assert (over["item"]["root"], over["source_item"]) == ("config", {"path": "b/a", "root": "gcodes"})
    assert (files.config / "a/x.gcode").read_bytes() == SHORT
    assert [one["path"] for one in await files.call("server.files.list", root="config")] == ["a/x.gcode"]
    assert await files.call("server.files.list") == []


async def test_a_folder_is_copied_whole(files: Filing) -> None:
    await files.upload("a/b/x.gcode")
    copied = await files.call("server.files.copy", source="gcodes/a", dest="gcodes/c")
    assert (copied["action"], copied["item"]["path"]) == ("create_dir", "c")
    assert "source_item" not in copied
    found = await files.call("server.files.list")
    assert sorted(one["path"] for one in found) == ["a/b/x.gcode", "c/b/x.gcode"]


REFUSED: tuple[tuple[str, dict[str, object], int], ...] = (
    ("move", {"source": "gcodes/none.gcode", "dest": "gcodes/x"}, 404),
    ("move", {"source": "gcodes/dir", "dest": "gcodes/dir/inner"}, 400),
    ("move", {"source": "gcodes/a.gcode", "dest": "gcodes/a.gcode"}, 400),
    ("move", {"source": "gcodes/a.gcode", "dest": "gcodes/no/such/a.gcode"}, 404),
    ("move", {"source": "gcodes", "dest": "config/all"}, 403),
    ("move", {"source": "logs/klippy.log", "dest": "gcodes/k.gcode"}, 403),
    ("copy", {"source": "gcodes/a.gcode", "dest": "logs/a.gcode"}, 403),
    ("copy", {"source": "gcodes/dir", "dest": "gcodes/a.gcode"}, 400),
    ("delete_file", {"path": "gcodes/dir"}, 400),
    ("delete_file", {"path": "gcodes/none"}, 404),
    ("delete_directory", {"path": "gcodes/a.gcode"}, 400),
    ("delete_directory", {"path": "gcodes", "force": True}, 403),
    ("post_directory", {"path": "gcodes/dir"}, 400),
    ("post_directory", {"path": "gcodes/no/such"}, 404),
    ("post_directory", {"path": "gcodes"}, 403),
    ("get_directory", {"path": "gcodes/none"}, 404),
    ("get_directory", {"path": "nowhere"}, 404),
    ("list", {"root": "nowhere"}, 404),
    ("metadata", {"filename": "none.gcode"}, 404),
    ("metadata", {"filename": "dir"}, 404),
    ("thumbnails", {"filename": "none.gcode"}, 404),
    ("zip", {"items": []}, -32602),
    ("zip", {"items": ["gcodes/none"]}, 404),
)


async def test_what_cannot_be_done_is_refused_and_changes_nothing(files: Filing) -> None:
    await files.upload("a.gcode")
    await files.call("server.files.post_directory", path="gcodes/dir")
    (files.data / "logs" / "klippy.log").write_text("log")
    before = sorted(files.gcodes.rglob("*"))
    files.forget()
    for method, params, code in REFUSED:
        error = await files.refused(f"server.files.{method}", **params)
        assert (method, params, error["code"]) == (method, params, code)
        assert str(files.data) not in json.dumps(error)
        assert sorted(files.gcodes.rglob("*")) == before, (method, params)
    assert files.changes == []


async def test_files_and_folders_are_packed(files: Filing) -> None:
    await files.upload("printer.cfg", b"[mcu]\n" * 100, root="config")
    await files.upload("macros/park.cfg", b"[gcode_macro PARK]\n", root="config")
    (files.config / "secrets.yaml").write_text("mqtt_password: hush")
    packed = await files.call(
        "server.files.zip", items=["config", "config/printer.cfg"], dest="gcodes/all.zip"
    )
    assert packed["action"] == "zip_files"
    assert (packed["destination"]["root"], packed["destination"]["path"]) == ("gcodes", "all.zip")
    with zipfile.ZipFile(files.gcodes / "all.zip") as archive:
        assert sorted(archive.namelist()) == ["config/macros/park.cfg", "config/printer.cfg"]
        assert archive.read("config/printer.cfg") == b"[mcu]\n" * 100
        assert archive.getinfo("config/printer.cfg").compress_type == zipfile.ZIP_DEFLATED
    await files.change("create_file", "all.zip")
    named = await files.call("server.files.zip", items=["config/printer.cfg"], store_only=True)
    assert named["destination"]["path"].startswith("collection-")
    assert named["destination"]["root"] == "config"


async def test_a_file_that_prints_stays_where_it_is(files: Filing) -> None:
    await files.upload("sub/long.gcode", LONG)
    await files.upload("other.gcode")
    await files.call("printer.print.start", filename="sub/long.gcode")
    jobs = files.running.bridge.jobs
    await until(lambda: jobs.active)
    tries = [
        ("delete_file", {"path": "gcodes/sub/long.gcode"}),
        ("delete_directory", {"path": "gcodes/sub", "force": True}),
        ("move", {"source": "gcodes/sub/long.gcode", "dest": "gcodes/x.gcode"}),
        ("move", {"source": "gcodes/sub", "dest": "gcodes/elsewhere"}),
        ("move", {"source": "gcodes/other.gcode", "dest": "gcodes/sub/long.gcode"}),
        ("copy", {"source": "gcodes/other.gcode", "dest": "gcodes/sub/long.gcode"}),
    ]
    for method, params in tries:
        error = await files.refused(f"server.files.{method}", **params)
        assert error["code"] == 403, (method, error)
        assert "printing" in error["message"]
    assert (files.gcodes / "sub/long.gcode").read_bytes() == LONG
    await files.call("server.files.copy", source="gcodes/sub/long.gcode", dest="gcodes/copy.gcode")
    await files.call("printer.print.cancel")
    await until(lambda: jobs.active is None)
    await files.call("server.files.delete_file", path="gcodes/sub/long.gcode")


async def test_links_stay_inside_their_root(files: Filing, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.gcode").write_text("hush")
    await files.upload("real/a.gcode")
    (files.gcodes / "away").symlink_to(outside)
    (files.gcodes / "away.gcode").symlink_to(outside / "secret.gcode")
    (files.gcodes / "near").symlink_to(files.gcodes / "real")
    (files.gcodes / "near.gcode").symlink_to(files.gcodes / "real/a.gcode")
    await files.change("create_file", "near.gcode")
    found = await files.call("server.files.get_directory")
    assert sorted(one["dirname"] for one in found["dirs"]) == ["near", "real"]
    assert [one["filename"] for one in found["files"]] == ["near.gcode"]
    assert sorted(one["path"] for one in await files.call("server.files.list")) == [
        "near.gcode",
        "real/a.gcode",
    ]
    near = await files.call("server.files.get_directory", path="gcodes/near")
    assert [one["filename"] for one in near["files"]] == ["a.gcode"]
    assert (await files.get("/server/files/gcodes/near/a.gcode"))[1] == SHORT
    for path in ("away", "away/secret.gcode", "away.gcode"):
        assert (await files.get(f"/server/files/gcodes/{path}"))[0] == 403
        assert (await files.refused("server.files.delete_file", path=f"gcodes/{path}"))["code"] == 403
    await files.call("server.files.zip", items=["gcodes"], dest="config/all.zip")
    with zipfile.ZipFile(files.config / "all.zip") as archive:
        assert sorted(archive.namelist()) == ["gcodes/near.gcode", "gcodes/real/a.gcode"]
    assert (outside / "secret.gcode").read_text() == "hush"


async def test_what_is_reserved_does_not_exist(files: Filing) -> None:
    (files.config / "secrets.yaml").write_text("mqtt_password: hush")
    (files.config / "bridge.yaml").write_text("instance: x")
    await files.change("create_file", "bridge.yaml")
    assert [one["path"] for one in await files.call("server.files.list", root="config")] == ["bridge.yaml"]
    found = await files.call("server.files.get_directory", path="config")
    assert [one["filename"] for one in found["files"]] == ["bridge.yaml"]
    assert (await files.get("/server/files/config/secrets.yaml"))[0] == 404
    assert (await files.get("/server/files/config/SECRETS.yaml"))[0] == 404
    for method, params in (
        ("delete_file", {"path": "config/secrets.yaml"}),
        ("copy", {"source": "config/secrets.yaml", "dest": "config/x"}),
        ("move", {"source": "config/bridge.yaml", "dest": "config/secrets.yaml"}),
        ("zip", {"items": ["config/secrets.yaml"]}),
    ):
        assert (await files.refused(f"server.files.{method}", **params))["code"] == 404
    assert ("create_file", "secrets.yaml") not in files.actions


async def test_roots_of_the_configuration_are_there(klippy, start: Start, tmp_path: Path) -> None:
    for name in ("lapse", "shared"):
        (tmp_path / name).mkdir()
    (tmp_path / "lapse" / "film.mp4").write_bytes(b"film")
    roots = [
        {"name": "timelapse", "path": str(tmp_path / "lapse")},
        {"name": "shared", "path": str(tmp_path / "shared"), "writable": True},
    ]
    async with filing(await start(files={"roots": roots})) as files:
        found = {one["name"]: one["permissions"] for one in await files.call("server.files.roots")}
        assert (found["timelapse"], found["shared"]) == ("r", "rw")
        status, content, headers = await files.get("/server/files/timelapse/film.mp4")
        assert (status, content, headers["Content-Type"]) == (200, b"film", "video/mp4")
        assert (await files.refused("server.files.delete_file", path="timelapse/film.mp4"))["code"] == 403
        await files.upload("x.txt", b"x", root="shared")
        assert (tmp_path / "shared" / "x.txt").read_bytes() == b"x"


async def test_klipper_s_documents_and_examples_are_roots_when_they_exist(files: Filing) -> None:
    assert (await files.get("/server/files/docs/G-Codes.md"))[0] == 404
    klipper = files.data / "klipper"  # where the simulator says that its source is
    for folder in ("docs", "config"):
        (klipper / folder).mkdir(parents=True)
    (klipper / "docs" / "G-Codes.md").write_text("# G-Codes")
    await files.call("printer.restart")
    await files.until(lambda: len(files.changes) == 2)
    assert [(one["action"], one["item"]["root"]) for one in files.changes] == [
        ("root_update", "docs"),
        ("root_update", "config_examples"),
    ]
    assert (await files.call("server.info"))["registered_directories"][3:] == ["docs", "config_examples"]
    assert (await files.get("/server/files/docs/G-Codes.md"))[1] == b"# G-Codes"
    assert (await files.refused("server.files.delete_file", path="docs/G-Codes.md"))["code"] == 403
    assert [one["path"] for one in await files.call("server.files.list", root="docs")] == ["G-Codes.md"]


async def test_file_methods_over_mqtt_need_their_class(klippy, start: Start, mqtt: Ear) -> None:
    bridge = await start()
    request = {
        "jsonrpc": "2.0",
        "method": "server.files.post_directory",
        "params": {"path": "gcodes/x"},
        "id": 1,
    }
    await mqtt.say(bridge.topics.request, request)
    refused = await mqtt.message(bridge.topics.response)
    assert refused.json["error"]["code"] == 403
    assert not (Path(bridge.bridge.config.data) / "gcodes/x").exists()
    await mqtt.say(bridge.topics.request, {**request, "method": "server.files.list", "params": {}, "id": 2})
    listed = await mqtt.message(bridge.topics.response, where=lambda one: one.json["id"] == 2)
    assert listed.json["result"] == []


async def test_many_operations_at_once_leave_a_true_index(files: Filing) -> None:
    async def one(number: int) -> None:
        await files.upload(f"n{number}/a.gcode")
        await files.call(
            "server.files.move", source=f"gcodes/n{number}/a.gcode", dest=f"gcodes/n{number}/b.gcode"
        )
        await files.call("server.files.copy", source=f"gcodes/n{number}", dest=f"gcodes/m{number}")
        await files.call("server.files.delete_directory", path=f"gcodes/n{number}", force=True)

    await asyncio.gather(*(one(number) for number in range(12)))
    found = sorted(one["path"] for one in await files.call("server.files.list"))
    on_disk = sorted(str(path.relative_to(files.gcodes)) for path in files.gcodes.rglob("*.gcode"))
    assert found == on_disk == sorted(f"m{number}/b.gcode" for number in range(12))


async def test_the_index_is_true_after_a_restart(klippy, start: Start) -> None:
    first: Running = await start(instance="again")
    async with filing(first) as files:
        await files.upload("a.gcode")
    await first.end()
    (Path(first.bridge.config.data) / "gcodes" / "b.gcode").write_bytes(SHORT)
    async with filing(await start(instance="again2")) as files:
        assert sorted(one["path"] for one in await files.call("server.files.list")) == ["a.gcode", "b.gcode"]


async def test_objects_are_marked_in_uploads_only_where_that_is_wished_for(
    klippy, start: Start, tmp_path: Path
) -> None:
    labelled = b"G28\n; printing object cube\nG1 X1 Y1 E1\n; stop printing object cube\n"
    async with filing(await start(data=str(tmp_path / "plain"))) as files:
        await files.upload("a.gcode", labelled)
        assert (files.gcodes / "a.gcode").read_bytes() == labelled
    async with filing(await start(files={"object_processing": True})) as files:
        answer = await files.upload("b.gcode", labelled)
        written = (files.gcodes / "b.gcode").read_bytes()
        assert written.count(b"EXCLUDE_OBJECT_") == 3
        assert answer["item"]["size"] == len(written)
        await files.upload("c.gcode", SHORT)
        assert (files.gcodes / "c.gcode").read_bytes() == SHORT
        assert files.left_over() == []
