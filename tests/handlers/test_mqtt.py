"""server.mqtt.* and the remote method publish_mqtt_topic, with a real broker."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.klippy.frames import encode
from bridge.klippy.simulator import Simulator
from tests.agents import agent
from tests.conftest import Running, Start
from tests.klippy.fake_klippy import FakeKlippy, fake_klippy
from tests.mqtt.brokers import TinyBroker
from tests.power.calls import Refused, call, fetch
from tests.wire import Ear, Mosquitto, ear, until

PAYLOADS: list[tuple[Any, bytes]] = [
    ("on", b"on"),
    ("ü € 🦖", "ü € 🦖".encode()),
    ("true", b"true"),
    (21, b"21"),
    (21.5, b"21.5"),
    (True, b"true"),
    (False, b"false"),
    (None, b""),
    ({"state": "ON", "list": [1, None]}, b'{"state":"ON","list":[1,null]}'),
    ([1, "a"], b'[1,"a"]'),
]
MESSAGES: list[tuple[bytes, Any]] = [
    (b"on", "on"),
    (b"21.5", "21.5"),
    (b"true", "true"),
    (b'{"state":"ON"}', {"state": "ON"}),
    (b" [1, 2]", [1, 2]),
    (b"{broken", "{broken"),
    (b"\xff", "�"),
]


@pytest.fixture
async def alone(start: Start) -> Running:
    """A bridge without a printer."""
    running = await start(wait=False, homeassistant={"enabled": False})
    await until(lambda: running.bridge.mqtt.up)
    return running


async def test_every_kind_of_payload_is_published(alone: Running, mqtt: Ear) -> None:
    for number, (payload, wanted) in enumerate(PAYLOADS):
        topic = f"told/{number}"
        assert await call(alone, "server.mqtt.publish", topic=topic, payload=payload) == {"topic": topic}
        assert (await mqtt.message(topic)).payload == wanted
    await call(alone, "server.mqtt.publish", topic="told/nothing")
    assert (await mqtt.message("told/nothing")).payload == b""


async def test_over_http_a_payload_has_the_type_of_its_hint(alone: Running, mqtt: Ear) -> None:
    status, answer = await fetch(alone, "POST", "/server/mqtt/publish?topic=plain&payload:json=[1]&qos:int=0")
    assert (status, answer) == (200, {"result": {"topic": "plain"}})
    heard = await mqtt.message("plain")
    assert (heard.payload, heard.qos) == (b"[1]", 0)


async def test_qos_and_retain_are_as_wished_for(alone: Running, broker: Mosquitto, mqtt: Ear) -> None:
    for qos, retain in ((0, False), (1, True), (2, False), (None, True)):
        topic = f"level/{qos}"
        await call(alone, "server.mqtt.publish", topic=topic, payload=retain, qos=qos, retain=retain)
        assert (await mqtt.message(topic)).qos == (alone.bridge.config.mqtt.qos if qos is None else qos)
    async with ear(broker.port, "level/#") as late:
        await late.message("level/None")
        assert {m.topic: m.retain for m in late.heard} == {"level/1": True, "level/None": True}


async def test_a_broker_that_does_not_answer_is_a_504(alone: Running, broker: Mosquitto) -> None:
    assert broker.process is not None
    broker.process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(Refused, match=r"acknowledge 'a' within 0\.1 s") as refused:
            await call(alone, "server.mqtt.publish", topic="a", qos=1, timeout=0.1)
        async with asyncio.timeout(5):  # not as long as the broker itself is waited for
            with pytest.raises(Refused) as asking:
                await call(alone, "server.mqtt.subscribe", topic="a", timeout=0.1)
    finally:
        broker.process.send_signal(signal.SIGCONT)
    assert (refused.value.code, asking.value.code) == (504, 504)


async def test_a_topic_that_says_nothing_is_a_504(alone: Running) -> None:
    status, answer = await fetch(
        alone, "POST", "/server/mqtt/subscribe", json={"topic": "a", "timeout": 0.05}
    )
    assert (status, answer["error"]["message"]) == (504, "Nothing came on 'a' within 0.05 s")


@pytest.mark.parametrize("topic", ["a/#", "a/+/b", "", "a\0b"])
async def test_one_topic_is_named_and_no_pattern(alone: Running, topic: str) -> None:
    for method in ("server.mqtt.publish", "server.mqtt.subscribe"):
        with pytest.raises(Refused) as refused:
            await call(alone, method, topic=topic)
        assert refused.value.code == -32602


async def test_without_a_broker_it_is_said_at_once(alone: Running, broker: Mosquitto) -> None:
    broker.kill()
    await until(lambda: not alone.bridge.mqtt.up)
    for method in ("server.mqtt.publish", "server.mqtt.subscribe"):
        with pytest.raises(Refused) as refused:
            await call(alone, method, topic="a")
        assert refused.value.code == 503


async def test_what_was_retained_comes_first_and_in_its_type(alone: Running, mqtt: Ear) -> None:
    for number, (payload, wanted) in enumerate(MESSAGES):
        topic = f"kept/{number}"
        await mqtt.say(topic, payload, retain=True)
        answer = await call(alone, "server.mqtt.subscribe", topic=topic, timeout=10)
        assert answer == {"topic": topic, "payload": wanted}


async def test_the_next_message_is_waited_for_by_everybody(alone: Running, mqtt: Ear) -> None:
    """Two ask at once and both get it; who asks later gets the one after."""
    async with agent(alone) as one, agent(alone) as other:
        waiting = [
            asyncio.ensure_future(who.call("server.mqtt.subscribe", topic="news", qos=qos))
            for who, qos in ((one, 0), (other, 2))
        ]
        await until(lambda: len(alone.bridge.mqtt._exact.get("news", ())) == 2)
        while not all(task.done() for task in waiting):
            await mqtt.say("news", "first")
            await asyncio.sleep(0.01)
        assert [task.result() for task in waiting] == [{"topic": "news", "payload": "first"}] * 2
        await until(lambda: "news" not in alone.bridge.mqtt._exact)
    await mqtt.say("news", "", retain=True)
    await mqtt.say("news", "second", retain=True)
    assert (await call(alone, "server.mqtt.subscribe", topic="news"))["payload"] == "second"


@pytest.mark.parametrize("version5", [True, False])
async def test_the_broker_is_asked_with_the_level_wished_for_and_for_as_long_as_somebody_waits(
    start: Start,
    version5: bool,
) -> None:
    async with TinyBroker() as tiny:
        tiny.speaks_5 = version5
        alone = await start(wait=False, mqtt={"port": tiny.port}, homeassistant={"enabled": False})
        await until(lambda: alone.bridge.mqtt.up)
        for qos in (0, 1, 2):
            waiting = asyncio.ensure_future(call(alone, "server.mqtt.subscribe", topic="news", qos=qos))
            await until(lambda: "news" in tiny.patterns)
            assert tiny.patterns["news"] == qos
            tiny.tell("news", b"it")
            assert (await waiting)["payload"] == "it"
            await until(lambda: "news" not in tiny.patterns)
        assert alone.topics.request in tiny.patterns


async def test_who_asks_less_carefully_does_not_lower_what_another_waits_for(start: Start) -> None:
    async with TinyBroker() as tiny:
        alone = await start(wait=False, mqtt={"port": tiny.port}, homeassistant={"enabled": False})
        await until(lambda: alone.bridge.mqtt.up)
        waiting = []
        for qos in (2, 0):
            tiny.patterns.pop("news", None)
            waiting.append(asyncio.ensure_future(call(alone, "server.mqtt.subscribe", topic="news", qos=qos)))
            await until(lambda: "news" in tiny.patterns)
            assert tiny.patterns["news"] == 2
        tiny.tell("news", b"it")
        assert [answer["payload"] for answer in await asyncio.gather(*waiting)] == ["it", "it"]


@pytest.fixture
async def macros(tmp_path: Path) -> AsyncIterator[FakeKlippy]:
    """A Klippy whose macros call the bridge."""
    async with fake_klippy(tmp_path) as one:
        yield one


def call_out(fake: FakeKlippy, **params: Any) -> None:
    """`action_call_remote_method("publish_mqtt_topic", …)` as it comes over Klippy's socket."""
    [template] = [
        one["params"]["response_template"]
        for one in fake.requests
        if one["params"].get("remote_method") == "publish_mqtt_topic"
    ]
    fake.send(encode({**template, "params": params}))


async def test_a_macro_of_the_printer_publishes(klippy: Simulator, bridge: Running, mqtt: Ear) -> None:
    await call(bridge, "printer.gcode.script", script="PUBLISH TOPIC=lamp/set PAYLOAD=on")
    heard = await mqtt.message("lamp/set")
    assert (heard.payload, heard.qos, heard.retain) == (b"on", 0, False)


async def test_a_macro_publishes_with_its_type_level_and_retain(
    macros: FakeKlippy, start: Start, broker: Mosquitto, mqtt: Ear
) -> None:
    await start()
    for number, (payload, _) in enumerate(PAYLOADS):
        call_out(macros, topic=f"macro/{number}", payload=payload)
    for number, (_, wanted) in enumerate(PAYLOADS):
        heard = await mqtt.message(f"macro/{number}")
        assert (heard.payload, heard.qos) == (wanted, 1)
    call_out(macros, topic="macro/kept", payload="a", qos=2, retain=True)
    assert (await mqtt.message("macro/kept")).qos == 2
    call_out(macros, topic="macro/odd", payload="a", qos="x", retain=0)
    assert (await mqtt.message("macro/odd")).qos == 1
    async with ear(broker.port, "macro/#") as late:
        await late.message("macro/kept")
        assert [m.topic for m in late.heard] == ["macro/kept"]


async def test_a_macro_without_a_topic_is_told_and_nothing_breaks(
    macros: FakeKlippy, start: Start, mqtt: Ear, caplog: pytest.LogCaptureFixture
) -> None:
    await start()
    bad: list[dict[str, Any]] = [{}, {"topic": 5}, {"topic": "a/#"}, {"topic": ""}, {"topic": ["a"]}]
    for params in bad:
        call_out(macros, payload="x", **params)
    call_out(macros, topic="good", payload="x")
    await mqtt.message("good")
    assert caplog.text.count("without a topic that can be published to") == len(bad)
