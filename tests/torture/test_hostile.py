"""A broker that sends what no broker should: the bridge hangs up or goes on, and is there when it is sane."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conftest import Running, Start
from tests.klippy.fake_klippy import FakeKlippy, fake_klippy
from tests.mqtt.brokers import CONNACK, PUBACK, PUBLISH, TinyBroker, packet
from tests.wire import until

pytestmark = [pytest.mark.torture, pytest.mark.timeout(60)]


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[FakeKlippy]:
    async with fake_klippy(tmp_path) as one:
        yield one


QUICK = {"homeassistant": {"enabled": False}, "http": {"enabled": False}}


def noise(seed: int) -> bytes:
    return random.Random(seed).randbytes(400)


ODD = {
    "a topic with a wildcard": packet(PUBLISH, b"\x00\x03a/#x"),
    "a topic that is no UTF-8": packet(PUBLISH, b"\x00\x02\xff\xfex"),
    "a topic with a NUL": packet(PUBLISH, b"\x00\x03a\x00bx"),
    "an empty topic": packet(PUBLISH, b"\x00\x00x"),
    "a topic longer than its packet": packet(PUBLISH, b"\x00\xffab"),
    "a quality of three": packet(PUBLISH, b"\x00\x01a\x00\x01x", flags=6),
    "a packet without a body": packet(PUBLISH, b""),
    "a kind that is reserved": packet(0, b"abc"),
    "the last kind": packet(15, b"\x00"),
    "a packet that only clients send": packet(8, b"\x00\x01\x00\x01a\x00"),
    "a second welcome": packet(CONNACK, b"\x00\x00\x00"),
    "thanks for nothing": packet(PUBACK, b"\x7f\xff"),
    "half an acknowledgement": packet(PUBACK, b"\x01"),
    "an answer to no subscription": packet(9, b"\x7f\xff\x00\x01"),
    "receipts of nothing": b"".join(packet(kind, b"\x12\x34", flags=2) for kind in (5, 6, 7)),
    "a length without an end": b"\x30\xff\xff\xff\xff\xff\xff",
    "a length of a quarter gigabyte": b"\x30\xff\xff\xff\x7f" + b"x" * 1000,
    "a goodbye": packet(14, b""),
    "odd properties": packet(PUBLISH, b"\x00\x01a\xff\xff\xff\xff\x7f"),
    **{f"noise {seed}": noise(seed) for seed in range(6)},
}


@pytest.mark.parametrize("level", [4, 5])
async def test_the_bridge_outlives_what_it_is_sent(
    level: int, tmp_path: Path, start: Start, fake: FakeKlippy
) -> None:
    lost: list[str] = []
    asked: set[tuple[str, int, bytes]] = set()

    async def suffer(number: int, what: str) -> None:
        try:
            await bear(number, ODD[what])
        except AssertionError:
            lost.append(what)

    async def bear(number: int, data: bytes) -> None:
        async with TinyBroker() as tiny:
            tiny.speaks_5 = level == 5
            options = {"port": tiny.port, "protocol": "5" if level == 5 else "3.1.1", "keepalive": 5}
            bridge = await start(data=str(tmp_path / f"d{number}"), mqtt=options, **QUICK)
            tiny.send(data)
            # a sane message behind an odd one either arrives, or the connection is replaced
            await until(lambda: len(tiny.hellos) > 1 or asks(tiny, bridge, b"first"), patience=25)
            await until(lambda: bridge.bridge.mqtt.up and asks(tiny, bridge, b"second"), patience=25)

    def asks(tiny: TinyBroker, bridge: Running, word: bytes) -> bool:
        this = (bridge.name, len(tiny.hellos), word)
        if this not in asked and bridge.bridge.mqtt.up:
            asked.add(this)
            tiny.tell(
                f"{bridge.topics.request}/{word.decode()}", b'{"jsonrpc":"2.0","method":"%s","id":1}' % word
            )
        return word in tiny.heard

    began, used = time.monotonic(), time.process_time()
    await asyncio.gather(*(suffer(number, what) for number, what in enumerate(ODD)))
    assert lost == []
    assert time.process_time() - used < 0.8 * (time.monotonic() - began)


@pytest.mark.parametrize("garbage", ["a topic with a wildcard", "a length without an end"])
async def test_garbage_in_place_of_a_welcome_does_not_burn_the_processor(
    garbage: str, start: Start, fake: FakeKlippy
) -> None:
    async with TinyBroker() as tiny:
        tiny.before = ODD[garbage]
        bridge = await start(wait=False, mqtt={"port": tiny.port})
        await until(lambda: tiny.hellos)
        await until(lambda: bridge.bridge.klippy.ready)
        began, used = time.monotonic(), time.process_time()
        await until(lambda: len(tiny.hellos) > 1 or time.monotonic() - began > 3)
        assert time.process_time() - used < 0.5
        tiny.before = b""
        await until(lambda: bridge.bridge.mqtt.up, patience=25)
