"""job/current, job/last, job/thumbnail and queue: what is retained, when it changes, and what it survives."""

import asyncio
from datetime import datetime
from pathlib import Path

import pytest

from bridge.jobs.fields import FieldSpec
from bridge.klippy.simulator import write_sample
from tests.conftest import Running, Start
from tests.klippy.fake_klippy import FakeKlippy, fake_klippy
from tests.mqtt.brokers import Proxy
from tests.mqtt.watching import events, settled
from tests.wire import Ear, Heard, Mosquitto, until

PNG = b"\x89PNG\r\n\x1a\n"
NAME = "sub/a b#1 50%ü.gcode"
PRINTING = {"state": "printing", "filename": NAME, "total_duration": 0.1}
HALF = {"virtual_sdcard": {"progress": 0.5, "file_position": 2500}}


def described(message: Heard) -> bool:
    """Whether job/current tells all that the file says."""
    return bool(message.json["thumbnail"] and message.json["slicer_estimate"])


@pytest.fixture
async def fake(tmp_path: Path):
    write_sample(tmp_path / "data" / "gcodes" / NAME, size=10, layers=3)
    async with fake_klippy(tmp_path) as one:
        yield one


@pytest.fixture
async def bridge(fake: FakeKlippy, start: Start, mqtt: Ear) -> Running:
    one = await start()
    await settled(mqtt, one)
    return one


async def test_the_running_job_is_one_complete_object_and_null_when_idle(
    bridge: Running, fake: FakeKlippy, mqtt: Ear
) -> None:
    fake.push(print_stats=PRINTING)
    topic = bridge.topics.job_current
    first = await mqtt.message(topic, where=described)
    fake.push(**HALF, print_stats={"state": "paused", "print_duration": 60.0, "total_duration": 70.0})
    paused = (await mqtt.message(topic, where=lambda m: m.json["state"] == "paused")).json
    fake.push(print_stats={"state": "printing"})
    now = (
        await mqtt.message(topic, where=lambda m: m.json["state"] == "printing" and m.json["elapsed"] == 70)
    ).json
    assert (now["file"], now["elapsed"], now["print_time"]) == (NAME, 70, 60)
    assert 0 < now["progress"] < 100
    assert now["estimate_source"] == "slicer"
    assert now["remaining"] > 0
    assert datetime.fromisoformat(now["eta_at"]) > datetime.fromisoformat(now["started_at"])
    assert (paused["eta_at"], paused["remaining"]) == (None, now["remaining"])
    assert now["layers"] == 3
    fake.push(print_stats={"state": "complete"})
    idle = await mqtt.message(topic, where=lambda m: m.json["state"] is None)
    assert set(idle.json.values()) == {None}
    assert idle.json.keys() == now.keys() == first.json.keys()


async def test_the_record_is_there_before_the_event_and_tells_the_estimate_beside_the_truth(
    bridge: Running, fake: FakeKlippy, mqtt: Ear
) -> None:
    fake.push(print_stats=PRINTING)
    await mqtt.message(bridge.topics.job_current, where=described)
    fake.push(
        print_stats={
            "state": "complete",
            "print_duration": 300.0,
            "total_duration": 310.0,
            "filament_used": 5.0,
        }
    )
    event = await mqtt.message(bridge.topics.event("print_complete"))
    record = await mqtt.message(bridge.topics.job_last)
    assert mqtt.heard.index(record) < mqtt.heard.index(event)
    last = record.json
    assert (last["file"], last["result"], last["print_time"], last["elapsed"]) == (
        NAME,
        "completed",
        300.0,
        310.0,
    )
    assert last["estimate_error"] == pytest.approx(300.0 - last["slicer_estimate"])
    assert (last["filament_used"], last["error"], last["energy"], last["user"]) == (5.0, None, None, None)
    assert [m.topic for m in mqtt.heard].count(bridge.topics.job_last) == 1


async def test_energy_and_spools_are_in_the_record_when_somebody_measures_them(
    bridge: Running, fake: FakeKlippy, mqtt: Ear
) -> None:
    meter = bridge.bridge.tracker.register(FieldSpec("sensor plug", "energy", "", "kWh", strategy="delta"))
    spools = bridge.bridge.tracker.register(FieldSpec("spoolman", "spool_ids", "", strategy="collect"))
    meter.measure(10.0)
    spools.measure(7)
    fake.push(print_stats=PRINTING)
    await mqtt.message(bridge.topics.event("print_started"))
    meter.measure(10.25)
    fake.push(print_stats={"state": "error", "message": "Move out of range"})
    last = (await mqtt.message(bridge.topics.job_last)).json
    assert (last["result"], last["error"]) == ("error", "Move out of range")
    assert (last["energy"], last["spool"], last["estimate_error"]) == (0.25, [7], None)


async def test_a_shutdown_is_offline_first_then_the_record_then_the_event(
    bridge: Running, fake: FakeKlippy, mqtt: Ear
) -> None:
    fake.push(print_stats=PRINTING)
    await mqtt.message(bridge.topics.event("print_started"))
    mqtt.forget()
    fake.become("shutdown", "Shutdown due to webhooks request")
    await mqtt.message(bridge.topics.event("klippy_shutdown"))
    watched = (bridge.topics.availability, bridge.topics.job_last, bridge.topics.event("klippy_shutdown"))
    assert tuple(m.topic for m in mqtt.heard if m.topic in watched) == watched
    assert mqtt.latest(bridge.topics.job_last).json["result"] == "klippy_shutdown"


async def test_a_klippy_that_dies_in_a_print_is_told_and_the_job_ends_when_it_is_back_without_it(
    bridge: Running, fake: FakeKlippy, mqtt: Ear
) -> None:
    fake.push(print_stats={**PRINTING, "total_duration": 25.0})
    await mqtt.message(bridge.topics.job_current, where=described)
    await fake.stop()
    assert (await mqtt.message(bridge.topics.event("klippy_disconnected"))).json["data"] == {}
    assert mqtt.latest(bridge.topics.availability).payload == b"offline"
    assert mqtt.latest(bridge.topics.job_last) is None  # it may come back with the print
    fake.info["process_id"] += 1
    fake.push(print_stats={"state": "standby", "filename": "", "total_duration": 0.0})
    await fake.start()
    record = (await mqtt.message(bridge.topics.job_last)).json
    assert (record["file"], record["result"], record["elapsed"]) == (NAME, "klippy_disconnect", 25.0)
    assert record["error"] == "The connection to Klippy was lost"
    await mqtt.message(bridge.topics.event("klippy_ready"))
    assert events(mqtt, bridge) == ["print_started", "klippy_disconnected", "klippy_ready"]


async def test_the_picture_stays_until_the_next_job_and_is_empty_where_there_is_none(
    bridge: Running, fake: FakeKlippy, mqtt: Ear, tmp_path: Path
) -> None:
    topic = bridge.topics.job_thumbnail
    (tmp_path / "data" / "gcodes" / "plain.gcode").write_text("G28\n")
    fake.push(print_stats=PRINTING)
    picture = await mqtt.message(topic)
    assert picture.payload.startswith(PNG)
    assert len(picture.payload) <= 131_072
    fake.push(print_stats={"state": "complete"})
    await mqtt.message(bridge.topics.event("print_complete"))
    assert [m.payload for m in mqtt.on(topic)] == [picture.payload]
    fake.push(print_stats={**PRINTING, "filename": "plain.gcode", "total_duration": 0.0})
    await mqtt.message(topic, where=lambda m: m.payload == b"")
    running = await mqtt.message(bridge.topics.job_current, where=lambda m: m.json["file"] == "plain.gcode")
    assert running.json["thumbnail"] is False


async def test_everything_survives_a_restart_of_bridge_and_broker(
    start: Start, fake: FakeKlippy, mqtt: Ear, tmp_path: Path
) -> None:
    first = await start(instance="lasting")
    await settled(mqtt, first)
    fake.push(print_stats=PRINTING)
    await mqtt.message(first.topics.event("print_started"))
    fake.push(print_stats={"state": "cancelled", "total_duration": 9.0})
    record = await mqtt.message(first.topics.job_last, where=lambda m: m.json["slicer_estimate"])
    await first.end()
    await mqtt.message(first.topics.status, where=lambda m: m.json["server"] == "offline")
    mqtt.forget()
    second = await start(instance="lasting")
    assert (await mqtt.message(second.topics.job_last)).json == record.json
    await mqtt.message(second.topics.job_thumbnail, where=lambda m: m.payload.startswith(PNG))
    assert (await mqtt.message(second.topics.queue)).json == {"state": "ready", "reason": None, "jobs": []}


async def test_a_restart_in_a_print_changes_nothing_of_the_last_job(
    start: Start, fake: FakeKlippy, mqtt: Ear
) -> None:
    first = await start(instance="midway")
    await settled(mqtt, first)
    fake.push(print_stats=PRINTING)
    running = await mqtt.message(first.topics.job_current, where=described)
    await mqtt.message(first.topics.event("history_changed"))
    await first.end()
    await mqtt.message(first.topics.status, where=lambda m: m.json["server"] == "offline")
    mqtt.forget()
    fake.push(print_stats={"total_duration": 30.0})
    second = await start(instance="midway")
    now = await mqtt.message(second.topics.job_current, where=lambda m: m.json["elapsed"] == 30)
    await until(lambda: second.bridge.ledger.current == 1)
    fake.push(print_stats={"state": "complete", "total_duration": 40.0})
    await mqtt.message(second.topics.event("print_complete"))
    results = [m.json["result"] for m in mqtt.on(second.topics.job_last)]
    assert results in ([None, "completed"], [None, None, "completed"])
    assert now.json["file"] == running.json["file"]


async def test_the_record_comes_before_events_that_waited_for_the_broker(
    start: Start, fake: FakeKlippy, broker: Mosquitto, mqtt: Ear
) -> None:
    async with Proxy(broker.port) as proxy:
        bridge = await start(mqtt={"port": proxy.port})
        await settled(mqtt, bridge)
        fake.push(print_stats=PRINTING)
        await mqtt.message(bridge.topics.event("print_started"))
        await proxy.shut()
        await until(lambda: not bridge.bridge.mqtt.up)
        fake.push(print_stats={"state": "complete", "total_duration": 9.0})
        await until(lambda: bridge.bridge.ledger.last is not None)
        await proxy.open()
        event = await mqtt.message(bridge.topics.event("print_complete"))
        record = await mqtt.message(bridge.topics.job_last, where=lambda m: m.json["result"] == "completed")
        assert mqtt.heard.index(record) < mqtt.heard.index(event)


async def test_figures_are_told_quietly(bridge: Running, fake: FakeKlippy, mqtt: Ear) -> None:
    fake.push(print_stats=PRINTING)
    await mqtt.message(bridge.topics.job_current, where=described)
    mqtt.forget()
    for number in range(40):
        fake.push(print_stats={"total_duration": 1 + number / 4, "print_duration": number / 4})
        await asyncio.sleep(0.01)
    assert len(mqtt.on(bridge.topics.job_current)) <= 1


async def test_the_queue_is_a_retained_topic(bridge: Running, fake: FakeKlippy, mqtt: Ear) -> None:
    request = {
        "jsonrpc": "2.0",
        "method": "server.job_queue.post_job",
        "params": {"filenames": [NAME]},
        "id": 1,
    }
    await mqtt.say(f"{bridge.topics.request}/hand", request)
    queue = (await mqtt.message(bridge.topics.queue, where=lambda m: m.json["jobs"])).json
    assert (queue["state"], queue["reason"]) == ("ready", None)
    assert [job["file"] for job in queue["jobs"]] == [NAME]
    assert queue["jobs"][0].keys() == {"file", "job_id", "added_at"}
    assert datetime.fromisoformat(queue["jobs"][0]["added_at"]).tzinfo is not None
