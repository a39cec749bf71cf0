"""The checker itself: a good message passes, and each known mistake is found."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from tests.ha_discovery.rules import faults

GOOD: dict[str, Any] = {
    "dev": {"ids": ["one"], "name": "Voron"},
    "o": {"name": "klipper-bridge", "sw": "1"},
    "avty": [{"t": "v/moonraker/status", "val_tpl": "{{ value_json.server }}"}],
    "avty_mode": "all",
    "qos": 1,
    "cmps": {
        "heat": {
            "p": "sensor", "name": "Heat", "uniq_id": "one_heat", "def_ent_id": "sensor.voron_heat", "stat_t": "v/klipper/state/heat/temperature",
            "val_tpl": "{{ value_json.value|default(none)|float(none) }}", "dev_cla": "temperature",
            "unit_of_meas": "°C", "stat_cla": "measurement", "sug_dsp_prc": 1, "ic": "mdi:fire",
        },
        "state": {
            "p": "sensor", "name": "State", "uniq_id": "one_state", "def_ent_id": "sensor.voron_state", "stat_t": "v/klipper/state/a/s",
            "val_tpl": "{% set v = value_json.value|default(none) %}{{ v if v in ['a','b'] else none }}",
            "dev_cla": "enum", "ops": ["a", "b"],
        },
        "door": {
            "p": "binary_sensor", "name": "Door", "uniq_id": "one_door", "def_ent_id": "binary_sensor.voron_door",
            "stat_t": "v/klipper/state/a/d", "val_tpl": "{{ 'ON' if value_json.value|default(none) is true else none }}",
        },
        "stop": {
            "p": "button", "name": "Stop", "uniq_id": "one_stop", "def_ent_id": "button.voron_stop", "cmd_t": "v/stop",
        },
    },
}  # fmt: skip


_NAMED = {"name": "Stop", "uniq_id": "one_stop"}
_VALUE = "v/klipper/state/a/value"
NUMBER = {
    **_NAMED, "p": "number", "cmd_t": "v/stop", "stat_t": _VALUE, "min": 0, "max": 300, "step": 1,
    "unit_of_meas": "°C", "dev_cla": "temperature",
    "val_tpl": "{% set v = value_json.value|float(none) %}{{ v if v is not none and 0 <= v <= 300 else none }}",
}  # fmt: skip
SELECT = {**_NAMED, "p": "select", "cmd_t": "v/stop", "stat_t": "v/control/x/state", "ops": ["a"],
          "val_tpl": "{{ value_json.value }}"}  # fmt: skip
EVENT = {**_NAMED, "p": "event", "stat_t": "v/event/+", "event_types": ["print_started"],
         "val_tpl": "{% if value_json.event == 'print_started' %}{{ {'event_type': 'print_started'}|tojson }}{% endif %}"}  # fmt: skip
LIGHT = {**_NAMED, "p": "light", "cmd_t": "v/stop", "stat_t": "v/control/x/state", "schema": "json",
         "supported_color_modes": ["rgb"]}  # fmt: skip
CLIMATE = {**_NAMED, "p": "climate", "modes": ["off", "heat"], "min_temp": 0, "max_temp": 300,
           "mode_state_topic": _VALUE, "mode_state_template": "heat", "mode_command_topic": "v/stop"}  # fmt: skip
FAN = {**_NAMED, "p": "fan", "cmd_t": "v/stop", "percentage_command_topic": "v/stop",
       "percentage_state_topic": _VALUE, "percentage_value_template": "50"}  # fmt: skip
SWITCH = {**_NAMED, "p": "switch", "cmd_t": "v/stop", "stat_t": _VALUE, "val_tpl": "ON"}
IMAGE = {**_NAMED, "p": "image", "image_topic": "v/job/thumbnail", "content_type": "image/png"}
MORE = (NUMBER, SELECT, EVENT, LIGHT, CLIMATE, FAN, SWITCH, IMAGE)


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
    "no default_entity_id for a foreign name": change("cmps", "heat", def_ent_id=..., name="Тепло"),
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
    "name twice on one platform": change("cmps", "heat", name="state"),
    "number without limits": change("cmps", stop={**NUMBER, "min": 5, "max": 5}),
    "number with a unit of another class": change("cmps", stop={**NUMBER, "unit_of_meas": "mm"}),
    "number beyond its limits": change("cmps", stop={**NUMBER, "val_tpl": "{{ value_json.value|float(none) }}"}),
    "select without options": change("cmps", stop={**SELECT, "ops": []}),
    "select with the word for unknown": change("cmps", stop={**SELECT, "ops": ["None"]}),
    "event with a type that it does not know": change("cmps", stop={**EVENT, "event_types": ["print_paused"]}),
    "light of unknown colours": change("cmps", stop={**LIGHT, "supported_color_modes": ["rgb", "brightness"]}),
    "climate of an odd mode": change("cmps", stop={**CLIMATE, "modes": ["warm"]}),
    "climate whose mode is another": change("cmps", stop={**CLIMATE, "mode_state_template": "cool"}),
    "fan in no percentage": change("cmps", stop={**FAN, "percentage_value_template": "{{ value_json.value }}"}),
    "trigger of no kind": change("cmps", stop={"p": "device_automation", "t": "v/event/x", "type": "x"}),
    "optimistic switch": change("cmps", stop={**SWITCH, "optimistic": True}),
    "image that is none": change("cmps", stop={**IMAGE, "content_type": "text"}),
    "availability of other words": change("cmps", "stop", avty=[{"t": "v/queue", "val_tpl": "yes"}]),
    "name blank": change("cmps", "heat", name=" "),
    "key null": change("cmps", "heat", unit_of_meas=None),
    "template no Jinja": change("cmps", "heat", val_tpl="{{ value_json."),
    "template touches what is missing": change("cmps", "heat", val_tpl="{{ value_json.value.x|float(none) }}"),
    "template reads nobody's topic": change("cmps", "heat", stat_t="v/heat"),
    "template lets text into a number": change("cmps", "heat", val_tpl="{{ value_json.value|default(none) }}"),
    "template lets another word into an enum": change("cmps", "state", val_tpl="{{ value_json.value|default('c') }}"),
    "template makes neither ON nor OFF": change("cmps", "door", val_tpl="yes"),
    "attributes are no object": change("cmps", "heat", json_attr_t="v/queue", json_attr_tpl="[1]"),
    "too large": change("cmps", "heat", name="x" * 64_000),
}  # fmt: skip


def test_a_good_message_has_no_faults():
    assert faults(GOOD) == []


@pytest.mark.parametrize("part", MORE, ids=lambda part: part["p"])
def test_a_good_component_of_another_kind_has_no_faults(part):
    message = deepcopy(GOOD)
    message["cmps"]["stop"] = part
    assert faults(message) == []


def test_a_stub_is_allowed_while_something_is_withdrawn():
    message = deepcopy(GOOD)
    message["cmps"]["gone"] = {"p": "button"}
    assert faults(message, stubs=True) == []


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_found(mistake):
    message = deepcopy(GOOD)
    MISTAKES[mistake](message)
    assert faults(message)
