"""What goes over the wire for each preset and option, letter by letter."""

import asyncio
from typing import Any

import pytest

from tests.conftest import Running, Start
from tests.power.calls import power, switch
from tests.wire import Ear, Mosquitto, ear, until

# preset, its output -> what switches on, where it says what it is, and the question; as its makers document it
WIRE: dict[tuple[str, str | None], tuple[str, str, str, str, str | None, str]] = {
    ("tasmota", None): ("cmnd/p/POWER", "ON", "stat/p/POWER", "ON", "cmnd/p/POWER", ""),
    ("tasmota", "2"): ("cmnd/p/POWER2", "ON", "stat/p/POWER2", "ON", "cmnd/p/POWER2", ""),
    ("shelly_gen1", None): ("shellies/p/relay/0/command", "on", "shellies/p/relay/0", "on", "shellies/p/command", "update"),
    ("shelly_gen1", "1"): ("shellies/p/relay/1/command", "on", "shellies/p/relay/1", "on", "shellies/p/command", "update"),
    ("shelly_gen2", None): ("p/command/switch:0", "on", "p/status/switch:0", '{"output":true}', "p/command/switch:0", "status_update"),
    ("shelly_gen2", "3"): ("p/command/switch:3", "on", "p/status/switch:3", '{"output":true}', "p/command/switch:3", "status_update"),
    ("zigbee2mqtt", None): ("zigbee2mqtt/p/set", '{"state":"ON"}', "zigbee2mqtt/p", '{"state":"ON"}', "zigbee2mqtt/p/get", '{"state":""}'),
    ("zwave_js", None): ("zwave/p/37/0/targetValue/set", '{"value":true}', "zwave/p/37/0/currentValue", '{"value":true}', None, ""),
    ("zwave_js", "2"): ("zwave/p/37/2/targetValue/set", '{"value":true}', "zwave/p/37/2/currentValue", '{"value":true}', None, ""),
    ("esphome", None): ("p/switch/relay/command", "ON", "p/switch/relay/state", "ON", None, ""),
    ("esphome", "plug"): ("p/switch/plug/command", "ON", "p/switch/plug/state", "ON", None, ""),
}  # fmt: skip


async def obeyed(bridge: Running, mqtt: Ear, name: str, topics: tuple[str, str, str, str]) -> None:
    command, on, state, told = topics
    switching = asyncio.ensure_future(switch(bridge, "on", name))
    await mqtt.message(command, where=lambda m: m.payload == on.encode())
    await mqtt.say(state, told)
    assert await switching == "on"


async def test_each_preset_has_its_vendor_s_topics_and_payloads(start: Start, mqtt: Ear) -> None:
    devices: dict[str, dict[str, Any]] = {}
    for number, (preset, output) in enumerate(WIRE):
        more = {} if output is None else {"output": output}
        devices[f"n{number}"] = {"type": "mqtt", "preset": preset, "device": f"p{number}", **more}
    bridge = await start(power=devices, wait=False)
    await until(lambda: bridge.bridge.mqtt.up)
    for number, row in enumerate(WIRE.values()):
        *topics, query, question = (_named(part, number) for part in row)
        if query is not None:
            await mqtt.message(query, where=lambda m, question=question: m.payload.decode() == question)
        await obeyed(bridge, mqtt, f"n{number}", tuple(topics))


def _named(part: str | None, number: int) -> str | None:
    """A topic of the plug with that number; payloads have no device in them."""
    if part is None or "/" not in part:
        return part
    return "/".join(f"p{number}" if step == "p" else step for step in part.split("/"))


async def test_a_plug_that_speaks_when_asked_is_asked_after_a_command(start: Start, mqtt: Ear) -> None:
    plug = {"type": "mqtt", "command_topic": "shy/set", "state_topic": "shy/state", "query_topic": "shy/get"}
    options = {
        "query_payload": "how are you?",
        "query_after_command": True,
        "state_on": "An",
        "state_off": "Aus",
    }
    bridge = await start(power={"plug": {**plug, **options}}, wait=False)
    assert (await mqtt.message("shy/get")).payload == b"how are you?"
    await mqtt.say("shy/state", "Aus")
    await until(lambda: bridge.bridge.surroundings.rack.get("plug").state == "off")
    mqtt.forget()
    switching = asyncio.ensure_future(switch(bridge, "on"))
    await mqtt.message("shy/get")
    assert [m.topic for m in mqtt.on("shy/")] == ["shy/set", "shy/get"]
    await mqtt.say("shy/state", "an")
    assert await switching == "on"
    await mqtt.say("shy/state", "on")  # in words that are not its own
    await until(lambda: bridge.bridge.surroundings.rack.get("plug").state == "error")
    assert await power(bridge) == "error"


@pytest.mark.parametrize("kept", [True, False])
async def test_a_command_is_retained_if_asked_for(
    start: Start, broker: Mosquitto, mqtt: Ear, kept: bool
) -> None:
    plug = {"type": "mqtt", "command_topic": "kept/set", "retain_command": kept}
    bridge = await start(power={"plug": plug}, wait=False)
    await until(lambda: bridge.bridge.mqtt.up)
    await switch(bridge, "on")
    async with ear(broker.port, "kept/set", "fence") as late:
        await mqtt.say("fence", "")
        await late.message("fence")
        assert [(m.payload, m.retain) for m in late.on("kept/")] == ([(b"ON", True)] if kept else [])
