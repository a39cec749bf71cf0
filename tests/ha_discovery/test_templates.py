"""What Home Assistant reads out of our payloads."""

import json
from typing import Any

import pytest

from ha_discovery import templates
from tests.ha_discovery.rendering import ODD_PAYLOADS, render


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
        (templates.text(blank="'none'"), "", "none"),
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
@pytest.mark.parametrize("payload", [of(None), {}, {"time": 1}], ids=["null", "missing", "other"])
def test_what_is_not_there_is_unknown(name, payload):
    assert render(EVERY[name], payload) == "None"


@pytest.mark.parametrize("name", EVERY)
def test_no_payload_breaks_a_template(name):
    assert all(render(EVERY[name], payload) for payload in ODD_PAYLOADS)


@pytest.mark.parametrize(("payload", "full"), [(of('a "b" <c>'), 'a "b" <c>'), (of(None), None), ({}, None)])
def test_a_long_text_stays_whole_as_attribute(payload, full):
    assert json.loads(render(templates.whole_text(), payload)) == {"full": full}


def test_a_template_may_read_another_member():
    assert render(templates.known(("ready",), "value_json.state"), {"state": "ready"}) == "ready"
