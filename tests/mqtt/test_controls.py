"""Plain values in, one action or a refusal out."""

import asyncio
from pathlib import Path

import pytest

from bridge.klippy.simulator import Simulator
from tests.conftest import Running, Start
from tests.klippy.fake_klippy import FakeKlippy, fake_klippy
from tests.mqtt.brokers import Proxy
from tests.mqtt.watching import settled
from tests.wire import Ear, Mosquitto, until

BUTTONS = ["pause", "resume", "cancel", "emergency_stop", "firmware_restart"]
BAD = [
    b"",
    b" ",
    b"press",
    b"PRESS\nM112",
    b"PRESS ;M112",
    b"ON",
    b"1",
    b"NaN",
    b"Infinity",
    b"null",
    b'{"state":"ON"}',
    b'{"state"',
    b"\xff\xfe",
    b"\x00",
    "PRESS\u2028M112".encode(),
    b"PRESS" * 2000,
]


@pytest.fixture
async def fake(tmp_path: Path):
    async with fake_klippy(tmp_path) as one:
        yield one


async def test_the_list_of_controls_is_retained(bridge: Running, mqtt: Ear) -> None:
    rows = (await mqtt.message(bridge.topics.controls, patience=8)).json
    assert set(BUTTONS) <= {row["key"] for row in rows}
    assert set(rows[0]) == {"key", "kind", "name", "unit", "min", "max", "step", "options", "state_topic"}
    assert {row["kind"] for row in rows} <= {"number", "switch", "button", "select", "light", "text"}


async def test_a_press_of_each_button_does_what_it_says(start: Start, fake: FakeKlippy, mqtt: Ear) -> None:
    bridge = await start()
    done = {
        "pause": "pause_resume/pause",
        "resume": "pause_resume/resume",
        "cancel": "pause_resume/cancel",
        "firmware_restart": "gcode/firmware_restart",
        "host_restart": "gcode/restart",
        "emergency_stop": "emergency_stop",
    }
    for key, method in done.items():
        await mqtt.say(bridge.topics.control(key), "PRESS")
        await until(lambda m=method: m in [request["method"] for request in fake.requests])
    assert mqtt.on(bridge.topics.event("control_rejected")) == []


async def test_a_bad_value_does_nothing_and_is_told(start: Start, fake: FakeKlippy, mqtt: Ear) -> None:
    bridge = await start()
    await settled(mqtt, bridge)
    before = len(fake.requests)
    for number, payload in enumerate(BAD):
        await mqtt.say(bridge.topics.control("emergency_stop"), payload)
        await mqtt.until(lambda n=number: len(mqtt.on(bridge.topics.event("control_rejected"))) > n)
    told = [m.json["data"] for m in mqtt.on(bridge.topics.event("control_rejected"))]
    assert {row["control"] for row in told} == {"emergency_stop"}
    assert all(row["reason"] and len(row["value"]) <= 200 for row in told)
    assert fake.requests[before:] == []


async def test_a_control_that_is_not_there_is_told(bridge: Running, mqtt: Ear) -> None:
    await mqtt.say(f"{bridge.name}/control/warp%2Fdrive/set", "9")
    told = await mqtt.message(bridge.topics.event("control_rejected"))
    assert told.json["data"]["control"] == "warp/drive"
    assert "printer.controls.list" in told.json["data"]["reason"]


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_retained_control_never_runs_and_is_cleared(
    protocol: str, start: Start, fake: FakeKlippy, mqtt: Ear
) -> None:
    name = f"poisoned-{protocol}"
    topic = f"{name}/control/cancel/set"
    await mqtt.say(topic, "PRESS", retain=True)
    bridge = await start(instance=name, mqtt={"protocol": protocol})
    told = await mqtt.message(bridge.topics.event("control_rejected"))
    assert "retain" in told.json["data"]["reason"]
    await mqtt.message(topic, where=lambda m: not m.payload)
    await mqtt.say(bridge.topics.control("pause"), "PRESS")
    await until(lambda: "pause_resume/pause" in fake.scripts)
    assert "pause_resume/cancel" not in fake.scripts
    assert len(mqtt.on(bridge.topics.event("control_rejected"))) == 1


async def test_a_control_that_is_published_with_retain_does_not_run_even_live(
    start: Start, fake: FakeKlippy, mqtt: Ear
) -> None:
    bridge = await start()
    await mqtt.say(bridge.topics.control("cancel"), "PRESS", retain=True)
    await mqtt.message(bridge.topics.event("control_rejected"))
    await mqtt.message(bridge.topics.control("cancel"), where=lambda m: not m.payload)
    assert fake.scripts == []


async def test_the_class_of_a_control_is_respected(start: Start, fake: FakeKlippy, mqtt: Ear) -> None:
    bridge = await start(mqtt={"allow": ["read"]})
    await mqtt.say(bridge.topics.control("cancel"), "PRESS")
    await mqtt.message(bridge.topics.event("control_rejected"))
    assert fake.scripts == []
    config = await mqtt.message(bridge.topics.device(bridge.bridge.identity.unique))
    assert not [component for component in config.json["cmps"].values() if "cmd_t" in component]


async def test_controls_wait_for_klippy_to_be_ready_but_those_that_help(
    start: Start, fake: FakeKlippy, mqtt: Ear
) -> None:
    fake.objects["webhooks"] = {"state": "shutdown", "state_message": "MCU shutdown"}
    bridge = await start(wait=False)
    await mqtt.message(bridge.topics.klippy_info, where=lambda m: m.json["state"] == "shutdown")
    await mqtt.say(bridge.topics.control("pause"), "PRESS")
    told = await mqtt.message(bridge.topics.event("control_rejected"))
    assert "shutdown" in told.json["data"]["reason"]
    for key, method in (("firmware_restart", "gcode/firmware_restart"), ("host_restart", "gcode/restart")):
        await mqtt.say(bridge.topics.control(key), "PRESS")
        await until(lambda m=method: m in [request["method"] for request in fake.requests])
    assert fake.scripts == []


async def test_a_failure_of_klippy_is_told(start: Start, fake: FakeKlippy, mqtt: Ear) -> None:
    bridge = await start()
    fake.answers["pause_resume/pause"] = lambda _params: (
        b'{"id":<id>,"error":{"message":"Must home axis first"}}\x03'
    )
    await mqtt.say(bridge.topics.control("pause"), "PRESS")
    told = await mqtt.message(bridge.topics.event("control_rejected"))
    assert told.json["data"] == {"control": "pause", "value": "PRESS", "reason": "Must home axis first"}


async def test_the_same_over_json_rpc(start: Start, fake: FakeKlippy, mqtt: Ear) -> None:
    bridge = await start()
    ask = {"jsonrpc": "2.0", "method": "printer.controls.list", "id": 1}
    await mqtt.say(bridge.topics.request, ask)
    listed = await mqtt.message(bridge.topics.response, where=lambda m: m.json["id"] == 1)
    assert listed.json["result"]["controls"] == (await mqtt.message(bridge.topics.controls)).json
    press = {
        "jsonrpc": "2.0",
        "method": "printer.control.set",
        "params": {"control": "pause", "value": "PRESS"},
        "id": 2,
    }
    await mqtt.say(bridge.topics.request, press)
    await mqtt.message(bridge.topics.response, where=lambda m: m.json["id"] == 2 and "result" in m.json)
    assert fake.scripts == ["pause_resume/pause"]


async def test_an_emergency_stop_does_not_wait_for_a_control_that_takes_long(
    bridge: Running, mqtt: Ear, klippy: Simulator
) -> None:
    slow = {"jsonrpc": "2.0", "method": "printer.gcode.script", "params": {"script": "G4 P500000"}, "id": 1}
    await mqtt.say(f"{bridge.topics.request}/slow", slow)
    await mqtt.say(bridge.topics.control("pause"), "PRESS")
    await until(lambda: "G4 P500000" in klippy.executed)
    await mqtt.say(bridge.topics.control("emergency_stop"), "PRESS")
    told = await mqtt.message(bridge.topics.event("emergency_stop"), patience=0.5)
    assert told.json["data"] == {}


async def test_start_reconnect_and_birth_send_no_g_code(
    start: Start, klippy: Simulator, broker: Mosquitto, mqtt: Ear
) -> None:
    async with Proxy(broker.port) as proxy:
        bridge = await start(mqtt={"port": proxy.port})
        await settled(mqtt, bridge)
        proxy.cut()
        await until(lambda: bridge.bridge.mqtt.reconnects == 1)
        await mqtt.say(bridge.topics.birth, "online")
        mqtt.forget()
        await mqtt.message(bridge.topics.controls)
        klippy.drop_connections()
        await mqtt.message(bridge.topics.event("klippy_ready"))
    assert list(klippy.executed) == []
    assert bridge.bridge.control_topics.rejections == 0


async def test_a_flood_of_bad_values_is_told_but_does_not_fill_the_log(
    start: Start, fake: FakeKlippy, mqtt: Ear, caplog: pytest.LogCaptureFixture
) -> None:
    bridge = await start()
    await settled(mqtt, bridge)
    async with asyncio.TaskGroup() as group:
        for number in range(100):
            group.create_task(mqtt.say(f"{bridge.name}/control/none_{number}/set", "1"))
    await mqtt.until(lambda: len(mqtt.on(bridge.topics.event("control_rejected"))) == 100)
    assert bridge.bridge.control_topics.rejections == 100
    assert len([line for line in caplog.messages if line.startswith("control 'none_")]) == 10


async def test_more_commands_than_can_run_at_once_are_refused(
    start: Start, fake: FakeKlippy, mqtt: Ear
) -> None:
    bridge = await start()
    await settled(mqtt, bridge)
    fake.answers["pause_resume/pause"] = lambda _params: b""  # never answered: the printer heats
    async with asyncio.TaskGroup() as group:
        for _ in range(210):
            group.create_task(mqtt.say(bridge.topics.control("pause"), "PRESS"))
    await mqtt.until(lambda: len(mqtt.on(bridge.topics.event("control_rejected"))) == 10)
    assert [r["method"] for r in fake.requests].count("pause_resume/pause") == 200
