"""Names and numbers as G-code: always one line, and Klipper reads out of it what went in."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import BadParams
from bridge.klippy import gcode
from bridge.klippy.simulator.line import Line

TEXTS = st.text(max_size=40) | st.sampled_from(
    ["a\nM112", 'a" B=1', "a\\", "a\\nM112", "a;M112", "a#b", "'", "a b", "\u2028", "\x00", "\ud800", "é", ""]
)
VALUES = TEXTS | st.booleans() | st.floats() | st.integers(-(10**20), 10**20)


def written(value: object) -> str:
    """A value as a macro gets it."""
    if isinstance(value, bool):
        return str(int(value))
    return value if isinstance(value, str) else gcode.number(float(value), "x")


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.text(max_size=12) | st.sampled_from(["NAME", "a_b", "x1"]), VALUES, max_size=4))
def test_a_macro_is_one_line_with_exactly_its_parameters(params):
    try:
        text = gcode.call("GREET", params)
    except BadParams:
        return
    assert len(text.splitlines()) == 1
    line = Line(text)
    assert line.name == "GREET"
    assert line.params == {key.upper(): written(value) for key, value in params.items()}


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_a_text_stays_the_text_and_is_one_line(text):
    for make, key in ((gcode.display, "MSG"), (gcode.exclude, "NAME"), (gcode.mesh, "LOAD")):
        try:
            line = make(text)
        except BadParams:
            continue
        assert len(line.splitlines()) == 1
        assert Line(line).params == {key: text}


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.floats(allow_nan=True))
def test_a_section_s_name_can_never_become_a_second_command(section, value):
    for make in (
        lambda: gcode.heater_target(section, value),
        lambda: gcode.fan_speed(section, value),
        lambda: gcode.pin(section, value),
        lambda: gcode.filament_sensor(section, enabled=True),
        lambda: gcode.led(section, {"r": value}),
        lambda: gcode.pressure_advance(section, value),
    ):
        try:
            line = make()
        except BadParams:
            continue
        assert math.isfinite(value) or "ENABLE" in line
        assert len(line.splitlines()) == 1
        assert section.rsplit(maxsplit=1)[-1] in Line(line).params.values()


@pytest.mark.parametrize(
    ("macro", "params", "line"),
    [
        ("START_PRINT", {"bed": 60, "TOOL": 0.4}, "START_PRINT BED=60 TOOL=0.4"),
        ("m600", {}, "M600"),
        ("M600", {"x": 10, "Z": 0.5}, "M600 X10 Z0.5"),
        ("Düse", {}, "DÜSE"),
    ],
)
def test_a_macro_is_called_as_klipper_knows_it(macro, params, line):
    assert gcode.call(macro, params) == line


@pytest.mark.parametrize(
    ("macro", "params"),
    [
        ("A B", {}), ("", {}), ("a+b", {}), ("G28\nM112", {}), ("M600", {"NAME": 1}), ("M600", {"X": "text"}),
        ("X", {"1A": 1}), ("X", {"A" * 65: 1}), ("X", {"Ä": 1}), ("X", {f"P{n}": n for n in range(33)}),
        ("X", {"A": math.inf}),
    ],
)  # fmt: skip
def test_what_klipper_would_misread_is_refused(macro, params):
    with pytest.raises(BadParams):
        gcode.call(macro, params)
