"""printer.* on the wire: what is passed on to Klippy, what never is, and what clients are told."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.klippy.simulator import Simulator
from tests.agents import agent
from tests.conftest import Running, Start
from tests.klippy.fake_klippy import SILENT, FakeKlippy, fake_klippy
from tests.power.calls import Refused, call, fetch
from tests.wire import Ear, until

DECLARED = ("info", "list_endpoints", "gcode/script", "objects/query")
STREAMS = (
    "objects/subscribe",
    "gcode/subscribe_output",
    "register_remote_method",
    "motion_report/dump_stepper",
    "adxl345/dump_adxl345",
    "bed_mesh/dump_mesh",
)


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[FakeKlippy]:
    """A Klippy with an endpoint of its own, and every one that streams."""
    async with fake_klippy(tmp_path) as one:
        endpoints = [*DECLARED, "angle/chip_read", *STREAMS]
        one.answers["list_endpoints"] = lambda _params: {"endpoints": endpoints}
        one.answers["angle/chip_read"] = lambda params: {"asked": params}
        yield one


def asked(fake: FakeKlippy, method: str) -> list[dict[str, Any]]:
    return [one for one in fake.requests if one["method"] == method]


async def test_what_klippy_offers_and_nobody_declares_is_passed_on(
    fake: FakeKlippy, start: Start, mqtt: Ear
) -> None:
    bridge = await start()
    params = {"chip": "left", "deep": {"list": [1, None]}}
    assert await call(bridge, "printer.angle.chip_read", **params) == {"asked": params}
    status, answer = await fetch(bridge, "POST", "/printer/angle/chip_read?chip=left&reg:int=5")
    assert (status, answer) == (200, {"result": {"asked": {"chip": "left", "reg": 5}}})
    request = {"jsonrpc": "2.0", "method": "printer.angle.chip_read", "params": params, "id": 1}
    await mqtt.say(bridge.topics.request, request)
    assert (await mqtt.message(bridge.topics.response)).json["result"] == {"asked": params}
    with pytest.raises(Refused) as refused:
        await call(bridge, "printer.angle.no_such")
    assert refused.value.code == -32601


@pytest.mark.parametrize("endpoint", STREAMS)
async def test_what_would_turn_the_connection_into_a_stream_is_never_passed_on(
    fake: FakeKlippy, start: Start, endpoint: str
) -> None:
    bridge = await start(homeassistant={"enabled": False})
    await until(lambda: fake.subscribed)
    before = asked(fake, endpoint)
    name = f"printer.{endpoint.replace('/', '.')}"
    template = {"method": "mine"}
    if name == "printer.objects.subscribe":  # ours: one superset, filtered for each client
        async with agent(bridge) as one:
            await one.call(name, objects={"fan": None}, response_template=template)
    else:
        with pytest.raises(Refused) as refused:
            await call(bridge, name, remote_method="x", response_template=template)
        assert refused.value.code == -32601
        assert (await fetch(bridge, "POST", f"/printer/{endpoint}", json={"response_template": template}))[
            0
        ] == 404
    more = asked(fake, endpoint)[len(before) :]
    assert not [one for one in more if one["params"].get("response_template") == template]
    assert name == "printer.objects.subscribe" or more == []


async def test_no_time_out_ends_what_may_wait_behind_g_code(fake: FakeKlippy, start: Start) -> None:
    """Klippy has one mutex for G-code: end stops and what is passed on may stand behind it for minutes."""
    bridge = await start(klippy={"request_timeout": 0.1}, homeassistant={"enabled": False})
    for endpoint in ("query_endstops/status", "angle/chip_read", "gcode/help"):
        fake.answers[endpoint] = lambda _params: SILENT
    with pytest.raises(Refused) as refused:
        await call(bridge, "printer.gcode.help")
    assert refused.value.code == 504
    patient = [
        asyncio.ensure_future(call(bridge, name))
        for name in ("printer.query_endstops.status", "printer.angle.chip_read")
    ]
    await asyncio.wait(patient, timeout=0.3)  # three times as long
    assert not any(task.done() for task in patient)
    fake.drop()
    await asyncio.wait(patient)


async def test_a_subscription_over_http_is_for_the_websocket_it_names(fake: FakeKlippy, start: Start) -> None:
    bridge = await start(homeassistant={"enabled": False})
    async with agent(bridge) as one:
        number = (await one.call("server.websocket.id"))["websocket_id"]
        path = f"/printer/objects/subscribe?connection_id={number}&fan&extruder=target"
        status, answer = await fetch(bridge, "POST", path)
        assert (status, answer["result"]["status"]) == (
            200,
            {"fan": {"speed": 0.0, "rpm": None}, "extruder": {"target": 0.0}},
        )
        assert answer["result"]["eventtime"] > 0
        fake.push(fan={"speed": 0.7}, extruder={"temperature": 99.0})
        told = await one.told("notify_status_update")
        assert told["params"][0] == {"fan": {"speed": 0.7}}
        status, answer = await fetch(bridge, "POST", "/printer/objects/subscribe?fan")
        assert (status, "connection_id" in answer["error"]["message"]) == (400, True)
        assert (await fetch(bridge, "POST", "/printer/objects/subscribe?connection_id=99999&fan"))[0] == 404


async def test_a_shutdown_is_told_on_the_websocket_with_its_return(
    klippy: Simulator, bridge: Running
) -> None:
    async with agent(bridge) as one, agent(bridge) as other:
        await call(bridge, "printer.emergency_stop")
        for socket in (one, other):
            assert await socket.told("notify_klippy_shutdown") == {
                "jsonrpc": "2.0",
                "method": "notify_klippy_shutdown",
            }
        await call(bridge, "printer.firmware_restart")
        await one.told("notify_klippy_ready")
        states = [told["method"] for told in one.heard if told["method"].startswith("notify_klippy_")]
        assert states == ["notify_klippy_shutdown", "notify_klippy_disconnected", "notify_klippy_ready"]


async def test_a_websocket_without_a_subscription_is_never_silent_for_long(start: Start) -> None:
    """Web UIs close one that says nothing for ten seconds, also while there is no printer."""
    bridge = await start(wait=False, homeassistant={"enabled": False})
    loop = asyncio.get_running_loop()
    async with agent(bridge) as one:
        started = loop.time()
        await until(lambda: len(one.heard) >= 2)
        assert loop.time() - started < 5
        assert {told["method"] for told in one.heard} == {"notify_proc_stat_update"}
        stats = one.heard[-1]["params"][0]
        assert {"moonraker_stats", "cpu_temp", "network", "system_cpu_usage", "websocket_connections"} <= (
            stats.keys()
        )
        assert stats["websocket_connections"] == 1
