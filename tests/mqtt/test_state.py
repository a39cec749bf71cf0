"""What is retained: true, complete, quiet, and never older than the printer."""

import asyncio
import contextlib
import math
import random
import time
from pathlib import Path

import pytest

from bridge.klippy.simulator import Simulator, write_sample
from tests.conftest import Running, Start
from tests.klippy.fake_klippy import FakeKlippy, fake_klippy
from tests.mqtt.brokers import Proxy
from tests.mqtt.watching import settled
from tests.wire import Ear, Heard, Mosquitto, ear, until

MOVING = (
    "system_stats",
    "mcu",
    "temperature_sensor host",
    "toolhead/estimated",
)  # this machine's own figures
GONE = {
    "the connection ends": lambda klippy: klippy.drop_connections(),
    "the MCU is lost": lambda klippy: klippy.lose_mcu(),
}


@pytest.fixture
async def fake(tmp_path: Path):
    async with fake_klippy(tmp_path) as one:
        yield one


def value(ear_: Ear, running: Running, obj: str, field: str) -> object:
    found = ear_.latest(running.topics.state(obj, field))
    return None if found is None else found.json["value"]


def states(heard: list[Heard], running: Running) -> list[Heard]:
    return [m for m in heard if m.topic.startswith(f"{running.name}/klipper/state/")]


def first_word(mqtt: Ear, running: Running) -> tuple[str, bytes]:
    """The first message of the bridge's that is not about itself."""
    ours = (f"{running.name}/", f"{running.topics.discovery}/device")
    others = (running.topics.request, f"{running.name}/control/", running.topics.health)
    first = next(m for m in mqtt.heard if m.topic.startswith(ours) and not m.topic.startswith(others))
    return first.topic, first.payload


async def test_what_is_true_is_retained(bridge: Running, broker: Mosquitto, mqtt: Ear) -> None:
    topics = bridge.topics
    await settled(mqtt, bridge)
    await mqtt.message(topics.health)
    async with ear(broker.port, f"{bridge.name}/#") as late:
        await late.message(topics.health)
        assert (await late.message(topics.status)).json == {"server": "online"}
        assert (await late.message(topics.availability)).payload == b"online"
        info = (await late.message(topics.klippy_info)).json
        assert (info["state"], info["message"]) == ("ready", "Printer is ready")
        assert isinstance(info["version"], str)
        heat = (await late.message(topics.state("extruder", "temperature"))).json
        assert set(heat) == {"eventtime", "time", "value"}
        assert abs(heat["time"] - time.time()) < 10
        assert abs(heat["eventtime"] - time.monotonic()) < 10
        first = {message.topic: message for message in reversed(late.heard)}  # what comes later is news
        assert all(message.retain and message.qos == 1 for message in first.values())
        assert late.on(f"{bridge.name}/event/") == []


async def test_a_clean_end_says_offline_and_leaves_by_the_door(bridge: Running, mqtt: Ear) -> None:
    await settled(mqtt, bridge)
    bridge.stop.set()
    assert (await mqtt.message(bridge.topics.status)).json == {"server": "offline"}
    assert first_word(mqtt, bridge) == (bridge.topics.availability, b"offline")


@pytest.mark.parametrize("how", list(GONE))
async def test_offline_is_the_first_word_when_klippy_goes(
    how: str, bridge: Running, mqtt: Ear, klippy: Simulator
) -> None:
    await settled(mqtt, bridge)
    GONE[how](klippy)
    await mqtt.message(bridge.topics.klippy_info)
    assert first_word(mqtt, bridge) == (bridge.topics.availability, b"offline")


async def test_offline_is_the_first_word_of_an_emergency_stop(bridge: Running, mqtt: Ear) -> None:
    await settled(mqtt, bridge)
    request = {"jsonrpc": "2.0", "method": "printer.emergency_stop", "id": 1}
    await mqtt.say(f"{bridge.topics.request}/me", request)
    await mqtt.message(bridge.topics.event("emergency_stop"))
    await mqtt.message(bridge.topics.client_response("me"))
    assert first_word(mqtt, bridge) == (bridge.topics.availability, b"offline")
    assert mqtt.latest(bridge.topics.klippy_info).json["state"] == "shutdown"


async def test_who_hears_an_event_of_a_job_finds_its_state(start: Start, fake: FakeKlippy, mqtt: Ear) -> None:
    bridge = await start()
    state = bridge.topics.state("print_stats", "state")
    for word, event in (("printing", "started"), ("paused", "paused"), ("complete", "complete")):
        fake.push(print_stats={"state": word, "filename": "a.gcode"})
        await mqtt.message(bridge.topics.event(f"print_{event}"))
        assert mqtt.latest(state).json["value"] == word


async def test_offline_is_the_first_word_when_a_print_dies_with_klippy(
    start: Start, fake: FakeKlippy, mqtt: Ear
) -> None:
    bridge = await start()
    fake.push(print_stats={"state": "printing", "filename": "a.gcode"})
    await mqtt.message(bridge.topics.event("print_started"))
    await mqtt.message(bridge.topics.event("history_changed"))
    await settled(mqtt, bridge)
    fake.become("shutdown", "MCU 'mcu' shutdown: Timer too close")  # told by its status alone
    await mqtt.message(bridge.topics.event("klippy_shutdown"))
    assert first_word(mqtt, bridge) == (bridge.topics.availability, b"offline")


async def test_offline_comes_before_anything_of_a_restart(
    bridge: Running, mqtt: Ear, klippy: Simulator
) -> None:
    await settled(mqtt, bridge)
    await mqtt.say(bridge.topics.control("firmware_restart"), "PRESS")
    await mqtt.message(bridge.topics.availability)
    assert first_word(mqtt, bridge) == (bridge.topics.availability, b"offline")


@pytest.mark.torture
async def test_nothing_old_stays_when_klippy_is_gone_and_all_comes_back(
    start: Start, mqtt: Ear, fake: FakeKlippy, broker: Mosquitto
) -> None:
    bridge = await start()
    await settled(mqtt, bridge)
    await fake.stop()
    await mqtt.message(bridge.topics.klippy_info, where=lambda m: m.json["state"] == "disconnected")
    async with ear(broker.port, f"{bridge.name}/klipper/state/#") as late:
        await late.message(bridge.topics.state("extruder", "temperature"))
        await late.message(bridge.topics.state("print_stats", "state"))
        assert {m.json["value"] for m in late.heard} == {None}
    await fake.start()
    await mqtt.message(
        bridge.topics.state("extruder", "temperature"), where=lambda m: m.json["value"] is not None
    )
    online = await mqtt.message(bridge.topics.availability, where=lambda m: m.payload == b"online")
    assert (
        await mqtt.message(bridge.topics.klippy_info, where=lambda m: m.json["state"] == "ready")
    ).when >= online.when


async def test_a_state_change_is_told_within_200_ms(start: Start, fake: FakeKlippy, mqtt: Ear) -> None:
    bridge = await start()
    await settled(mqtt, bridge)
    for number, state in enumerate(("printing", "paused", "printing", "complete")):
        began = time.monotonic()
        fake.push(print_stats={"state": state, "filename": "a.gcode"}, extruder={"target": 100.0 + number})
        told = await mqtt.message(
            bridge.topics.state("print_stats", "state"), where=lambda m, s=state: m.json["value"] == s
        )
        aimed = await mqtt.message(
            bridge.topics.state("extruder", "target"), where=lambda m, n=number: m.json["value"] == 100 + n
        )
        assert max(told.when, aimed.when) - began < 0.2
        mqtt.forget()


async def test_values_are_rounded_and_what_is_no_number_is_null(
    start: Start, fake: FakeKlippy, mqtt: Ear
) -> None:
    fake.objects["extruder"]["temperature"] = 200.95933508901106
    bridge = await start()
    told = await mqtt.message(bridge.topics.state("extruder", "temperature"))
    assert told.payload.endswith(b'"value":201.0}')
    fake.send(
        b'{"method":"status_update","params":{"eventtime":1.5,"status":{"extruder":{"target":NaN}}}}\x03'
    )
    gone = await mqtt.message(
        bridge.topics.state("extruder", "target"), where=lambda m: m.json["value"] is None
    )
    assert gone.json["eventtime"] == 1.5


@pytest.mark.parametrize("seed", range(4))
async def test_a_half_broken_printer_hides_nothing_of_its_other_half(
    seed: int, start: Start, fake: FakeKlippy, mqtt: Ear, caplog: pytest.LogCaptureFixture
) -> None:
    chance = random.Random(seed)
    odd = [None, True, -1, 7, 1e300, 10**400, "", "text", [], [None], {}, {"a": None}]
    for name, fields in fake.objects.items():
        for field in [f for f in fields if name not in ("webhooks", "heaters")]:
            if chance.random() < 0.5:
                fields[field] = chance.choice(odd)
            elif chance.random() < 0.2:
                del fields[field]
    fake.objects["fan"] = {"speed": 0.5}
    bridge = await start(mqtt={"state": {"objects": dict.fromkeys(fake.objects)}})
    await mqtt.message(bridge.topics.state("fan", "speed"), where=lambda m: m.json["value"] == 0.5)
    await mqtt.message(bridge.topics.device(bridge.bridge.identity.unique))
    for name in fake.objects:
        fake.push(
            **{name.replace(" ", "__"): {"state": chance.choice(odd), "temperature": chance.choice(odd)}}
        )
    fake.push(extruder={"target": 42.5})
    await mqtt.message(bridge.topics.state("extruder", "target"), where=lambda m: m.json["value"] == 42.5)
    assert not [record for record in caplog.records if record.exc_info]


async def test_odd_names_are_percent_encoded_and_only_what_must(
    start: Start, fake: FakeKlippy, mqtt: Ear
) -> None:
    fake.objects["fan_generic a+b #1/100% ü"] = {"speed": 0.5}
    bridge = await start(mqtt={"state": {"objects": {"fan_generic a+b #1/100% ü": None}}})
    topic = f"{bridge.name}/klipper/state/fan_generic a%2Bb %231%2F100%25 ü/speed"
    assert (await mqtt.message(topic)).json["value"] == 0.5
    fake.push(**{"fan_generic__a+b__#1/100%__ü": {"speed": 1.0}})
    await mqtt.message(topic, where=lambda m: m.json["value"] == 1.0)


@pytest.mark.torture
async def test_objects_of_the_configuration_are_published_whole(
    start: Start, fake: FakeKlippy, mqtt: Ear
) -> None:
    bridge = await start(
        mqtt={"state": {"objects": {"toolhead": ["homed_axes"], "extruder": None}}},
        homeassistant={"enabled": False},
    )
    await mqtt.message(bridge.topics.state("extruder", "can_extrude"))
    assert (await mqtt.message(bridge.topics.state("toolhead", "homed_axes"))).json["value"] == ""


async def test_the_joint_status_is_there_when_asked_for(start: Start, fake: FakeKlippy, mqtt: Ear) -> None:
    bridge = await start(mqtt={"state": {"combined": True}})
    await settled(mqtt, bridge)
    fake.push(extruder={"temperature": 21.0, "target": 5.0})
    joint = await mqtt.message(bridge.topics.combined, where=lambda m: "extruder" in m.json["status"])
    assert joint.json["status"]["extruder"] == {"temperature": 21.0, "target": 5.0}
    assert not joint.retain


@pytest.mark.torture
async def test_policy_full_tells_every_change_as_it_is(start: Start, fake: FakeKlippy, mqtt: Ear) -> None:
    bridge = await start(mqtt={"state": {"policy": "full"}})
    await settled(mqtt, bridge)
    topic = bridge.topics.state("extruder", "temperature")
    for number in range(20):
        fake.push(extruder={"temperature": 20.001 + number / 1000})
        await mqtt.until(lambda n=number: len([m for m in mqtt.heard if m.topic == topic]) > n)
    assert [m.json["value"] for m in mqtt.heard if m.topic == topic] == [20.001 + n / 1000 for n in range(20)]


@pytest.mark.torture
async def test_an_idle_printer_with_noisy_thermistors_is_quiet(
    start: Start, fake: FakeKlippy, mqtt: Ear
) -> None:
    bridge = await start()
    await settled(mqtt, bridge)
    for number in range(50):
        noise = 3 * math.sin(number * 1.7)
        fake.push(
            extruder={"temperature": 20 + noise, "power": 0.1 + noise / 100}, fan={"speed": 0.5 + noise / 10}
        )
        await asyncio.sleep(0.02)
    assert len(states(mqtt.heard, bridge)) <= 2  # 6 a minute


@pytest.mark.torture
async def test_a_print_keeps_its_budget_and_never_says_the_same_twice(
    start: Start, fake: FakeKlippy, mqtt: Ear
) -> None:
    bridge = await start()
    await settled(mqtt, bridge)
    fake.push(print_stats={"state": "printing", "filename": "a.gcode"})
    await mqtt.message(bridge.topics.event("print_started"))
    began = time.monotonic()
    for number in range(60):
        fake.push(
            extruder={"temperature": 200 + number / 3, "power": number / 65},
            virtual_sdcard={"progress": number / 60, "file_position": number * 100},
            print_stats={"print_duration": number * 1.0, "total_duration": number * 1.0},
            toolhead={"position": [number, 0, 0, 0]},
        )
        await asyncio.sleep(0.025)
    passed = time.monotonic() - began
    assert 3 <= len(states(mqtt.heard, bridge)) <= 2 * passed + 4
    spoken = {}
    for message in states(mqtt.heard, bridge):
        assert spoken.get(message.topic) != message.json["value"], message.topic
        spoken[message.topic] = message.json["value"]


@pytest.mark.torture
async def test_a_real_print_says_nothing_twice(bridge: Running, mqtt: Ear, tmp_path: Path) -> None:
    await settled(mqtt, bridge)
    write_sample(tmp_path / "data" / "gcodes" / "cube.gcode", size=10, layers=4)
    start_it = {
        "jsonrpc": "2.0",
        "method": "printer.print.start",
        "params": {"filename": "cube.gcode"},
        "id": 1,
    }
    await mqtt.say(bridge.topics.request, start_it)
    await mqtt.message(bridge.topics.event("print_complete"))
    spoken = {}
    for message in [*states(mqtt.heard, bridge), *[m for m in mqtt.heard if "/klipper/i" in m.topic]]:
        seen = message.json.get("value", message.payload)
        assert spoken.get(message.topic) != seen, message.topic
        spoken[message.topic] = seen


@pytest.mark.torture
async def test_only_the_newest_value_is_kept_while_the_broker_is_away(
    start: Start, fake: FakeKlippy, broker: Mosquitto, mqtt: Ear
) -> None:
    async with Proxy(broker.port) as proxy:
        bridge = await start(mqtt={"port": proxy.port})
        await settled(mqtt, bridge)
        await proxy.shut()
        await until(lambda: not bridge.bridge.mqtt.up)
        for target in range(50):
            fake.push(extruder={"target": float(target)}, print_stats={"message": f"m{target}"})
        await until(lambda: bridge.bridge.cache.get("extruder", "target") == 49.0)
        mqtt.forget()
        await proxy.open()
        await mqtt.message(bridge.topics.state("extruder", "target"), where=lambda m: m.json["value"] == 49)
        assert {
            m.json["value"] for m in mqtt.heard if m.topic == bridge.topics.state("extruder", "target")
        } == {49}


async def test_a_broker_that_forgot_everything_knows_all_again_within_five_seconds(
    tmp_path: Path, start: Start, klippy: Simulator
) -> None:
    broker = Mosquitto(tmp_path).start()
    try:
        bridge = await start(mqtt={"port": broker.port})
        before = await retained(broker, bridge)
        broker.kill()
        await until(lambda: not bridge.bridge.mqtt.up)
        broker.start()
        began = time.monotonic()
        async with ear(broker.port) as after:
            left = 5 - (time.monotonic() - began)
            with contextlib.suppress(AssertionError):
                await after.until(lambda: before.keys() <= after.retained().keys(), patience=left)
            assert before.keys() - after.retained().keys() == set()
            moving = tuple(f"{bridge.name}/klipper/state/{name}" for name in MOVING)
            steady = {
                topic for topic in before if "/bridge/health" not in topic and not topic.startswith(moving)
            }
            for topic in steady:
                assert meaning(after.retained()[topic]) == meaning(before[topic]), topic
    finally:
        broker.kill()


async def retained(broker: Mosquitto, bridge: Running) -> dict[str, bytes]:
    """What the broker holds, once it holds all there is."""
    wanted = {
        bridge.topics.status,
        bridge.topics.availability,
        bridge.topics.klippy_info,
        bridge.topics.health,
        bridge.topics.controls,
        bridge.topics.device(bridge.bridge.identity.unique),
        bridge.topics.state("extruder", "temperature"),
    }
    async with ear(broker.port) as late:
        await late.until(lambda: wanted <= late.retained().keys())
        await late.message(bridge.topics.health, where=lambda m: m.json["klippy"] == "ready")
    async with ear(broker.port) as late:
        await late.until(lambda: wanted <= late.retained().keys())
        return {m.topic: m.payload for m in late.heard if m.retain and m.payload}


def meaning(payload: bytes) -> object:
    """A payload without what is another each time: its clocks."""
    found = Heard("", payload, retain=True, qos=1).json if payload[:1] in b"{[" else payload
    return found["value"] if isinstance(found, dict) and "eventtime" in found else found


async def test_a_birth_of_home_assistant_is_answered_with_config_then_availability_then_state(
    bridge: Running, mqtt: Ear
) -> None:
    await settled(mqtt, bridge)
    config = bridge.topics.device(bridge.bridge.identity.unique)
    began = time.monotonic()
    await mqtt.say(bridge.topics.birth, "online")
    await mqtt.message(bridge.topics.controls)
    await mqtt.until(lambda: mqtt.latest(bridge.topics.health))
    told = list(
        dict.fromkeys(
            m.topic for m in mqtt.heard if m.topic not in (bridge.topics.birth, bridge.topics.status)
        )
    )
    order = [
        told.index(t)
        for t in (config, bridge.topics.availability, bridge.topics.state("extruder", "temperature"))
    ]
    assert order == sorted(order)
    assert time.monotonic() - began < 3.5
    assert bridge.topics.controls in told


@pytest.mark.torture
async def test_a_retained_or_other_word_of_home_assistant_is_no_birth(
    start: Start, klippy: Simulator, broker: Mosquitto, mqtt: Ear
) -> None:
    await mqtt.say("ha-no-birth/status", "online", retain=True)
    bridge = await start(instance="no-birth")
    await settled(mqtt, bridge)
    await mqtt.say("ha-no-birth/status", "offline")
    await mqtt.say(f"{bridge.topics.request}/x", {"jsonrpc": "2.0", "method": "server.info", "id": 1})
    await mqtt.message(bridge.topics.client_response("x"))
    assert not bridge.bridge.replay._due.is_set()
    await mqtt.say("ha-no-birth/status", b"", retain=True)
