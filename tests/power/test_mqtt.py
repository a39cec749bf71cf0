"""Plugs on a real broker: their own topics, their silence, and a hand on the switch."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bridge.config import convert
from bridge.config.yaml_file import Secret
from bridge.errors import ConfigError
from bridge.power.mqtt_presets import MQTT_PRESETS
from tests.conftest import Running, Start
from tests.power.calls import Refused, call, power, switch
from tests.wire import Ear, Mosquitto, ear, until


class Plug:
    """A plug as its maker built it: it obeys one topic and tells on another."""

    def __init__(
        self, voice: Ear, commands: str, state: str, on: str, off: str, told: tuple[str, str]
    ) -> None:
        self.voice, self.commands, self.state = voice, commands, state
        self.orders = {on: True, off: False}
        self.told = told  # payloads for on and off
        self.is_on = False
        self.obeys = True

    async def live(self) -> None:
        seen = 0
        while True:
            await self.voice.until(lambda known=seen: len(self.voice.heard) > known, patience=60)
            message, seen = self.voice.heard[seen], seen + 1
            if message.topic == self.commands and self.obeys:
                self.is_on = self.orders.get(message.payload.decode(), self.is_on)
                await self.tell()

    async def tell(self, *, retain: bool = False) -> None:
        await self.voice.say(self.state, self.told[0] if self.is_on else self.told[1], retain=retain)

    async def by_hand(self) -> None:
        self.is_on = not self.is_on
        await self.tell()


@contextlib.asynccontextmanager
async def plugged(
    port: int, commands: str, state: str, on: str, off: str, told: tuple[str, str]
) -> AsyncIterator[Plug]:
    async with ear(port, commands) as voice:
        one = Plug(voice, commands, state, on, off, told)
        living = asyncio.ensure_future(one.live())
        try:
            yield one
        finally:
            living.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await living


async def tasmota(port: int, name: str):
    return plugged(port, f"cmnd/{name}/POWER", f"stat/{name}/POWER", "ON", "OFF", ("ON", "OFF"))


# preset -> what the plug says when it is on, and when it is off
VENDORS = {
    "tasmota": ("ON", "OFF"),
    "shelly_gen1": ("on", "off"),
    "shelly_gen2": ('{"id":0,"source":"mqtt","output":true,"apower":0.0}', '{"id":0,"output":false}'),
    "zigbee2mqtt": ('{"state":"ON","linkquality":120}', '{"state":"OFF"}'),
    "zwave_js": ('{"time":1700000000,"value":true}', '{"time":1700000001,"value":false}'),
    "esphome": ("ON", "OFF"),
    "homeassistant_statestream": ("on", "off"),
}


async def spoken(bridge: Running, preset: str, plug: Plug) -> None:
    assert await switch(bridge, "on", preset) == "on"
    assert plug.is_on, preset
    assert await switch(bridge, "toggle", preset) == "off"
    assert not plug.is_on, preset


async def test_each_preset_speaks_its_vendor_s_topics(start: Start, broker: Mosquitto) -> None:
    plugs, settings = {}, {}
    async with contextlib.AsyncExitStack() as stack:
        for preset, told in VENDORS.items():
            table, name = MQTT_PRESETS[preset], f"{preset}-plug"
            names = {"device": name, "output": table.output}
            commands = (table.command_topic or f"{name}/command").format(**names)
            settings[preset] = {"type": "mqtt", "preset": preset, "device": name}
            if table.command_topic is None:
                settings[preset]["command_topic"] = commands
            state = table.state_topic.format(**names)
            plug = plugged(broker.port, commands, state, table.on_payload, table.off_payload, told)
            plugs[preset] = await stack.enter_async_context(plug)
        bridge = await start(power=settings, wait=False)
        await until(lambda: bridge.bridge.mqtt.up)
        await asyncio.gather(*(spoken(bridge, preset, plug) for preset, plug in plugs.items()))


def test_every_preset_is_tried() -> None:
    assert VENDORS.keys() == MQTT_PRESETS.keys() - {"generic"}


async def test_a_plug_switched_by_hand_shows_at_once(start: Start, broker: Mosquitto, mqtt: Ear) -> None:
    async with await tasmota(broker.port, "hand") as plug:
        bridge = await start(
            power={"plug": {"type": "mqtt", "preset": "tasmota", "device": "hand"}}, wait=False
        )
        topic = bridge.topics.power("plug")
        first = await mqtt.message(topic, where=lambda m: m.json["state"] == "off")
        await plug.by_hand()
        then = await mqtt.message(topic, where=lambda m: m.json["state"] == "on", patience=2)
        assert then.json == {"state": "on", "locked": False, "reason": None}
        event = await mqtt.message(
            bridge.topics.event("power_changed"), where=lambda m: m.json["data"]["status"] == "on"
        )
        assert event.json["data"] == {
            "device": "plug",
            "status": "on",
            "locked_while_printing": False,
            "type": "mqtt",
        }
        assert first.json["reason"] is None


async def test_what_a_topic_says_publishes_no_secret(start: Start, broker: Mosquitto, mqtt: Ear) -> None:
    async with await tasmota(broker.port, "tell") as plug:
        bridge = await start(
            power={"plug": {"type": "mqtt", "preset": "tasmota", "device": "tell"}},
            mqtt={"username": Secret("S3cret-User")},
            http={"api_key": "S3cret-Key"},
            wait=False,
        )
        topic = bridge.topics.power("plug")
        await mqtt.message(topic, where=lambda m: m.json["state"] == "off")
        await plug.voice.say(plug.state, "S3cret-User, 23456789 123456789 123456789 123456789 S3cret-Key")
        told = await mqtt.message(topic, where=lambda m: m.json["state"] == "error")
    said = "***, 23456789 123456789 123456789 123456789 ***"
    assert told.json["reason"] == f"it says '{said}', which is neither on nor off"


async def test_a_plug_that_does_not_obey_is_in_error_with_the_reason_and_recovers(
    start: Start, broker: Mosquitto, mqtt: Ear
) -> None:
    async with await tasmota(broker.port, "deaf") as plug:
        options = {"type": "mqtt", "preset": "tasmota", "device": "deaf", "state_timeout": 0.2}
        bridge = await start(power={"plug": options}, wait=False)
        await mqtt.message(bridge.topics.power("plug"), where=lambda m: m.json["state"] == "off")
        plug.obeys = False
        with pytest.raises(
            Refused, match=r"'plug' was not switched: it did not say 'on' on stat/deaf/POWER within 0.2 s"
        ) as caught:
            await switch(bridge, "on")
        assert caught.value.code == 502
        told = await mqtt.message(bridge.topics.power("plug"), where=lambda m: m.json["state"] == "error")
        assert "did not say" in told.json["reason"]
        assert await power(bridge) == "error"
        plug.obeys = True
        assert await switch(bridge, "on") == "on"


@pytest.mark.torture
async def test_a_plug_that_is_not_on_the_network_hurts_nobody(
    start: Start, broker: Mosquitto, mqtt: Ear, caplog
) -> None:
    async with await tasmota(broker.port, "here"):
        options = {"type": "mqtt", "preset": "tasmota", "state_timeout": 0.1}
        bridge = await start(
            power={"gone": {**options, "device": "gone"}, "here": {**options, "device": "here"}}, wait=False
        )
        await mqtt.message(bridge.topics.power("gone"), where=lambda m: m.json["state"] == "error")
        assert await switch(bridge, "on", "here") == "on"
        said = [
            r for r in caplog.records if r.levelname == "WARNING" and "power device gone" in r.getMessage()
        ]
        assert len(said) == 1
        answer = await call(bridge, "machine.device_power.on", gone=None, here=None, nobody=None)
        assert answer == {"gone": "error", "here": "on", "nobody": "device_not_found"}


async def test_the_broker_s_loss_makes_the_state_unknown_and_its_return_known(
    start: Start, tmp_path, mqtt: Ear
) -> None:
    own = Mosquitto(tmp_path).start()
    try:
        bridge = await start(
            mqtt={"port": own.port},
            power={
                "plug": {
                    "type": "mqtt",
                    "command_topic": "p/set",
                    "state_topic": "p/state",
                    "state_template": "{{ value_json.s }}",
                }
            },
            wait=False,
        )
        await until(lambda: bridge.bridge.mqtt.up)
        async with ear(own.port) as voice:
            await voice.say("p/state", json.dumps({"s": "on"}))
            device = bridge.bridge.surroundings.rack.get("plug")
            await until(lambda: device.state == "on")
        own.kill()
        await until(lambda: device.state == "init")
    finally:
        own.kill()


async def test_the_retained_state_is_known_before_anything_was_asked(
    start: Start, broker: Mosquitto, mqtt: Ear
) -> None:
    await mqtt.say("retained/state", "ON", retain=True)
    bridge = await start(
        power={"plug": {"type": "mqtt", "command_topic": "retained/set", "state_topic": "retained/state"}},
        wait=False,
    )
    await mqtt.message(bridge.topics.power("plug"), where=lambda m: m.json["state"] == "on")
    await mqtt.say("retained/state", "", retain=True)


async def test_a_plug_that_tells_nothing_is_what_it_was_told(
    start: Start, broker: Mosquitto, mqtt: Ear
) -> None:
    bridge = await start(power={"plug": {"type": "mqtt", "command_topic": "mute/set"}}, wait=False)
    await until(lambda: bridge.bridge.mqtt.up)
    assert await power(bridge) == "init"
    assert await switch(bridge, "on") == "on"
    assert (await mqtt.message("mute/set")).payload == b"ON"


async def test_what_is_neither_on_nor_off_is_an_error(start: Start, broker: Mosquitto, mqtt: Ear) -> None:
    bridge = await start(
        power={"plug": {"type": "mqtt", "command_topic": "odd/set", "state_topic": "odd/state"}}, wait=False
    )
    await until(lambda: bridge.bridge.mqtt.up)
    await mqtt.say("odd/state", "banana")
    told = await mqtt.message(bridge.topics.power("plug"), where=lambda m: m.json["state"] == "error")
    assert told.json["reason"] == "it says 'banana', which is neither on nor off"


async def test_an_odd_state_that_comes_again_and_again_is_told_once(
    start: Start, broker: Mosquitto, mqtt: Ear, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="bridge.power.device")
    bridge = await start(
        power={"plug": {"type": "mqtt", "command_topic": "odd/set", "state_topic": "odd/state"}}, wait=False
    )
    await until(lambda: bridge.bridge.mqtt.up)
    device, states = bridge.bridge.surroundings.rack.get("plug"), []
    device.changed.connect(lambda one: states.append(one.state))
    device._backoff.first = device._backoff.last = 0.01
    link: Any = device._link
    for _ in range(3):
        link._heard.clear()
        await mqtt.say("odd/state", "banana")
        await until(lambda: link._heard.is_set() and link._complaint is None)  # it was dealt with
    assert states == ["error"]
    assert [one.getMessage() for one in caplog.records if "device plug" in one.getMessage()] == [
        "the power device plug: it says 'banana', which is neither on nor off"
    ]
    await mqtt.say("odd/state", "ON")
    await until(lambda: device.state == "on")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"type": "mqtt"}, "power.plug.command_topic: missing; without it nothing can be switched"),
        ({"type": "mqtt", "preset": "tasmota"}, "power.plug.device: missing; tasmota needs the plug's name"),
        (
            {"type": "mqtt", "command_topic": "a/#"},
            "power.plug.command_topic: 'a/#' is no topic; wildcards are not taken here",
        ),
        (
            {"type": "mqtt", "command_topic": "a", "state_template": "{{ x"},
            "power.plug.state_template: not a template: ",
        ),
        (
            {"type": "mqtt", "command_topic": "a", "state_template": "{% for i in x %}{% endfor %}"},
            "power.plug.state_template: loops, macros and imports are not taken here",
        ),
    ],
)
async def test_a_mistake_in_the_configuration_names_its_path(
    options: dict, message: str, start: Start
) -> None:
    with pytest.raises(ConfigError) as caught:
        await start(power={"plug": options})
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"type": "mqt"},
            "power.plug.type: expected mqtt or http or klipper_device or gpio or tplink or serial, got 'mqt'",
        ),
        (
            {"type": "mqtt", "comand_topic": "x"},
            "power.plug.comand_topic: unknown option; did you mean `command_topic`?",
        ),
        (
            {"type": "mqtt", "on_payload": True},
            "power.plug.on_payload: expected str, got True; put it in quotes",
        ),
        (
            {"type": "mqtt", "initial_state": True},
            "power.plug.initial_state: expected on or off, got True; put it in quotes",
        ),
        ({"type": "gpio"}, "power.plug.pin: missing"),
        (None, "power.plug: expected object, got nothing"),
    ],
)
def test_a_mistake_below_a_name_of_the_user_s_own_is_told_with_that_name(options: dict, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        convert({"power": {"plug": options}}, "bridge.yaml")
    assert str(caught.value) == f"bridge.yaml: {message}"
