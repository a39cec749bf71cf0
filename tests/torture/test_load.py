"""Floods, outages at full rate, and the budgets of a whole minute."""

import asyncio
import contextlib
import gc
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import psutil
import pytest

from tests.conftest import Running, Start
from tests.klippy.fake_klippy import FakeKlippy, fake_klippy
from tests.mqtt.brokers import Proxy
from tests.mqtt.watching import events, settled
from tests.wire import Ear, Mosquitto, ear, until

pytestmark = [pytest.mark.torture, pytest.mark.timeout(120)]

MEGABYTE = 1_000_000


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[FakeKlippy]:
    async with fake_klippy(tmp_path) as one:
        yield one


def memory() -> int:
    gc.collect()
    return psutil.Process(os.getpid()).memory_info().rss


async def full_rate(fake: FakeKlippy, first: int, number: int) -> None:
    """What a busy printer tells: everything moves, and it talks."""
    for turn in range(first, first + number):
        fake.push(
            extruder={
                "temperature": 200 + turn % 997 / 10,
                "target": float(turn % 7),
                "power": turn % 100 / 100,
            },
            toolhead={"position": [turn % 200, turn % 31, turn / 1000, turn]},
            print_stats={"print_duration": turn / 4, "message": f"turn {turn}"},
            virtual_sdcard={"progress": turn % 1000 / 1000, "file_position": turn},
        )
        fake.say(f"// turn {turn}")
        if turn % 50 == 0:
            await asyncio.sleep(0)


async def caught_up(bridge: Running, turn: int) -> None:
    await until(lambda: bridge.bridge.cache.get("print_stats", "message") == f"turn {turn}", patience=60)


async def test_an_outage_at_full_rate_takes_no_memory(
    start: Start, fake: FakeKlippy, broker: Mosquitto
) -> None:
    async with Proxy(broker.port) as proxy:
        bridge = await start(mqtt={"port": proxy.port})
        await until(lambda: fake.subscribed)
        await proxy.shut()
        await until(lambda: not bridge.bridge.mqtt.up)
        await full_rate(fake, 1, 3000)
        await caught_up(bridge, 3000)
        before = memory()
        for block in range(8):
            await full_rate(fake, 3001 + block * 1800, 1800)
            await caught_up(bridge, 3000 + (block + 1) * 1800)  # an hour's worth of ticks in all
        assert memory() - before < 5 * MEGABYTE
        assert bridge.bridge.events.waiting == 100


async def test_a_frozen_broker_takes_no_memory_either(tmp_path: Path, start: Start, fake: FakeKlippy) -> None:
    frozen = Mosquitto(tmp_path).start()
    try:
        bridge = await start(mqtt={"port": frozen.port, "keepalive": 5, "state": {"policy": "full"}})
        await until(lambda: fake.subscribed)
        assert frozen.process is not None
        frozen.process.send_signal(signal.SIGSTOP)
        await full_rate(fake, 1, 2000)
        await caught_up(bridge, 2000)
        before = memory()
        await full_rate(fake, 2001, 8000)
        await caught_up(bridge, 10_000)
        assert memory() - before < 20 * MEGABYTE  # 5,000 messages may wait for their acknowledgement
        frozen.process.send_signal(signal.SIGCONT)
        fake.push(extruder={"target": 77.0})
        await retained(frozen, bridge.topics.state("extruder", "target"), 77.0)
    finally:
        frozen.kill()


async def retained(broker: Mosquitto, topic: str, value: float) -> None:
    """Wait until the broker keeps a value; asked anew each time, as it drops what a slow ear does not take."""
    async with asyncio.timeout(40):
        while True:
            async with ear(broker.port, topic) as mqtt:
                with contextlib.suppress(AssertionError):
                    await mqtt.message(topic, where=lambda m: m.json["value"] == value, patience=1)
                    return


async def test_bursts_of_a_thousand_requests_are_all_answered(
    start: Start, fake: FakeKlippy, mqtt: Ear
) -> None:
    bridge = await start()
    await settled(mqtt, bridge)
    before = memory()
    for burst in range(2):
        mqtt.forget()
        for number in range(1000):
            request = {"jsonrpc": "2.0", "method": "server.info", "id": burst * 1000 + number}
            mqtt.client._client.publish(bridge.topics.request, msgspec.json.encode(request), 1)
        await mqtt.until(lambda: len(mqtt.on(bridge.topics.response)) >= 1000, patience=30)
        answers = [m.json for m in mqtt.on(bridge.topics.response)]
        assert sorted(answer["id"] for answer in answers) == list(range(burst * 1000, burst * 1000 + 1000))
        assert all("result" in answer or answer["error"]["code"] == 503 for answer in answers)
        fake.push(print_stats={"message": f"after burst {burst}"})
        await mqtt.message(
            bridge.topics.state("print_stats", "message"),
            where=lambda m, b=burst: str(b) in str(m.json["value"]),
        )
    assert memory() - before < 20 * MEGABYTE


async def test_too_many_scripts_are_refused_and_klippy_gets_the_others_in_order(
    start: Start, fake: FakeKlippy, mqtt: Ear
) -> None:
    bridge = await start()
    await settled(mqtt, bridge)
    fake.answers["gcode/script"] = lambda params: fake.scripts.append(params["script"]) or b""  # never done
    for number in range(1100):
        params = {"script": f"M117 {number}"}
        request = {"jsonrpc": "2.0", "method": "printer.gcode.script", "params": params, "id": number}
        mqtt.client._client.publish(f"{bridge.topics.request}/x", msgspec.json.encode(request), 1)
    refused = await mqtt.until(
        lambda: (a := mqtt.on(bridge.topics.client_response("x"))) and len(a) >= 100 and a, patience=20
    )
    assert {m.json["error"]["code"] for m in refused} == {503}
    assert len(refused) == 100
    await until(lambda: len(fake.scripts) == 1000, patience=20)
    assert fake.scripts == [f"M117 {n}" for n in range(1000)]
    stop = {"jsonrpc": "2.0", "method": "printer.emergency_stop", "id": "stop"}
    began = time.monotonic()
    await mqtt.say(f"{bridge.topics.request}/stop", stop)
    assert (await mqtt.message(bridge.topics.client_response("stop"))).when - began < 0.5


async def test_one_minute_of_quiet_work_and_of_patience(
    tmp_path: Path, start: Start, fake: FakeKlippy, broker: Mosquitto, mqtt: Ear
) -> None:
    """An idle printer, one that prints, and one whose broker is away for longer than events are kept."""
    async with fake_klippy(tmp_path / "busy") as busy, Proxy(broker.port) as proxy:
        off = {"enabled": False}
        idle = await start(data=str(tmp_path / "i"), http=off)
        prints = await start(data=str(tmp_path / "b"), klippy={"socket": str(busy.path)}, http=off)
        away = await start(data=str(tmp_path / "a"), mqtt={"port": proxy.port}, http=off)
        busy.push(print_stats={"state": "printing", "filename": "a.gcode"})
        await mqtt.message(prints.topics.event("print_started"))
        await until(lambda: prints.bridge.outlet.waiting == 0)
        for one in (idle, away):
            await settled(mqtt, one)
        await proxy.shut()
        await until(lambda: not away.bridge.mqtt.up)
        fake.say("too old by then")
        began = time.monotonic()
        await asyncio.gather(_noise(fake, 61), _noise(busy, 61, climbs=True))
        fake.say("young enough")
        passed = time.monotonic() - began
        for one, most in ((idle, 6 * passed / 60 + 1), (prints, 2 * passed + 2)):
            told = [m for m in mqtt.on(f"{one.name}/klipper/state/") if m.when >= began]
            assert 3 <= len(told) <= most
            assert all(told[n].payload != told[n - 1].payload for n in range(1, len(told)))
        assert [m for m in mqtt.on(idle.topics.health) if m.when > began + 30]  # each minute
        await proxy.open()
        await mqtt.message(away.topics.event("gcode_response"), patience=40)
        assert [m.json["data"] for m in mqtt.on(away.topics.event("gcode_response"))] == ["young enough"]
        assert away.bridge.events.dropped >= 1
        assert "print_started" not in events(mqtt, away)


async def _noise(fake: FakeKlippy, seconds: float, *, climbs: bool = False) -> None:
    end, turn = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        turn += 1
        level = turn if climbs else 0
        fake.push(
            extruder={"temperature": 20 + level / 10 + turn % 13 / 4, "power": turn % 10 / 10},
            fan={"speed": turn % 11 / 11},
            print_stats={"print_duration": turn / 4, "total_duration": turn / 4},
            virtual_sdcard={"progress": min(1.0, level / 1000), "file_position": level},
        )
        await asyncio.sleep(0.25)
