"""A scripted evening: three queued prints, one paused, one cancelled, one broken, a restart between."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.klippy.simulator import Simulator, Timing, write_sample
from tests.conftest import Running, Start
from tests.jobs.desk import Desk, desk
from tests.mqtt.watching import settled
from tests.wire import Ear, until

FAMILIES = ("print_", "history_", "job_queue_", "klippy_", "emergency_")
FOR_EVER = "G28\n" + "G1 X200 F600\nG1 X0\n" * 400


@pytest.fixture
async def klippy(tmp_path: Path) -> AsyncIterator[Simulator]:
    """A printer that restarts soon, with three files: a good one, an endless one, a broken one."""
    gcodes = tmp_path / "data" / "gcodes"
    write_sample(gcodes / "first part.gcode", size=10, layers=3)
    (gcodes / "second.gcode").write_text(FOR_EVER)
    (gcodes / "third.gcode").write_text("G28\nG1 X50 F6000\nG1 X9999\n")
    timing = Timing(tick=0.05, refused=0.1, startup=0.1)
    async with Simulator(
        tmp_path / "klippy.sock", gcodes, speed=100.0, noise=0.0, timing=timing
    ) as simulator:
        yield simulator


def events(mqtt: Ear, bridge: Running) -> list[str]:
    """What was told on MQTT, in its order: names, and what changed where there is one name for all."""
    found = [m.json for m in mqtt.on(f"{bridge.name}/event/")]
    return [_short(one["event"], one["data"]) for one in found if one["event"].startswith(FAMILIES)]


def notices(client: Desk) -> list[str]:
    """The same on the WebSocket."""
    found = [(name.removeprefix("notify_"), params) for name, params in client.told]
    return [_short(name, params[0] if params else {}) for name, params in found if name.startswith(FAMILIES)]


def _short(name: str, data: dict[str, Any]) -> str:
    if name == "history_changed":
        return f"{data['action']} {data['job']['job_id']} {data['job']['status']}"
    if name == "job_queue_changed":
        jobs = data["updated_queue"]
        queue = "" if jobs is None else f" {[job['filename'].split('.')[0] for job in jobs]}"
        return f"{data['action']} {data['queue_state']}{queue}"
    return name


LOADED = ["state_changed loading", "state_changed starting"]
# Stages come one after the other; in a stage each list comes in its order, beside the others: the queue hears
# of a start by Klippy's answer, the job by Klippy's status.
EVENING = [
    [["jobs_added ready ['first part', 'second', 'third']"]],
    [LOADED],
    [
        ["job_loaded starting ['second', 'third']", "state_changed ready"],
        ["print_started", "added 000001 in_progress"],
    ],
    [
        [
            "print_paused",
            "print_resumed",
            "print_complete",
            "state_changed paused",  # nobody but a person clears the bed
            "finished 000001 completed",
        ]
    ],
    [LOADED],
    [
        ["job_loaded starting ['third']", "state_changed ready"],
        ["print_started", "added 000002 in_progress"],
    ],
    [["print_cancelled", "state_changed paused", "finished 000002 cancelled"]],
    [["klippy_disconnected", "klippy_ready"]],
    [
        [*LOADED, "job_loaded starting []", "state_changed ready"],
        ["print_started", "added 000003 in_progress", "print_error", "finished 000003 error"],
    ],
]
WHOLE = [one for stage in EVENING for line in stage for one in line]
ON_MQTT_ALONE = ("print_",)


def sorted_out(told: list[str], *, without: tuple[str, ...] = ()) -> list[str]:
    """What was told, with what came beside one another in a stage put one line behind the other."""
    found: list[str] = []
    for stage in EVENING:
        lines = [[one for one in line if not one.startswith(without)] for line in stage]
        size = sum(map(len, lines))
        now, told = told[:size], told[size:]
        for line in lines:
            found += [one for one in now if one in line]
        found += [one for one in now if not any(one in line for line in lines)]
    return found + told


async def test_an_evening(start: Start, klippy: Simulator, mqtt: Ear) -> None:
    bridge = await start()
    await settled(mqtt, bridge)
    assert bridge.bridge.http is not None
    async with desk(bridge.bridge.http.url) as client:
        await spend_the_evening(client, mqtt, bridge)
        on_the_socket = [one for one in WHOLE if not one.startswith(ON_MQTT_ALONE)]
        await mqtt.until(lambda: len(events(mqtt, bridge)) >= len(WHOLE))
        await until(lambda: len(notices(client)) >= len(on_the_socket))

        assert sorted_out(events(mqtt, bridge)) == WHOLE
        assert sorted_out(notices(client), without=ON_MQTT_ALONE) == on_the_socket
        numbers = [m.json["seq"] for m in mqtt.on(f"{bridge.name}/event/")]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        record_comes_before_its_event(mqtt, bridge)
        await everything_is_in_the_history(client)
        assert (await client.call("server.job_queue.status"))["queued_jobs"] == []


async def spend_the_evening(client: Desk, mqtt: Ear, bridge: Running) -> None:
    topics = bridge.topics
    names = ["first part.gcode", "second.gcode", "third.gcode"]
    await client.call("server.job_queue.post_job", filenames=names)

    await client.call("server.job_queue.start")
    await told(mqtt, bridge, "print_started", "added 000001 in_progress", "state_changed ready")
    await client.call("printer.print.pause")
    await mqtt.message(topics.event("print_paused"))
    assert (await client.call("server.history.list"))["jobs"][0]["status"] == "in_progress"
    await client.call("printer.print.resume")
    await told(mqtt, bridge, "print_complete", "finished 000001 completed")

    await client.call("server.job_queue.start")
    await mqtt.until(lambda: events(mqtt, bridge).count("print_started") == 2)
    await mqtt.until(lambda: events(mqtt, bridge).count("state_changed ready") == 2)
    await told(mqtt, bridge, "added 000002 in_progress")
    await client.call("printer.print.cancel")
    await told(mqtt, bridge, "print_cancelled", "finished 000002 cancelled")
    paused = await mqtt.message(topics.queue, where=lambda m: "cancelled" in str(m.json["reason"]))
    assert paused.json["reason"] == "second.gcode ended as 'cancelled'"
    assert [job["file"] for job in paused.json["jobs"]] == ["third.gcode"]

    await client.call("printer.firmware_restart")
    await mqtt.message(topics.event("klippy_ready"))
    await client.call("server.job_queue.start")
    failed = await mqtt.message(topics.event("print_error"))
    assert "out of range" in failed.json["data"]["message"]


async def told(mqtt: Ear, bridge: Running, *wanted: str) -> None:
    await mqtt.until(lambda: set(wanted) <= set(events(mqtt, bridge)))


def record_comes_before_its_event(mqtt: Ear, bridge: Running) -> None:
    """Of each job: what ended it, told on job/last before the event."""
    ends = {bridge.topics.event(f"print_{end}"): end for end in ("complete", "cancelled", "error")}
    order = [
        m.json["result"] if m.topic == bridge.topics.job_last else ends[m.topic]
        for m in mqtt.heard
        if m.topic == bridge.topics.job_last or m.topic in ends
    ]
    assert order == ["completed", "complete", "cancelled", "cancelled", "error", "error"]


async def everything_is_in_the_history(client: Desk) -> None:
    jobs = (await client.call("server.history.list", order="asc"))["jobs"]
    assert [(job["filename"], job["status"], job["exists"]) for job in jobs] == [
        ("first part.gcode", "completed", True),
        ("second.gcode", "cancelled", True),
        ("third.gcode", "error", True),
    ]
    assert jobs[0]["metadata"]["slicer"] == "PrusaSlicer"
    assert jobs[0]["filament_used"] > 0
    known = await client.call("server.files.metadata", filename="first part.gcode")
    assert (known["job_id"], known["print_start_time"]) == ("000001", jobs[0]["start_time"])
    totals = (await client.call("server.history.totals"))["job_totals"]
    assert totals == {
        "total_jobs": 3,
        "total_time": pytest.approx(sum(job["total_duration"] for job in jobs)),
        "total_print_time": pytest.approx(sum(job["print_duration"] for job in jobs)),
        "total_filament_used": pytest.approx(sum(job["filament_used"] for job in jobs)),
        "longest_job": max(job["total_duration"] for job in jobs),
        "longest_print": max(job["print_duration"] for job in jobs),
    }
