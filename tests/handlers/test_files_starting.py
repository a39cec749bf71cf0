"""A print is accepted, and Klippy has not told of it yet: its file is in use all the same."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Start
from tests.filing import SHORT, Filing, body, filing, part
from tests.klippy.fake_klippy import SILENT, FakeKlippy, Refused, fake_klippy
from tests.wire import until

MORE = SHORT + b"; more\n"


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[FakeKlippy]:
    async with fake_klippy(tmp_path) as one:
        yield one


async def refusals(files: Filing, name: str) -> list[int]:
    """What comes of each way to take a file from under a print."""
    await files.upload("other.gcode")
    here, there = f"gcodes/{name}", "gcodes/other.gcode"
    form = body([part("file", MORE, filename=name)])
    refused = [
        await files.refused("server.files.delete_file", path=here),
        await files.refused("server.files.move", source=here, dest="gcodes/x"),
        await files.refused("server.files.move", source=there, dest=here),
        await files.refused("server.files.copy", source=there, dest=here),
    ]
    posted = [await files.post(path, form) for path in ("/server/files/upload", "/api/files/local")]
    return [*(error["code"] for error in refused), *(status for status, _, _ in posted)]


async def test_a_file_cannot_be_taken_from_a_print_that_has_just_been_accepted(
    start: Start, fake: FakeKlippy
) -> None:
    async with filing(await start()) as files:
        assert (await files.upload("a.gcode", print="true"))["print_started"]
        assert await refusals(files, "a.gcode") == [403] * 6
        assert (files.gcodes / "a.gcode").read_bytes() == SHORT
        fake.push(virtual_sdcard={"file_path": str(files.gcodes / "a.gcode"), "is_active": True})
        fake.push(print_stats={"state": "printing", "filename": "a.gcode"})
        await until(lambda: files.running.bridge.jobs.active)
        assert (await files.refused("server.files.delete_file", path="gcodes/a.gcode"))["code"] == 403
        fake.push(virtual_sdcard={"file_path": None}, print_stats={"state": "complete"})
        await until(lambda: files.running.bridge.jobs.active is None)
        await files.call("server.files.delete_file", path="gcodes/a.gcode")


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("server.files.delete_file", {"path": "gcodes/sub/a.gcode"}),
        ("server.files.delete_directory", {"path": "gcodes/sub", "force": True}),
        ("server.files.move", {"source": "gcodes/sub/a.gcode", "dest": "gcodes/b.gcode"}),
        ("server.files.move", {"source": "gcodes/sub", "dest": "config/sub"}),
        ("server.files.move", {"source": "gcodes/other.gcode", "dest": "gcodes/sub/a.gcode"}),
        ("server.files.copy", {"source": "gcodes/other.gcode", "dest": "gcodes/sub/a.gcode"}),
    ],
)
async def test_a_file_whose_print_begins_while_a_change_of_it_waits_is_not_touched(
    start: Start, fake: FakeKlippy, method: str, params: dict[str, Any]
) -> None:
    async with filing(await start()) as files:
        await files.upload("sub/a.gcode")
        await files.upload("other.gcode", MORE)
        async with files.running.bridge.shelf.index.turn:  # somebody else is at work on the disk
            asked = await files.begin(method, **params)
            await files.call("server.info")  # by now it has begun, and waits
            await files.call("printer.print.start", filename="sub/a.gcode")
        assert (await files.answer(asked))["error"]["code"] == 403
        assert (files.gcodes / "sub/a.gcode").read_bytes() == SHORT
        assert (files.gcodes / "other.gcode").read_bytes() == MORE
        assert files.left_over() == []


async def test_a_folder_that_is_filled_while_its_deletion_waits_stays(files: Filing) -> None:
    await files.call("server.files.post_directory", path="gcodes/sub")
    async with files.running.bridge.shelf.index.turn:
        asked = await files.begin("server.files.delete_directory", path="gcodes/sub")
        await files.call("server.info")
        (files.gcodes / "sub/new.gcode").write_bytes(SHORT)
    assert "not empty" in (await files.answer(asked))["error"]["message"]
    assert (files.gcodes / "sub/new.gcode").exists()


async def test_a_file_cannot_be_taken_while_klippy_thinks_about_its_print(
    start: Start, fake: FakeKlippy
) -> None:
    fake.answers["gcode/script"] = lambda _params: SILENT  # a macro around SDCARD_PRINT_FILE heats first
    async with filing(await start()) as files:
        await files.upload("sub/a.gcode")
        starts = files.running.bridge.commands.starts
        asked = await files.begin("printer.print.start", filename="sub/a.gcode")
        await until(lambda: starts.filenames)
        assert await refusals(files, "sub/a.gcode") == [403] * 6
        error = await files.refused("server.files.delete_directory", path="gcodes/sub", force=True)
        assert error["code"] == 403
        fake.drop()
        assert "error" in await files.answer(asked)
        await files.call("server.files.delete_file", path="gcodes/sub/a.gcode")


async def test_a_print_that_klippy_refuses_leaves_its_file_free(start: Start, fake: FakeKlippy) -> None:
    def refuse(_params: object) -> None:
        raise Refused("Unable to open file")

    fake.answers["gcode/script"] = refuse
    async with filing(await start()) as files:
        answer = await files.upload("a.gcode", print="true")
        assert (answer["print_started"], answer["print_refused"]) == (False, "Unable to open file")
        await files.upload("a.gcode", MORE)
        await files.call("server.files.delete_file", path="gcodes/a.gcode")


@pytest.mark.parametrize("queues", [True, False])
async def test_of_two_uploads_that_want_to_print_the_second_waits_or_is_told(
    start: Start, fake: FakeKlippy, queues: bool
) -> None:
    async with filing(await start(files={"queue_uploads": queues})) as files:
        assert (await files.upload("a.gcode", print="true"))["print_started"]
        second = await files.upload("b.gcode", print="true")
        assert (second["print_started"], second["print_queued"]) == (False, queues)
        assert queues or "is printing" in second["print_refused"]
        assert len(fake.scripts) == 1
