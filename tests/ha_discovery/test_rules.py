"""The checker itself: a good message passes, and each known mistake is found."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from tests.ha_discovery.rules import faults

GOOD: dict[str, Any] = {
    "dev": {"ids": ["one"], "name": "Voron"},
    "o": {"name": "klipper-bridge", "sw": "1"},
    "avty": [{"t": "v/status", "val_tpl": "{{ value_json.server }}"}],
    "avty_mode": "all",
    "qos": 1,
    "cmps": {
        "heat": {
            "p": "sensor", "name": "Heat", "uniq_id": "one_heat", "def_ent_id": "sensor.voron_heat", "stat_t": "v/heat",
            "val_tpl": "{{ value_json.value|default(none)|float(none) }}", "dev_cla": "temperature",
            "unit_of_meas": "°C", "stat_cla": "measurement", "sug_dsp_prc": 1, "ic": "mdi:fire",
        },
        "state": {
            "p": "sensor", "name": "State", "uniq_id": "one_state", "def_ent_id": "sensor.voron_state", "stat_t": "v/s",
            "val_tpl": "{% set v = value_json.value|default(none) %}{{ v if v in ['a','b'] else none }}",
            "dev_cla": "enum", "ops": ["a", "b"],
        },
        "door": {
            "p": "binary_sensor", "name": "Door", "uniq_id": "one_door", "def_ent_id": "binary_sensor.voron_door",
            "stat_t": "v/d", "val_tpl": "{{ 'ON' if value_json.value|default(none) is true else none }}",
        },
        "stop": {
            "p": "button", "name": "Stop", "uniq_id": "one_stop", "def_ent_id": "button.voron_stop", "cmd_t": "v/stop",
        },
    },
}  # fmt: skip


def change(*path: str, **keys: Any) -> Callable[[dict[str, Any]], None]:
    """Sets keys of the part at `path`; a value `...` removes the key."""

    def apply(message: dict[str, Any]) -> None:
        part = message
        for step in path:
            part = part[step]
        for key, value in keys.items():
            if value is ...:
                part.pop(key, None)
            else:
                part[key] = value

    return apply


MISTAKES = {
    "no origin": change(o=...),
    "origin without a name": change("o", name=...),
    "no identifiers": change("dev", ids=[]),
    "device key unknown": change("dev", colour="red"),
    "device value null": change("dev", sw=None),
    "configuration_url is no URL": change("dev", cu="printer.local"),
    "top-level key unknown": change(enabled=True),
    "child devices": change(cdevs=[]),
    "no availability": change(avty=...),
    "availability list and topic": change("cmps", "heat", avty=[{"t": "x"}], avty_t="y"),
    "availability mode unknown": change(avty_mode="every"),
    "availability topic with a wildcard": change(avty=[{"t": "v/#"}]),
    "no components": change(cmps={}),
    "component key illegal": change("cmps", **{"a b": GOOD["cmps"]["stop"]}),
    "platform unknown": change("cmps", "heat", p="thermometer"),
    "stub outside a withdrawal": change("cmps", stop={"p": "button"}),
    "key unknown": change("cmps", "heat", min=1),
    "object_id": change("cmps", "heat", obj_id="heat"),
    "no unique_id": change("cmps", "heat", uniq_id=...),
    "unique_id twice": change("cmps", "heat", uniq_id="one_state"),
    "no default_entity_id": change("cmps", "heat", def_ent_id=...),
    "default_entity_id of another domain": change("cmps", "heat", def_ent_id="button.voron_heat"),
    "default_entity_id twice": change("cmps", "heat", def_ent_id="sensor.voron_state"),
    "default_entity_id illegal": change("cmps", "heat", def_ent_id="sensor.Voron"),
    "sensor without a topic": change("cmps", "heat", stat_t=...),
    "topic with a control character": change("cmps", "heat", stat_t="v/\x07"),
    "button without a topic": change("cmps", "stop", cmd_t=...),
    "button retained": change("cmps", "stop", ret=True),
    "button class unknown": change("cmps", "stop", dev_cla="stop"),
    "binary sensor class unknown": change("cmps", "door", dev_cla="filament"),
    "sensor category config": change("cmps", "heat", ent_cat="config"),
    "icon of another set": change("cmps", "heat", ic="fire"),
    "sensor class unknown": change("cmps", "heat", dev_cla="hotness"),
    "unit wrong for the class": change("cmps", "heat", unit_of_meas="mm"),
    "state class unknown": change("cmps", "heat", stat_cla="often"),
    "state class wrong for the class": change("cmps", "heat", stat_cla="total"),
    "enum with a unit": change("cmps", "state", unit_of_meas="°C"),
    "enum with a state class": change("cmps", "state", stat_cla="measurement"),
    "enum without options": change("cmps", "state", ops=...),
    "options empty": change("cmps", "state", ops=[]),
    "options without enum": change("cmps", "heat", ops=["a"]),
    "precision of a word": change("cmps", "state", sug_dsp_prc=1),
    "precision no whole number": change("cmps", "heat", sug_dsp_prc="1"),
    "enabled is no boolean": change("cmps", "heat", en="no"),
    "name repeats the device": change("cmps", "heat", name="Voron heat"),
    "name twice": change("cmps", "heat", name="state"),
    "name blank": change("cmps", "heat", name=" "),
    "key null": change("cmps", "heat", unit_of_meas=None),
    "template no Jinja": change("cmps", "heat", val_tpl="{{ value_json."),
    "template touches what is missing": change("cmps", "heat", val_tpl="{{ value_json.value }}"),
    "template lets text into a number": change("cmps", "heat", val_tpl="{{ value_json.value|default(none) }}"),
    "template lets another word into an enum": change("cmps", "state", val_tpl="{{ value_json.value|default('c') }}"),
    "template makes neither ON nor OFF": change("cmps", "door", val_tpl="yes"),
    "attributes are no object": change("cmps", "heat", json_attr_t="v/x", json_attr_tpl="[1]"),
    "too large": change("cmps", "heat", name="x" * 64_000),
}  # fmt: skip


def test_a_good_message_has_no_faults():
    assert faults(GOOD) == []


def test_a_stub_is_allowed_while_something_is_withdrawn():
    message = deepcopy(GOOD)
    message["cmps"]["gone"] = {"p": "button"}
    assert faults(message, stubs=True) == []


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_found(mistake):
    message = deepcopy(GOOD)
    MISTAKES[mistake](message)
    assert faults(message)
