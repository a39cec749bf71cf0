"""A print and what can happen to it."""

import asyncio
from pathlib import Path

import pytest

from bridge.errors import KlippyError, KlippyUnavailable
from bridge.klippy.commands import quoted
from bridge.klippy.simulator.firmware import LineFaults
from tests.filing import ODD_NAMES
from tests.klippy.serial.bench import Bench, bench, moves
from tests.wire import until

SLOW = ["G28", "G1 X0 Y0 Z0.2 F6000", *(f"G1 X{x} E{x / 100} F6000" for x in (200, 1) * 300)]


async def begun(one: Bench, lines: list[str] = SLOW, count: int = 30) -> None:
    await one.print(lines)
    await until(lambda: len(one.firmware.executed) > count)


async def goes_on(one: Bench) -> None:
    before = len(one.firmware.executed)
    await until(lambda: len(one.firmware.executed) > before + 20)


async def test_a_print_is_paused_parked_and_resumed_where_it_was(tmp_path: Path) -> None:
    async with bench(tmp_path, pause_gcode=["M83", "G1 E-2"], resume_gcode=["M83", "G1 E2"]) as one:
        await begun(one, ["M82", *SLOW])
        await one.ask("pause_resume/pause")
        assert (await one.look("pause_resume"))["is_paused"]
        assert (await one.look("print_stats"))["state"] == "paused"
        assert not (await one.look("virtual_sdcard"))["is_active"]
        before = list(one.firmware.executed)
        assert before[-2:] == ["M83", "G1 E-2"]
        position = dict(one.firmware.machine.position)
        await one.script("G1 X100 Y100")
        await one.ask("pause_resume/pause")
        assert one.said[-1] == "// Print already paused"
        await one.ask("pause_resume/resume")
        after = list(one.firmware.executed)[len(before) + 1 :]
        assert after[:3] == ["G90", f"G1 X{position['X']:.3f} Y{position['Y']:.3f} F6000", "G1 Z0.200 F600"]
        assert after[3:5] == ["M83", "G1 E2"]
        assert after[5].startswith("G92 E")
        assert after[6:9] == ["G90", "M82", "G1 F6000"]
        await one.ends()
        assert [line for line in one.firmware.executed if line in SLOW[2:]] == SLOW[2:]


async def test_a_print_is_cancelled_even_while_it_heats(tmp_path: Path) -> None:
    async with bench(tmp_path, cancel_gcode=["M104 S0"]) as one:
        one.firmware.machine.nozzle.pace = 0.001
        await one.print(["M109 S200", *SLOW])
        await until(lambda: "M109 S200" in one.firmware.executed)
        await one.ask("pause_resume/cancel")
        assert one.stats.state == "cancelled"
        assert one.firmware.executed[-1] == "M104 S0"
        assert (await one.look("virtual_sdcard"))["file_path"] is None
        one.firmware.machine.nozzle.pace = 100
        await one.print(moves(5), "b.gcode")
        await one.ends()


async def test_progress_layers_and_filament_are_told(tmp_path: Path) -> None:
    async with bench(tmp_path, speed=300) as one:
        await begun(one, [";LAYER_COUNT:9", ";LAYER:0", "M83", *SLOW[:100], ";LAYER:1", *SLOW])
        await until(lambda: one.stats.layer == 2)
        card = await one.look("virtual_sdcard")
        assert 0 < card["progress"] < 1
        assert 0 < card["file_position"] < card["file_size"]
        stats = await one.look("print_stats")
        assert stats["info"] == {"total_layer": 9, "current_layer": 2}
        assert stats["filament_used"] > 0
        assert 0 < stats["print_duration"] <= stats["total_duration"]
        with pytest.raises(KlippyError, match="SD busy"):
            await one.script("SDCARD_PRINT_FILE FILENAME=a.gcode")
        await one.ask("pause_resume/cancel")


@pytest.mark.parametrize(
    ("comments", "layers"),
    [
        ([";LAYER_CHANGE", ";Z:0.2", ";LAYER_CHANGE"], (2, None)),
        (["; total layer number: 120", "; CHANGE_LAYER", ";LAYER_CHANGE"], (1, 120)),
        (["; total layers count = 7", ";LAYER:0", ";LAYER:1", ";LAYER:2"], (3, 7)),
        ([";LAYER_COUNT:5", "; LAYER : 3"], (4, 5)),
        ([";LAYER_HEIGHT:0.2", ";LAYERS"], (None, None)),
    ],
)
async def test_layers_are_told_by_the_comments_of_each_slicer(
    comments: list[str], layers: tuple[int | None, int | None], tmp_path: Path
) -> None:
    async with bench(tmp_path) as one:
        await one.print([line for comment in comments for line in (comment, "G1 X1")])
        await one.ends()
        assert (one.stats.layer, one.stats.layers) == layers


async def test_commands_of_klipper_in_a_file_are_for_the_host(tmp_path: Path) -> None:
    lines = ["EXCLUDE_OBJECT_DEFINE NAME=a", "SET_PRINT_STATS_INFO TOTAL_LAYER=7", "M110 N0",
             "SET_PRINT_STATS_INFO CURRENT_LAYER=3", "SET_HEATER_TEMPERATURE HEATER=heater_bed TARGET=50",
             'SET_DISPLAY_TEXT MSG="on it"', *moves(3)]  # fmt: skip
    async with bench(tmp_path) as one:
        await one.print(lines)
        await one.ends()
        assert one.printed() == ["M140 S50", "M117 on it", *moves(3)]
        assert (one.stats.layer, one.stats.layers) == (3, 7)


async def test_a_file_pauses_itself(tmp_path: Path) -> None:
    async with bench(tmp_path, filament_change="pause", pause_gcode=["M117 change"]) as one:
        await one.print([*moves(5), "M600", *moves(5)])
        await until(lambda: one.link._life.job.is_paused)
        assert one.printed() == [*moves(5), "M117 change"]
        await one.script("RESUME")
        await one.ends()
        assert "M600" not in one.printed()


async def test_the_firmware_changes_filament_and_the_host_sees_a_pause(tmp_path: Path) -> None:
    async with bench(tmp_path) as one:
        await one.print([*moves(5), "M600", *moves(5)])
        await until(lambda: one.stats.state == "paused")
        assert (await one.look("pause_resume"))["is_paused"]
        await one.ask("pause_resume/resume")
        await one.ends()
        assert one.printed() == [*moves(5), "M600", *moves(5)]


async def test_a_print_that_the_firmware_holds_can_be_cancelled(tmp_path: Path) -> None:
    async with bench(tmp_path) as one:
        await one.print([*moves(5), "M600", *SLOW])
        await until(lambda: one.stats.state == "paused")
        await one.ask("pause_resume/cancel")
        assert one.stats.state == "cancelled"


@pytest.mark.parametrize(
    ("policy", "state", "finished"),
    [("stop", "error", False), ("ignore", "complete", True), ("pause", "paused", False)],
)
async def test_an_error_of_a_line_does_what_the_configuration_says(
    policy: str, state: str, finished: bool, tmp_path: Path
) -> None:
    lines = [*moves(20), "G29", *(f"G0 X{x}" for x in range(200))]
    async with bench(tmp_path, faults=LineFaults(errors={"G29": "Probing Failed"}), on_error=policy) as one:
        await one.print(lines)
        await until(lambda: one.stats.state == state)
        assert ("G0 X199" in one.firmware.executed) is finished
        assert "!! Probing Failed" in one.said
        if policy == "stop":
            assert one.stats.message == "Probing Failed"
            await until(lambda: "M140 S0" in one.firmware.executed)


async def test_a_line_that_no_firmware_can_hold_is_an_error_of_the_file(tmp_path: Path) -> None:
    async with bench(tmp_path) as one:
        await one.print([*moves(3), "G1 " + "X1 " * 50, *moves(3)])
        await one.ends("error")
        assert "longer than the printer's buffer" in one.stats.message
        await one.print([*moves(3), "SET_PRINT_STATS_INFO CURRENT_LAYER=nan"], "b.gcode")
        await one.ends("error")


@pytest.mark.parametrize("name", ["none.gcode", "../tty", "/etc/passwd", "", "folder"])
async def test_a_file_that_is_not_there_is_refused(name: str, tmp_path: Path) -> None:
    async with bench(tmp_path) as one:
        (one.gcodes / "folder").mkdir()
        with pytest.raises(KlippyError, match="Unable to open file"):
            await one.script(f'SDCARD_PRINT_FILE FILENAME="{name}"')
        assert one.stats.state == "standby"


async def test_a_file_is_found_in_a_folder_and_whatever_its_case(tmp_path: Path) -> None:
    async with bench(tmp_path) as one:
        (one.gcodes / "My Parts").mkdir()
        await one.print(moves(2), "My Parts/a b.gcode")
        await one.ends()
        await one.script('SDCARD_PRINT_FILE FILENAME="/my parts/A B.gcode"')
        await one.ends()
        await one.script("SDCARD_RESET_FILE")
        assert (await one.look("print_stats"))["state"] == "standby"


@pytest.mark.parametrize("name", ODD_NAMES)
async def test_a_file_may_have_any_name(name: str, tmp_path: Path) -> None:
    async with bench(tmp_path) as one:
        one.write(moves(2), name)
        await one.script(f"SDCARD_PRINT_FILE FILENAME={quoted(name, 'filename')}")
        await one.ends()
        assert one.stats.filename == name


async def test_a_file_on_a_stick_is_printed_over_a_link(tmp_path: Path) -> None:
    (tmp_path / "stick").mkdir()
    (tmp_path / "stick/a.gcode").write_text("G1 X1\n")
    async with bench(tmp_path) as one:
        (one.gcodes / "usb").symlink_to(tmp_path / "stick")
        await one.script('SDCARD_PRINT_FILE FILENAME="usb/a.gcode"')
        await one.ends()
        assert one.stats.filename == "usb/a.gcode"


async def test_the_last_lines_of_a_print_that_was_given_up_count_for_no_other(tmp_path: Path) -> None:
    async with bench(tmp_path, speed=100) as one:
        await begun(one, [*moves(2), "G1 X200 F600"], 2)
        await until(lambda: "M400" in one.firmware.executed)
        cancelled = asyncio.ensure_future(one.script("CANCEL_PRINT\nSDCARD_PRINT_FILE FILENAME=b.gcode"))
        one.write(SLOW, "b.gcode")
        await cancelled
        assert one.stats.state == "printing"
        assert one.stats.position < 200


async def test_a_script_runs_beside_a_print_and_each_line_stays_whole(tmp_path: Path) -> None:
    async with bench(tmp_path) as one:
        await begun(one)
        await asyncio.gather(*(one.script(f"M117 {n}\nM104 S{n}") for n in range(20)))
        await one.ends()
        told = [line for line in one.firmware.executed if line.startswith(("M117", "M104"))]
        assert told == [line for n in range(20) for line in (f"M117 {n}", f"M104 S{n}")]
        assert [line for line in one.firmware.executed if line in set(SLOW)] == SLOW


SCRIPT = ["G91", "G1 Z1", "G1 Z-1"]


@pytest.mark.parametrize("dialect", ["marlin", "marlin_plain", "klipper"])
async def test_no_line_of_the_file_stands_between_the_lines_of_a_script(dialect: str, tmp_path: Path) -> None:
    async with bench(tmp_path, dialect=dialect) as one:
        await begun(one)
        for _ in range(5):
            await one.script("\n".join(("SAVE_GCODE_STATE", *SCRIPT, "RESTORE_GCODE_STATE")))
            await goes_on(one)
        told = list(one.firmware.executed)
        places = [place for place, line in enumerate(told) if line == "G91"]
        assert len(places) == 5
        for place in places:
            assert told[place : place + 3] == SCRIPT
            back = ["RESTORE_GCODE_STATE"] if dialect == "klipper" else ["G90", "M82", "G1 F6000"]
            assert told[place + 3 : place + 3 + len(back)] == back
        await one.ends()
        assert [line for line in one.firmware.executed if line in set(SLOW)] == SLOW


async def test_a_state_is_that_behind_the_lines_of_the_file_which_are_under_way(tmp_path: Path) -> None:
    async with bench(tmp_path, dialect="marlin") as one:
        one.firmware.pause()
        await one.print(["G1 F1200", "M83", *SLOW[2:]])
        await until(lambda: one.link._life.printer.sender.under_way > 2)
        saved = asyncio.ensure_future(one.script("SAVE_GCODE_STATE\nM82\nG1 F99\nRESTORE_GCODE_STATE"))
        await until(one.link._life.job.gate.locked)
        one.firmware.resume()
        await saved
        place = one.firmware.executed.index("G1 F99")
        assert list(one.firmware.executed)[place + 1 : place + 4] == ["G90", "M83", "G1 F6000"]
        await one.ask("pause_resume/cancel")


async def test_a_script_that_waits_for_heat_keeps_no_host_action_waiting(tmp_path: Path) -> None:
    async with bench(tmp_path, cancel_gcode=["M104 S0"]) as one:
        one.firmware.machine.nozzle.pace = 0.001
        await begun(one)
        waiting = asyncio.ensure_future(one.script("M109 S200\nM117 warm"))
        await until(lambda: "M109 S200" in one.firmware.executed)
        one.firmware.say("//action:cancel")
        await until(lambda: one.stats.state == "cancelled")
        await waiting


async def test_a_print_goes_on_behind_a_script_that_fails(tmp_path: Path) -> None:
    async with bench(tmp_path) as one:
        await begun(one)
        with pytest.raises(KlippyError, match="Unknown g-code state"):
            await one.script("M117 a\nRESTORE_GCODE_STATE NAME=none")
        await one.ends()


async def test_a_state_that_comes_back_beside_a_print_leaves_the_extruder_s_count_alone(
    tmp_path: Path,
) -> None:
    async with bench(tmp_path) as one:
        await one.print(moves(3000))
        await one.script("SAVE_GCODE_STATE NAME=a\nM83\nRESTORE_GCODE_STATE NAME=a")
        await one.ends()
        assert "M82" in one.firmware.executed
        assert [line for line in one.firmware.executed if line.startswith("G92")] == []


@pytest.mark.parametrize("value", ["a\nM112", "a\rM112", 'a" \nM112', "a\x0bM112\x00"])
async def test_a_value_never_becomes_a_second_line(value: str, tmp_path: Path) -> None:
    async with bench(tmp_path) as one:
        (one.gcodes / "x.gcode").write_text(f"M117 {value.replace(chr(10), ' ')}\n")
        await one.script("SDCARD_PRINT_FILE FILENAME=x.gcode")
        await one.ends()
        assert not one.firmware.killed
        told = [line for line in one.firmware.executed if line.startswith("M117")]
        assert len(told) == 1
        assert "M112" in told[0]


async def test_an_emergency_stop_in_a_file_is_one(tmp_path: Path) -> None:
    async with bench(tmp_path) as one:
        await one.print([*moves(3), "M112", *moves(3)])
        await until(lambda: one.firmware.killed)
        assert (await one.look("webhooks"))["state"] == "shutdown"


async def test_a_job_ends_with_its_connection(tmp_path: Path) -> None:
    async with bench(tmp_path, speed=10) as one:
        await begun(one)
        waiting = asyncio.ensure_future(one.script("G4 S100"))
        await until(lambda: one.link._pending)
        one.firmware.terminal.unplug()
        with pytest.raises(KlippyUnavailable):
            await waiting
        assert len(one.losses) == 1
        assert not one.link.connected
        with pytest.raises(KlippyUnavailable):
            await one.script("G28")


async def test_a_bridge_that_ends_leaves_nothing_hot(tmp_path: Path) -> None:
    async with bench(tmp_path, speed=10) as one:
        await begun(one, count=5)
        one.link.close()
        await until(lambda: {"M104 S0", "M140 S0", "M107"} <= set(one.firmware.executed))
