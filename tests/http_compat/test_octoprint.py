"""OctoPrint's API: what its clients read, and what they make a printer do."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.klippy.simulator import Simulator
from bridge.klippy.simulator.life import Timing
from tests.conftest import Start
from tests.filing import LONG, PRUSA, SHORT, Filing, body, filing, part
from tests.wire import until

LOCAL = "/api/files/local"


@pytest.fixture
async def klippy(tmp_path: Path) -> AsyncIterator[Simulator]:
    """A simulated printer that tells its state often: these tests wait for it at each step."""
    gcodes = tmp_path / "data" / "gcodes"
    gcodes.mkdir(parents=True)
    often = Timing(tick=0.05, refused=0.05, startup=0.05)
    async with Simulator(tmp_path / "klippy.sock", gcodes, speed=100.0, noise=0.0, timing=often) as simulator:
        yield simulator


async def say(files: Filing, path: str, **command: Any) -> int:
    """POST a JSON body; the status."""
    status, content, _ = await files.request("POST", path, json=command)
    assert status != 204 or content == b""
    return status


async def printing(files: Filing, name: str = "it.gcode") -> None:
    """A print that runs long enough."""
    await files.upload(name, LONG, print="true")
    await flag(files, "Printing")


async def flag(files: Filing, text: str) -> None:
    """Wait until the bridge has seen that state."""
    state = {"Printing": "printing", "Paused": "paused"}.get(text)
    cache = files.running.bridge.cache
    await until(
        lambda: (
            cache.get("print_stats", "state") == state
            if state
            else cache.get("print_stats", "state") not in ("printing", "paused")
        )
    )
    assert (await files.get("/api/job"))[1]["state"] == text


async def test_the_version_says_octoprint(files: Filing) -> None:
    status, found, _ = await files.get("/api/version", headers={"X-Api-Key": ""})
    assert status == 200
    assert set(found) == {"server", "api", "text"}
    assert found["text"].startswith("OctoPrint")


async def test_an_upload_is_answered_in_the_words_of_both_families(files: Filing) -> None:
    form = body(
        [part("print", "false"), part("path", "my parts"), part("file", SHORT, filename="a b#.gcode")]
    )
    status, answer, headers = await files.post(LOCAL, form)
    assert status == 201
    assert headers["Location"] == f"{files.url}/api/files/local/my%20parts/a%20b%23.gcode"
    assert (answer["action"], answer["print_started"], answer["print_queued"]) == (
        "create_file",
        False,
        False,
    )
    assert (answer["item"]["root"], answer["item"]["path"]) == ("gcodes", "my parts/a b#.gcode")
    assert (answer["done"], answer["effectivePrint"], answer["effectiveSelect"]) == (True, False, False)
    local = answer["files"]["local"]
    assert (local["name"], local["path"], local["origin"]) == ("a b#.gcode", "my parts/a b#.gcode", "local")
    assert (await files.get(local["refs"]["download"].removeprefix(files.url)))[1] == SHORT
    status, one, _ = await files.get(headers["Location"].removeprefix(files.url))
    assert (status, one["size"], one["type"]) == (200, len(SHORT), "machinecode")


async def test_files_are_listed_moved_and_deleted(files: Filing) -> None:
    await files.upload("cube.gcode", PRUSA.read_bytes())
    await files.call("server.files.metadata", filename="cube.gcode")
    status, folder, _ = await files.post(LOCAL, body([part("foldername", "sub")]))
    assert (status, folder["folder"]["path"]) == (201, "sub")
    _, found, _ = await files.get("/api/files?recursive=true")
    assert {one["path"]: one["type"] for one in found["files"]} == {
        "cube.gcode": "machinecode",
        "sub": "folder",
    }
    assert found["files"][0]["gcodeAnalysis"]["estimatedPrintTime"] == 285
    assert await say(files, f"{LOCAL}/cube.gcode", command="move", destination="sub") == 201
    assert (await files.get(f"{LOCAL}/sub/cube.gcode"))[0] == 200
    assert (await files.request("DELETE", f"{LOCAL}/sub/cube.gcode"))[0] == 204
    assert (await files.get(f"{LOCAL}/sub/cube.gcode"))[0] == 404


async def test_job_tells_what_prints_and_how_far_it_is(files: Filing) -> None:
    _, idle, _ = await files.get("/api/job")
    assert (idle["state"], idle["job"]["file"]["name"], idle["progress"]["completion"]) == (
        "Operational",
        None,
        None,
    )
    await printing(files, "sub/it.gcode")
    cache = files.running.bridge.cache
    await until(lambda: (cache.get("virtual_sdcard", "progress") or 0) > 0)
    _, found, _ = await files.get("/api/job")
    assert (found["job"]["file"]["name"], found["job"]["file"]["path"]) == ("it.gcode", "sub/it.gcode")
    assert (found["job"]["file"]["size"], found["job"]["file"]["origin"]) == (len(LONG), "local")
    assert 0 <= found["progress"]["completion"] < 100
    assert 0 < found["progress"]["filepos"] < len(LONG)
    assert isinstance(found["progress"]["printTime"], int)
    assert found["state"] == "Printing"


async def test_a_job_is_started_paused_resumed_and_cancelled(files: Filing) -> None:
    for command in ("start", "restart", "pause", "cancel"):
        assert await say(files, "/api/job", command=command) == 409, command
    assert await say(files, "/api/job", command="dance") == 400
    await files.upload("it.gcode", LONG)
    assert await say(files, f"{LOCAL}/it.gcode", command="select") == 204
    assert await say(files, "/api/job", command="start") == 204
    await flag(files, "Printing")
    assert await say(files, "/api/job", command="start") == 409
    assert await say(files, "/api/job", command="restart") == 409
    for action, text in (
        ("resume", "Printing"),
        ("pause", "Paused"),
        ("pause", "Paused"),
        ("resume", "Printing"),
        ("toggle", "Paused"),
        ("toggle", "Printing"),
    ):
        assert await say(files, "/api/job", command="pause", action=action) == 204
        await flag(files, text)
    assert await say(files, "/api/job", command="pause", action="dance") == 400
    assert await say(files, "/api/job", command="pause") == 204
    await flag(files, "Paused")
    assert await say(files, "/api/control/job", command="restart") == 204
    await flag(files, "Printing")
    assert await say(files, "/api/job", command="cancel") == 204
    await flag(files, "Operational")
    assert await say(files, "/api/job", command="cancel") == 409


async def test_commands_that_follow_one_another_at_once_are_not_answered_from_an_old_state(
    files: Filing,
) -> None:
    await files.upload("it.gcode", LONG, print="true")
    for command, status in (
        ({"command": "start"}, 409),
        ({"command": "pause", "action": "pause"}, 204),
        ({"command": "pause", "action": "resume"}, 204),
        ({"command": "pause", "action": "toggle"}, 204),
        ({"command": "restart"}, 204),
        ({"command": "pause", "action": "toggle"}, 204),
        ({"command": "pause", "action": "toggle"}, 204),
        ({"command": "restart"}, 409),
        ({"command": "cancel"}, 204),
        ({"command": "pause"}, 409),
        ({"command": "cancel"}, 409),
        ({"command": "start"}, 204),
        ({"command": "pause"}, 204),
    ):
        assert await say(files, "/api/job", **command) == status, command
    await flag(files, "Paused")
    assert (await files.get("/api/job"))[1]["job"]["file"]["name"] == "it.gcode"


async def test_the_printer_tells_temperatures_and_flags(files: Filing) -> None:
    status, found, _ = await files.get("/api/printer")
    assert status == 200
    for name in ("tool0", "bed"):
        assert set(found["temperature"][name]) == {"actual", "target", "offset"}
    assert found["sd"] == {"ready": False}
    flags = found["state"]["flags"]
    assert (flags["operational"], flags["ready"], flags["printing"], flags["closedOrError"]) == (
        True,
        True,
        False,
        False,
    )
    assert set((await files.get("/api/printer?exclude=temperature,sd"))[1]) == {"state"}
    await printing(files)
    flags = (await files.get("/api/printer"))[1]["state"]["flags"]
    assert (flags["printing"], flags["paused"], flags["ready"]) == (True, False, False)


async def test_gcode_and_targets_reach_the_printer(files: Filing) -> None:
    assert await say(files, "/api/printer/command", commands=["G28", "M140 S55"]) == 200
    assert await say(files, "/api/printer/command", command="M104 S190") == 200
    assert await say(files, "/api/printer/command", commands=[]) == 400
    found = await files.call(
        "printer.objects.query", objects={"heater_bed": ["target"], "extruder": ["target"]}
    )
    assert (found["status"]["heater_bed"]["target"], found["status"]["extruder"]["target"]) == (55, 190)
    assert await say(files, "/api/printer/tool", command="target", targets={"tool0": 0}) == 204
    assert await say(files, "/api/printer/bed", command="target", target="hot") == 400
    assert await say(files, "/api/printer/tool", command="target", targets={"tool7": 200}) == 400
    found = await files.call("printer.objects.query", objects={"extruder": ["target"]})
    assert found["status"]["extruder"]["target"] == 0


async def modes(files: Filing) -> tuple[bool, bool, float]:
    """Whether moves and extrusions are absolute, and the speed."""
    found = await files.call("printer.objects.query", objects={"gcode_move": None})
    state = found["status"]["gcode_move"]
    return state["absolute_coordinates"], state["absolute_extrude"], state["speed"]


HEAD, TOOL = "/api/printer/printhead", "/api/printer/tool"


@pytest.mark.parametrize("absolute", [True, False])
async def test_a_move_that_fails_leaves_the_printer_counting_as_before(files: Filing, absolute: bool) -> None:
    await files.call("printer.gcode.script", script="G90\nM82" if absolute else "G91\nM83")
    before = await modes(files)
    assert before[:2] == (absolute, absolute)
    status, answer, _ = await files.request("POST", HEAD, json={"command": "jog", "x": 5, "speed": 600})
    assert (status, "Must home axis first" in answer["error"]["message"]) == (400, True)
    assert await modes(files) == before
    assert await say(files, TOOL, command="extrude", amount=5, speed=60) == 400
    assert await modes(files) == before
    jog = {"command": "jog", "x": 999, "absolute": not absolute}
    await asyncio.gather(*(say(files, HEAD, **jog) for _ in range(5)))
    assert await modes(files) == before


async def test_the_head_is_not_moved_by_hand_while_it_prints(klippy: Simulator, files: Filing) -> None:
    await printing(files)
    for path, command in (
        (HEAD, {"command": "jog", "x": 5}),
        (HEAD, {"command": "home", "axes": ["x", "y"]}),
        (TOOL, {"command": "extrude", "amount": 5}),
    ):
        assert await say(files, path, **command) == 409, command
    klippy.executed.clear()
    for path, command in (
        (HEAD, {"command": "feedrate", "factor": 105}),
        (TOOL, {"command": "flowrate", "factor": 0.95}),
        (TOOL, {"command": "target", "targets": {"tool0": 190}}),
        ("/api/printer/bed", {"command": "target", "target": 50}),
    ):
        assert await say(files, path, **command) == 204, command
    assert [line for line in klippy.executed if not line.startswith("G1")] == [
        "M220 S105",
        "M221 S95",
        "SET_HEATER_TEMPERATURE HEATER=extruder TARGET=190",
        "SET_HEATER_TEMPERATURE HEATER=heater_bed TARGET=50",
    ]
    assert await say(files, "/api/job", command="pause", action="pause") == 204
    assert await say(files, HEAD, command="jog", z=1) == 204


async def test_a_move_that_waited_while_a_print_began_is_refused(klippy: Simulator, files: Filing) -> None:
    await files.upload("it.gcode", LONG)
    await files.call("printer.gcode.script", script=HOMED)
    slow = asyncio.create_task(say(files, HEAD, command="jog", x=50, absolute=True, speed=100))
    await until(lambda: "G1 X50 F100" in klippy.executed)
    waiting = asyncio.create_task(say(files, HEAD, command="jog", x=1))
    started = await files.begin("printer.print.start", filename="it.gcode")
    assert (await slow, await waiting) == (204, 409)
    assert (await files.answer(started))["result"] == "ok"


NUMBERS = {"actual", "target", "offset"}


async def test_each_part_of_the_printer_tells_its_temperatures(files: Filing) -> None:
    for path, names in (("tool", {"tool0"}), ("bed", {"bed"}), ("chamber", {"chamber"})):
        status, found, _ = await files.get(f"/api/printer/{path}")
        assert (status, set(found)) == (200, names)
        assert all(set(one) == NUMBERS for one in found.values())


HOMED, WARM = (
    "G28",
    "SET_HEATER_TEMPERATURE HEATER=extruder TARGET=200\nTEMPERATURE_WAIT SENSOR=extruder MINIMUM=195",
)
SAVE, RESTORE = "SAVE_GCODE_STATE NAME=octoprint", "RESTORE_GCODE_STATE NAME=octoprint"
BED, CHAMBER = "/api/printer/bed", "/api/printer/chamber"
SENT: tuple[tuple[str, dict[str, Any], list[str]], ...] = (
    (BED, {"command": "target", "target": 60}, ["SET_HEATER_TEMPERATURE HEATER=heater_bed TARGET=60"]),
    (CHAMBER, {"command": "target", "target": 40}, ["SET_HEATER_TEMPERATURE HEATER=chamber TARGET=40"]),
    (TOOL, {"command": "select", "tool": "tool0"}, ["T0"]),
    (TOOL, {"command": "extrude", "amount": 5, "speed": 120}, [SAVE, "M83", "G1 E5 F120", RESTORE]),
    (TOOL, {"command": "extrude", "amount": -2.5}, [SAVE, "M83", "G1 E-2.5 F300", RESTORE]),
    (TOOL, {"command": "flowrate", "factor": 95}, ["M221 S95"]),
    (TOOL, {"command": "flowrate", "factor": 1.05}, ["M221 S105"]),
    (HEAD, {"command": "jog", "x": 10, "y": 0.5}, [SAVE, "G91", "G1 X10 Y0.5 F3000", RESTORE]),
    (HEAD, {"command": "jog", "z": 7, "speed": 600, "absolute": True}, [SAVE, "G90", "G1 Z7 F600", RESTORE]),
    (HEAD, {"command": "home", "axes": ["x", "z"]}, ["G28 X Z"]),
    (HEAD, {"command": "feedrate", "factor": 110}, ["M220 S110"]),
)
REFUSED: tuple[tuple[str, dict[str, Any]], ...] = (
    (BED, {"command": "target"}),
    (BED, {"command": "target", "target": True}),
    (BED, {"command": "offset", "offset": 5}),
    (CHAMBER, {"command": "target", "target": None}),
    (TOOL, {"command": "select", "tool": "tool7"}),
    (TOOL, {"command": "select", "tool": "bed"}),
    (TOOL, {"command": "target", "targets": {}}),
    (TOOL, {"command": "extrude"}),
    (TOOL, {"command": "extrude", "amount": "5\nM112"}),
    (TOOL, {"command": "flowrate", "factor": None}),
    (HEAD, {"command": "jog"}),
    (HEAD, {"command": "jog", "x": "far"}),
    (HEAD, {"command": "home"}),
    (HEAD, {"command": "home", "axes": ["e"]}),
    (HEAD, {"command": "home", "axes": "x"}),
    (HEAD, {"command": "dance"}),
    ("/api/connection", {"command": "dance"}),
)


async def test_what_is_done_to_tools_bed_and_head_becomes_gcode(klippy: Simulator, files: Filing) -> None:
    await files.call("printer.gcode.script", script=HOMED)
    await files.call("printer.gcode.script", script=WARM)
    for path, command, lines in SENT:
        klippy.executed.clear()
        assert await say(files, path, **command) == 204, command
        assert list(klippy.executed) == lines
    klippy.executed.clear()
    for path, command in REFUSED:
        assert await say(files, path, **command) == 400, command
    assert list(klippy.executed) == []


async def test_the_connection_is_there_or_brought_about(klippy: Simulator, files: Filing) -> None:
    _, found, _ = await files.get("/api/connection")
    assert (found["current"]["state"], found["current"]["port"]) == ("Operational", "KLIPPER")
    for command, status in (("connect", 204), ("fake_ack", 204), ("disconnect", 409)):
        assert await say(files, "/api/connection", command=command) == status
    klippy.shut_down("MCU 'mcu' shutdown: Timer too close")
    await until(lambda: not files.running.bridge.klippy.ready)
    _, found, _ = await files.get("/api/connection")
    assert (found["current"]["state"], found["current"]["port"]) == ("Offline after error", None)
    assert (await files.get("/api/printer/bed"))[0] == 409
    assert await say(files, "/api/connection", command="connect") == 204
    await until(lambda: files.running.bridge.klippy.ready)


async def test_a_file_is_let_go_again_copied_and_found_in_its_folder(files: Filing) -> None:
    await files.upload("sub/it.gcode")
    assert await say(files, f"{LOCAL}/sub/it.gcode", command="select") == 204
    assert (await files.get("/api/job"))[1]["job"]["file"]["path"] == "sub/it.gcode"
    assert await say(files, f"{LOCAL}/sub/it.gcode", command="unselect") == 204
    assert (await files.get("/api/job"))[1]["job"]["file"]["path"] is None
    assert await say(files, "/api/job", command="start") == 409
    assert await say(files, f"{LOCAL}/nothing.gcode", command="select") == 404
    await files.call("server.files.post_directory", path="gcodes/there")
    copy = {"command": "copy", "destination": "there"}
    status, answer, headers = await files.request("POST", f"{LOCAL}/sub/it.gcode", json=copy)
    assert (status, headers["Location"]) == (201, f"{files.url}{LOCAL}/there/it.gcode")
    assert answer["refs"]["resource"] == headers["Location"]
    assert (files.gcodes / "sub/it.gcode").read_bytes() == (files.gcodes / "there/it.gcode").read_bytes()
    assert await say(files, f"{LOCAL}/sub/it.gcode", command="copy") == 400
    status, folder, _ = await files.get(f"{LOCAL}/there")
    assert (status, folder["type"], folder["path"], folder["size"]) == (200, "folder", "there", len(SHORT))
    assert [(one["name"], one["path"]) for one in folder["children"]] == [("it.gcode", "there/it.gcode")]


async def test_the_profile_of_the_printer_is_listed_and_told(files: Filing) -> None:
    _, listed, _ = await files.get("/api/printerprofiles")
    status, one, _ = await files.get("/api/printerprofiles/_default")
    assert (status, one) == (200, listed["profiles"]["_default"])
    assert (one["id"], one["default"], one["current"]) == ("_default", True, True)
    assert (await files.get("/api/printerprofiles/other"))[0] == 404


async def test_what_clients_ask_at_their_start_is_answered(files: Filing) -> None:
    for path, keys in (
        ("/api/settings", {"plugins", "feature", "webcam"}),
        ("/api/server", {"server", "version", "safemode"}),
        ("/api/connection", {"current", "options"}),
        ("/api/printerprofiles", {"profiles"}),
        ("/api/currentuser", {"name", "permissions", "groups"}),
    ):
        status, found, _ = await files.get(path)
        assert (status, set(found)) == (200, keys), path
    status, user, _ = await files.request("POST", "/api/login", json={"passive": True})
    assert (status, user["active"], user["user"]) == (200, True, True)


async def test_the_settings_tell_the_first_camera_that_is_on(files: Filing) -> None:
    _, found, _ = await files.get("/api/settings")
    assert (found["webcam"]["webcamEnabled"], found["webcam"]["streamUrl"]) == (False, "")
    for camera in (
        {"name": "off", "stream_url": "/off/", "enabled": False},
        {"name": "on", "stream_url": "/on/stream", "snapshot_url": "/on/still", "rotation": 90}
        | {"flip_horizontal": True},
        {"name": "other", "stream_url": "/other/"},
    ):
        await files.call("server.webcams.post_item", **camera)
    status, found, _ = await files.get("/api/settings")
    assert (status, found["webcam"]) == (
        200,
        {
            "webcamEnabled": True,
            "streamUrl": "/on/stream",
            "snapshotUrl": "/on/still",
            "flipH": False,
            "flipV": True,
            "rotate90": True,
        },
    )


async def test_a_wrong_key_is_401_where_a_key_is_needed(start: Start) -> None:
    running = await start(http={"trusted": []}, wait=False)
    assert running.bridge.http is not None
    async with (
        aiohttp.ClientSession(headers={"X-Api-Key": "wrong"}) as session,
        session.get(f"{running.bridge.http.url}/api/version") as response,
    ):
        assert response.status == 401


async def test_a_printer_that_is_away_is_409_and_takes_files(start: Start) -> None:
    async with filing(await start(wait=False)) as files:
        assert (await files.get("/api/printer"))[0] == 409
        assert await say(files, "/api/job", command="start") == 409
        assert await say(files, "/api/printer/command", command="G28") == 409
        assert (await files.get("/api/job"))[1]["state"] == "Offline"
        assert (await files.post(LOCAL, body([part("file", SHORT, filename="a.gcode")])))[0] == 201
