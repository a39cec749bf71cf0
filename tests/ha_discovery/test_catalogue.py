"""Which entities a printer has."""

import random

import pytest

from ha_discovery.catalogue import KINDS, entities
from ha_discovery.entity import Level
from ha_discovery.model import PrinterModel
from tests.ha_discovery.printers import (
    ALL,
    CONTROLS,
    CROWDED,
    EVERYTHING,
    FAN,
    HEATER,
    MINIMAL,
    Printer,
    named,
    recorded,
    with_status,
)


def test_the_smallest_printer_has_its_state_its_heater_and_the_buttons():
    assert [row.name for row in MINIMAL.rows() if row.enabled] == [
        "Klipper state", "Klipper message", "Extruder temperature", "Extruder target",
        "Pause", "Resume", "Cancel", "Home", "Emergency stop", "Firmware restart",
    ]  # fmt: skip


def test_a_printer_of_which_nothing_is_known_still_tells_its_state():
    rows = entities(PrinterModel(), set())
    assert [row.key for row in rows] == ["klipper_state", "klipper_message"]


def test_the_recorded_printer_shows_what_one_looks_at_first():
    shown = {row.name for row in recorded().rows() if row.enabled and row.category is None}
    assert shown == {
        "Print state", "File name", "Print duration", "Filament used", "Current layer", "Total layers", "Progress",
        "Extruder temperature", "Extruder target", "Bed temperature", "Bed target", "Chamber temperature",
        "Chamber target", "Host temperature", "Hottest temperature", "Chamber fan temperature", "Part fan speed",
        "Exhaust fan speed", "Spool filament", "Pause", "Resume", "Cancel", "Home", "Emergency stop",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "reads", "look"),
    [
        ("Print state", ("print_stats", "state"), {"device_class": "enum", "unit": None, "state_class": None}),
        ("Progress", ("virtual_sdcard", "progress"), {"device_class": None, "unit": "%"}),
        ("Print duration", ("print_stats", "print_duration"), {"device_class": "duration", "unit": "s"}),
        ("Filament used", ("print_stats", "filament_used"), {"device_class": "distance", "unit": "mm"}),
        ("Current layer", ("print_stats", "info"), {"unit": None, "state_class": "measurement"}),
        ("Bed temperature", ("heater_bed", "temperature"), {"device_class": "temperature", "unit": "°C"}),
        ("Bed power", ("heater_bed", "power"), {"unit": "%", "enabled": False, "category": "diagnostic"}),
        ("Enclosure humidity", ("bme280 enclosure", "humidity"), {"device_class": "humidity", "unit": "%"}),
        ("Enclosure pressure", ("bme280 enclosure", "pressure"), {"device_class": "atmospheric_pressure"}),
        ("Extruder 12 target", ("extruder12", "target"), {"device_class": "temperature"}),
        ("Nozzle MCU load", ("mcu nozzle", "last_stats"), {"unit": "%", "enabled": False}),
        ("Chamber fan rpm", ("temperature_fan chamber", "rpm"), {"unit": "rpm", "enabled": False}),
        ("Stepper x driver temperature", ("tmc2240 stepper_x", "temperature"), {"enabled": False}),
        ("Z thermal adjust temperature", ("z_thermal_adjust", "temperature"), {"device_class": "temperature"}),
        ("Eddy probe temperature", ("temperature_probe eddy", "temperature"), {"device_class": "temperature"}),
        ("Encoder filament", ("filament_motion_sensor encoder", "filament_detected"), {"device_class": "occupancy"}),
        ("Filament sensor", ("filament_switch_sensor filament_sensor", "filament_detected"), {"enabled": True}),
        ("Spool filament detection", ("filament_switch_sensor spool", "enabled"), {"component": "binary_sensor"}),
        ("Live speed", ("motion_report", "live_velocity"), {"device_class": "speed", "unit": "mm/s"}),
        ("Memory available", ("system_stats", "memavail"), {"device_class": "data_size", "unit": "MiB"}),
        ("Z offset", ("gcode_move", "homing_origin"), {"unit": "mm", "precision": 3}),
        ("Flow factor", ("gcode_move", "extrude_factor"), {"unit": "%"}),
        ("Homed axes", ("toolhead", "homed_axes"), {"unit": None}),
        ("Idle state", ("idle_timeout", "state"), {"options": ("Idle", "Ready", "Printing")}),
        ("Paused", ("pause_resume", "is_paused"), {"component": "binary_sensor"}),
        ("Display message", ("display_status", "message"), {"category": "diagnostic"}),
    ],
)  # fmt: skip
def test_a_value_of_the_printer_has_its_row(name, reads, look):
    row = named(EVERYTHING.rows())[name]
    assert row.reads == (reads,)
    assert {key: getattr(row, key) for key in look} == look


def test_every_kind_of_the_table_has_entities():
    rows = EVERYTHING.rows()
    kinds = {reads[0].split(" ")[0] for row in rows for reads in row.reads}
    buttons = {"gcode_macro"}  # read nothing
    assert KINDS.keys() - buttons - {"chamber_fan"} <= kinds


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
    rows = entities(EVERYTHING.model, {"pause", "macro_GREET"})
    assert [row.sends for row in rows if row.sends] == ["macro_GREET", "pause"]
    assert not [row for row in entities(EVERYTHING.model, set()) if row.component == "button"]


def test_macros_are_switched_off_and_hidden_ones_left_out():
    macros = [row for row in CROWDED.rows() if (row.sends or "").startswith("macro_")]
    assert len(macros) == 149
    assert not any(row.enabled for row in macros)
    assert not any("_hidden" in (row.sends or "") for row in macros)


def test_a_variable_of_a_macro_is_no_sensor():
    assert "gcode_macro" not in {row.reads[0][0].split(" ")[0] for row in CROWDED.rows() if row.reads}


def test_progress_comes_from_the_display_where_there_is_no_sd_card():
    rows = with_status({"display_status": {"progress": 0.5, "message": None}}).rows()
    assert named(rows)["Progress"].reads == (("display_status", "progress"),)


def test_progress_keeps_its_key_when_its_source_changes():
    display = with_status({"display_status": {"progress": 0.5}})
    assert named(display.rows())["Progress"].key == named(recorded().rows())["Progress"].key


def test_a_field_this_klipper_does_not_have_gets_no_row():
    rows = with_status({"print_stats": {"state": "standby", "filename": ""}}).rows()
    assert "Current layer" not in named(rows)


def test_an_object_without_values_yet_gets_the_rows_it_always_has():
    rows = Printer(["extruder", "fan", "lm75 board"], {}, {"extruder": {}}).rows()
    assert {"Extruder temperature", "Part fan speed"} <= named(rows).keys()
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


def test_an_unknown_object_is_skipped():
    rows = with_status({"some_new_thing x": {"shiny": True}, "other": {"temperature": "hot"}}).rows()
    assert not [row for row in rows if row.reads]


def test_sections_of_several_kinds_with_one_name_tell_their_kind():
    names = named(EVERYTHING.rows())
    assert names["Chamber temperature (heater generic)"].reads[0][0] == "heater_generic chamber"
    assert names["Chamber temperature (temperature sensor)"].reads[0][0] == "temperature_sensor chamber"


@pytest.mark.parametrize("name", ALL)
def test_keys_and_names_are_distinct_and_keys_safe(name):
    rows = ALL[name].rows()
    assert len({row.key for row in rows}) == len(rows)
    assert len({row.name.casefold() for row in rows}) == len(rows)
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
    assert entities(recorded().model, CONTROLS) == entities(recorded().model, CONTROLS)
