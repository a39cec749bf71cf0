"""What stands around the printer, for who comes late: plugs, sensors and the spool are retained."""

from tests.conftest import Start
from tests.spoolman.stand_in import spoolman
from tests.wire import Ear, Mosquitto, ear


async def test_who_comes_late_finds_plugs_sensors_and_the_spool(
    start: Start, broker: Mosquitto, mqtt: Ear
) -> None:
    async with spoolman() as keeper:
        bridge = await start(
            power={"plug": {"type": "mqtt", "command_topic": "a/set", "state_topic": "a/state"}},
            sensors={"meter": {"topic": "a/meter", "values": {"power": {}}}},
            spoolman={"server": keeper.url},
            wait=False,
        )
        topics = bridge.topics
        await mqtt.message(topics.spool, where=lambda m: m.json["connected"])
        await mqtt.say("a/state", "ON")
        await mqtt.say("a/meter", "12.5")
        await mqtt.message(topics.power("plug"), where=lambda m: m.json["state"] == "on")
        await mqtt.message(topics.sensor("meter"), where=lambda m: m.json["figures"]["power"] == 12.5)
        expected = {
            topics.power("plug"): {"state": "on", "locked": False, "reason": None},
            topics.sensor("meter"): {"figures": {"power": 12.5}},
        }
        async with ear(broker.port, *expected, topics.spool) as late:
            for topic, payload in expected.items():
                found = await late.message(topic)
                assert (found.json, found.retain) == (payload, True)
            found = await late.message(topics.spool)
            assert (found.json["connected"], found.retain) == (True, True)
