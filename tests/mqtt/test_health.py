"""The bridge's own health: on change, retained, with the reason."""

import time
from pathlib import Path

import pytest

from bridge import __version__
from tests.conftest import Start
from tests.klippy.fake_klippy import FakeKlippy, fake_klippy
from tests.mqtt.brokers import Proxy
from tests.mqtt.watching import settled
from tests.wire import Ear, Mosquitto, until


@pytest.fixture
async def fake(tmp_path: Path):
    async with fake_klippy(tmp_path) as one:
        yield one


async def test_health_tells_who_and_how(start: Start, fake: FakeKlippy, broker: Mosquitto, mqtt: Ear) -> None:
    bridge = await start()
    told = (await mqtt.message(bridge.topics.health, where=lambda m: m.json["klippy"] == "ready")).json
    assert told["version"] == __version__
    assert told["unique_id"] == bridge.bridge.identity.unique
    assert told["broker"]["address"] == f"127.0.0.1:{broker.port}"
    assert told["broker"]["protocol"] == "5"
    assert abs(told["broker"]["connected_since"] - time.time()) < 5
    assert abs(told["time"] - time.time()) < 5
    assert 0 <= told["uptime"] < 10
    assert told["last_error"] is None
    counters = {"requests", "rejected", "dropped", "published", "reconnects", "klippy_dropped_frames"}
    assert counters <= set(told["counters"])
    assert {"requests", "events", "state"} <= set(told["queues"])


async def test_health_follows_klippy(start: Start, fake: FakeKlippy, mqtt: Ear) -> None:
    bridge = await start()
    await settled(mqtt, bridge)
    fake.become("shutdown", "Lost communication with MCU 'mcu'")
    await mqtt.message(bridge.topics.health, where=lambda m: m.json["klippy"] == "shutdown")
    await fake.stop()
    await mqtt.message(bridge.topics.health, where=lambda m: m.json["klippy"] == "disconnected")


async def test_health_counts_what_was_refused_and_what_could_not_be_read(
    start: Start, fake: FakeKlippy, mqtt: Ear
) -> None:
    bridge = await start()
    await settled(mqtt, bridge)
    await mqtt.say(bridge.topics.request, b"{")
    await mqtt.say(bridge.topics.control("pause"), "no")
    fake.send(b"\xff\xfe\x03")
    await mqtt.message(bridge.topics.event("control_rejected"))
    await until(lambda: bridge.bridge.klippy_link.dropped_frames)
    fake.become("shutdown")
    told = await mqtt.message(bridge.topics.health, where=lambda m: m.json["klippy"] == "shutdown")
    counters = told.json["counters"]
    assert (counters["requests"], counters["rejected"], counters["klippy_dropped_frames"]) == (1, 2, 1)


@pytest.mark.torture
async def test_health_tells_the_reason_of_the_last_outage(
    start: Start, fake: FakeKlippy, broker: Mosquitto, mqtt: Ear
) -> None:
    async with Proxy(broker.port) as proxy:
        bridge = await start(mqtt={"port": proxy.port})
        await settled(mqtt, bridge)
        proxy.cut()
        told = await mqtt.message(bridge.topics.health, where=lambda m: m.json["counters"]["reconnects"] == 1)
        assert told.json["last_error"] == "the broker closed the connection"


async def test_health_is_there_without_klippy(tmp_path: Path, start: Start, mqtt: Ear) -> None:
    bridge = await start(wait=False)
    told = (await mqtt.message(bridge.topics.health)).json
    assert told["klippy"] == "disconnected"
    assert (await mqtt.message(bridge.topics.availability)).payload == b"offline"
    assert (await mqtt.message(bridge.topics.klippy_info)).json["state"] == "disconnected"
