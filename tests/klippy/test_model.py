"""What a printer consists of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.klippy.model import PrinterModel, kind_of, number, own_name
from tests.ha_discovery.printers import recorded

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("name", "kind", "own"),
    [
        ("extruder", "extruder", ""),
        ("extruder1", "extruder", ""),
        ("extruder_stepper feeder", "extruder_stepper", "feeder"),
        ("temperature_sensor my pi", "temperature_sensor", "my pi"),
    ],
)
def test_a_section_has_a_kind_and_a_name(name, kind, own):
    assert (kind_of(name), own_name(name)) == (kind, own)


def test_objects_are_found_by_kind():
    model = recorded().model
    assert model.of_kind("heater_bed", "heater_generic", "extruder") == (
        "heater_bed",
        "heater_generic chamber",
        "extruder",
    )


def test_heater_limits_come_from_the_configuration():
    model = recorded().model
    assert model.heater_limits("extruder") == (0.0, 300.0)
    assert model.heater_limits("heater_generic chamber") == (0.0, 90.0)


def test_settings_are_found_whatever_the_case_of_the_section():
    model = PrinterModel.of([], {"heater_generic box": {"min_temp": 0, "max_temp": 80}}, {})
    assert model.heater_limits("heater_generic BOX") == (0.0, 80.0)


@pytest.mark.parametrize(
    "options",
    [{}, {"min_temp": 0}, {"min_temp": "0", "max_temp": 90}, {"min_temp": 90, "max_temp": 0},
     {"min_temp": True, "max_temp": 90}, {"min_temp": 0, "max_temp": float("inf")}],
)  # fmt: skip
def test_limits_that_make_no_sense_are_none(options):
    assert PrinterModel.of([], {"extruder": options}, {}).heater_limits("extruder") is None


@pytest.mark.parametrize("value", [True, "5", None, float("nan"), float("inf"), 10**400, [1]])
def test_what_is_no_finite_number_is_none(value):
    assert number(value) is None


@pytest.mark.parametrize(
    "name", ["", " ", "fan \x00", "fan \n", "fan \ud800", "fan \ufffe", "fan " + "x" * 300, None, 5]
)
def test_a_name_that_cannot_be_a_topic_is_left_out(name):
    assert PrinterModel.of([name, "fan", "fan"], {}, {}).objects == ("fan",)


def test_without_a_list_the_objects_are_those_with_values():
    assert PrinterModel.of(None, None, {"fan": {"speed": 0}, "bed": None}).objects == ("fan",)


def test_a_field_may_exist_until_the_object_is_known():
    model = PrinterModel.of(["fan", "extruder"], {}, {"fan": {"speed": 0.0, "rpm": None}, "extruder": {}})
    assert model.may_have("extruder", "temperature")
    assert not model.may_have("fan", "temperature")
    assert model.has_number("fan", "speed")
    assert not model.has_number("fan", "rpm")


@given(JUNK, JUNK, JUNK)
def test_nothing_that_klippy_answers_raises(objects, settings, status):
    model = PrinterModel.of(objects, settings, status)
    for name in (*model.objects, "extruder"):
        assert model.heater_limits(name) is None
        assert isinstance(model.may_have(name, "temperature"), bool)
