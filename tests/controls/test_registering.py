"""What other capabilities put on the list of controls, and take away again."""

from typing import Any

import pytest

from bridge.controls.control import button, own
from bridge.klippy.simulator import Simulator
from bridge.mqtt.payloads import ControlValue
from bridge.rpc import Access
from ha_discovery.entity import Entity, Level
from tests.conftest import Running
from tests.mqtt.watching import settled
from tests.wire import Ear


class Plug:
    """A switch of another capability."""

    def __init__(self, bridge: Running) -> None:
        self.on = False
        self.control = own(
            "switch", "power_plug", "Plug", self._set, lambda: ControlValue(self.on),
            topic=bridge.topics.control_state("power_plug"), always=True,
        )  # fmt: skip

    async def _set(self, value: Any) -> None:
        self.on = value


@pytest.fixture
def plug(bridge: Running) -> Plug:
    one = Plug(bridge)
    bridge.bridge.controls.register(one.control)
    return one


async def test_a_registered_control_works_over_mqtt_and_is_described(
    bridge: Running, plug: Plug, mqtt: Ear, klippy: Simulator
) -> None:
    state = bridge.topics.control_state("power_plug")
    assert (await mqtt.message(state)).json == {"value": False}
    config = await mqtt.message(
        bridge.topics.device(bridge.bridge.identity.unique), where=lambda m: b'"Plug"' in m.payload
    )
    found = next(part for part in config.json["cmps"].values() if part.get("name") == "Plug")
    assert (found["p"], found["stat_t"]) == ("switch", state)
    klippy.lose_mcu()
    await mqtt.message(bridge.topics.availability, where=lambda m: m.payload == b"offline")
    await mqtt.say(bridge.topics.control("power_plug"), "ON")
    await mqtt.message(state, where=lambda m: m.json["value"] is True)
    assert plug.on


async def test_what_is_withdrawn_leaves_no_ghost(bridge: Running, plug: Plug, mqtt: Ear) -> None:
    state = bridge.topics.control_state("power_plug")
    config = bridge.topics.device(bridge.bridge.identity.unique)
    await mqtt.message(config, where=lambda m: b'"Plug"' in m.payload)
    await settled(mqtt, bridge)
    bridge.bridge.controls.withdraw("power_plug")
    stub = await mqtt.message(config)
    assert {"p": "switch"} in stub.json["cmps"].values()
    final = await mqtt.message(config, where=lambda m: {"p": "switch"} not in m.json["cmps"].values())
    cleared = await mqtt.message(state, where=lambda m: not m.payload)
    assert cleared.when > final.when  # nobody reads it any more
    await mqtt.say(bridge.topics.control("power_plug"), "ON")
    told = await mqtt.message(bridge.topics.event("control_rejected"))
    assert "no control" in told.json["data"]["reason"]
    assert not plug.on


async def test_a_control_of_a_class_that_mqtt_may_not_call_is_refused_and_not_described(
    bridge: Running, mqtt: Ear
) -> None:
    pressed = []

    async def press() -> None:
        pressed.append(1)

    bridge.bridge.controls.register(button("shutdown", "Shutdown", press, always=True, access=Access.ADMIN))
    await mqtt.message(bridge.topics.controls, where=lambda m: "shutdown" in [row["key"] for row in m.json])
    await mqtt.say(bridge.topics.control("shutdown"), "PRESS")
    told = await mqtt.message(bridge.topics.event("control_rejected"))
    assert "admin" in told.json["data"]["reason"]
    assert pressed == []
    assert not [m for m in mqtt.on(bridge.topics.discovery) if b"Shutdown" in m.payload]


async def test_a_capability_shows_entities_of_its_own_on_either_device(bridge: Running, mqtt: Ear) -> None:
    row = Entity(key="sun", name="Sun", state=lambda topics: f"{topics.instance}/sun", level=Level.BRIDGE)
    unique = bridge.bridge.identity.unique
    for host, device in ((False, unique), (True, f"{unique}_host")):
        bridge.bridge.home.show("test", [row], host=host)
        config = await mqtt.message(bridge.topics.device(device), where=lambda m: b'"Sun"' in m.payload)
        assert config.json["cmps"]["sun"]["stat_t"] == f"{bridge.name}/sun"
    bridge.bridge.home.show("test", [])
    await mqtt.message(
        bridge.topics.device(unique), where=lambda m: m.json["cmps"].get("sun") == {"p": "sensor"}
    )


async def test_what_is_not_known_without_klippy_is_null(
    bridge: Running, mqtt: Ear, klippy: Simulator
) -> None:
    state = bridge.topics.control_state("light_status")
    await mqtt.message(state, where=lambda m: m.json["state"] == "ON")
    await settled(mqtt, bridge)
    klippy.drop_connections()
    gone = (await mqtt.message(state)).json
    assert (gone["state"], gone["brightness"]) == (None, None)
    await mqtt.message(state, where=lambda m: m.json["state"] == "ON")
