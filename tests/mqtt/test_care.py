"""How carefully the broker hands over what a plug or a sensor says: its own `qos`, not everybody's."""

import pytest

from bridge.mqtt.connection import Incoming
from tests.conftest import Running, Start
from tests.power.calls import call
from tests.wire import Ear, until

TOPIC = "care/state"


def heard(bridge: Running, topic: str) -> list[Incoming]:
    """What comes from now on."""
    found: list[Incoming] = []
    route = next(one for one in bridge.bridge.mqtt._routes if one.pattern == topic)
    route.signal.connect(found.append)
    return found


async def qos_of(bridge: Running, mqtt: Ear, topic: str) -> int:
    """How what is sent with the greatest care arrives."""
    await until(lambda: bridge.bridge.mqtt.up)
    found = heard(bridge, topic)
    await mqtt.say(topic, "on", qos=2)
    await until(lambda: found)
    return found[0].qos


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_a_plug_is_spoken_and_listened_to_with_its_own_care(start: Start, mqtt: Ear, qos: int) -> None:
    plug = {
        "type": "mqtt",
        "command_topic": "care/command",
        "state_topic": TOPIC,
        "query_topic": "care/query",
    }
    bridge = await start(power={"plug": {**plug, "qos": qos}}, wait=False)
    assert (await mqtt.message("care/query")).qos == qos
    assert await qos_of(bridge, mqtt, TOPIC) == qos
    await call(bridge, "machine.device_power.on", plug=None)
    assert (await mqtt.message("care/command")).qos == qos


@pytest.mark.parametrize(("qos", "becomes"), [({}, 1), ({"qos": 0}, 0), ({"qos": 2}, 2)])
async def test_a_sensor_is_listened_to_with_its_own_care(
    start: Start, mqtt: Ear, qos: dict[str, int], becomes: int
) -> None:
    bridge = await start(sensors={"one": {"topic": TOPIC, "values": {"a": {}}, **qos}}, wait=False)
    assert await qos_of(bridge, mqtt, TOPIC) == becomes


async def test_of_two_on_one_topic_the_more_careful_decides(start: Start, mqtt: Ear) -> None:
    sensors = {str(qos): {"topic": TOPIC, "qos": qos, "values": {"a": {}}} for qos in (0, 2, 1)}
    bridge = await start(sensors=sensors, wait=False)
    assert await qos_of(bridge, mqtt, TOPIC) == 2
    await call(bridge, "server.mqtt.publish", topic=TOPIC, payload="x", retain=True)
    await call(bridge, "server.mqtt.subscribe", topic=TOPIC, qos=0)  # a client that looks once
    assert await qos_of(bridge, mqtt, TOPIC) == 2
