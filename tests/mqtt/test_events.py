"""What happens is told once, in order, in time, and never again."""

import asyncio
import time
from pathlib import Path

import pytest

from bridge.klippy.simulator import Simulator
from tests.conftest import Running, Start
from tests.klippy.fake_klippy import FakeKlippy, fake_klippy
from tests.mqtt.brokers import Proxy
from tests.mqtt.watching import events, settled
from tests.wire import Ear, Mosquitto, until

SLOW = "G28\n" + "G1 X100 F6000\nG1 X0\n" * 40  # some 80 of the printer's seconds, 0.8 of ours
FOR_EVER = "G28\n" + "G1 X200 F600\nG1 X0\n" * 400


@pytest.fixture
async def fake(tmp_path: Path):
    async with fake_klippy(tmp_path) as one:
        yield one


class Prints:
    """Print files, and the requests that handle them."""

    def __init__(self, folder: Path, bridge: Running, mqtt: Ear) -> None:
        self.folder, self.bridge, self.mqtt = folder, bridge, mqtt
        self._id = 0

    async def do(self, method: str, **params: object) -> None:
        self._id += 1
        request = {"jsonrpc": "2.0", "method": method, "params": params, "id": self._id}
        await self.mqtt.say(f"{self.bridge.topics.request}/hand", request)

    async def start(self, text: str, name: str = "a.gcode") -> None:
        (self.folder / "data" / "gcodes" / name).write_text(text)
        await self.do("printer.print.start", filename=name)

    async def told(self, name: str) -> dict[str, object]:
        return (await self.mqtt.message(self.bridge.topics.event(name))).json


@pytest.fixture
async def prints(tmp_path: Path, bridge: Running, mqtt: Ear) -> Prints:
    await settled(mqtt, bridge)
    return Prints(tmp_path, bridge, mqtt)


async def test_a_print_is_told_from_start_to_end_once_and_in_order(
    prints: Prints, bridge: Running, mqtt: Ear
) -> None:
    await prints.start(SLOW)
    await prints.told("print_started")
    await prints.do("printer.print.pause")
    await prints.told("print_paused")
    await prints.do("printer.print.resume")
    await prints.told("print_resumed")
    done = await prints.told("print_complete")
    assert events(mqtt, bridge) == ["print_started", "print_paused", "print_resumed", "print_complete"]
    assert done["data"]["file"] == "a.gcode"
    assert done["data"]["total_duration"] > 10
    all_told = mqtt.on(f"{bridge.name}/event/")
    numbers = [m.json["seq"] for m in all_told]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert len({m.json["boot"] for m in all_told}) == 1
    assert all(m.qos == 1 and not m.retain for m in all_told)
    assert all(m.topic == bridge.topics.event(m.json["event"]) for m in all_told)
    assert all(abs(m.json["time"] - time.time()) < 10 for m in all_told)


async def test_a_cancelled_print(prints: Prints, bridge: Running, mqtt: Ear) -> None:
    await prints.start(FOR_EVER)
    await prints.told("print_started")
    await mqtt.say(bridge.topics.control("cancel"), "PRESS")
    await prints.told("print_cancelled")
    assert events(mqtt, bridge) == ["print_started", "print_cancelled"]


async def test_an_error_in_the_file_is_told_with_its_reason(
    prints: Prints, bridge: Running, mqtt: Ear
) -> None:
    await prints.start(SLOW + "G1 X9999\n")
    failed = await prints.told("print_error")
    assert "out of range" in failed["data"]["message"]
    assert events(mqtt, bridge) == ["print_started", "print_error"]


async def test_a_file_of_milliseconds_has_a_start_and_an_end(
    prints: Prints, bridge: Running, mqtt: Ear
) -> None:
    await prints.start("M117 blink\n")
    await prints.told("print_complete")
    assert events(mqtt, bridge) == ["print_started", "print_complete"]
    await prints.start("M117 blink again\n", "b.gcode")
    await mqtt.until(lambda: events(mqtt, bridge).count("print_complete") == 2)
    assert events(mqtt, bridge) == ["print_started", "print_complete"] * 2


async def test_an_emergency_stop_in_a_print_is_one(prints: Prints, bridge: Running, mqtt: Ear) -> None:
    await prints.start(FOR_EVER)
    await prints.told("print_started")
    await prints.do("printer.emergency_stop")
    told = await prints.told("klippy_shutdown")
    assert "Shutdown due to webhooks request" in told["data"]["message"]
    await mqtt.say(bridge.topics.control("firmware_restart"), "PRESS")
    await prints.told("klippy_ready")
    wanted = ["print_started", "emergency_stop", "klippy_shutdown", "klippy_disconnected", "klippy_ready"]
    assert events(mqtt, bridge) == wanted


async def test_a_shutdown_that_nobody_asked_for_is_no_emergency_stop(
    prints: Prints, bridge: Running, mqtt: Ear, klippy: Simulator
) -> None:
    klippy.lose_mcu()
    assert "Lost communication" in (await prints.told("klippy_shutdown"))["data"]["message"]
    await prints.do("printer.emergency_stop")
    await mqtt.message(bridge.topics.client_response("hand"))
    assert events(mqtt, bridge) == ["klippy_shutdown"]


async def test_a_runout_is_told_before_its_pause(
    prints: Prints, bridge: Running, mqtt: Ear, klippy: Simulator
) -> None:
    await prints.start(FOR_EVER)
    await prints.told("print_started")
    klippy.set_filament(present=False)
    assert (await prints.told("filament_runout"))["data"] == {"sensor": "filament_switch_sensor spool"}
    await prints.told("print_paused")
    assert sorted(events(mqtt, bridge)) == ["filament_runout", "print_paused", "print_started"]


async def test_every_notification_is_an_event_but_for_the_frequent_ones(
    prints: Prints, bridge: Running, mqtt: Ear, klippy: Simulator
) -> None:
    await prints.do("printer.gcode.script", script='RESPOND MSG="hello there"')
    assert (await prints.told("gcode_response"))["data"] == "echo: hello there"
    klippy.drop_connections()
    await prints.told("klippy_ready")
    assert events(mqtt, bridge) == ["klippy_disconnected", "klippy_ready"]
    assert not mqtt.on(bridge.topics.event("status_update")) + mqtt.on(
        bridge.topics.event("proc_stat_update")
    )


async def test_events_come_within_300_ms(start: Start, fake: FakeKlippy, mqtt: Ear) -> None:
    bridge = await start()
    await settled(mqtt, bridge)
    for state, name in (
        ("printing", "started"),
        ("paused", "paused"),
        ("printing", "resumed"),
        ("complete", "complete"),
    ):
        began = time.monotonic()
        fake.push(print_stats={"state": state, "filename": "a.gcode"})
        assert (await mqtt.message(bridge.topics.event(f"print_{name}"))).when - began < 0.3


async def test_a_restart_of_the_bridge_in_a_print_tells_nothing_but_the_end(
    start: Start, fake: FakeKlippy, mqtt: Ear
) -> None:
    first = await start(instance="again")
    await settled(mqtt, first)
    fake.push(print_stats={"state": "printing", "filename": "a.gcode", "total_duration": 5.0})
    await mqtt.message(first.topics.event("print_started"))
    await first.end()
    await mqtt.message(first.topics.status, where=lambda m: m.json["server"] == "offline")
    second = await start(instance="again")
    await mqtt.message(second.topics.health, where=lambda m: m.json["klippy"] == "ready")
    fake.push(print_stats={"state": "complete", "total_duration": 9.0})
    await mqtt.message(second.topics.event("print_complete"))
    assert [name for name in events(mqtt, second) if name.startswith("print")] == [
        "print_started",
        "print_complete",
    ]
    assert len({m.json["boot"] for m in mqtt.on("again/event/print")}) == 2


async def test_a_reconnect_of_klippy_or_broker_in_a_print_tells_nothing_of_it(
    start: Start, fake: FakeKlippy, broker: Mosquitto, mqtt: Ear
) -> None:
    async with Proxy(broker.port) as proxy:
        bridge = await start(mqtt={"port": proxy.port})
        await settled(mqtt, bridge)
        fake.push(print_stats={"state": "printing", "filename": "a.gcode", "total_duration": 5.0})
        await mqtt.message(bridge.topics.event("print_started"))
        fake.drop()
        await mqtt.message(bridge.topics.event("klippy_ready"))
        proxy.cut()
        await until(lambda: bridge.bridge.mqtt.reconnects == 1)
        fake.push(print_stats={"state": "cancelled", "total_duration": 9.0})
        await mqtt.message(bridge.topics.event("print_cancelled"))
    told = ["print_started", "klippy_disconnected", "klippy_ready", "print_cancelled"]
    assert events(mqtt, bridge) == told


async def test_events_wait_for_the_broker_in_their_order_a_hundred_at_most(
    start: Start, fake: FakeKlippy, broker: Mosquitto, mqtt: Ear
) -> None:
    async with Proxy(broker.port) as proxy:
        bridge = await start(mqtt={"port": proxy.port})
        await settled(mqtt, bridge)
        await proxy.shut()
        await until(lambda: not bridge.bridge.mqtt.up)
        for number in range(112):
            fake.say(f"line {number}")
        await until(lambda: bridge.bridge.events.dropped == 12)
        dropped = bridge.bridge.mqtt.dropped
        await proxy.open()
        await mqtt.message(
            bridge.topics.event("gcode_response"), where=lambda m: m.json["data"] == "line 111"
        )
        lines = [m.json["data"] for m in mqtt.on(f"{bridge.name}/event/")]
        assert lines == [f"line {number}" for number in range(12, 112)]
        health = await mqtt.message(bridge.topics.health)
        assert health.json["counters"]["dropped"] == 12 + dropped


async def test_a_burst_of_output_stays_in_order(start: Start, fake: FakeKlippy, mqtt: Ear) -> None:
    bridge = await start()
    await settled(mqtt, bridge)
    for number in range(1000):
        fake.say(str(number))
        if number % 100 == 0:
            await asyncio.sleep(0)
    await mqtt.message(bridge.topics.event("gcode_response"), where=lambda m: m.json["data"] == "999")
    assert [m.json["data"] for m in mqtt.on(f"{bridge.name}/event/")] == [str(n) for n in range(1000)]
