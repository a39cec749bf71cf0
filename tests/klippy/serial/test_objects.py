"""The printer's objects: what it was told and what it tells, in Klipper's words."""

from pathlib import Path
from typing import Any

import pytest

from tests.klippy.serial.bench import Bench, bench, moves
from tests.wire import until


@pytest.mark.parametrize(
    ("script", "name", "wanted"),
    [
        ("M106 S127.5", "fan", {"speed": 0.5, "rpm": None}),
        ("M106 S255\nM107", "fan", {"speed": 0.0}),
        ("M106 P1 S255", "fan", {"speed": 0.0}),  # another one
        ("M73 P42 R10", "display_status", {"progress": 0.42}),
        ("M73 R10", "display_status", {"progress": 0.0}),
        ("M73 P250", "display_status", {"progress": 1.0}),
        ("M117 Two words", "display_status", {"message": "Two words"}),
        ("M117", "display_status", {"message": None}),
        ("M220 S150", "gcode_move", {"speed_factor": 1.5}),
        ("M221 S95", "gcode_move", {"extrude_factor": 0.95}),
        ("G91", "gcode_move", {"absolute_coordinates": False, "absolute_extrude": False}),
        ("G90\nM83", "gcode_move", {"absolute_coordinates": True, "absolute_extrude": False}),
        ("G1 X10 Y20 Z3 F4800", "gcode_move", {"speed": 4800.0, "position": [10.0, 20.0, 3.0, 0.0]}),
        ("M290 Z0.05", "gcode_move", {"homing_origin": [0.0, 0.0, 0.05, 0.0]}),
        ("G28 X", "toolhead", {"homed_axes": "x"}),
        ("G28\nM84", "toolhead", {"homed_axes": ""}),
        ("G4 P1", "idle_timeout", {"state": "Ready"}),
        ("M412", "filament_switch_sensor filament", {"enabled": True, "filament_detected": True}),
        ("M119", "query_endstops", {"last_query": {"x_min": 0, "z_min": 1}}),
    ],
)
async def test_an_object_shows_what_became_of_a_script(
    script: str, name: str, wanted: dict[str, Any], tmp_path: Path
) -> None:
    async with bench(tmp_path) as one:
        await one.script(script)
        found = await one.look(name)
        assert {key: found[key] for key in wanted} == wanted


async def test_where_a_move_at_the_display_has_led_is_told_after_the_next_script(tmp_path: Path) -> None:
    async with bench(tmp_path) as one:
        one.firmware.machine.position.update(X=77.0, Y=5.0)
        await one.script("G1 Z1 F600")
        assert (await one.look("toolhead"))["position"][:3] == [77.0, 5.0, 1.0]


async def test_limits_are_those_of_the_configuration(tmp_path: Path) -> None:
    limits: dict[str, Any] = {"width": 300, "depth": 310, "height": 400, "nozzle_max": 300, "bed_max": 120,
                              "chamber_max": 60, "max_velocity": 500, "max_accel": 9000, "nozzle_diameter": 0.6}  # fmt: skip
    async with bench(tmp_path, **limits) as one:
        told = (await one.look("configfile"))["settings"]
        assert [told[f"stepper_{axis}"]["position_max"] for axis in "xyz"] == [300, 310, 400]
        assert (told["extruder"]["max_temp"], told["heater_bed"]["max_temp"]) == (300, 120)
        assert told["heater_generic chamber"]["max_temp"] == 60
        assert told["extruder"]["nozzle_diameter"] == 0.6
        toolhead = await one.look("toolhead")
        assert (toolhead["max_velocity"], toolhead["max_accel"]) == (500, 9000)
        assert toolhead["axis_maximum"][:3] == [300, 310, 400]


async def test_a_printer_that_prints_is_not_idle(tmp_path: Path) -> None:
    async with bench(tmp_path, speed=50) as one:
        await one.print(moves(400))
        await until(lambda: len(one.firmware.executed) > 5)
        assert (await one.look("idle_timeout"))["state"] == "Printing"
        await one.ask("pause_resume/pause")
        assert (await one.look("idle_timeout"))["state"] == "Ready"


async def targets(one: Bench) -> list[float]:
    return [(await one.look(name))["target"] for name in ("extruder", "extruder1")]


async def test_each_of_several_nozzles_has_its_own_heat(tmp_path: Path) -> None:
    async with bench(tmp_path, extruders=2) as one:
        await one.script("M104 T1 S200\nM104 S50")
        assert await targets(one) == [50.0, 200.0]
        assert [nozzle.target for nozzle in one.firmware.machine.nozzles] == [50.0, 200.0]
        await one.script("T1\nM104 S180")
        assert await targets(one) == [50.0, 180.0]
        assert (await one.look("toolhead"))["extruder"] == "extruder1"
        await one.script("SET_HEATER_TEMPERATURE HEATER=extruder TARGET=60")
        assert one.firmware.executed[-1] == "M104 T0 S60"
        await one.script("M105")  # what it reports is the same
        assert await targets(one) == [60.0, 180.0]
        printer = one.link.printer
        assert printer is not None
        await until(lambda: printer.heat.heaters["extruder1"].temperature > 150)
        assert printer.heat.heaters["extruder"].temperature < 70
        await one.script("TURN_OFF_HEATERS")
        assert await targets(one) == [0.0, 0.0]
