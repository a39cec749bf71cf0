"""What a serial line does to a connection, and what the printer asks of its host."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import KlippyError, KlippyUnavailable
from bridge.klippy.serial.link import remedy
from bridge.klippy.simulator.firmware import LineFaults
from tests.klippy.serial.bench import bench, moves
from tests.wire import until


@pytest.mark.parametrize(
    ("dialect", "faults"),
    [
        ("marlin", {"lose_ok": 0.02}),
        ("marlin_plain", {"lose_ok": 0.01}),
        ("marlin", {"lose_bytes": 0.01}),
        ("marlin_plain", {"lose_bytes": 0.01}),
        ("marlin", {"noise": 0.1}),
        ("marlin", {"damage": 0.02, "storm": 6}),
    ],
)
async def test_a_bad_line_costs_time_but_no_line(
    dialect: str, faults: dict[str, Any], tmp_path: Path
) -> None:
    async with bench(tmp_path, dialect=dialect, faults=LineFaults(**faults), silence=0.5) as one:
        await one.print(moves(300))
        await one.ends()
        assert one.printed() == moves(300)


async def test_a_printer_that_falls_silent_is_given_up(tmp_path: Path) -> None:
    async with bench(tmp_path, silence=0.1) as one:
        await one.print(moves(3))
        await one.ends()
        one.firmware.faults.silent = True
        with pytest.raises(KlippyUnavailable, match="has not answered"):
            await one.script("M104 S0")
        assert not one.link.connected


async def test_a_reset_while_it_prints_ends_the_connection(tmp_path: Path) -> None:
    async with bench(tmp_path, faults=LineFaults(reset_at=50)) as one:
        await one.print(moves(500))
        await until(lambda: one.losses)
        assert one.losses == ["the printer has restarted by itself"]
        await one.link.connect()
        assert (await one.look("print_stats"))["state"] == "standby"
        assert len(one.printed()) <= 51


@pytest.mark.parametrize("dialect", ["marlin", "marlin_plain", "reprap"])
async def test_a_reset_that_nobody_tells_of_is_noticed_and_nothing_is_printed_again(
    dialect: str, tmp_path: Path
) -> None:
    faults = LineFaults(reset_at=60, mute_reset=True)
    async with bench(tmp_path, dialect=dialect, faults=faults) as one:
        await one.print(moves(500))
        await until(lambda: one.losses)
        assert "it has restarted" in one.losses[0]
        assert len(set(one.printed())) == len(one.printed()) <= 61


@pytest.mark.parametrize("dialect", ["marlin", "marlin_plain", "reprap"])
async def test_a_board_that_boots_when_its_port_is_opened_is_waited_for(dialect: str, tmp_path: Path) -> None:
    async with bench(tmp_path, dialect=dialect, faults=LineFaults(boots=0.3)) as one:
        assert one.link.connected
        await one.print(moves(20))
        await one.ends()
        assert one.printed() == moves(20)
        assert one.losses == []


@pytest.mark.parametrize("baud", [250_000, 57_600])
async def test_the_speed_is_found_out(baud: int, tmp_path: Path) -> None:
    async with bench(tmp_path, baud="auto", connect=False, connect_timeout=0.1) as one:
        one.firmware.terminal.baud = baud
        await one.link.connect()
        assert one.link._baud == baud
        await one.print(moves(10))
        await one.ends()


async def test_nobody_there_is_told_with_a_remedy(tmp_path: Path) -> None:
    async with bench(tmp_path, connect=False, connect_timeout=0.05) as one:
        one.firmware.faults.silent = True
        with pytest.raises(KlippyUnavailable, match="does not answer at 250000 baud"):
            await one.link.connect()
        assert not one.link.connected
        one.firmware.terminal.unplug()
        with pytest.raises(OSError) as caught:
            await one.link.connect()
        assert one.link.trouble(caught.value) == (
            f"cannot reach the printer at {tmp_path}/tty: no such port; is it plugged in and on, is klippy.serial right?"
        )


async def test_a_port_that_somebody_else_has_is_told(tmp_path: Path) -> None:
    async with bench(tmp_path) as one, bench(tmp_path / "..", connect=False) as other:
        other.link.path = one.link.path
        with pytest.raises(OSError) as caught:
            await other.link.connect()
        assert remedy(caught.value) == "another program has it open; end that one"


async def test_a_halt_is_a_shutdown(tmp_path: Path) -> None:
    async with bench(tmp_path) as one:
        one.firmware.say("Error:Thermal Runaway, system stopped! Heater_ID: 0")
        await until(lambda: "// Klipper state: Shutdown" in one.said)
        assert (await one.ask("info"))["state"] == "shutdown"
        with pytest.raises(KlippyError, match="Thermal Runaway"):
            await one.script("G28")
        await one.ask("gcode/firmware_restart")
        await until(lambda: one.losses)


async def test_what_a_firmware_does_not_know_keeps_nobody_from_connecting(tmp_path: Path) -> None:
    faults = LineFaults(errors={"M412": "Bad command", "M220": "Bad command"})
    async with bench(tmp_path, dialect="reprap", faults=faults) as one:
        assert one.said == []
        assert await one.look("filament_switch_sensor filament") == {}


async def test_klippers_own_terminal_gets_its_own_words(tmp_path: Path) -> None:
    async with bench(tmp_path, dialect="klipper") as one:
        await one.script("SET_HEATER_TEMPERATURE HEATER=extruder TARGET=50")
        assert one.firmware.executed[-1] == "SET_HEATER_TEMPERATURE HEATER=extruder TARGET=50"
        await one.script("M112")
        assert (await one.ask("info"))["state"] == "shutdown"


async def test_klipper_that_goes_away_behind_its_terminal_is_lost(tmp_path: Path) -> None:
    async with bench(tmp_path, dialect="klipper") as one:
        one.firmware.say("// Klipper state: Disconnect")
        await until(lambda: one.losses)
        assert one.losses == ["Klipper has lost its MCU, or ends"]
        assert not one.link.connected


async def test_a_printer_that_has_stopped_for_a_failed_probe_takes_no_more_lines(tmp_path: Path) -> None:
    async with bench(tmp_path) as one:
        await one.print(moves(500))
        one.firmware.say("Error:!! STOP called because of BLTouch error - restart with M999")
        await until(lambda: (one.link.printer or pytest.fail("lost")).state == "shutdown")
        assert (await one.look("webhooks"))["state_message"].startswith(
            "STOP called because of BLTouch error"
        )
        assert not (await one.look("virtual_sdcard"))["is_active"]
        with pytest.raises(KlippyError, match="STOP called"):
            await one.script("G28")


@pytest.mark.parametrize(
    ("script", "sent"),
    [
        ("SET_HEATER_TEMPERATURE HEATER=extruder TARGET=200", ["M104 S200"]),
        ("SET_HEATER_TEMPERATURE HEATER=heater_bed TARGET=60", ["M140 S60"]),
        ("TURN_OFF_HEATERS", ["M104 S0", "M140 S0"]),
        ('SET_DISPLAY_TEXT MSG="two words"', ["M117 two words"]),
        ("SET_GCODE_OFFSET Z=0.1\nSET_GCODE_OFFSET Z_ADJUST=-0.05", ["M290 Z0.100", "M290 Z-0.050"]),
        ("SET_VELOCITY_LIMIT VELOCITY=150 ACCEL=900", ["M203 X150 Y150", "M204 S900"]),
        ("SET_FILAMENT_SENSOR SENSOR=filament ENABLE=0", []),
        (
            "G1 F900\nSAVE_GCODE_STATE NAME=a\nG91\nM83\nG1 E1 F300\nRESTORE_GCODE_STATE NAME=a",
            ["G1 F900", "G91", "M83", "G1 E1 F300", "G92 E0.00000", "G90", "M82", "G1 F900"],
        ),
        (
            "G28\nSAVE_GCODE_STATE\nG1 X5 F900\nRESTORE_GCODE_STATE MOVE=1",
            ["G28", "G1 X5 F900", "G90", "G1 X0.000 Y0.000 F6000", "G1 Z0.000 F600",
             "G92 E0.00000", "G90", "M82", "G1 F1500"],
        ),
        ("N7 G4 P1*12 ; wait", ["G4 P1"]),
        ("M110 N5\nG4 P1", ["G4 P1"]),
    ],
)  # fmt: skip
async def test_klippers_commands_become_the_printers(script: str, sent: list[str], tmp_path: Path) -> None:
    async with bench(tmp_path) as one:
        await one.script(script)
        assert list(one.firmware.executed) == sent


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("SET_HEATER_TEMPERATURE HEATER=extruder TARGET=900", "out of range"),
        ("SET_HEATER_TEMPERATURE HEATER=extruder TARGET=nan", "must be a number"),
        ("SET_HEATER_TEMPERATURE HEATER=oven TARGET=1", "not valid for HEATER"),
        ("SET_HEATER_TEMPERATURE TARGET=1", "missing HEATER"),
        ('SET_DISPLAY_TEXT MSG="open', "Malformed command"),
        ("RESTORE_GCODE_STATE NAME=b", "Unknown g-code state: b"),
        ("G1 " + "X1 " * 50, "longer than the printer's buffer"),
    ],
)
async def test_what_cannot_be_done_is_refused_and_nothing_is_sent(
    script: str, message: str, tmp_path: Path
) -> None:
    async with bench(tmp_path) as one:
        with pytest.raises(KlippyError, match=message):
            await one.script(script)
        assert list(one.firmware.executed) == []


async def test_the_printer_commands_its_host(tmp_path: Path) -> None:
    async with bench(tmp_path, speed=40) as one:
        lines = [f"G1 X{x} F6000" for x in (200, 1) * 200]
        await one.print(lines)
        await until(lambda: len(one.firmware.executed) > 10)
        one.firmware.say("//action:pause")
        await until(lambda: one.link._life.job.is_paused)
        one.firmware.say("//action:notification All is well")
        await until(lambda: "// action:notification All is well" in one.said)
        assert (await one.look("display_status"))["message"] == "All is well"
        one.firmware.say("//action:resume")
        await until(lambda: one.stats.state == "printing")
        one.firmware.say("//action:out_of_filament T0")
        one.firmware.pause()
        await until(lambda: one.stats.state == "paused")
        assert not (await one.look("filament_switch_sensor filament"))["filament_detected"]
        one.firmware.resume()
        await until(lambda: one.stats.state == "printing")
        assert (await one.look("filament_switch_sensor filament"))["filament_detected"]
        one.firmware.say("//action:cancel")
        await until(lambda: one.stats.state == "cancelled")


async def test_a_prompt_of_the_printer_is_one_of_klippers(tmp_path: Path) -> None:
    async with bench(tmp_path) as one:
        one.firmware.say("//action:prompt_begin Filament Runout T0", "//action:prompt_button Purge more",
                         "//action:prompt_button Continue", "//action:prompt_show")  # fmt: skip
        await until(lambda: "// action:prompt_show" in one.said)
        assert one.said[-4:] == [
            "// action:prompt_begin Filament Runout T0",
            "// action:prompt_button Purge more|M876 S0",
            "// action:prompt_button Continue|M876 S1",
            "// action:prompt_show",
        ]


async def test_a_printer_that_wants_to_be_switched_off_is_stopped(tmp_path: Path) -> None:
    async with bench(tmp_path) as one:
        await one.print(moves(500))
        one.firmware.say("//action:poweroff")
        await until(lambda: "// action:poweroff" in one.said)
        info = await one.ask("info")
        assert info["state"] == "shutdown"
        assert "asked to be switched off" in info["state_message"]


@pytest.mark.parametrize(
    "action", ["out_of_filament T0", "filament_runout 0", "prompt_begin Filament Runout T0"]
)
async def test_filament_that_has_run_out_is_seen_whatever_the_firmware_calls_it(
    action: str, tmp_path: Path
) -> None:
    async with bench(tmp_path) as one:
        assert (await one.look("filament_switch_sensor filament"))["filament_detected"]
        one.firmware.say(f"//action:{action}")
        await until(lambda: f"// action:{action}" in one.said)
        assert not (await one.look("filament_switch_sensor filament"))["filament_detected"]


async def test_temperatures_come_by_themselves_or_by_asking(tmp_path: Path) -> None:
    for dialect in ("marlin", "marlin_plain"):
        async with bench(tmp_path, dialect=dialect, speed=500) as one:
            await one.script("M104 S100")
            assert (await one.look("extruder"))["target"] == 100
            before = len(one.said)
            printer = one.link.printer
            assert printer is not None
            await until(lambda printer=printer: printer.heat.heaters["extruder"].temperature > 60)
            assert one.said[before:] == []  # nobody asked
            await one.script("M105")
            assert one.said[-1].startswith("T:")


async def test_an_unknown_endpoint_and_wrong_arguments_are_told_as_klippy_does(tmp_path: Path) -> None:
    async with bench(tmp_path) as one:
        for method, params, message in (
            ("nosuch/method", {}, "No registered callback for path 'nosuch/method'"),
            ("gcode/script", {}, r"Missing Argument \[script\]"),
            ("gcode/script", {"script": 1}, r"Invalid Argument Type \[script\]"),
            ("objects/query", {}, r"Missing Argument \[objects\]"),
            ("objects/query", {"objects": [1]}, r"Invalid Argument Type \[objects\]"),
            ("objects/query", {"objects": {"toolhead": "position"}}, "Invalid argument"),
        ):
            with pytest.raises(KlippyError, match=message):
                await one.ask(method, **params)
        answer = await one.ask("objects/query", objects={"nosuch": None, "toolhead": ["nosuch"]})
        assert answer["status"] == {"nosuch": {}, "toolhead": {"nosuch": None}}
        assert set(await one.ask("list_endpoints")) == {"endpoints"}


async def test_nothing_is_left_open(tmp_path: Path) -> None:
    before = set(Path("/proc/self/fd").iterdir())
    for _ in range(3):
        async with bench(tmp_path) as one:
            await one.print(moves(5))
            await one.ends()
    await asyncio.sleep(0)
    assert len(set(Path("/proc/self/fd").iterdir()) - before) <= 1
