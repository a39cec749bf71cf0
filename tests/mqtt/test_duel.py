"""Two that use one name: it is noticed, said, and left alone."""

import logging
import shutil
import time
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from bridge.klippy.simulator import Simulator
from bridge.mqtt.duel import DuelWatch
from tests.conftest import Running, Start
from tests.mqtt.watching import settled
from tests.wire import HOST, Ear, Mosquitto, until


def health_of(unique_id: str, name: str) -> dict[str, Any]:
    return {"version": "0.1.0", "unique_id": unique_id, "time": time.time(), "klippy": "ready", "note": name}


async def test_a_bridge_of_another_id_under_our_name_makes_the_second_leave(
    tmp_path: Path, start: Start, klippy: Simulator, mqtt: Ear, caplog: pytest.LogCaptureFixture
) -> None:
    first = await start(instance="one-name")
    await mqtt.message(first.topics.health, where=lambda m: m.json["klippy"] == "ready")
    second = await start(instance="one-name", wait=False, data=str(tmp_path / "other"))
    assert first.bridge.identity.unique != second.bridge.identity.unique
    await until(
        lambda: any("give one of the two another `instance`" in r.getMessage() for r in caplog.records)
    )
    assert not second.bridge.mqtt.up
    assert "uses the instance name 'one-name'" in str(second.bridge.health.now().last_error)
    assert first.bridge.mqtt.up
    assert first.bridge.mqtt.reconnects == 0
    await mqtt.until(lambda: mqtt.latest(first.topics.status).json == {"server": "online"})
    assert mqtt.latest(first.topics.health).json["unique_id"] == first.bridge.identity.unique


async def test_a_bridge_that_comes_later_makes_us_leave_and_say_so(
    start: Start, klippy: Simulator, mqtt: Ear
) -> None:
    bridge = await start(instance="intruded")
    await mqtt.say(bridge.topics.health, health_of("f" * 16, "intruder"), retain=True)
    await until(lambda: not bridge.bridge.mqtt.up)
    assert "f" * 16 in str(bridge.bridge.health.now().last_error)


async def test_the_health_of_a_bridge_that_is_offline_is_no_duel(
    start: Start, klippy: Simulator, mqtt: Ear
) -> None:
    await mqtt.say("inherited/bridge/health", health_of("e" * 16, "the card before this one"), retain=True)
    await mqtt.say("inherited/moonraker/status", {"server": "offline"}, retain=True)
    bridge = await start(instance="inherited")
    mine = await mqtt.message(
        bridge.topics.health, where=lambda m: m.json["unique_id"] == bridge.bridge.identity.unique
    )
    assert mine.json["last_error"] is None
    assert bridge.bridge.mqtt.up


async def test_our_own_health_from_before_a_crash_is_no_duel(
    start: Start, klippy: Simulator, mqtt: Ear
) -> None:
    first = await start(instance="crashed")
    await mqtt.message(first.topics.health)
    await first.end()
    await mqtt.message(first.topics.status, where=lambda m: m.json["server"] == "offline")
    await mqtt.say(first.topics.status, {"server": "online"}, retain=True)  # as if there had been no goodbye
    second = await start(instance="crashed")
    await mqtt.message(second.topics.health, where=lambda m: m.json["uptime"] < 1)
    assert second.bridge.mqtt.up


async def test_health_that_cannot_be_read_is_no_rival(start: Start, klippy: Simulator, mqtt: Ear) -> None:
    bridge = await start()
    for payload in (
        b"",
        b"{",
        b"[]",
        b'{"unique_id":7}',
        b'{"unique_id":null}',
        b'{"unique_id":""}',
        b"\xff",
    ):
        await mqtt.say(bridge.topics.health, payload)
    await mqtt.say(f"{bridge.topics.request}/x", {"jsonrpc": "2.0", "method": "server.info", "id": 1})
    await mqtt.message(bridge.topics.client_response("x"))
    assert bridge.bridge.mqtt.reconnects == 0


async def taken_over(running: Running, broker: Mosquitto, mqtt: Ear, times: int) -> None:
    """Another client comes with the bridge's own id, each time that it is back."""
    client_id = f"klipper-bridge-{running.bridge.identity.unique}"
    for number in range(times):
        await until(lambda n=number: running.bridge.mqtt.reconnects == n and running.bridge.mqtt.up)
        await mqtt.message(running.topics.status, where=lambda m: m.json["server"] == "online")
        if number == 0:
            await settled(mqtt, running)
        mqtt.forget()
        async with aiomqtt.Client(
            HOST, broker.port, identifier=client_id, protocol=aiomqtt.ProtocolVersion.V5
        ):
            await until(lambda: not running.bridge.mqtt.up)


@pytest.mark.parametrize("protocol", ["5", pytest.param("3.1.1", marks=pytest.mark.torture)])
async def test_being_taken_over_three_times_is_a_duel(
    protocol: str,
    start: Start,
    klippy: Simulator,
    broker: Mosquitto,
    mqtt: Ear,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bridge = await start(mqtt={"protocol": protocol}, homeassistant={"enabled": False})
    await taken_over(bridge, broker, mqtt, 3)
    await until(lambda: any("is this a copied SD card?" in r.getMessage() for r in caplog.records))
    assert bridge.bridge.identity.unique in str(bridge.bridge.health.now().last_error)
    assert len([r for r in caplog.records if r.levelno == logging.ERROR]) == 1
    with pytest.raises(AssertionError):
        await until(lambda: bridge.bridge.mqtt.up, patience=1.2)


@pytest.mark.torture
async def test_two_losses_are_no_duel(start: Start, klippy: Simulator, broker: Mosquitto, mqtt: Ear) -> None:
    bridge = await start(homeassistant={"enabled": False})
    await taken_over(bridge, broker, mqtt, 2)
    await until(lambda: bridge.bridge.mqtt.up)
    assert bridge.bridge.mqtt.reconnects == 2


@pytest.mark.parametrize(
    ("ends", "duel"),
    [
        ([("reason", 9.0)] * 3, True),
        ([("closed", 1.0)] * 3, True),
        ([("closed", 1.0)] * 2, False),
        ([("closed", 6.0)] * 9, False),  # it stood for a while: nobody waits to take it
        ([("reset", 1.0)] * 9, False),  # the network, or a broker that is killed
        ([("restart", 1.0)] * 9, False),  # a broker that has lost our will
        ([("down", 1.0)] * 9, False),  # a broker that cannot be reached in between
        ([("reason", 9.0), ("closed", 1.0), ("reason", 9.0)], True),
    ],
)
def test_what_is_a_duel_and_what_is_a_bad_day(ends: list[tuple[str, float]], duel: bool) -> None:
    watch = DuelWatch()
    found = []
    for how, lasted in ends:
        closed = how in ("closed", "restart", "down")
        found.append(watch.lost(taken_over=how == "reason", closed=closed, lasted=lasted))
        if how == "down":
            watch.failed()
        watch.back(will_published=how != "restart")
    assert any(found) is duel
    assert not any(found[:-1])


async def test_two_instances_in_one_place_share_nothing(
    tmp_path: Path, start: Start, klippy: Simulator, mqtt: Ear
) -> None:
    """Another name and another data folder are enough for any number of printers."""
    two = [
        await start(data=str(tmp_path / f"data{number}"), homeassistant={"prefix": "homeassistant"})
        for number in range(2)
    ]
    for one in two:
        await mqtt.message(one.topics.health)
    for one in two:
        await mqtt.message(f"homeassistant/device/{one.bridge.identity.unique}/config")
    assert len({one.bridge.identity.unique for one in two}) == 2
    assert all(one.bridge.mqtt.up for one in two)


async def test_a_copied_card_under_another_name_has_the_same_id(
    tmp_path: Path, start: Start, klippy: Simulator
) -> None:
    first = await start(homeassistant={"enabled": False})
    shutil.copytree(
        tmp_path / "data" / "bridge", tmp_path / "copy" / "bridge", ignore=shutil.ignore_patterns("*.new")
    )
    second = await start(data=str(tmp_path / "copy"), wait=False, homeassistant={"enabled": False})
    assert first.bridge.identity.unique == second.bridge.identity.unique
    await until(lambda: not first.bridge.mqtt.up)  # the broker takes the newer one: the duel begins
