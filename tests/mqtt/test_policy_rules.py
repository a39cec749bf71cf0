"""What the quiet policy knows of each kind of field: rounding, dead-band, what counts as discrete."""

import math
from typing import Any

import pytest

from bridge.mqtt.policy import KINDS, RULES, UNKNOWN, Quiet, QuietSettings, rule_for

# The table: kind, field, sent, its rounding, a change that an idle printer keeps to itself, one that it tells.
ROWS: list[tuple[str, str, str, Any, Any, Any, Any]] = [
    ("temperature", "extruder", "temperature", 20.04, 20.0, 20.49, 20.5),
    ("temperature", "heater_generic chamber", "temperature", -0.04, 0.0, 0.4, -0.6),
    ("temperature", "temperature_sensor host", "measured_max_temp", 41.55, 41.5, 41.9, 42.0),
    ("climate", "bme280 enclosure", "humidity", 40.26, 40.3, 41.2, 41.4),
    ("gas", "bme680 enclosure", "gas", 50_000.4, 50_000.0, 54_000.0, 56_000.0),
    ("power", "heater_bed", "power", 0.50006, 0.5, 0.54, 0.56),
    ("power", "extruder", "power", 0.04, 0.04, 0.08, 0.0),
    ("power", "extruder", "power", 0.96, 0.96, 0.98, 1.0),
    ("fraction", "fan", "speed", 0.50196, 0.502, 0.5025, 0.503),
    ("fraction", "virtual_sdcard", "progress", 0.9991, 0.999, 0.9996, 1.0),
    ("fraction", "gcode_move", "speed_factor", 1.0, 1.0, 1.0004, 1.001),
    ("pwm", "pwm_tool laser", "value", 0.25, 0.25, 0.2504, 0.251),
    ("colour", "led status", "color_data", [[0.0, 0.50196]], [[0.0, 0.502]], [[0.0, 0.5021]], [[0.001, 0.502]]),
    ("rpm", "fan", "rpm", 5004.0, 5000.0, 5200.0, 5300.0),
    ("position", "toolhead", "position", [1.004, 2.0], [1.0, 2.0], [1.004, 1.996], [1.0, 2.01]),
    ("position", "motion_report", "live_position", [-1.5e-16], [0.0], [0.001], [0.01]),
    ("height", "probe", "last_z_result", 1.23449, 1.234, 1.2345, 1.236),
    ("height", "bed_mesh", "mesh_matrix", [[0.01234]], [[0.012]], [[0.0122]], [[0.014]]),
    ("velocity", "motion_report", "live_velocity", 24.7615, 24.8, 24.84, 25.0),
    ("velocity", "gcode_move", "speed", 1500.04, 1500.0, 1500.05, 1500.2),
    ("duration", "print_stats", "print_duration", 12.6, 13.0, 13.9, 14.0),
    ("filament", "print_stats", "filament_used", 12.4, 12.0, 12.9, 13.0),
    ("file_position", "virtual_sdcard", "file_position", 1065, 1065, 1065, 1066),
    ("clock", "toolhead", "estimated_print_time", 115.8, 116.0, 175.0, 176.5),
    ("load", "system_stats", "sysload", 2.3203, 2.32, 2.56, 2.6),
    ("memory", "system_stats", "memavail", 22_849_784, 22_850_000, 21_800_000, 21_600_000),
    ("stats", "mcu", "last_stats", {"awake": 0.00149, "bytes": 1818}, {"awake": 0.001, "bytes": 1818},
     {"awake": 0.04, "bytes": 1990}, {"awake": 0.001, "bytes": 2010}),
    ("unknown", "load_cell", "force_g", 1.23456, 1.235, 1.2355, 1.237),
    ("unknown", "gcode_macro HEAT", "temperature", 20.1234, 20.123, 20.1235, 20.2),
    ("state", "print_stats", "info", {"current_layer": 1}, {"current_layer": 1}, {"current_layer": 1}, {"current_layer": 2}),
    ("state", "print_stats", "state", "standby", "standby", "standby", "printing"),
    ("state", "filament_switch_sensor spool", "enabled", True, True, True, False),
    ("setting", "extruder", "target", 200.0, 200.0, 200, 200.01),
    ("setting", "output_pin caselight", "value", 0.0, 0.0, 0, 0.0005),
    ("setting", "gcode_move", "homing_origin", [0.0, 0.0], [0.0, 0.0], [0, 0], [0.0, 0.005]),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[1]}.{row[2]}")
def test_each_kind_is_rounded_and_has_its_dead_band_when_idle(row):
    kind, obj, name, value, rounded, held, told = row
    assert rule_for(obj, name).kind == kind
    quiet = Quiet()
    assert quiet.snapshot({obj: {name: value}}) == [(obj, name, rounded)]
    quiet.offer(0.0, obj, name, held)
    assert quiet.waiting == 0
    assert quiet.suppressed == 1
    quiet.offer(1.0, obj, name, told)
    assert quiet.waiting == 1
    assert [taken[:2] for taken in quiet.take(1.0)] == [(obj, name)]


def test_every_row_of_the_table_is_tried_above():
    assert {row[0] for row in ROWS} == KINDS


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.kind)
def test_every_name_of_a_row_leads_to_it(rule):
    for name in rule.fields.split():
        obj, _, field_name = name.partition(".")
        found = rule_for(obj.replace("*", "mine") + " 1", field_name.replace("*", "mine"))
        assert found is rule


def test_no_field_has_two_rules():
    names = [name for rule in RULES for name in rule.fields.split()]
    assert len(names) == len(set(names))


def test_a_field_that_nobody_knows_is_rounded_to_three_decimals():
    assert rule_for("some_plugin x", "figure") is UNKNOWN
    assert Quiet().snapshot({"some_plugin x": {"figure": 1.23456}}) == [("some_plugin x", "figure", 1.235)]


def test_while_printing_one_step_of_the_rounding_is_a_change():
    quiet = Quiet()
    quiet.snapshot({"extruder": {"temperature": 200.0}})
    quiet.printing = True
    quiet.offer(0.0, "extruder", "temperature", 200.09)
    assert quiet.take(0.0) == []
    quiet.offer(0.0, "extruder", "temperature", 200.1)
    assert quiet.take(0.0) == [("extruder", "temperature", 200.1)]


def test_the_dead_band_follows_the_mode():
    quiet = Quiet()
    quiet.snapshot({"extruder": {"temperature": 200.0}})
    quiet.printing = True
    quiet.printing = False
    quiet.offer(0.0, "extruder", "temperature", 200.4)
    assert quiet.waiting == 0
    quiet.printing = True
    quiet.offer(0.0, "extruder", "temperature", 200.4)
    assert quiet.waiting == 1


def test_a_value_that_returns_before_its_turn_is_not_sent():
    quiet = Quiet()
    quiet.snapshot({"extruder": {"temperature": 20.0}})
    quiet.offer(0.0, "extruder", "temperature", 25.0)
    quiet.offer(1.0, "extruder", "temperature", 20.2)
    assert quiet.take(1.0) == []
    assert quiet.wake(1.0) is None


def test_what_is_not_finite_is_null_at_every_level():
    values = {"mcu": {"last_stats": {"a": math.nan, "b": [math.inf, 1.00049]}}, "x": {"y": 10**400}}
    taken = [("mcu", "last_stats", {"a": None, "b": [None, 1.0]}), ("x", "y", None)]
    quiet = Quiet()
    assert quiet.snapshot(values) == taken
    quiet.offer(0.0, "mcu", "last_stats", {"a": -math.inf, "b": [math.nan, 1.0]})
    assert quiet.waiting == 0


def test_bands_and_decimals_can_be_set_by_kind():
    quiet = Quiet(QuietSettings(bands={"temperature": 2.0}, digits={"temperature": 0}))
    assert quiet.snapshot({"extruder": {"temperature": 20.4}}) == [("extruder", "temperature", 20.0)]
    quiet.offer(0.0, "extruder", "temperature", 21.9)
    assert quiet.waiting == 0
    quiet.offer(0.0, "extruder", "temperature", 22.0)
    assert quiet.waiting == 1


def test_no_setting_gives_an_exempt_kind_a_dead_band():
    quiet = Quiet(QuietSettings(bands={"setting": 5.0}, digits={"setting": 1}))
    quiet.snapshot({"extruder": {"target": 200.0}})
    quiet.offer(0.0, "extruder", "target", 200.06)
    assert quiet.take(0.0) == [("extruder", "target", 200.1)]


def test_a_key_that_comes_or_goes_is_a_change():
    quiet = Quiet()
    quiet.snapshot({"mcu": {"last_stats": {"a": 1, "b": 2}}})
    for stats in ({"a": 1}, {"a": 1, "b": 2, "c": 3}):
        quiet.offer(0.0, "mcu", "last_stats", stats)
        assert quiet.waiting == 1


def test_zero_has_no_sign():
    [(_, _, value)] = Quiet().snapshot({"motion_report": {"live_position": [-1.5e-16, -0.0]}})
    assert [math.copysign(1, axis) for axis in value] == [1, 1]


def test_full_sends_every_change_as_it_is_and_at_once():
    quiet = Quiet(QuietSettings(mode="full"))
    for now, value in enumerate((20.0, 20.01, 20.01, 20.0123)):
        quiet.offer(now / 100, "extruder", "temperature", value)
        expected = [] if now == 2 else [("extruder", "temperature", value)]
        assert quiet.take(now / 100) == expected


def test_a_value_that_nests_without_end_is_cut_and_not_followed():
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    quiet = Quiet()
    quiet.offer(0.0, "x", "y", deep)
    assert quiet.take(0.0) == [("x", "y", [[[[[[[[None]]]]]]]])]
