"""Vendors' Klippers: any object or field may be missing, null or of a wrong type."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ha_discovery.catalogue import entities
from ha_discovery.device import Identity, device_message
from tests.ha_discovery.printers import EVERYTHING, IDENTITY, TOPICS, Printer
from tests.ha_discovery.rules import faults

few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

WRONG = st.sampled_from([None, True, -1, 1e9, "hot", "", [], {}, [[]], {"x": {}}])
PLACES = [(name, field) for name, fields in EVERYTHING.status.items() for field in (*fields, None)]
NAMES = st.text(st.characters(), max_size=40)
SECTIONS = st.builds(
    "{} {}".format,
    st.sampled_from(["temperature_sensor", "heater_fan", "gcode_macro", "lm75", "mcu", "x"]),
    NAMES,
)


def damaged(places, wrong):
    """The full printer with some objects or fields gone (wrong = ...) or replaced."""
    status = json.loads(json.dumps(EVERYTHING.status))
    for (name, field), value in zip(places, wrong, strict=False):
        part, key = (status, name) if field is None else (status.get(name), field)
        if not isinstance(part, dict):
            continue
        if value is ...:
            part.pop(key, None)
        else:
            part[key] = value
    return status


@pytest.mark.torture
@few
@given(
    st.lists(st.sampled_from(PLACES), max_size=60), st.lists(WRONG | st.just(...), min_size=60, max_size=60)
)
def test_any_damage_leaves_a_message_that_loads(places, wrong):
    status = damaged(places, wrong)
    assert faults(Printer(EVERYTHING.objects, EVERYTHING.settings, status).message()) == []
    assert faults(Printer(list(status), WRONG, status).message()) == []


@few
@given(st.sampled_from(PLACES), WRONG | st.just(...))
def test_one_damaged_field_takes_nothing_else_with_it(place, value):
    whole = {row.reads for row in EVERYTHING.rows()}
    status = damaged([place], [value])
    rest = {row.reads for row in Printer(EVERYTHING.objects, EVERYTHING.settings, status).rows()}
    name, _ = place
    assert {reads for reads in whole - rest if reads and reads[0][0] != name} == set()


@few
@given(
    st.lists(SECTIONS | NAMES, max_size=30), st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
)
def test_any_names_make_a_message_that_loads(names, device):
    status = {
        name: {"temperature": 1.0, "humidity": 2, "speed": 0.5, "rpm": 5, "last_stats": {}} for name in names
    }
    printer = Printer(names, {}, status)
    assert faults(printer.message(Identity("kb_1", device.strip(), "1"))) == []


@few
@given(objects=WRONG, sections=WRONG, status=WRONG)
def test_answers_of_a_wrong_type_leave_klippers_state(objects, sections, status):
    rows = entities(Printer(objects, sections, status).model, set())
    assert faults(device_message(rows, TOPICS, IDENTITY)) == []
    assert rows[0].key == "klipper_state"
