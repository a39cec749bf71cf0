import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.gcode import values


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("4m 45s", 285),
        ("1d 2h 3m 4s", 93784),
        ("3 hours 5 minutes", 11100),
        ("1 hour 1 minute", 3660),
        ("1h:20m:36s", 4836),
        ("10.16 minutes", 609.6),
        ("344", 344),
        ("5400s ---", 5400),
        ("unknown", None),
        ("", None),
    ],
)
def test_durations_are_read_in_every_slicers_words(text, seconds):
    assert values.duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "millimetres"),
    [
        ("0.16884m", 168.84),
        ("0.5m, 0.25m", 750),
        ("305.09 mm  (0.734 cm^3)", 305.09),
        ("1811.000mm", 1811),
        ("2in", 50.8),
        ("868.0", 868),
        ("none", None),
    ],
)
def test_lengths_become_millimetres(text, millimetres):
    assert values.length(text) == millimetres


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"A";"B; C"', ["A", "B; C"]),
        ('"A;B', ["A;B"]),
        ("PLA;PETG", ["PLA", "PETG"]),
        ('""', []),
        ("", []),
    ],
)
def test_lists_keep_what_is_quoted_together(text, expected):
    assert values.items(text) == expected


def test_colours_that_are_none_are_left_out():
    assert values.colors('#29B2B2;red;"#FFF";<script>') == ["#29B2B2", "#FFF"]


@pytest.mark.parametrize(
    ("text", "whole", "expected"),
    [("0.2", None, 0.2), ("75%", 0.4, 0.3), ("75%", None, None), ("-50", 0.4, None), ("", 0.4, None)],
)
def test_a_percentage_needs_its_whole(text, whole, expected):
    assert values.share(text, whole) == expected


@settings(max_examples=50)
@given(st.text(alphabet='0123456789.+-eE%dhms,; ()"#in\u0663', max_size=60))
def test_any_text_gives_a_finite_number_or_none(text):
    for convert in (values.number, values.positive, values.integer, values.duration, values.length):
        found = convert(text)
        assert found is None or math.isfinite(found)
    assert all(math.isfinite(found) for found in values.numbers(text) + values.integers(text))


@pytest.mark.parametrize("text", ["9" * 5000, "1e99", "9" * 12 + "e99", "nan", "inf", "-inf", "٣"])
def test_numbers_beyond_reason_stay_finite(text):
    for convert in (values.number, values.integer, values.duration, values.length):
        found = convert(text)
        assert found is None or math.isfinite(found)
