"""Names for people and machines."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ha_discovery import naming


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("my_pi", "my_pi"),
        ("temperature_sensor My Pi", "temperature_sensor_my_pi"),
        ("a-b.c", "a_b_c"),
    ],
)
def test_a_plain_name_becomes_its_slug(text, expected):
    assert naming.slug(text) == expected


@pytest.mark.parametrize("names", [("a+b", "a/b"), ("Düse", "Duse"), ("Дюза", "温度"), ("x" * 60, "x" * 61)])
def test_names_that_lose_something_stay_apart(names):
    assert len({naming.slug(name) for name in names}) == len(names)


@given(st.text())
def test_a_slug_is_safe_and_short_whatever_the_name(text):
    assert re.fullmatch(r"[a-z0-9][a-z0-9_]*", naming.slug(text))
    assert len(naming.slug(text)) <= naming.SLUG_LENGTH + 7


@pytest.mark.parametrize(
    ("section", "expected"),
    [("my_pi", "My pi"), ("PRINT_START", "PRINT START"), ("düse  2", "Düse 2"), ("_x_", "X")],
)
def test_a_section_reads_like_words(section, expected):
    assert naming.title(section) == expected


def test_a_long_title_is_cut():
    assert naming.title("x" * 300) == "X" + "x" * (naming.TITLE_LENGTH - 2) + "…"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Exhaust", "Exhaust fan"),
        ("Chamber fan", "Chamber fan"),
        ("FAN one", "FAN one"),
        ("Fantasy", "Fantasy fan"),
    ],
)
def test_a_noun_is_said_once(name, expected):
    assert naming.with_noun(name, "fan") == expected


@pytest.mark.parametrize(
    ("name", "device", "expected"),
    [
        ("Voron chamber", "voron", "Chamber"),
        ("Voron 2 chamber", "Voron-2", "Chamber"),
        ("Voronesque", "Voron", "Voronesque"),
        ("Voron voron x", "Voron", "X"),
        ("Voron", "Voron", ""),
        ("Chamber", "", "Chamber"),
        ("Принтер сопло", "Принтер", "Сопло"),
    ],
)
def test_the_device_is_not_named_again(name, device, expected):
    assert naming.without_prefix(name, device) == expected


def test_equal_names_are_numbered_past_names_that_exist():
    assert naming.distinct(["x", "X", "x 2", "x"], " ") == ["x", "X 3", "x 2", "x 4"]


def test_an_identifier_is_short_stable_and_of_its_parts_alone():
    assert naming.identifier("kb_1", "extruder_target") == naming.identifier("kb_1", "extruder_target")
    found = {naming.identifier("kb_1", f"key_{number}") for number in range(5000)}
    assert len(found) == 5000
    assert all(len(one) == 9 and one.isalnum() and one.islower() for one in found)
    assert naming.identifier("a", "b") != naming.identifier("b", "a")


def test_a_short_key_stays_and_a_long_one_is_stood_for():
    assert naming.short("print_state") == "print_state"
    assert naming.short("macro_with_a_long_name") == naming.identifier("macro_with_a_long_name")
