"""Prints on the simulator: states, progress, times, layers, pause, cancel, runout, errors."""

from pathlib import Path

import pytest

from bridge.klippy.simulator import write_sample
from bridge.klippy.simulator.gcode_file import GcodeFile, find
from tests.klippy.simulator_client import Client, machine

LINES = "G1 X100 F6000\nG1 X0\n"  # two seconds


def put(folder: Path, text: str, name: str = "a.gcode") -> None:
    path = folder / "gcodes" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


async def state(client: Client, wanted: str) -> None:
    await client.until(lambda: wanted in client.seen("print_stats", "state"))


async def watch(client: Client) -> None:
    await client.listen()
    await client.subscribe({"print_stats": None, "virtual_sdcard": None, "pause_resume": None})


async def test_a_sample_prints_from_standby_to_complete(tmp_path: Path) -> None:
    write_sample(tmp_path / "gcodes" / "sub dir" / "A b.gcode", size=10, layers=3)
    async with machine(tmp_path, speed=300.0) as (_, client):
        await watch(client)
        await client.script('SDCARD_PRINT_FILE FILENAME="/SUB dir/a B.gcode"')
        await state(client, "complete")
        job, card, head = (await client.query("print_stats", "virtual_sdcard", "toolhead")).values()

    size = (tmp_path / "gcodes" / "sub dir" / "A b.gcode").stat().st_size
    assert client.lines[:2] == [f"File opened:sub dir/A b.gcode Size:{size}", "File selected"]
    assert client.lines[-1] == "Done printing file"
    assert client.seen("print_stats", "state") == ["printing", "complete"]
    assert job["filename"] == "sub dir/A b.gcode"
    assert job["info"] == {"total_layer": 3, "current_layer": 3}
    assert 0 < job["print_duration"] < job["total_duration"]
    assert job["filament_used"] > 5
    assert card == {
        "file_path": None,
        "progress": 1.0,
        "is_active": False,
        "file_position": size,
        "file_size": size,
    }
    assert head["homed_axes"] == ""
    progress = client.seen("virtual_sdcard", "progress")
    assert progress == sorted(progress)
    assert client.seen("virtual_sdcard", "file_path")[0] == str(tmp_path / "gcodes" / "sub dir" / "A b.gcode")


async def test_the_estimate_of_a_sample_is_near_the_truth(tmp_path: Path) -> None:
    write_sample(tmp_path / "gcodes" / "a.gcode", size=20, layers=10)
    text = (tmp_path / "gcodes" / "a.gcode").read_text()
    minutes, seconds = text.partition("(normal mode) = ")[2].partition("\n")[0].split()
    estimate = int(minutes[:-1]) * 60 + int(seconds[:-1])
    async with machine(tmp_path, speed=200.0) as (_, client):
        await watch(client)
        await client.script("SDCARD_PRINT_FILE FILENAME=a.gcode")
        await state(client, "complete")
        job = await client.query("print_stats")

    assert job["total_duration"] == pytest.approx(estimate, rel=0.35)
    assert f"filament used [mm] = {job['filament_used']:.2f}" in text


async def test_a_cold_sample_extrudes_nothing_and_has_no_print_duration(tmp_path: Path) -> None:
    write_sample(tmp_path / "gcodes" / "a.gcode", size=10, layers=2, heat=False)
    async with machine(tmp_path, speed=500.0) as (_, client):
        await watch(client)
        await client.script("SDCARD_PRINT_FILE FILENAME=a.gcode")
        await state(client, "complete")
        job = await client.query("print_stats")

    assert (job["filament_used"], job["print_duration"]) == (0.0, 0.0)
    assert job["total_duration"] > 0


async def test_a_print_pauses_resumes_and_is_cancelled(tmp_path: Path) -> None:
    put(tmp_path, "G28\n" + LINES * 100)
    async with machine(tmp_path) as (simulator, client):
        await watch(client)
        await client.script("SDCARD_PRINT_FILE FILENAME=a.gcode")
        await state(client, "printing")
        assert await client.refusal("SDCARD_PRINT_FILE FILENAME=a.gcode") == "SD busy"
        assert await client.result("pause_resume/pause") == {}
        await client.until(lambda: client.seen("pause_resume", "is_paused") == [True])
        await client.script("PAUSE")
        assert client.lines[-1] == "// Print already paused"
        position = (await client.query("virtual_sdcard"))["file_position"]
        assert await client.result("pause_resume/resume") == {}
        await client.until(lambda: client.seen("print_stats", "state") == ["printing", "paused", "printing"])
        await client.until(lambda: client.seen("virtual_sdcard", "file_position")[-1] > position)
        assert await client.result("pause_resume/cancel") == {}
        await state(client, "cancelled")
        card = await client.query("virtual_sdcard")

        assert (card["file_path"], card["file_size"], card["is_active"]) == (None, 0, False)
        assert (await client.query("print_stats"))["filename"] == "a.gcode"
        assert list(simulator.executed)[-4:] == ["PAUSE", "PAUSE", "RESUME", "CANCEL_PRINT"]
        await client.script("SDCARD_RESET_FILE")
        assert (await client.query("print_stats"))["filename"] == ""


async def test_time_in_a_pause_is_no_print_duration(tmp_path: Path) -> None:
    put(tmp_path, "G28\nM83\nG1 E1 F300\n" + LINES + "PAUSE\n" + LINES)
    async with machine(tmp_path, speed=300.0) as (simulator, client):
        await client.script("M109 S200")
        await watch(client)
        await client.script("SDCARD_PRINT_FILE FILENAME=a.gcode")
        await state(client, "paused")
        await client.script("G4 P30000\nM400\nRESUME")
        await state(client, "complete")
        job = await client.query("print_stats")

        assert job["total_duration"] > 30
        assert 2 < job["print_duration"] < job["total_duration"] - 25
        assert "PAUSE" not in simulator.executed  # it came from the file


async def test_an_error_in_the_file_ends_the_print(tmp_path: Path) -> None:
    put(tmp_path, "G28\nG1 X5000\nM117 never\n")
    async with machine(tmp_path) as (_, client):
        await watch(client)
        await client.script("SDCARD_PRINT_FILE FILENAME=a.gcode")
        await state(client, "error")
        job, display, card = (await client.query("print_stats", "display_status", "virtual_sdcard")).values()

    assert job["message"] == "Move out of range: 5000.000 0.000 0.000 [0.000]"
    assert client.lines[-2:] == [f"!! {job['message']}", "!! file stopped by an error"]
    assert display["message"] is None
    assert (card["is_active"], card["file_position"]) == (False, 4)


async def test_an_emergency_stop_leaves_the_print_paused(tmp_path: Path) -> None:
    put(tmp_path, "M109 S250\n")
    async with machine(tmp_path, speed=1.0) as (_, client):
        await watch(client)
        await client.script("SDCARD_PRINT_FILE FILENAME=a.gcode")
        await state(client, "printing")
        await client.result("emergency_stop")
        await state(client, "paused")

        assert (await client.query("virtual_sdcard"))["is_active"] is False
        assert client.seen("pause_resume", "is_paused") == []


async def test_a_runout_pauses_the_print(tmp_path: Path) -> None:
    put(tmp_path, "G28\n" + LINES * 100)
    async with machine(tmp_path) as (simulator, client):
        await watch(client)
        await client.script("SDCARD_PRINT_FILE FILENAME=a.gcode")
        await state(client, "printing")
        await client.result("simulator/runout")
        await client.until(lambda: client.seen("pause_resume", "is_paused") == [True])
        sensor = await client.query("filament_switch_sensor spool")
        await client.script("QUERY_FILAMENT_SENSOR SENSOR=spool")

        assert client.seen("print_stats", "state") == ["printing", "paused"]
        assert sensor == {"filament_detected": False, "enabled": True}
        assert client.lines[-1] == "// Filament Sensor spool: filament not detected"
        simulator.set_filament(present=True)
        await client.script("RESUME")
        await client.until(lambda: client.seen("print_stats", "state")[-1] == "printing")


@pytest.mark.parametrize(
    "line", ["SDCARD_RESET_FILE", "SDCARD_PRINT_FILE FILENAME=a.gcode", "M23 a.gcode", "M24", "M26 S0"]
)
async def test_a_file_cannot_choose_another_while_it_is_printed(tmp_path: Path, line: str) -> None:
    put(tmp_path, f"M117 before\n{line}\nM117 after\n")
    async with machine(tmp_path) as (_, client):
        await watch(client)
        await client.script("SDCARD_PRINT_FILE FILENAME=a.gcode")
        await state(client, "error")

        assert (await client.query("display_status"))["message"] == "before"


async def test_a_file_can_cancel_itself(tmp_path: Path) -> None:
    put(tmp_path, "M117 before\nCANCEL_PRINT\nM117 after\n")
    async with machine(tmp_path) as (_, client):
        await watch(client)
        await client.script("SDCARD_PRINT_FILE FILENAME=a.gcode")
        await state(client, "cancelled")

        assert (await client.query("display_status"))["message"] == "before"
        assert client.seen("print_stats", "state")[-1] == "cancelled"


async def test_a_file_that_follows_a_cancelled_one_at_once_is_printed_from_its_start(tmp_path: Path) -> None:
    put(tmp_path, "G28\n" + LINES * 100, "long.gcode")
    put(tmp_path, "M117 b\n" + LINES, "next.gcode")
    async with machine(tmp_path, speed=100.0) as (_, client):
        await watch(client)
        await client.script("SDCARD_PRINT_FILE FILENAME=long.gcode")
        await state(client, "printing")
        await client.script("CANCEL_PRINT\nSDCARD_PRINT_FILE FILENAME=next.gcode")
        await state(client, "complete")

        assert (await client.query("display_status"))["message"] == "b"
        job = await client.query("print_stats")
        assert job["filename"] == "next.gcode"
        assert job["total_duration"] > 1


async def test_a_file_can_stop_the_machine(tmp_path: Path) -> None:
    put(tmp_path, "M117 before\nM112\nM117 after\n")
    async with machine(tmp_path) as (simulator, client):
        await watch(client)
        await client.script("SDCARD_PRINT_FILE FILENAME=a.gcode")
        await state(client, "paused")

        assert simulator.printer.state == "shutdown"
        assert "!! file stopped by an error" not in client.lines


async def test_an_emergency_stop_while_the_last_moves_run_leaves_the_print_paused(tmp_path: Path) -> None:
    put(tmp_path, "G1 X1\n")
    async with machine(tmp_path, speed=20.0) as (simulator, client):
        await client.script("G28")
        put(tmp_path, "G1 X20 F600\n")
        await watch(client)
        await client.script("SDCARD_PRINT_FILE FILENAME=a.gcode")
        await client.until(lambda: client.seen("virtual_sdcard", "progress")[-1:] == [1.0])
        await client.result("emergency_stop")
        await state(client, "paused")

        assert simulator.printer.toolhead.position[0] < 20


async def test_the_card_lists_its_files(tmp_path: Path) -> None:
    put(tmp_path, "G28\n", "sub/b.gcode")
    put(tmp_path, "", "a.gcode")
    async with machine(tmp_path) as (_, client):
        await client.listen()
        await client.script("M20")

    assert client.lines == ["Begin file list", "a.gcode 0", "sub/b.gcode 4", "End file list"]


async def test_a_shutdown_right_after_a_runout_ends_the_wait_for_its_pause(tmp_path: Path) -> None:
    put(tmp_path, "G28\n" + LINES * 100)
    async with machine(tmp_path, speed=1.0) as (simulator, client):
        await watch(client)
        await client.script("SDCARD_PRINT_FILE FILENAME=a.gcode")
        await state(client, "printing")
        simulator.set_filament(present=False)
        await state(client, "paused")
        await client.result("emergency_stop")
        simulator.set_filament(present=True)
        await client.result("info")

        assert simulator.printer.objects["pause_resume"]() == {"is_paused": False}
        assert "PAUSE" not in simulator.executed


async def test_a_sensor_that_is_off_pauses_nothing(tmp_path: Path) -> None:
    put(tmp_path, "G28\n" + LINES)
    async with machine(tmp_path) as (simulator, client):
        await watch(client)
        await client.script("SET_FILAMENT_SENSOR SENSOR=spool ENABLE=0\nSDCARD_PRINT_FILE FILENAME=a.gcode")
        simulator.set_filament(present=False)
        await state(client, "complete")

        assert client.seen("pause_resume", "is_paused") == []


async def test_a_file_is_chosen_then_printed_from_a_place_in_it(tmp_path: Path) -> None:
    put(tmp_path, "M117 first\nM117 second\nG28\n" + LINES)
    async with machine(tmp_path) as (_, client):
        await watch(client)
        await client.script("M23 a.gcode")
        chosen = await client.query("print_stats")
        await client.script("M26 S11\nM27\nM24\nM25")
        await state(client, "paused")
        await client.script("M24")
        await state(client, "complete")

    assert (chosen["state"], chosen["filename"]) == ("standby", "a.gcode")
    assert any(line.startswith("SD printing byte 11/") for line in client.lines)


async def test_layers_are_read_from_comments_when_the_file_does_not_tell_them(tmp_path: Path) -> None:
    put(tmp_path, ";LAYER_COUNT:2\n;LAYER:0\nM117 a\n;LAYER:1\nM117 b\n", "cura.gcode")
    put(tmp_path, ";LAYER_CHANGE\nM117 a\n;LAYER_CHANGE\nM117 b\n;LAYER_CHANGE\n", "prusa.gcode")
    put(
        tmp_path,
        "SET_PRINT_STATS_INFO TOTAL_LAYER=9 CURRENT_LAYER=4\n;LAYER_CHANGE\n;LAYER:7\n",
        "told.gcode",
    )
    layers = {}
    async with machine(tmp_path) as (_, client):
        await watch(client)
        for name in ("cura", "prusa", "told"):
            await client.script(f"SDCARD_PRINT_FILE FILENAME={name}.gcode")
            await client.until(lambda: client.lines[-1] == "Done printing file")
            layers[name] = (await client.query("print_stats"))["info"]

    assert layers["cura"] == {"total_layer": 2, "current_layer": 2}
    assert layers["prusa"] == {"total_layer": None, "current_layer": 3}
    assert layers["told"] == {"total_layer": 9, "current_layer": 4}


async def test_an_excluded_object_is_not_printed(tmp_path: Path) -> None:
    put(
        tmp_path,
        "G28\nM109 S200\nM82\nG92 E0\nG1 X10 E5 F600\nEXCLUDE_OBJECT_DEFINE NAME=a\nEXCLUDE_OBJECT NAME=a\n"
        "EXCLUDE_OBJECT_START NAME=a\nG1 X99 E55\nEXCLUDE_OBJECT_END\nG1 X20 E60\n",
    )
    async with machine(tmp_path, speed=500.0) as (_, client):
        await watch(client)
        await client.script("SDCARD_PRINT_FILE FILENAME=a.gcode")
        await state(client, "complete")
        job, head = (await client.query("print_stats", "toolhead")).values()

    assert job["filament_used"] == pytest.approx(10.0)
    assert head["position"][0] == 20.0


async def test_files_are_found_only_below_their_folder(tmp_path: Path) -> None:
    put(tmp_path, "G28\n", "deep/Er.gcode")
    (tmp_path / "secret.gcode").write_text("M112\n")
    folder = tmp_path / "gcodes"

    assert find(folder, "../secret.gcode") is None
    assert find(folder, "") is None
    found = find(folder, "/DEEP/er.gcode")
    assert found is not None
    assert found.name == "deep/Er.gcode"
    found.close()


def test_a_file_is_read_in_pieces_and_keeps_its_place(tmp_path: Path) -> None:
    lines = [f"G1 X{number} ; " + "x" * 300 for number in range(100)]
    path = tmp_path / "a.gcode"
    path.write_text("\n".join(lines))
    file = GcodeFile(path, "a.gcode")
    read = []
    while (found := file.next()) is not None:
        assert file.next() == found
        read.append(found[0])
        file.take(found[1])

    assert read == lines
    assert (file.position, file.progress) == (path.stat().st_size, 1.0)
    file.seek(0)
    assert file.next() == (lines[0], len(lines[0]) + 1)
    file.close()
