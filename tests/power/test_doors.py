"""machine.device_power.* over every door; one lock for all of them."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from bridge.klippy.simulator import Simulator, write_sample
from tests.conftest import Running, Start
from tests.ha_discovery.rendering import render
from tests.power.calls import Refused, availability, call, entities, fetch, power, switch
from tests.wire import Ear, until

# plugs that tell nothing: they are what they were told
PLUGS = {
    "plug": {"type": "mqtt", "command_topic": "doors/plug", "locked_while_printing": True},
    "light 1/2": {"type": "mqtt", "command_topic": "doors/light"},
}


@pytest.fixture
async def bridge(klippy: Simulator, start: Start) -> Running:
    return await start(power=PLUGS)


async def printing(bridge: Running, tmp_path: Path) -> None:
    write_sample(tmp_path / "data" / "gcodes" / "long.gcode", size=200, layers=200, heat=False)
    await call(bridge, "printer.print.start", filename="long.gcode")
    await until(lambda: bridge.bridge.tracker.current is not None)


async def test_the_list_says_what_there_is(bridge: Running) -> None:
    assert await call(bridge, "machine.device_power.devices") == {
        "devices": [
            {"device": "plug", "status": "init", "locked_while_printing": True, "type": "mqtt"},
            {"device": "light 1/2", "status": "init", "locked_while_printing": False, "type": "mqtt"},
        ]
    }
    assert "power" in (await call(bridge, "server.info"))["components"]


async def test_without_devices_there_is_no_component(klippy: Simulator, start: Start) -> None:
    bridge = await start()
    found = (await call(bridge, "server.info"))["components"]
    assert {"power", "sensor", "spoolman"}.isdisjoint(found)
    assert await call(bridge, "machine.device_power.devices") == {"devices": []}


async def test_a_device_is_asked_and_switched_as_cura_does_it(bridge: Running) -> None:
    path = "/machine/device_power/device"
    assert await fetch(bridge, "GET", path, params={"device": "plug"}) == (200, {"result": {"plug": "init"}})
    answer = await fetch(bridge, "POST", path, params={"device": "plug", "action": "on"}, json={})
    assert answer == (200, {"result": {"plug": "on"}})
    assert (await fetch(bridge, "POST", path, params={"device": "plug", "action": "blink"}))[0] == 400
    assert (await fetch(bridge, "GET", path, params={"device": "toaster"}))[0] == 404
    assert (await fetch(bridge, "GET", path, params={"device": "plug", "action": "off"}))[1] == {
        "result": {"plug": "on"}
    }


async def test_several_are_named_as_keys(bridge: Running) -> None:
    assert await call(bridge, "machine.device_power.on", **{"plug": None, "light 1/2": None}) == {
        "plug": "on",
        "light 1/2": "on",
    }
    assert await fetch(bridge, "POST", "/machine/device_power/off?light%201%2F2") == (
        200,
        {"result": {"light 1/2": "off"}},
    )
    asked = await fetch(bridge, "GET", "/machine/device_power/status?plug&light%201%2F2&toaster")
    assert asked == (200, {"result": {"plug": "on", "light 1/2": "off", "toaster": "device_not_found"}})
    with pytest.raises(Refused):
        await call(bridge, "machine.device_power.on")


async def test_a_change_is_notified_once(bridge: Running) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{bridge.bridge.http.url}/websocket") as socket,
    ):
        await switch(bridge, "on")
        heard = []
        async with asyncio.timeout(3):
            while not heard:
                message = await socket.receive_json()
                if message["method"] == "notify_power_changed":
                    heard.append(message["params"])
        assert heard == [[{"device": "plug", "status": "on", "locked_while_printing": True, "type": "mqtt"}]]


async def test_a_locked_device_stays_on_through_every_door(
    bridge: Running, tmp_path: Path, mqtt: Ear
) -> None:
    await switch(bridge, "on")
    await switch(bridge, "on", "light 1/2")
    await printing(bridge, tmp_path)
    topic = bridge.topics.power("plug")
    await mqtt.message(topic, where=lambda m: m.json == {"state": "on", "locked": True, "reason": None})
    mqtt.forget()
    for method, params in (
        ("machine.device_power.post_device", {"device": "plug", "action": "off"}),
        ("machine.device_power.post_device", {"device": "plug", "action": "toggle"}),
        ("machine.device_power.off", {"light 1/2": None, "plug": None}),
        ("printer.control.set", {"control": "power_plug", "value": "OFF"}),
    ):
        with pytest.raises(Refused, match="locked while a job is printing") as caught:
            await call(bridge, method, **params)
        assert caught.value.code == 409
    await mqtt.say(bridge.topics.control("power_plug"), "OFF")
    refused = await mqtt.message(bridge.topics.event("control_rejected"))
    assert "locked while a job is printing" in refused.json["data"]["reason"]
    request = {"jsonrpc": "2.0", "method": "machine.device_power.off", "params": {"plug": None}, "id": 7}
    await mqtt.say(bridge.topics.request, request)
    assert (await mqtt.message(bridge.topics.response)).json["error"]["code"] == 409
    assert await power(bridge) == "on"
    assert await power(bridge, "light 1/2") == "on"  # nothing is changed, not even a part of it
    assert not mqtt.on("doors/")
    await call(bridge, "printer.print.cancel")
    await mqtt.message(topic, where=lambda m: m.json["locked"] is False)
    assert await switch(bridge, "off") == "off"


async def test_a_device_is_locked_from_the_request_for_a_print(bridge: Running, tmp_path: Path) -> None:
    await switch(bridge, "on")
    write_sample(tmp_path / "data" / "gcodes" / "long.gcode", size=200, layers=200, heat=False)
    await call(
        bridge, "printer.print.start", filename="long.gcode"
    )  # its status comes in a quarter of a second
    with pytest.raises(Refused, match="locked while a job is printing"):
        await call(bridge, "machine.device_power.off", plug=None)


async def test_a_macro_switches_a_device_and_is_refused_while_it_is_locked(
    bridge: Running, klippy: Simulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def macro(device: str, state: str) -> None:
        bridge.bridge.klippy._remotes["set_device_power"]({"device": device, "state": state})

    device = bridge.bridge.surroundings.rack.get("plug")
    await macro("plug", "on")
    await until(lambda: device.state == "on")
    await printing(bridge, tmp_path)
    await macro("plug", "toggle")
    await until(lambda: "set_device_power failed: 'plug' is locked" in caplog.text)
    await macro("toaster", "on")
    assert "names no device" in caplog.text
    assert device.state == "on"


async def test_home_assistant_gets_a_switch_that_needs_the_bridge_alone(bridge: Running, mqtt: Ear) -> None:
    plug = (await entities(bridge, mqtt, "Plug power"))["Plug power"]
    assert plug["platform"] == "switch"
    assert plug["state_topic"] == bridge.topics.power("plug")
    assert plug["command_topic"] == bridge.topics.control("power_plug")
    assert availability(plug) == [bridge.topics.status]
    states = {one: render(plug["value_template"], {"state": one}) for one in ("on", "off", "init", "error")}
    assert states == {"on": "ON", "off": "OFF", "init": "None", "error": "None"}
    assert plug["json_attributes_topic"] == plug["state_topic"]  # all of it: they tell `init` from `error`
    assert "json_attributes_template" not in plug
    assert bridge.topics.power("light 1/2").endswith("/power/light 1%2F2")
    await mqtt.say(bridge.topics.control("power_plug"), "ON")
    assert (await mqtt.message("doors/plug")).payload == b"ON"


@pytest.mark.torture
async def test_the_whole_truth_is_published_again_when_home_assistant_is_born(
    bridge: Running, mqtt: Ear
) -> None:
    await switch(bridge, "on")
    topic = bridge.topics.power("plug")
    await mqtt.message(topic, where=lambda m: m.json["state"] == "on")
    mqtt.forget()
    await mqtt.say(bridge.topics.birth, "online")
    again = await mqtt.message(topic, patience=4)
    assert again.json == {"state": "on", "locked": False, "reason": None}
