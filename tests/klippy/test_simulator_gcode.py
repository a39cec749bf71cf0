"""The simulator's G-code: how lines are read, what commands do and what they answer."""

from pathlib import Path
from typing import Any

import pytest

from bridge.klippy.simulator.line import GcodeError, Line
from tests.klippy.simulator_client import machine


@pytest.mark.parametrize(
    ("text", "name", "params"),
    [
        ("G1 X10 Y-2.5 E.3 F1800 ; a comment", "G1", {"X": "10", "Y": "-2.5", "E": ".3", "F": "1800"}),
        ("g1x10y2", "G1", {"X": "10", "Y": "2"}),
        ("N12 G28 X", "G28", {"X": ""}),
        ("set_pin pin=caselight value=.5", "SET_PIN", {"PIN": "caselight", "VALUE": ".5"}),
        (
            'SDCARD_PRINT_FILE FILENAME="sub dir/a b;c.gcode"',
            "SDCARD_PRINT_FILE",
            {"FILENAME": "sub dir/a b;c.gcode"},
        ),
        ('RESPOND MSG="say \\"hi\\" # now" # comment', "RESPOND", {"MSG": 'say "hi" # now'}),
        ("LOAD2 A=1", "LOAD2", {"A": "1"}),
        ("; only a comment", "", {}),
        ("   ", "", {}),
    ],
)
def test_a_line_is_read_as_klippy_reads_it(text: str, name: str, params: dict[str, str]) -> None:
    line = Line(text)

    assert (line.name, line.params) == (name, params)


@pytest.mark.parametrize("text", ['M_X A="open', "RESPOND MSG=it's", "SET_PIN PIN"])
def test_a_line_that_cannot_be_read_is_malformed(text: str) -> None:
    with pytest.raises(GcodeError) as caught:
        _ = Line(text).params

    assert str(caught.value) == f"Malformed command '{text}'"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("G1 X", "Unable to parse move 'G1 X'"),
        ("G1 X1000", "Must home axis first: 1000.000 0.000 0.000 [0.000]"),
        ("G28\nG1 X5000 Y10 Z5", "Move out of range: 5000.000 10.000 5.000 [0.000]"),
        ("G1 X1 F0", "Invalid speed in 'G1 X1 F0'"),
        ("M104 S500", "Requested temperature (500.0) out of range (0.0:300.0)"),
        ("SET_PIN PIN=relay VALUE=nan", "Error on 'SET_PIN PIN=relay VALUE=nan': unable to parse nan"),
        ("SET_GCODE_VARIABLE MACRO=GREET VARIABLE=count VALUE=1j", "Unable to parse '1j' as a literal"),
        ("M104 SX", "Error on 'M104 SX': unable to parse "),
        ("SET_PIN PIN=relay", "Error on 'SET_PIN PIN=relay': missing VALUE"),
        ("SET_PIN PIN=relay VALUE=0.5", "Invalid pin value"),
        (
            "SET_PIN PIN=caselight VALUE=2",
            "Error on 'SET_PIN PIN=caselight VALUE=2': VALUE must have maximum of 1.0",
        ),
        ("SET_PIN PIN=nosuch VALUE=1", "The value 'nosuch' is not valid for PIN"),
        ("SET_HEATER_TEMPERATURE HEATER=nosuch", "The value 'nosuch' is not valid for HEATER"),
        ("SET_GCODE_VARIABLE MACRO=GREET VARIABLE=x VALUE=1", "Unknown gcode_macro variable 'x'"),
        ("SET_GCODE_VARIABLE MACRO=GREET VARIABLE=count VALUE=a+b", "Unable to parse 'a+b' as a literal"),
        ("BED_MESH_PROFILE LOAD=nosuch", "bed_mesh: Unknown profile [nosuch]"),
        ("BED_MESH_PROFILE SAVE=x", "Unable to save to profile [x], the bed has not been probed"),
        ("BREAK", "Error evaluating 'gcode_macro BREAK:gcode': gcode.CommandError: broken on purpose\n"),
        ("SDCARD_PRINT_FILE FILENAME=nosuch", "Unable to open file"),
        ('SDCARD_PRINT_FILE FILENAME="open', "Malformed command 'SDCARD_PRINT_FILE FILENAME=\"open'"),
        ("RESTORE_GCODE_STATE NAME=nosuch", "Unknown g-code state: nosuch"),
        (
            "M109 S200\nG28\nG1 E60",
            "Extrude only move too long (60.000mm vs 50.000mm)\nSee the 'max_extrude_only_distance' config option for details",
        ),
        (
            "RESPOND TYPE=nosuch",
            "RESPOND TYPE 'nosuch' is invalid. Must be one of echo, echo_no_space, command, error",
        ),
        ("EXCLUDE_OBJECT_DEFINE NAME=a CENTER=x", "Unable to parse the place of object A"),
        (
            "SET_TEMPERATURE_FAN_TARGET TEMPERATURE_FAN=chamber_fan MIN_SPEED=.9 MAX_SPEED=.5",
            "Requested min speed (0.9) is greater than max speed (0.5)",
        ),
        (
            "SET_FAN_SPEED FAN=exhaust SPEED=-1",
            "Error on 'SET_FAN_SPEED FAN=exhaust SPEED=-1': SPEED must have minimum of 0.0",
        ),
        ("EXCLUDE_OBJECT CURRENT=1", "There is no current object to cancel"),
        ("TEMPERATURE_WAIT SENSOR=extruder", "Error on 'TEMPERATURE_WAIT': missing MINIMUM or MAXIMUM"),
        (
            "SET_TEMPERATURE_FAN_TARGET TEMPERATURE_FAN=chamber_fan TARGET=99",
            "Requested temperature (99.0) out of range (0.0:80.0)",
        ),
    ],
)
async def test_a_wrong_command_fails_with_klippys_text(tmp_path: Path, script: str, message: str) -> None:
    async with machine(tmp_path, speed=1000.0) as (_, client):
        await client.listen()

        assert await client.refusal(script) == message
        assert client.lines[-1] == "!! " + message.strip().partition("\n")[0]


async def test_a_script_stops_at_its_first_failing_line(tmp_path: Path) -> None:
    async with machine(tmp_path) as (simulator, client):
        await client.refusal("M117 before\nG1 X\nM117 after")

        assert (await client.query("display_status"))["message"] == "before"
        assert list(simulator.executed) == ["M117 before", "G1 X"]


async def test_a_cold_nozzle_does_not_extrude_and_says_so_in_two_lines(tmp_path: Path) -> None:
    async with machine(tmp_path) as (_, client):
        await client.listen()
        error = await client.refusal("G1 E5")

    assert error.startswith("Extrude below minimum temp\nSee the ")
    assert client.lines[0].startswith("// Extrude below minimum temp\n// See the ")
    assert client.lines[1] == "!! Extrude below minimum temp"


@pytest.mark.parametrize(
    ("script", "lines"),
    [
        ("NOSUCH", ['// Unknown command:"NOSUCH"']),
        ("G999", ['// Unknown command:"G999"']),
        ("STATUS", ["// Klipper state: Ready"]),
        ("M105", ["B:25.0 /0.0 C:25.0 /0.0 T0:25.0 /0.0"]),
        ("M114", ["X:0.000 Y:0.000 Z:0.000 E:0.000"]),
        ("M118 two  words", ["echo: two  words"]),
        ('RESPOND TYPE=error MSG="no"', ["!! no"]),
        ('RESPOND PREFIX=hey MSG="you"', ["hey you"]),
        ("ASK", ["// action:prompt_begin A question", "// action:prompt_text Go on?", "// action:prompt_button Yes|RESPOND MSG=yes", "// action:prompt_show"]),
        ("GREET NAME=world\nGREET", ["echo: hello world", "echo: hello nobody"]),
        ("QUERY_ENDSTOPS", ["stepper_x:TRIGGERED stepper_y:TRIGGERED stepper_z:TRIGGERED"]),
        ("QUERY_FILAMENT_SENSOR SENSOR=spool", ["// Filament Sensor spool: filament detected"]),
        ("RESUME", ["// Print is not paused, resume aborted"]),
        ("M27", ["Not SD printing."]),
        ("EXCLUDE_OBJECT_DEFINE", ["// Known objects:"]),
        ("EXCLUDE_OBJECT_START NAME=b\nEXCLUDE_OBJECT_DEFINE NAME=a\nEXCLUDE_OBJECT_DEFINE\nEXCLUDE_OBJECT CURRENT=1\nEXCLUDE_OBJECT", ["// Known objects: A B", "// Excluding object B", "// Excluded objects: B"]),
        ("BED_MESH_PROFILE", ["// Invalid syntax 'BED_MESH_PROFILE'"]),
        ("BED_MESH_PROFILE REMOVE=nosuch", ["// No profile named [nosuch] to remove"]),
        ("M20", ["Begin file list", "End file list"]),
        ("M21", ["SD card ok"]),
        ("_HIDDEN", ["echo: hidden"]),
        ("EXCLUDE_OBJECT_END", ["// EXCLUDE_OBJECT_END called, but no object is currently active"]),
        ("", []),
    ],
)  # fmt: skip
async def test_a_command_answers_with_lines(tmp_path: Path, script: str, lines: list[str]) -> None:
    async with machine(tmp_path) as (_, client):
        await client.listen()
        await client.script(script)

        assert client.lines == lines


@pytest.mark.parametrize(
    ("script", "name", "expected"),
    [
        ("M106 S128", "fan", {"speed": 128 / 255}),
        ("M106\nM107", "fan", {"speed": 0.0}),
        ("SET_FAN_SPEED FAN=exhaust SPEED=.5", "fan_generic exhaust", {"speed": 0.5}),
        ("SET_PIN PIN=caselight VALUE=.25", "output_pin caselight", {"value": 0.25}),
        ("SET_LED LED=status RED=1 WHITE=.5", "led status", {"color_data": [[1.0, 0.0, 0.0, 0.5]]}),
        ("SET_TEMPERATURE_FAN_TARGET temperature_fan=chamber_fan target=20", "temperature_fan chamber_fan", {"target": 20.0, "speed": 1.0}),
        ("M104 S200", "heater_fan hotend_fan", {"speed": 1.0}),
        ("M104 S200", "controller_fan electronics_fan", {"speed": 1.0}),
        ("M140 S60\nSET_HEATER_TEMPERATURE HEATER=chamber TARGET=40", "heater_generic chamber", {"target": 40.0}),
        ("M140 S60\nTURN_OFF_HEATERS", "heater_bed", {"target": 0.0, "power": 0.0}),
        ("M220 S150\nM221 S95", "gcode_move", {"speed_factor": 1.5, "extrude_factor": 0.95}),
        ("SET_GCODE_OFFSET Z=0.2\nSET_GCODE_OFFSET Z_ADJUST=-0.05", "gcode_move", {"homing_origin": [0.0, 0.0, pytest.approx(0.15), 0.0]}),
        ("G28\nG90\nG1 X10 Y20 F6000\nG91\nG1 X5\nG92 Y0", "gcode_move", {"position": [15.0, 20.0, 0.0, 0.0], "gcode_position": [15.0, 0.0, 0.0, 0.0], "absolute_coordinates": False}),
        ("G28\nSAVE_GCODE_STATE NAME=a\nG1 X50\nRESTORE_GCODE_STATE NAME=a MOVE=1", "toolhead", {"position": [0.0, 0.0, 0.0, 0.0], "homed_axes": "xyz"}),
        ("G28 X", "toolhead", {"homed_axes": "x"}),
        ("G28\nM84", "toolhead", {"homed_axes": ""}),
        ("M83", "gcode_move", {"absolute_extrude": False}),
        ("SET_VELOCITY_LIMIT ACCEL=1500 VELOCITY=120", "toolhead", {"max_accel": 1500.0, "max_velocity": 120.0}),
        ("SET_PRESSURE_ADVANCE ADVANCE=.05", "extruder", {"pressure_advance": 0.05}),
        ("SET_FILAMENT_SENSOR SENSOR=spool ENABLE=0", "filament_switch_sensor spool", {"enabled": False}),
        ("SET_PRINT_STATS_INFO TOTAL_LAYER=5 CURRENT_LAYER=9", "print_stats", {"info": {"total_layer": 5, "current_layer": 5}}),
        ("SET_GCODE_VARIABLE MACRO=START_PRINT VARIABLE=bed VALUE=75", "gcode_macro START_PRINT", {"bed": 75, "started": 0}),
        ("BED_MESH_PROFILE LOAD=default", "bed_mesh", {"profile_name": "default", "mesh_min": [20.0, 20.0]}),
        ("BED_MESH_PROFILE LOAD=default\nBED_MESH_CLEAR", "bed_mesh", {"profile_name": "", "mesh_matrix": [[]]}),
        ("M73 P40", "display_status", {"progress": 0.4}),
        ("EXCLUDE_OBJECT_DEFINE NAME=a CENTER=1,2\nEXCLUDE_OBJECT NAME=a", "exclude_object", {"objects": [{"name": "A", "center": [1, 2]}], "excluded_objects": ["A"]}),
        ("EXCLUDE_OBJECT NAME=a\nEXCLUDE_OBJECT NAME=b\nEXCLUDE_OBJECT RESET=1 NAME=A", "exclude_object", {"excluded_objects": ["B"]}),
        ("EXCLUDE_OBJECT_START NAME=a\nEXCLUDE_OBJECT_DEFINE RESET=1", "exclude_object", {"objects": [], "current_object": None}),
        ("BED_MESH_PROFILE REMOVE=default", "bed_mesh", {"profiles": {}}),
        ("BED_MESH_PROFILE REMOVE=default\nSAVE_CONFIG RESTART=0", "configfile", {"save_config_pending": False}),
        ("SAVE_CONFIG", "configfile", {"save_config_pending": False}),
        ("G28\nSET_GCODE_OFFSET X=5 MOVE=1 MOVE_SPEED=100", "toolhead", {"position": [5.0, 0.0, 0.0, 0.0]}),
        ("PAUSE\nCLEAR_PAUSE", "pause_resume", {"is_paused": False}),
        ("M204 S700", "toolhead", {"max_accel": 700.0}),
        ("END_PRINT", "gcode_macro START_PRINT", {"started": 0}),
        ('SET_DISPLAY_TEXT MSG="a b"', "display_status", {"message": "a b"}),
        ("QUERY_ENDSTOPS", "query_endstops", {"last_query": {"stepper_x": 1, "stepper_y": 1, "stepper_z": 1}}),
        ("SET_IDLE_TIMEOUT TIMEOUT=30", "idle_timeout", {"idle_timeout": 30.0}),
        ("M117 a message; whole", "display_status", {"message": "a message; whole"}),
    ],
)  # fmt: skip
async def test_a_command_changes_what_the_printer_shows(
    tmp_path: Path, script: str, name: str, expected: dict[str, Any]
) -> None:
    async with machine(tmp_path, speed=1000.0) as (_, client):
        await client.script(script)
        status = await client.query(name)

    assert {key: status[key] for key in expected} == expected


async def test_heating_waits_reports_and_reaches_its_target(tmp_path: Path) -> None:
    async with machine(tmp_path, speed=500.0) as (_, client):
        await client.listen()
        await client.script("M190 S60\nM109 S200\nTEMPERATURE_WAIT SENSOR=extruder MINIMUM=190")
        status = await client.query("extruder", "heater_bed")

    assert abs(status["extruder"]["temperature"] - 200) < 3
    assert abs(status["heater_bed"]["temperature"] - 60) < 3
    assert status["extruder"]["can_extrude"] is True
    assert len([line for line in client.lines if line.startswith("B:")]) > 4


async def test_a_heater_that_is_off_cools_down(tmp_path: Path) -> None:
    async with machine(tmp_path, speed=1000.0) as (_, client):
        await client.script("M109 S100\nM104 S0\nTEMPERATURE_WAIT SENSOR=extruder MAXIMUM=60")

        assert (await client.query("extruder"))["temperature"] < 61


async def test_moves_take_the_time_of_their_length(tmp_path: Path) -> None:
    async with machine(tmp_path, speed=100.0) as (simulator, client):
        await client.script("G28\nM400")
        started = simulator.printer.clock.now()
        await client.script("G1 X200 F1200\nG1 X0\nM400")

        assert 20.0 <= simulator.printer.clock.now() - started < 35.0


async def test_the_live_position_is_on_its_way(tmp_path: Path) -> None:
    async with machine(tmp_path, speed=40.0) as (_, client):
        await client.script("G28")
        await client.subscribe({"motion_report": ["live_position", "live_velocity"]})
        await client.script("G1 X200 F3000\nM400")
        await client.until(
            lambda: client.seen("motion_report", "live_position")[-1:] == [[200.0, 0.0, 0.0, 0.0]]
        )

        between = [place[0] for place in client.seen("motion_report", "live_position")]
        assert between == sorted(between)
        assert len(between) > 3
        assert max(client.seen("motion_report", "live_velocity")) == 50.0


async def test_a_calibrated_mesh_is_kept_over_a_save(tmp_path: Path) -> None:
    async with machine(tmp_path, speed=2000.0) as (simulator, client):
        await client.script("G28\nBED_MESH_CALIBRATE PROFILE=warm")
        config = await client.query("configfile")
        assert config["save_config_pending"] is True
        assert list(config["save_config_pending_items"]) == ["bed_mesh warm"]

        old = simulator.printer
        await client.script("SAVE_CONFIG")
        await client.hold(lambda: simulator.printer is not old and simulator.printer.state == "ready")

        objects = simulator.printer.objects
        assert "bed_mesh warm" in objects["configfile"]()["config"]
        assert set(objects["bed_mesh"]()["profiles"]) == {"default", "warm"}


async def test_the_printer_is_idle_then_printing_then_ready(tmp_path: Path) -> None:
    async with machine(tmp_path, speed=40.0) as (_, client):
        first = await client.subscribe({"idle_timeout": ["state"]})
        await client.script("G28")
        await client.until(lambda: client.seen("idle_timeout", "state") == ["Printing", "Ready"])

    assert first == {"idle_timeout": {"state": "Idle"}}


async def test_an_idle_printer_switches_its_heaters_and_motors_off(tmp_path: Path) -> None:
    async with machine(tmp_path, speed=500.0) as (_, client):
        await client.subscribe(
            {"idle_timeout": ["state"], "heater_bed": ["target"], "toolhead": ["homed_axes"]}
        )
        await client.script("G28\nM140 S50\nSET_IDLE_TIMEOUT TIMEOUT=0.1")
        await client.until(lambda: client.seen("idle_timeout", "state")[-1:] == ["Idle"])

        assert client.seen("heater_bed", "target") == [50.0, 0.0]
        assert client.seen("toolhead", "homed_axes")[-1] == ""


async def test_help_and_the_command_list_agree(tmp_path: Path) -> None:
    async with machine(tmp_path) as (_, client):
        await client.listen()
        texts = await client.result("gcode/help")
        commands = (await client.query("gcode"))["commands"]
        await client.script("HELP\nM115\nM110 N5")

    assert {name: row["help"] for name, row in commands.items() if row} == texts
    assert commands["M117"] == {}
    assert "SDCARD_PRINT_FILE" in client.lines[0]
    assert client.lines[1].startswith("FIRMWARE_NAME:Klipper")
