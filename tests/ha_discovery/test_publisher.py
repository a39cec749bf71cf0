"""When discovery is published, again, withdrawn, and remembered."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from bridge.klippy.frames import encode
from tests.conftest import Running, Start
from tests.klippy.fake_klippy import PRINTER, FakeKlippy, fake_klippy
from tests.mqtt.watching import settled
from tests.wire import Ear, Mosquitto, ear, until


@pytest.fixture
async def fake(tmp_path: Path):
    async with fake_klippy(tmp_path) as one:
        yield one


def config_topic(bridge: Running) -> str:
    return bridge.topics.device(bridge.bridge.identity.unique)


def components(message: Any) -> dict[str, Any]:
    found: dict[str, Any] = message.json["cmps"]
    return found


async def restarted(fake: FakeKlippy) -> None:
    """Klippy comes back as another process would, with whatever `fake.objects` holds now."""
    await fake.stop()
    fake.info["process_id"] += 1
    await fake.start()


async def test_the_device_is_described_once_and_before_its_first_values(
    start: Start, fake: FakeKlippy, mqtt: Ear
) -> None:
    bridge = await start()
    config = await mqtt.message(config_topic(bridge))
    first = await mqtt.message(bridge.topics.state("extruder", "temperature"))
    assert mqtt.heard.index(config) < mqtt.heard.index(first)
    await mqtt.message(bridge.topics.health, where=lambda m: m.json["klippy"] == "ready")
    assert len(mqtt.on(config_topic(bridge))) == 1
    assert config.qos == 1
    async with ear(bridge.bridge.config.mqtt.port, config_topic(bridge)) as late:
        assert (await late.message(config_topic(bridge))).retain


async def test_every_state_topic_of_the_description_is_retained(
    start: Start, fake: FakeKlippy, mqtt: Ear
) -> None:
    bridge = await start()
    config = (await mqtt.message(config_topic(bridge))).json
    topics = {c[key] for c in config["cmps"].values() for key in ("stat_t", "json_attr_t") if key in c}
    topics |= {row["t"] for row in config["avty"]}
    topics.remove(bridge.topics.all_events)  # events are never retained
    await mqtt.until(lambda: topics <= mqtt.retained().keys())
    host = (await mqtt.message(bridge.topics.device(f"{bridge.bridge.identity.unique}_host"))).json
    topics = {c["stat_t"] for c in host["cmps"].values() if "stat_t" in c}
    await mqtt.until(lambda: topics <= mqtt.retained().keys())


async def test_every_control_that_may_be_operated_has_its_entity(
    start: Start, fake: FakeKlippy, mqtt: Ear
) -> None:
    bridge = await start()
    unique = bridge.bridge.identity.unique
    printer = (await mqtt.message(config_topic(bridge))).json
    host = (await mqtt.message(bridge.topics.device(f"{unique}_host"))).json
    commands = {
        value
        for config in (printer, host)
        for component in config["cmps"].values()
        for key, value in component.items()
        if key == "cmd_t" or key.endswith("command_topic")
    }
    listed = {row["key"] for row in (await mqtt.message(bridge.topics.controls)).json}
    admins = {"bridge_restart", "reset_totals"}  # of classes that MQTT may not call by default
    assert commands == {bridge.topics.control(key) for key in listed - admins}


async def test_what_vanishes_from_the_printer_is_withdrawn_by_its_stub(
    start: Start, fake: FakeKlippy, mqtt: Ear
) -> None:
    fake.objects["fan_generic exhaust"] = {"speed": 0.5}
    bridge = await start()
    with_fan = components(await mqtt.message(config_topic(bridge)))
    gone = {key for key, part in with_fan.items() if "exhaust" in json.dumps(part)}
    assert gone
    state = bridge.topics.state("fan_generic exhaust", "speed")
    await mqtt.message(state, where=lambda m: m.json["value"] == 0.5)
    await settled(mqtt, bridge)
    del fake.objects["fan_generic exhaust"]
    await restarted(fake)
    stub = components(await mqtt.message(config_topic(bridge)))
    assert {key: stub[key] for key in gone} == {key: {"p": with_fan[key]["p"]} for key in gone}
    final = await mqtt.message(config_topic(bridge), where=lambda m: not gone & components(m).keys())
    assert components(final).keys() == with_fan.keys() - gone
    await mqtt.message(state, where=lambda m: m.payload == b"")  # the retained value goes, too


async def test_a_new_object_is_described_after_the_restart(start: Start, fake: FakeKlippy, mqtt: Ear) -> None:
    bridge = await start()
    await settled(mqtt, bridge)
    fake.objects["fan_generic exhaust"] = {"speed": 0.25}
    await restarted(fake)
    config = await mqtt.message(config_topic(bridge))
    assert "Exhaust fan" in {part.get("name") for part in components(config).values()}
    await mqtt.message(
        bridge.topics.state("fan_generic exhaust", "speed"), where=lambda m: m.json["value"] == 0.25
    )


@pytest.mark.torture
async def test_what_vanished_while_the_bridge_was_away_is_withdrawn_too(
    start: Start, fake: FakeKlippy, mqtt: Ear
) -> None:
    fake.objects["fan_generic exhaust"] = {"speed": 0.5}
    first = await start(instance="remembering")
    await mqtt.message(config_topic(first))
    await until(lambda: "exhaust" in _memory(first))
    state = first.topics.state("fan_generic exhaust", "speed")
    retained = Path(first.bridge.config.data) / "bridge" / "retained.json"
    await until(lambda: retained.exists() and state in retained.read_text())
    await first.end()
    await mqtt.message(first.topics.status, where=lambda m: m.json["server"] == "offline")
    del fake.objects["fan_generic exhaust"]
    mqtt.forget()
    second = await start(instance="remembering")
    stub = components(await mqtt.message(config_topic(second)))
    stubs = sorted(part["p"] for part in stub.values() if len(part) == 1)
    assert stubs == ["fan", "number", "sensor"]
    assert (await mqtt.message(state)).payload == b""  # its retained value goes, too


def _memory(bridge: Running) -> str:
    path = Path(bridge.bridge.config.data) / "bridge" / "discovery.json"
    return path.read_text() if path.exists() else ""


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"topic":"x"}', b'{"message":{"cmps":7}}', b"\xff"])
async def test_a_damaged_memory_is_no_memory(
    damage: bytes, start: Start, fake: FakeKlippy, tmp_path: Path, mqtt: Ear
) -> None:
    memory = tmp_path / "data" / "bridge" / "discovery.json"
    memory.parent.mkdir(parents=True)
    memory.write_bytes(damage)
    bridge = await start()
    assert components(await mqtt.message(config_topic(bridge)))
    await until(lambda: b'"uniq_id"' in memory.read_bytes())
    assert json.loads(memory.read_bytes())["topic"] == config_topic(bridge)


async def test_what_was_published_is_on_the_disk_before_it_counts(
    start: Start, fake: FakeKlippy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda one: synced.append(Path(f"/proc/self/fd/{one}").readlink().name))
    await start()
    memory = tmp_path / "data" / "bridge" / "discovery.json"
    await until(memory.exists)
    assert f"{memory.name}.new" in synced


@pytest.mark.torture
async def test_a_device_that_the_user_deleted_stays_deleted_until_the_next_start(
    start: Start, fake: FakeKlippy, mqtt: Ear
) -> None:
    bridge = await start(instance="deleted")
    await settled(mqtt, bridge)
    await mqtt.say(config_topic(bridge), b"", retain=True)
    await mqtt.say(bridge.topics.birth, "online")
    await mqtt.message(bridge.topics.controls)  # the replay is through
    assert [m.payload for m in mqtt.on(config_topic(bridge))] == [b""]


async def test_a_button_brings_a_deleted_device_back(start: Start, fake: FakeKlippy, mqtt: Ear) -> None:
    bridge = await start(instance="deleted-once")
    await settled(mqtt, bridge)
    await mqtt.say(config_topic(bridge), b"", retain=True)
    await mqtt.say(bridge.topics.control("rediscover"), "PRESS")
    again = await mqtt.message(config_topic(bridge), where=lambda m: m.payload)
    assert components(again)
    await mqtt.message(bridge.topics.state("extruder", "temperature"))


async def test_nothing_is_described_where_home_assistant_is_off(
    start: Start, fake: FakeKlippy, mqtt: Ear
) -> None:
    bridge = await start(homeassistant={"enabled": False})
    await mqtt.message(bridge.topics.health, where=lambda m: m.json["klippy"] == "ready")
    assert mqtt.on(bridge.topics.discovery) == []


async def test_without_klippy_the_device_is_there_all_the_same(
    tmp_path: Path, start: Start, mqtt: Ear
) -> None:
    bridge = await start(wait=False)
    config = await mqtt.message(config_topic(bridge))
    assert "emergency_stop" in json.dumps(components(config))


async def test_klippy_s_end_and_return_do_not_describe_the_device_anew(
    start: Start, fake: FakeKlippy, mqtt: Ear
) -> None:
    bridge = await start()
    await settled(mqtt, bridge)
    fake.drop()
    await mqtt.message(bridge.topics.event("klippy_ready"))
    fake.become("shutdown")
    await mqtt.message(bridge.topics.event("klippy_shutdown"))
    assert mqtt.on(config_topic(bridge)) == []


async def test_a_description_that_is_too_large_is_told_in_the_log(
    start: Start, fake: FakeKlippy, caplog: pytest.LogCaptureFixture
) -> None:
    await start(mqtt={"max_payload": 2000})
    await until(lambda: any("discovery message is larger" in r.getMessage() for r in caplog.records))


async def test_four_printers_share_no_topic_and_no_id(
    tmp_path: Path, start: Start, broker: Mosquitto, mqtt: Ear
) -> None:
    async with fake_klippy(tmp_path):
        four = [
            await start(data=str(tmp_path / f"d{n}"), homeassistant={"prefix": "ha-four"}) for n in range(4)
        ]
        configs = [(await mqtt.message(config_topic(one))).json for one in four]
        ids = [c["uniq_id"] for config in configs for c in config["cmps"].values() if "uniq_id" in c]
        assert len(ids) == len(set(ids))
        assert len({config["dev"]["ids"][0] for config in configs}) == 4
        topics = [
            {c[k] for c in config["cmps"].values() for k in ("stat_t", "cmd_t") if k in c}
            for config in configs
        ]
        assert not set.intersection(*topics)


def test_the_fake_speaks_as_klippy_does() -> None:
    assert encode({"a": "ü"}) == '{"a":"ü"}\x03'.encode()
    assert "print_stats" in PRINTER
