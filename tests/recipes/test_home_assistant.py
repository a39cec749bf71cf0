"""The recipes for Home Assistant: they load, their parts fit, and every entity they name is discovered."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import jinja2.meta
import pytest
import yaml

from bridge.mqtt.payloads import EVENTS, ControlRow, HostStats
from ha_discovery.catalogue import host_entities
from ha_discovery.device import Identity, device_message
from ha_discovery.rows_events import EVENTS as ANNOUNCED
from tests.ha_discovery.printers import REGISTERED, TOPICS, recorded
from tests.ha_discovery.rendering import payloads_of
from tests.ha_discovery.rules import entity_id, expanded

FOLDER = Path(__file__).parent.parent.parent / "config" / "home-assistant"
BLUEPRINTS = sorted((FOLDER / "blueprints").glob("*.yaml"))
SECTIONS = {"blueprint", "mode", "max", "max_exceeded", "triggers", "conditions", "variables", "actions"}
ABOUT = {"name", "description", "domain", "author", "homeassistant", "input"}
SELECTORS = {"entity", "device", "select", "number", "boolean"}
STEPS = {"action", "wait_template", "condition", "choose", "device_id", "variables"}


class Input(str):
    """`!input name`."""

    __slots__ = ()


class Loader(yaml.SafeLoader):
    """YAML with Home Assistant's `!input`."""


Loader.add_constructor("!input", lambda loader, node: Input(loader.construct_scalar(node)))


def load(path: Path) -> Any:
    return yaml.load(path.read_text(encoding="utf-8"), Loader)


def every(value: Any) -> Iterator[Any]:
    """The value and all that is in it."""
    yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from every(inner)


def test_there_are_three_blueprints():
    assert [path.stem for path in BLUEPRINTS] == ["pause_on_alarm", "power_off_when_cool", "print_done"]


@pytest.mark.parametrize("path", BLUEPRINTS, ids=lambda path: path.stem)
def test_a_blueprint_has_the_shape_that_home_assistant_takes(path):
    found = load(path)
    assert found.keys() <= SECTIONS
    assert {"triggers", "actions"} <= found.keys()
    about = found["blueprint"]
    assert about.keys() == ABOUT
    assert about["domain"] == "automation"
    for name, one in about["input"].items():
        assert one.keys() <= {"name", "description", "default", "selector"}, name
        assert len(one["selector"]) == 1
        assert one["selector"].keys() <= SELECTORS, name
    for trigger in found["triggers"]:
        assert trigger["trigger"] == "state"
        assert trigger.keys() <= {"trigger", "entity_id", "from", "to", "not_from"}


@pytest.mark.parametrize("path", BLUEPRINTS, ids=lambda path: path.stem)
def test_every_input_of_a_blueprint_is_used_and_every_used_one_declared(path):
    found = load(path)
    used = {str(one) for one in every(found) if isinstance(one, Input)}
    assert used == found["blueprint"]["input"].keys()


@pytest.mark.parametrize("path", BLUEPRINTS, ids=lambda path: path.stem)
def test_every_step_of_a_blueprint_is_one_that_there_is(path):
    found = load(path)
    for step in found["actions"]:
        assert len(STEPS & step.keys()) == 1, step
    actions = {one["action"] for one in every(found) if isinstance(one, dict) and "action" in one}
    assert actions <= {"switch.turn_off", "button.press"}


@pytest.mark.parametrize("path", BLUEPRINTS, ids=lambda path: path.stem)
def test_every_template_of_a_blueprint_is_jinja_over_known_names(path):
    found = load(path)
    known = set(found.get("variables", {})) | {"trigger", "states", "state_attr"}
    for step in found["actions"]:
        known |= set(step.get("variables", {}))
    for text in (one for one in every(found) if isinstance(one, str) and "{{" in one):
        names = jinja2.meta.find_undeclared_variables(jinja2.Environment(autoescape=False).parse(text))
        assert names <= known, text


def test_the_ends_that_a_blueprint_asks_for_are_events_of_ours():
    ends = {
        o["value"] for o in load(BLUEPRINTS[2])["blueprint"]["input"]["ends"]["selector"]["select"]["options"]
    }
    assert ends <= set(ANNOUNCED) <= set(EVENTS)
    text = BLUEPRINTS[1].read_text()
    assert "['print_complete', 'print_cancelled']" in text


def discovered() -> set[str]:
    """The ids of all entities that are enabled for a printer called Voron, and its host."""
    told = payloads_of("voron/host/stats")[1]

    rediscover = ControlRow(key="rediscover", kind="button", name="Rediscover")
    host = device_message(
        host_entities(HostStats(**told), [*REGISTERED, rediscover]), TOPICS,
        Identity("x_host", "Voron host", "1"), printer=False,
    )  # fmt: skip
    ids = set()
    for message, name in ((recorded().message(), "Voron"), (host, "Voron host")):
        for part in expanded(message)["components"].values():
            if part.get("enabled_by_default", True) and part["platform"] != "device_automation":
                ids.add(entity_id(part, name))
    return ids


def test_every_entity_of_the_dashboard_is_discovered_and_enabled():
    found = load(FOLDER / "dashboard.yaml")
    assert found.keys() == {"title", "views"}
    named: set[str] = set()
    for part in (one for one in every(found) if isinstance(one, dict)):
        for key in ("entity", "entity_id"):
            if isinstance(part.get(key), str):
                named.add(part[key])
    assert len(named) > 25
    assert named - discovered() == set()


def test_every_card_of_the_dashboard_is_one_that_there_is():
    kinds = {
        one["type"]
        for one in every(load(FOLDER / "dashboard.yaml"))
        if isinstance(one, dict) and "type" in one
    }
    assert kinds == {
        "picture-entity",
        "entities",
        "gauge",
        "horizontal-stack",
        "button",
        "thermostat",
        "history-graph",
    }
