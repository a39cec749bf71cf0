"""What Home Assistant reads out of our payloads."""

import json
from typing import Any

import pytest

from ha_discovery import templates
from tests.ha_discovery.rendering import ODD_VALUES, render


def of(value: Any) -> dict[str, Any]:
    return {"eventtime": 1.0, "time": 2.0, "value": value}


@pytest.mark.parametrize(
    ("template", "value", "expected"),
    [
        (templates.number(), 25.04, "25.04"),
        (templates.number(), 0, "0.0"),
        (templates.number(".total_layer"), {"total_layer": 7}, "7.0"),
        (templates.number(".total_layer"), {"total_layer": None}, "None"),
        (templates.number("[2]"), [1.0, 2.0, 0.3, 0.0], "0.3"),
        (templates.number("[2]"), [1.0], "None"),
        (templates.number(factor=1 / 1024), 2048, "2.0"),
        (templates.percent(), 0.4567, "45.7"),
        (templates.percent(), 0, "0.0"),
        (templates.weighted((("a", 1), ("b", 3)), 100), {"a": 0.01, "b": 0.02}, "7.0"),
        (templates.weighted((("a", 1), ("b", 3)), 100), {"a": 0.01}, "None"),
        (templates.text(), "benchy.gcode", "benchy.gcode"),
        (templates.text(), "", "None"),
        (templates.text(), "ü" * 300, "ü" * 255),
        (templates.text(blank="none"), "", "none"),
        (templates.text(blank=""), None, ""),
        (templates.within(0, 300), 210.5, "210.5"),
        (templates.within(0, 300), 301, "None"),
        (templates.within(1, 300, 100), 0.29, "29.0"),
        (templates.within(-2, 2, path="[2]"), [0, 0, -0.125, 0], "-0.125"),
        (templates.within(-2, 2, path="[2]"), [], "None"),
        (templates.whole_percent(), 0.456, "46"),
        (templates.whole_percent(), 1, "100"),
        (templates.whole_percent(), 1.01, "None"),
        (templates.whole_percent(), -0.1, "None"),
        (templates.above_zero("heat", "off"), 60, "heat"),
        (templates.above_zero("heat", "off"), 0, "off"),
        (templates.one_of(("a", "b"), "yes", "no"), "b", "yes"),
        (templates.one_of(("a", "b"), "yes", "no"), None, "no"),
        (templates.is_true("yes", "no"), True, "yes"),
        (templates.is_true("yes", "no"), 1, "no"),
        (templates.count(), ["a", "b"], "2"),
        (templates.count(), None, "None"),
        (templates.names_that_are_set(), {"x": 1, "y": 0, "z": 1}, "x, z"),
        (templates.names_that_are_set(), {"x": 0}, "none"),
        (templates.names_that_are_set(), None, "None"),
        (templates.on_off(inverted=True), False, "ON"),
        (templates.known(("a", "b")), "b", "b"),
        (templates.known(("a", "b")), "c", "None"),
        (templates.known(("a", "b")), ["a"], "None"),
        (templates.on_off(), True, "ON"),
        (templates.on_off(), False, "OFF"),
        (templates.on_off(), "yes", "None"),
    ],
)  # fmt: skip
def test_a_template_reads_the_value(template, value, expected):
    assert render(template, of(value)) == expected


EVERY = {
    "number": templates.number(),
    "member": templates.number(".x"),
    "item": templates.number("[0]"),
    "percent": templates.percent(),
    "weighted": templates.weighted((("a", 1),), 2),
    "text": templates.text(),
    "known": templates.known(("a",)),
    "on_off": templates.on_off(),
}


@pytest.mark.parametrize("name", EVERY)
def test_what_is_not_known_is_unknown(name):
    assert render(EVERY[name], of(None)) == "None"


@pytest.mark.parametrize("name", EVERY)
def test_no_value_breaks_a_template(name):
    assert all(render(EVERY[name], of(value)) for value in ODD_VALUES)


@pytest.mark.parametrize(("payload", "full"), [(of('a "b" <c>'), 'a "b" <c>'), (of(None), None)])
def test_a_long_text_stays_whole_as_attribute(payload, full):
    assert json.loads(render(templates.whole_text(), payload)) == {"full": full}


@pytest.mark.parametrize(
    ("elapsed", "remaining", "total"), [(100, 20.4, "120.0"), (100, None, "None"), (None, 5, "None")]
)
def test_two_members_make_a_total(elapsed, remaining, total):
    payload = {"elapsed": elapsed, "remaining": remaining}
    assert render(templates.total("elapsed", "remaining"), payload) == total


@pytest.mark.parametrize(
    ("estimate", "spent", "left"), [(80.0, 30, "50.0"), (80, 90, "0"), (None, 9, "None")]
)
def test_a_time_left_is_never_below_zero(estimate, spent, left):
    assert render(templates.difference("a", "b"), {"a": estimate, "b": spent}) == left


def test_an_event_of_another_kind_is_passed_over():
    template = templates.event(("print_started",))
    event = {"event": "print_started", "data": {"file": "a'b.gcode", "event_type": "x"}}
    assert json.loads(render(template, event)) == {"file": "a'b.gcode", "event_type": "print_started"}
    assert render(template, {"event": "gcode_response", "data": "ok"}) == ""


def test_a_template_may_read_another_member():
    assert render(templates.known(("ready",), "value_json.state"), {"state": "ready"}) == "ready"
