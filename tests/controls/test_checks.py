"""What each kind of control takes, and that nothing else gets through."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.controls.checks import CHECKS, NOTHING, called
from bridge.errors import BadParams
from bridge.mqtt.payloads import ControlRow, LightColor, LightCommand

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
ROWS = {
    "number": ControlRow(key="n", kind="number", name="N", min=-2.0, max=300.0, unit="°C"),
    "switch": ControlRow(key="s", kind="switch", name="S"),
    "button": ControlRow(key="b", kind="button", name="B"),
    "select": ControlRow(key="o", kind="select", name="O", options=("a", "b", NOTHING)),
    "light": ControlRow(key="l", kind="light", name="L"),
    "text": ControlRow(key="t", kind="text", name="T", max=255.0),
}


def fits(kind: str, value: object) -> bool:
    """Whether a checked value is one that the control may be given."""
    if kind == "number":
        return isinstance(value, float) and math.isfinite(value) and -2 <= value <= 300
    if kind == "text":
        return isinstance(value, str) and len(value.splitlines()) == 1 and 0 < len(value.strip()) <= 255
    return {
        "switch": lambda: isinstance(value, bool),
        "button": lambda: value == "PRESS",
        "select": lambda: value in ("a", "b"),
        "light": lambda: isinstance(value, LightCommand) and value != LightCommand(),
    }[kind]()


@given(st.sampled_from(list(ROWS)), JUNK | st.from_regex(r"[-+0-9.eE_ ]{1,12}"))
def test_what_gets_through_fits_the_control(kind, value):
    try:
        checked = CHECKS[kind](value, ROWS[kind])
    except BadParams:
        return
    assert fits(kind, checked), (value, checked)


@given(JUNK)
def test_a_macro_takes_parameters_by_name_and_nothing_else(value):
    try:
        found = called(value, ROWS["button"])
    except BadParams:
        return
    assert all(isinstance(one, str | int | float) for one in found.values())


@pytest.mark.parametrize(
    ("kind", "value", "checked"),
    [
        ("number", "60.0", 60.0),
        ("number", " 60 ", 60.0),
        ("number", "1e2", 100.0),
        ("number", ".5", 0.5),
        ("number", 3, 3.0),
        ("switch", "ON", True),
        ("switch", False, False),
        ("select", "b", "b"),
        ("text", " as it is ", " as it is "),
        ("light", "OFF", LightCommand(state="OFF")),
        ("light", {"brightness": 5, "transition": 2}, LightCommand(brightness=5)),
        ("light", {"color": {"r": 1, "g": 2, "b": 3}}, LightCommand(color=LightColor(1, 2, 3))),
    ],
)
def test_a_good_value_is_taken(kind, value, checked):
    assert CHECKS[kind](value, ROWS[kind]) == checked


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("number", 301, "-2 to 300 °C, not 301"),
        ("number", "nan", "a number"),
        ("number", 10**400, "a finite number"),
        ("switch", "on", "ON or OFF"),
        ("select", "c", "a, b"),
        ("text", "x" * 256, "255"),
        ("light", {}, "say state"),
        ("button", "", "PRESS"),
    ],
)
def test_a_refusal_says_what_would_be_taken(kind, value, words):
    with pytest.raises(BadParams, match=words):
        CHECKS[kind](value, ROWS[kind])
