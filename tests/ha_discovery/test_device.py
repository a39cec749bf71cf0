"""The discovery message, held against Home Assistant's rules."""

import time
from dataclasses import replace

import msgspec
import pytest

from ha_discovery import naming
from ha_discovery.device import Identity, device_message, diff
from ha_discovery.entity import Entity
from tests.ha_discovery.printers import ALL, CROWDED, IDENTITY, TOPICS, recorded, with_status
from tests.ha_discovery.rules import MAX_BYTES, SHORT, entity_id, expanded, faults

LONG = 300


@pytest.mark.parametrize("name", ALL)
def test_home_assistant_has_nothing_to_complain_of(name):
    assert faults(ALL[name].message()) == []


@pytest.mark.parametrize(
    "device", ["Extruder", "Klipper state", "Bed", "Принтер", "", "x" * LONG, "Fan", "Chamber fan", "a+b"]
)
def test_any_device_name_will_do(device):
    most = 80_000 if len(device) == LONG else MAX_BYTES  # each entity's id repeats the name
    for printer in ALL.values():
        assert faults(printer.message(replace(IDENTITY, name=device)), max_bytes=most) == []


def crowded(others):
    sensors = {f"temperature_sensor sensor_number_{n}": {"temperature": 1.0} for n in range(60)}
    macros = {f"gcode_macro MACRO_NUMBER_{n}": {} for n in range(150)}
    return with_status(sensors | macros | others, recorded().settings)


PRINTING = ("webhooks", "print_stats", "virtual_sdcard", "pause_resume", "display_status", "toolhead", "gcode_move",
            "idle_timeout", "extruder", "heater_bed", "fan", "mcu", "motion_report",
            "filament_switch_sensor spool")  # fmt: skip


def test_a_crowded_printer_fits_into_64_kb_and_is_described_in_a_moment():
    printer = crowded({name: recorded().status[name] for name in PRINTING})
    began = time.process_time()
    message = printer.message(Identity("0123456789abcdef", "voron", "0.1.0", klipper="v0.13.0-730"))
    took = time.process_time() - began
    assert len(message["cmps"]) > 290
    assert len(msgspec.json.encode(message)) < 64_000
    assert took < 0.3


def test_the_device_tells_what_it_is():
    message = expanded(recorded().message(replace(IDENTITY, configuration_url="http://voron.local")))
    assert message["device"] == {
        "identifiers": ["kb_0a1b2c"],
        "name": "Voron",
        "manufacturer": "Klipper",
        "model": "corexy",
        "sw_version": "v0.13.0-730",
        "configuration_url": "http://voron.local",
    }
    assert message["origin"] == {"name": "klipper-bridge", "sw_version": "0.1.0"}


@pytest.mark.parametrize(
    "url", [None, "", "voron.local", "ftp://voron", "http://", "http://[", "javascript:alert(1)"]
)
def test_what_is_no_web_address_is_left_out(url):
    assert "cu" not in recorded().message(replace(IDENTITY, configuration_url=url))["dev"]


def test_what_is_not_known_of_the_device_is_left_out():
    assert faults(device_message(recorded().rows(), TOPICS, Identity("x", "Voron", "1"))) == []


@pytest.mark.parametrize("unique", ["", "a b", "ä", "a/b", "a\n"])
def test_an_identity_that_home_assistant_would_ignore_is_refused(unique):
    with pytest.raises(ValueError, match="letters, digits"):
        Identity(unique, "Voron", "1")


def test_availability_needs_the_bridge_and_the_printer():
    message = expanded(recorded().message())
    assert message["availability_mode"] == "all"
    assert message["availability"] == [
        {"topic": "voron/moonraker/status", "value_template": "{{value_json.server}}"},
        {"topic": "voron/klipper/availability"},
    ]
    assert "availability" not in message["components"][naming.short("extruder_temperature")]


def test_klippers_state_is_told_while_the_printer_is_away():
    state = expanded(recorded().message())["components"]["klipper_state"]
    assert state["availability"] == [
        {"topic": "voron/moonraker/status", "value_template": "{{value_json.server}}"}
    ]
    assert state["state_topic"] == "voron/klipper/info"
    assert state["options"] == ["ready", "startup", "shutdown", "error", "disconnected"]


def test_a_sensor_reads_the_topic_everybody_reads():
    sensor = expanded(recorded().message())["components"][naming.short("heater_generic_chamber_temperature")]
    assert sensor == {
        "platform": "sensor",
        "name": "Chamber temperature",
        "unique_id": naming.identifier("kb_0a1b2c", "heater_generic_chamber_temperature"),
        "state_topic": "voron/klipper/state/heater_generic chamber/temperature",
        "value_template": "{{value_json.value|float(none)}}",
        "unit_of_measurement": "°C",
        "device_class": "temperature",
        "state_class": "measurement",
    }


def test_a_button_writes_its_control():
    button = expanded(recorded().message())["components"]["pause"]
    assert button["command_topic"] == "voron/control/pause/set"
    assert "payload_press" not in button  # the default, PRESS, is the control's payload


def test_odd_names_are_encoded_in_topics():
    topics = {part.get("state_topic") for part in expanded(CROWDED.message())["components"].values()}
    assert "voron/klipper/state/temperature_sensor a%2Bb/temperature" in topics
    assert "voron/klipper/state/temperature_sensor 温度/temperature" in topics


def test_the_device_is_not_named_twice():
    sensor = {"temperature_sensor voron_chamber": {"temperature": 1.0}}
    part = expanded(with_status(sensor).message())["components"][
        naming.short("temperature_sensor_voron_chamber")
    ]
    assert (part["name"], entity_id(part, "Voron")) == (
        "Chamber temperature",
        "sensor.voron_chamber_temperature",
    )


def test_an_entity_called_like_the_device_is_its_main_one():
    message = device_message((Entity(key="state", name="voron", reads=(("a", "b"),)),), TOPICS, IDENTITY)
    part = message["cmps"]["state"]
    assert (part["name"], part["def_ent_id"]) == (None, "sensor.voron_state")


def expanded_part(part):
    return {SHORT.get(key, key): value for key, value in part.items()}


def test_entity_ids_stay_apart_where_names_and_keys_meet():
    rows = (Entity(key="b", name="A"), Entity(key="c", name="A!"), Entity(key="d", name="B"))
    ids = [
        entity_id(expanded_part(part), "Voron")
        for part in device_message(rows, TOPICS, IDENTITY)["cmps"].values()
    ]
    assert ids == ["sensor.voron_b", "sensor.voron_c", "sensor.voron_b_2"]


def test_a_message_is_plain_json_and_equal_each_time():
    message = recorded().message()
    assert msgspec.json.decode(msgspec.json.encode(message)) == message == recorded().message()


class TestDiff:
    def test_the_first_message_is_published_as_it_is(self):
        message = recorded().message()
        assert diff(None, message) == (message,)

    def test_nothing_is_published_when_nothing_changed(self):
        assert diff(recorded().message(), recorded().message()) == ()

    def test_what_vanished_is_withdrawn_once_and_then_left_out(self):
        before, after = recorded().message(), recorded().message()
        del after["cmps"]["fan_speed"]
        withdrawal, final = diff(before, after)
        assert withdrawal["cmps"]["fan_speed"] == {"p": "sensor"}
        assert faults(withdrawal, stubs=True) == []
        assert final == after
        assert diff(withdrawal, after) == (after,)
        assert diff(final, after) == ()

    def test_another_platform_is_preceded_by_the_stub_of_the_old_one(self):
        before, after = recorded().message(), recorded().message()
        after["cmps"]["fan_speed"] = {**after["cmps"]["fan_speed"], "p": "number"}
        withdrawal, final = diff(before, after)
        assert withdrawal["cmps"]["fan_speed"] == {"p": "sensor"}
        assert final["cmps"]["fan_speed"]["p"] == "number"
        assert diff(withdrawal, after) == (after,)

    def test_what_came_or_changed_needs_one_message(self):
        before, after = recorded().message(), recorded().message()
        del before["cmps"]["fan_speed"]
        after["cmps"]["pause"]["name"] = "Hold"
        assert diff(before, after) == (after,)

    def test_another_order_is_no_change(self):
        before = recorded().message()
        after = {**before, "cmps": dict(reversed(before["cmps"].items()))}
        assert diff(before, after) == ()

    @pytest.mark.parametrize(
        "damaged", [{}, {"cmps": None}, {"cmps": {"a": 1, "b": {"p": 5, "x": 1}, "c": {}}}, [], "x"]
    )
    def test_a_damaged_memory_counts_as_none(self, damaged):
        message = recorded().message()
        assert diff(damaged, message) == (message,)

    def test_neither_message_is_changed(self):
        before, after = recorded().message(), recorded().message()
        del after["cmps"]["fan_speed"]
        diff(before, after)
        assert before == recorded().message()
        assert "fan_speed" not in after["cmps"]
