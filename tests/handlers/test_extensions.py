"""Agents by WebSocket: who they are, what they tell, what others ask of them, and their end."""

import asyncio
from typing import Any

import pytest

from bridge.klippy.simulator import Simulator
from tests.agents import agent
from tests.conftest import Running, Start
from tests.power.calls import Refused, call, fetch
from tests.wire import Ear

COMPANION = {"name": "companion", "version": "1.0", "type": "agent", "url": "http://x"}


@pytest.fixture
async def alone(start: Start) -> Running:
    return await start(extensions={"timeout": 0.5}, wait=False)


async def ask(bridge: Running, method: str, arguments: Any = None) -> Any:
    params = {"agent": "companion", "method": method} | (
        {} if arguments is None else {"arguments": arguments}
    )
    status, answer = await fetch(bridge, "POST", "/server/extensions/request", json=params)
    if "error" in answer:
        assert status == answer["error"]["code"]
        raise Refused(answer["error"])
    return answer["result"]


async def test_an_agent_is_listed_and_its_coming_and_going_are_told(alone: Running, mqtt: Ear) -> None:
    async with agent(alone) as watcher:
        async with agent(alone) as one:
            assert await one.identify()
            assert await call(alone, "server.extensions.list") == {"agents": [COMPANION]}
            came = await watcher.told("notify_agent_event")
            assert came["params"] == [{"agent": "companion", "event": "connected", "data": COMPANION}]
        went = await watcher.told(
            "notify_agent_event", lambda one: one["params"][0]["event"] == "disconnected"
        )
        assert went["params"] == [{"agent": "companion", "event": "disconnected"}]
    assert await call(alone, "server.extensions.list") == {"agents": []}
    told = await mqtt.message(
        alone.topics.event("agent_event"), where=lambda m: m.json["data"]["event"] == "disconnected"
    )
    assert told.json["data"]["agent"] == "companion"


async def test_an_event_of_an_agent_reaches_everybody(alone: Running) -> None:
    async with agent(alone) as one, agent(alone) as watcher:
        await one.identify()
        assert await one.call("connection.send_event", event="spaghetti", data={"score": 0.9}) == "ok"
        told = await watcher.told("notify_agent_event", lambda m: m["params"][0]["event"] == "spaghetti")
        assert told["params"] == [{"agent": "companion", "event": "spaghetti", "data": {"score": 0.9}}]
        assert (await one.call("connection.send_event", event="connected"))["code"] == 400
        assert (await one.call("connection.send_event", event="x", data="y" * 70_000))["code"] == 413


async def test_only_agents_tell_events_and_register_methods(alone: Running) -> None:
    async with agent(alone) as page:
        await page.identify("mainsail", "web")
        for method, params in (
            ("connection.send_event", {"event": "x"}),
            ("connection.register_remote_method", {"method_name": "x"}),
        ):
            assert (await page.call(method, **params))["code"] == 403
    assert await call(alone, "server.extensions.list") == {"agents": []}


async def test_an_agent_is_asked_and_its_answer_or_error_comes_back(alone: Running) -> None:
    async with agent(alone) as one:
        await one.identify()
        one.answers = {
            "add": {"result": {"sum": 3}},
            "nothing": {"result": None},
            "fail": {"error": {"code": -32001, "message": "no camera"}},
        }
        assert await ask(alone, "add", [1, 2]) == {"sum": 3}
        asked = await one.told("add")
        assert (asked["params"], asked["jsonrpc"]) == ([1, 2], "2.0")
        assert await ask(alone, "nothing") is None
        assert "params" not in await one.told("nothing")
        with pytest.raises(Refused, match="no camera") as refused:
            await ask(alone, "fail")
        assert refused.value.code == 502
        error = await one.call("server.extensions.request", agent="companion", method="fail")
        assert error == {"code": -32001, "message": "no camera"}


async def test_an_agent_that_says_nothing_or_goes_is_504_and_never_a_hang(alone: Running) -> None:
    async with agent(alone) as one:
        await one.identify()
        with pytest.raises(Refused, match="did not answer 'sleep' within") as refused:
            await ask(alone, "sleep")
        assert refused.value.code == 504
        await one.ws.send_json({"jsonrpc": "2.0", "id": 1, "result": "too late"})  # nobody is told off for it
        waiting = asyncio.ensure_future(ask(alone, "die"))
        await one.told("die")
        assert not [m for m in one.heard if "error" in m]
    with pytest.raises(Refused, match="has gone") as refused:
        await waiting
    assert refused.value.code == 504
    with pytest.raises(Refused, match="No agent") as refused:
        await ask(alone, "die")
    assert refused.value.code == 404


async def test_a_name_is_one_agent_s_as_long_as_it_is_there(alone: Running) -> None:
    async with agent(alone) as one:
        await one.identify()
        assert "connection_id" in await one.identify()  # again, by the same
        async with agent(alone) as two:
            assert (await two.identify())["code"] == 409
            assert "connection_id" in await two.identify("companion 2")
    async with agent(alone) as three:
        while "connection_id" not in await three.identify():
            pass


async def test_macros_call_what_an_agent_has_registered(klippy: Simulator, start: Start) -> None:
    bridge = await start()
    async with agent(bridge) as one:
        await one.identify()
        assert await one.call("connection.register_remote_method", method_name="wave") == "ok"
        assert await one.call("connection.register_remote_method", method_name="wave") == "ok"
        await call(bridge, "printer.gcode.script", script="CALL_OUT METHOD=wave NOTE=hello")
        waved = await one.told("wave")
        assert waved == {"jsonrpc": "2.0", "method": "wave", "params": {"note": "hello", "n": 3}}
        for taken in ("publish_mqtt_topic", "set_device_power"):
            refused = await one.call("connection.register_remote_method", method_name=taken)
            assert refused["code"] == 409
        assert (await one.call("connection.register_remote_method", method_name="a b"))["code"] == 400
        await call(bridge, "printer.restart")
        await bridge.ready()
        one.heard.clear()
        while not [m for m in one.heard if m.get("method") == "wave"]:
            try:
                await call(bridge, "printer.gcode.script", script="CALL_OUT METHOD=wave NOTE=again")
                await one.told("wave")
            except Refused:
                await bridge.ready()  # it is restarting
    async with agent(bridge) as two:
        await two.identify("another")
        while await two.call("connection.register_remote_method", method_name="wave") != "ok":
            pass  # its first owner is going
