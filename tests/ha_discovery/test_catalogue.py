"""Which entities a printer has."""

import random

import pytest

from bridge.controls.lights import LIGHTS
from bridge.klippy.model import PrinterModel
from bridge.mqtt.payloads import ControlRow, HostStats
from ha_discovery.catalogue import KINDS, entities, host_entities
from ha_discovery.entity import Entity, Level
from tests.ha_discovery.printers import (
    ALL,
    CROWDED,
    EVERYTHING,
    FAN,
    HEATER,
    MINIMAL,
    TOPICS,
    UNCALLABLE,
    Printer,
    named,
    recorded,
    with_status,
)
from tests.ha_discovery.rendering import render


def test_the_smallest_printer_has_its_state_its_heater_and_the_buttons():
    assert [row.name for row in MINIMAL.rows() if row.enabled] == [
        "Klipper state", "Extruder temperature", "Pause", "Resume", "Cancel", "Emergency stop", "Home",
        "Firmware restart", "Print file", "Event", *[""] * 9,
    ]  # fmt: skip


def test_a_printer_of_which_nothing_is_known_still_tells_its_state():
    rows = entities(PrinterModel())
    assert [row.key for row in rows if "trigger" not in row.key] == [
        "klipper_state", "klipper_message", "event",
    ]  # fmt: skip


def test_the_recorded_printer_shows_what_one_looks_at_first():
    shown = {row.name for row in recorded().rows() if row.enabled and row.category is None and row.name}
    assert shown == {
        "Print state", "File name", "Progress", "Time left", "ETA", "Print duration", "Current layer", "Total layers",
        "Filament used", "Thumbnail", "Last job", "Jobs in queue", "Event", "Display", "Print file",
        "Extruder", "Extruder temperature", "Bed", "Bed temperature", "Chamber", "Chamber temperature",
        "Host temperature", "Hottest temperature", "Chamber fan temperature", "Chamber fan target",
        "Part fan", "Exhaust fan", "Caselight", "Laser", "Relay", "Status light", "Speed factor",
        "Spool filament", "Spool filament runout", "Pause", "Resume", "Cancel", "Home", "Emergency stop",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "reads", "look"),
    [
        ("Print state", ("print_stats", "state"), {"device_class": "enum", "unit": None, "state_class": None}),
        ("Bed temperature", ("heater_bed", "temperature"), {"device_class": "temperature", "unit": "°C"}),
        ("Bed power", ("heater_bed", "power"), {"unit": "%", "enabled": False, "category": "diagnostic"}),
        ("Enclosure humidity", ("bme280 enclosure", "humidity"), {"device_class": "humidity", "unit": "%"}),
        ("Enclosure pressure", ("bme280 enclosure", "pressure"), {"device_class": "atmospheric_pressure"}),
        ("Extruder 12 target temperature", ("extruder12", "target"), {"device_class": "temperature"}),
        ("Nozzle MCU load", ("mcu nozzle", "last_stats"), {"unit": "%", "enabled": False}),
        ("Chamber fan rpm", ("temperature_fan chamber", "rpm"), {"unit": "rpm", "enabled": False}),
        ("Stepper x driver temperature", ("tmc2240 stepper_x", "temperature"), {"enabled": False}),
        ("Z thermal adjust temperature", ("z_thermal_adjust", "temperature"), {"device_class": "temperature"}),
        ("Eddy probe temperature", ("temperature_probe eddy", "temperature"), {"device_class": "temperature"}),
        ("Encoder filament", ("filament_motion_sensor encoder", "filament_detected"), {"device_class": "occupancy"}),
        ("Filament sensor", ("filament_switch_sensor filament_sensor", "filament_detected"), {"enabled": True}),
        ("Spool filament detection", ("filament_switch_sensor spool", "enabled"), {"component": "switch"}),
        ("Extruder target", ("extruder", "target"), {"component": "number", "unit": "°C", "enabled": False}),
        ("Feeder extruder stepper pressure advance", ("extruder_stepper feeder", "pressure_advance"),
         {"component": "number", "unit": "s", "sends": "extruder_stepper_feeder_pressure_advance"}),
        ("Minimum cruise ratio", ("toolhead", "minimum_cruise_ratio"), {"unit": "%", "enabled": False}),
        ("Square corner speed", ("toolhead", "square_corner_velocity"), {"unit": "mm/s", "device_class": "speed"}),
        ("Printing", ("print_stats", "state"), {"component": "binary_sensor", "device_class": "running"}),
        ("Extruder pressure advance", ("extruder", "pressure_advance"), {"component": "number", "unit": "s"}),
        ("Filament diameter", ("hall_filament_width_sensor", "Diameter"), {"device_class": "distance"}),
        ("Active extruder", ("toolhead", "extruder"), {"enabled": False}),
        ("Maximum acceleration", ("toolhead", "max_accel"), {"unit": "mm/s²"}),
        ("Current object", ("exclude_object", "current_object"), {"enabled": False}),
        ("Triggered endstops", ("query_endstops", "last_query"), {"category": "diagnostic"}),
        ("Probe height", ("probe", "last_z_result"), {"unit": "mm", "precision": 3}),
        ("Z tilt", ("z_tilt", "applied"), {"component": "binary_sensor"}),
        ("Stop button", ("gcode_button stop_button", "state"), {"component": "binary_sensor"}),
        ("Beeper", ("pwm_cycle_time beeper", "value"), {"component": "number", "unit": "%"}),
        ("Print speed", ("motion_report", "live_velocity"), {"device_class": "speed", "unit": "mm/s"}),
        ("Z offset", ("gcode_move", "homing_origin"), {"unit": "mm", "component": "number"}),
        ("Flow factor", ("gcode_move", "extrude_factor"), {"unit": "%", "component": "number"}),
        ("Homed axes", ("toolhead", "homed_axes"), {"unit": None}),
        ("Idle state", ("idle_timeout", "state"), {"options": ("Idle", "Ready", "Printing")}),
        ("Paused", ("pause_resume", "is_paused"), {"component": "binary_sensor"}),
        ("Display message", ("display_status", "message"), {"category": "config", "component": "text"}),
    ],
)  # fmt: skip
def test_a_value_of_the_printer_has_its_row(name, reads, look):
    row = named(EVERYTHING.rows())[name]
    assert row.reads == (reads,)
    assert {key: getattr(row, key) for key in look} == look


@pytest.mark.parametrize(
    ("name", "topic", "look"),
    [
        ("Progress", "job/current", {"unit": "%", "device_class": None}),
        ("ETA", "job/current", {"device_class": "timestamp"}),
        ("Time left", "job/current", {"device_class": "duration", "unit": "s"}),
        ("Print duration", "job/current", {"device_class": "duration", "unit": "s"}),
        ("Slicer time left", "job/current", {"enabled": False}),
        ("Filament used", "job/current", {"device_class": "distance", "unit": "mm"}),
        ("Object height", "job/current", {"unit": "mm"}),
        ("Current layer", "job/current", {"unit": None, "state_class": "measurement"}),
        ("Last job", "job/last", {"device_class": "enum", "attributes": ""}),
        ("Total filament used", "job/totals", {"state_class": "total_increasing", "unit": "m"}),
        ("Jobs in queue", "queue", {"state_class": "measurement"}),
        ("Thumbnail", "job/thumbnail", {"component": "image"}),
        ("Event", "event/+", {"component": "event"}),
        ("Bed mesh profile", "control/bed_mesh_profile/state", {"component": "select", "category": "config"}),
        ("Exclude object", "control/exclude_object/state", {"component": "select", "options": ("A B",)}),
        ("Print file", "control/print_file/state", {"component": "select"}),
        ("Strip light", "control/light_strip/state", {"component": "light"}),
    ],
)
def test_what_no_object_tells_has_its_row_too(name, topic, look):
    row = named(EVERYTHING.rows())[name]
    assert row.state(TOPICS) == f"voron/{topic}"
    assert {key: getattr(row, key) for key in look} == look


@pytest.mark.parametrize(
    ("kind", "components"),
    [
        ("extruder", {"climate", "number", "sensor"}),
        ("heater_bed", {"climate", "number", "sensor"}),
        ("heater_generic chamber", {"climate", "number", "sensor"}),
        ("temperature_fan chamber_fan", {"number", "sensor"}),
        ("temperature_sensor host", {"sensor"}),
        ("fan", {"fan", "number", "sensor"}),
        ("fan_generic exhaust", {"fan", "number", "sensor"}),
        ("heater_fan hotend_fan", {"sensor"}),
        ("controller_fan electronics_fan", {"sensor"}),
        ("output_pin caselight", {"number"}),
        ("output_pin relay", {"switch"}),
        ("pwm_tool laser", {"number"}),
        ("led status", {"light"}),
        ("neopixel strip", {"light"}),
        ("dotstar bar", {"light"}),
        ("pca9533 board", {"light"}),
        ("filament_switch_sensor spool", {"binary_sensor", "switch"}),
        ("filament_motion_sensor encoder", {"binary_sensor", "switch"}),
        ("gcode_macro GREET", {"button"}),
        ("bed_mesh", {"select"}),
        ("exclude_object", {"select", "sensor"}),
        ("display_status", {"notify", "text"}),
        ("gcode_move", {"number", "sensor"}),
        ("extruder_stepper feeder", {"number"}),
        ("some_new_thing of tomorrow", set()),
    ],
)
def test_a_kind_of_object_becomes_these_entities(kind, components):
    alone = Printer(
        [kind],
        EVERYTHING.settings,
        {kind: EVERYTHING.status.get(kind, {})} if kind in EVERYTHING.status else {},
    )
    without = {row.key for row in with_status({}).rows()}
    found = {row.component for row in alone.rows() if row.key not in without}
    assert found == components


def test_every_kind_of_the_table_has_entities():
    rows = EVERYTHING.rows()
    kinds = {reads[0].split(" ")[0] for row in rows for reads in row.reads}
    told_elsewhere = {"gcode_macro", "bed_mesh", *LIGHTS}
    assert KINDS.keys() - told_elsewhere - {"chamber_fan"} <= kinds


@pytest.mark.parametrize(
    "key", ["klipper_state", "klipper_message", "emergency_stop", "firmware_restart", "host_restart"]
)
def test_what_is_needed_while_klippy_is_down_depends_on_the_bridge_only(key):
    levels = {row.key: row.level for row in recorded().rows()}
    assert levels[key] is Level.BRIDGE


@pytest.mark.parametrize("key", ["extruder_temperature", "print_state", "pause", "home"])
def test_what_the_printer_must_be_there_for_depends_on_it(key):
    levels = {row.key: row.level for row in recorded().rows()}
    assert levels[key] is Level.PRINTER


def test_a_command_that_may_not_be_called_is_not_discovered():
    allowed = [row for row in EVERYTHING.controls if row.key in {"pause", "macro_GREET"}]
    rows = entities(EVERYTHING.model, allowed)
    assert [row.sends for row in rows if row.sends] == ["macro_GREET", "pause"]
    assert not [row for row in entities(EVERYTHING.model) if row.sends]


@pytest.mark.parametrize(
    ("control", "name"),
    [("speed_factor", "Speed factor"), ("z_offset", "Z offset"), ("message", "Display message"),
     ("filament_sensor_spool", "Spool filament detection"), ("bed_mesh_profile", "Bed mesh profile")],
)  # fmt: skip
def test_what_may_not_be_set_can_still_be_read(control, name):
    without = [row for row in EVERYTHING.controls if row.key != control]
    row = named(entities(EVERYTHING.model, without))[name]
    assert row.component in ("sensor", "binary_sensor")
    assert named(EVERYTHING.rows())[name].sends == control


def test_limits_are_those_of_the_configuration():
    rows = named(EVERYTHING.rows())
    assert rows["Extruder 1"].extra | {"min_temp": 0, "max_temp": 280} == rows["Extruder 1"].extra
    assert rows["Bed target"].extra == {"min": 0, "max": 130, "step": 1, "mode": "box"}
    assert "Extruder 12" not in rows  # nothing is known of its limits


def test_what_a_capability_registers_gets_an_entity_without_a_row():
    registered = (
        ControlRow(
            key="power_plug", kind="switch", name="Plug", state_topic=TOPICS.control_state("power_plug")
        ),
        ControlRow(key="beep", kind="button", name="Beep"),
        ControlRow(key="far", kind="number", name="Far", state_topic="voron/klipper/state/x/y"),
    )
    rows = named(entities(MINIMAL.model, registered))
    assert (rows["Plug"].component, rows["Plug"].sends, rows["Plug"].level) == (
        "switch",
        "power_plug",
        Level.BRIDGE,
    )
    assert rows["Plug"].state(TOPICS) == "voron/control/power_plug/state"
    assert rows["Beep"].component == "button"
    assert "Far" not in rows


def test_a_control_with_an_entity_on_the_other_device_gets_no_second_one():
    there = Entity(key="update_fluidd", component="update", name="Fluidd", sends="update_fluidd")
    control = ControlRow(key="update_fluidd", kind="button", name="Update fluidd")
    assert "Update fluidd" in named(entities(MINIMAL.model, [control]))
    assert "Update fluidd" not in named(entities(MINIMAL.model, [control], elsewhere=[there]))


@pytest.mark.parametrize(
    ("component", "left"), [("switch", "binary_sensor"), ("update", "update"), ("button", None)]
)
def test_what_a_capability_may_not_be_told_can_still_be_read(component, left):
    entity = Entity(key="plug", name="Plug", component=component, sends="plug", template="{{value_json}}")
    control = ControlRow(key="plug", kind="switch", name="Plug", state_topic="voron/power/plug")
    for rows in (entities(PrinterModel(), extra=[entity]), host_entities(None, extra=[entity])):
        found = named(rows).get("Plug")
        assert (found and found.component, found and found.sends) == (left, None)
    for rows in (
        entities(PrinterModel(), [control], extra=[entity]),
        host_entities(None, [control], extra=[entity]),
    ):
        assert named(rows)["Plug"] == entity


def test_a_macro_of_the_configuration_is_enabled():
    rows = entities(recorded().model, recorded().controls, macros=["start_print"])
    assert {row.name: row.enabled for row in rows if row.sends in ("macro_START_PRINT", "macro_GREET")} == {
        "Macro START PRINT": True,
        "Macro GREET": False,
    }


def test_macros_are_switched_off_and_hidden_ones_left_out():
    macros = [row for row in CROWDED.rows() if (row.sends or "").startswith("macro_")]
    assert len(macros) == 150 - len(UNCALLABLE)
    assert not any(row.enabled for row in macros)
    assert not any("_hidden" in (row.sends or "") for row in macros)


def test_the_machine_below_is_a_device_of_its_own():
    nothing = HostStats(*[None] * len(HostStats.__struct_fields__))
    told = HostStats(12.0, 0.5, 40.0, 1000, 44.5, 60.5, 12.5, 33.0, False, None, "2026-11-20T12:00:00+01:00")
    of_bridge = {row.name for row in host_entities(nothing)}
    assert {"Bridge", "Bridge version", "Reconnects"} <= of_bridge
    assert {row.name for row in host_entities(told)} - of_bridge == {
        "CPU", "Load", "Memory used", "Memory free", "CPU temperature", "Disk used", "Disk free", "Network",
        "Throttled", "Booted",
    }  # fmt: skip
    assert all(row.level is not Level.PRINTER for row in host_entities(told))


def test_a_variable_of_a_macro_is_no_sensor():
    assert "gcode_macro" not in {row.reads[0][0].split(" ")[0] for row in CROWDED.rows() if row.reads}


def test_a_field_this_klipper_does_not_have_gets_no_row():
    rows = with_status({"print_stats": {"state": "standby", "filename": ""}}).rows()
    assert "Print state" in named(rows)
    assert "Print message" not in named(rows)


def test_an_object_without_values_yet_gets_the_rows_it_always_has():
    rows = Printer(["extruder", "fan", "lm75 board"], {}, {"extruder": {}}).rows()
    assert {"Extruder temperature", "Part fan"} <= named(rows).keys()
    assert "Board temperature" not in named(rows)


def test_revolutions_need_a_tachometer():
    status = {"fan": FAN, "fan_generic a": {**FAN, "rpm": 0.0}, "heater_fan b": FAN}
    rows = with_status(status, {"heater_fan b": {"tachometer_pin": "PA1"}}).rows()
    assert [row.name for row in rows if row.name.endswith("rpm")] == ["A fan rpm", "B fan rpm"]


@pytest.mark.parametrize("user", ["temperature_sensor box", "temperature_fan box", "heater_generic box"])
def test_the_chip_behind_a_sensor_is_not_shown_twice(user):
    chip = {"temperature": 20.0, "humidity": 40.0}
    rows = with_status({user: {**FAN, **HEATER}, "bme280 box": chip}).rows()
    assert [row.reads[0] for row in rows if row.reads and row.reads[0][0] == "bme280 box"] == [
        ("bme280 box", "humidity")
    ]


def test_the_chip_of_a_heater_is_not_shown_twice_but_one_that_only_shares_a_fans_name_is_shown():
    chip = {"temperature": 20.0}
    rows = with_status({"extruder": HEATER, "fan": FAN, "lm75 extruder": chip, "lm75 fan": chip}).rows()
    assert [row.reads[0][0] for row in rows if row.reads and row.reads[0][0].startswith("lm75")] == [
        "lm75 fan"
    ]


def test_a_driver_that_reports_no_temperature_is_skipped():
    assert not [row for row in EVERYTHING.rows() if row.reads and row.reads[0][0].startswith("tmc2209")]


def test_without_a_measured_speed_the_one_that_was_asked_for_is_shown():
    status = {"gcode_move": {"speed": 6000.0, "speed_factor": 1.0}}
    asked = named(with_status(status).rows())["Print speed"]
    measured = named(with_status({**status, "motion_report": {"live_velocity": 1.0}}).rows())["Print speed"]
    assert (asked.key, asked.unit) == (measured.key, measured.unit) == ("live_speed", "mm/s")
    assert (asked.reads, measured.reads) == (
        (("gcode_move", "speed"),), (("motion_report", "live_velocity"),),
    )  # fmt: skip
    assert asked.template is not None
    assert render(asked.template, {"value": 6000.0}) == "100.0"


def test_an_unknown_object_is_skipped():
    rows = with_status({"some_new_thing x": {"shiny": True}, "other": {"temperature": "hot"}}).rows()
    assert rows == with_status({}).rows()


def test_sections_of_several_kinds_with_one_name_tell_their_kind():
    names = named(EVERYTHING.rows())
    assert names["Chamber temperature (heater generic)"].reads[0][0] == "heater_generic chamber"
    assert names["Chamber temperature (temperature sensor)"].reads[0][0] == "temperature_sensor chamber"


@pytest.mark.parametrize("name", ALL)
def test_keys_and_names_are_distinct_and_keys_safe(name):
    rows = ALL[name].rows()
    assert len({row.key for row in rows}) == len(rows)
    shown = [row.name.casefold() for row in rows if row.name]
    assert len(set(shown)) == len(shown)
    assert all(
        row.key.isascii() and row.key.replace("_", "a").isalnum() and row.key.islower() for row in rows
    )
    assert max(len(row.key) for row in rows) < 100
    assert max(len(row.name) for row in rows) < 100


@pytest.mark.parametrize("name", ALL)
def test_keys_do_not_depend_on_the_order_of_the_sections(name):
    printer = ALL[name]
    shuffled = list(printer.objects)
    random.Random(7).shuffle(shuffled)
    again = Printer(shuffled, printer.settings, printer.status)

    def keyed(rows):
        return {row.key: (row.name, row.reads, row.sends) for row in rows}

    assert keyed(again.rows()) == keyed(printer.rows())


def test_a_key_stays_when_a_name_like_it_appears():
    alone = with_status({"temperature_sensor a+b": {"temperature": 1.0}})
    joined = with_status(
        {f"temperature_sensor {name}": {"temperature": 1.0} for name in ("a-b", "a+b", "a_b", "A B")}
    )
    keys = {row.reads[0][0]: row.key for row in joined.rows() if row.reads}
    assert keys["temperature_sensor a_b"] == "temperature_sensor_a_b"
    assert [row.key for row in alone.rows() if row.reads] == [keys["temperature_sensor a+b"]]


def test_unchanged_input_gives_equal_rows():
    assert recorded().rows() == recorded().rows()
