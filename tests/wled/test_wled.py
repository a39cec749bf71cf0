"""Light strips over HTTP and over a serial cable: from web UIs, macros and Home Assistant."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bridge.errors import ConfigError
from bridge.klippy.simulator import Simulator
from bridge.klippy.simulator.printer import RemoteCall
from tests.conftest import Running, Start
from tests.power.calls import Refused, availability, call, entities, fetch
from tests.stand_ins import cable
from tests.wire import Ear, until
from tests.wled.stand_in import HttpWled, SerialWled, Wled, http_wled

STATUS = {
    "strip": "lights", "status": "off", "chain_count": 5, "preset": -1, "brightness": 128,
    "intensity": 128, "speed": 128, "error": None,
}  # fmt: skip


@pytest.fixture
async def strip() -> AsyncIterator[HttpWled]:
    async with http_wled() as one:
        yield one


def settings(one: HttpWled, **more: Any) -> dict[str, Any]:
    return {"lights": {"type": "http", "address": one.address, "chain_count": 5, "poll": 0.1, **more}}


async def known(bridge: Running, status: str = "off") -> Running:
    strip = bridge.bridge.companions.strips.get("lights")
    wanted = {"on": True, "off": False}
    await until(lambda: strip.state is not None and strip.error is None and strip.state.on is wanted[status])
    return bridge


async def set_strip(bridge: Running, action: str, **how: Any) -> dict[str, Any]:
    params = {"strip": "lights", "action": action, **how}
    status, answer = await fetch(bridge, "POST", "/machine/wled/strip", params=params)
    if status != 200:
        raise Refused(answer["error"])
    return answer["result"]["lights"]


async def test_strips_are_listed_switched_and_followed(start: Start, strip: HttpWled) -> None:
    bridge = await known(await start(wled=settings(strip), wait=False))
    assert "wled" in (await call(bridge, "server.info"))["components"]
    assert await call(bridge, "machine.wled.strips") == {"strips": {"lights": STATUS}}
    status, answer = await fetch(bridge, "GET", "/machine/wled/strip?strip=lights")
    assert (status, answer["result"]) == (200, {"lights": STATUS})
    status, answer = await fetch(bridge, "GET", "/machine/wled/status?lights&nobody")
    assert answer["result"] == {"lights": STATUS, "nobody": {"error": "strip_not_found"}}
    for method, expected in (("on", "on"), ("toggle", "off"), ("toggle", "on"), ("off", "off")):
        answer = await call(bridge, f"machine.wled.{method}", lights=None)
        assert answer["lights"]["status"] == expected
        assert strip.state["on"] is (expected == "on")
    strip.state["on"] = True  # by its app
    await known(bridge, "on")


async def test_a_strip_shines_as_it_is_told(start: Start, strip: HttpWled) -> None:
    bridge = await known(await start(wled=settings(strip), wait=False))
    one = await set_strip(bridge, "on", preset=3)
    assert (one["status"], one["preset"]) == ("on", 3)
    one = await set_strip(bridge, "control", brightness=50, intensity=7, speed=9, color="0A0B0C")
    assert (one["brightness"], one["intensity"], one["speed"], one["status"]) == (50, 7, 9, "on")
    assert strip.messages[-1] == {
        "bri": 50, "seg": {"ix": 7, "sx": 9, "col": [[10, 11, 12]], "fx": 0}, "v": True,
    }  # fmt: skip
    before = len(strip.messages)
    for action, how in (
        ("control", {}),
        ("explode", {}),
        ("on", {"brightness": 256}),
        ("on", {"color": "red"}),
        ("on", {"preset": 999}),
    ):
        with pytest.raises(Refused):
            await set_strip(bridge, action, **how)
    with pytest.raises(Refused, match="Missing argument"):
        await call(bridge, "machine.wled.on")
    assert len(strip.messages) == before


async def test_a_strip_that_is_lost_is_an_error_and_comes_back(
    start: Start, strip: HttpWled, mqtt: Ear
) -> None:
    bridge = await known(await start(wled=settings(strip, timeout=0.2), wait=False))
    strip.hangs = True
    with pytest.raises(Refused, match=r"no answer from 127\.0\.0\.1") as refused:
        await set_strip(bridge, "on")
    assert refused.value.code == 504
    await until(lambda: bridge.bridge.companions.strips.get("lights").error)
    one = (await call(bridge, "machine.wled.on", lights=None))["lights"]
    assert (one["status"], one["error"]) == ("error", "no answer from 127.0.0.1 within 0.2 s")
    await mqtt.message(
        bridge.topics.control_state("wled_lights"), where=lambda m: m.json["state"] is None and not m.retain
    )
    strip.hangs = False
    await known(bridge)


@pytest.mark.parametrize("answer", [b'{"on": true, "name": "\xff"}', b'{"on": ' + b"[" * 100_000])
async def test_a_strip_that_answers_nonsense_hurts_nobody(
    start: Start, strip: HttpWled, answer: bytes
) -> None:
    bridge = await known(await start(wled=settings(strip), wait=False))
    strip.raw = answer
    await until(lambda: bridge.bridge.companions.strips.get("lights").error)
    one = (await call(bridge, "machine.wled.strips"))["strips"]["lights"]
    assert (one["status"], one["error"]) == ("error", "127.0.0.1 does not answer as WLED does")
    strip.raw = b""
    await known(bridge)


async def test_home_assistant_gets_a_light_that_works_while_klippy_is_down(
    start: Start, strip: HttpWled, mqtt: Ear
) -> None:
    bridge = await start(wled=settings(strip, color_order="RGBW"), wait=False)
    light = (await entities(bridge, mqtt, "lights"))["lights"]
    assert (light["platform"], light["supported_color_modes"]) == ("light", ["rgbw"])
    assert availability(light) == [bridge.topics.status]
    await mqtt.message(light["state_topic"], where=lambda m: m.json["state"] == "OFF")
    wish = {"state": "ON", "brightness": 77, "color": {"r": 1, "g": 2, "b": 3, "w": 4}}
    await mqtt.say(light["command_topic"], wish)
    told = await mqtt.message(light["state_topic"], where=lambda m: m.json["state"] == "ON")
    assert told.json == {
        "state": "ON", "brightness": 77, "color_mode": "rgbw", "color": {"r": 1, "g": 2, "b": 3, "w": 4},
    }  # fmt: skip
    assert strip.state["seg"][0]["col"][0] == [1, 2, 3, 4]
    await mqtt.say(light["command_topic"], "OFF")
    await until(lambda: strip.state["on"] is False)


async def test_macros_set_states_and_single_lights(
    klippy: Simulator, start: Start, strip: HttpWled, caplog: pytest.LogCaptureFixture
) -> None:
    await known(await start(wled=settings(strip)))

    def macro(method: str, **params: Any) -> None:
        klippy.printer.called.emit(RemoteCall(method, {"strip": "lights", **params}))

    macro("set_wled_state", state="on", brightness=200, preset=2)
    await until(lambda: strip.state["bri"] == 200)
    assert (strip.state["on"], strip.state["ps"]) == (True, 2)
    macro("set_wled_state", speed=5)
    await until(lambda: strip.state["seg"][0]["sx"] == 5)
    macro("set_wled", red=1, green=0.5, index=1, transmit=0)
    macro("set_wled", blue=1.0, index=5, transmit=1)
    await until(lambda: strip.messages[-1].get("seg", {}).get("i"))
    assert strip.messages[-1]["seg"]["i"] == [0, "FF8000", 4, "0000FF"]
    macro("set_wled", red=0.2)
    await until(lambda: strip.state["seg"][0]["col"] == [[51, 0, 0]])
    count = len(strip.messages)
    macro("set_wled", red=2)
    macro("set_wled", red=1, index=6)
    macro("set_wled_state", state="maybe")
    macro("set_wled_state", brightness="bright")
    await until(lambda: caplog.text.count("was not understood") == 4)
    assert len(strip.messages) == count


async def test_what_a_strip_is_at_the_start_is_an_option(start: Start, strip: HttpWled) -> None:
    options = {"initial_state": "on", "initial_brightness": 40, "initial_color": "102030"}
    await known(await start(wled=settings(strip, **options), wait=False), "on")
    assert (strip.state["bri"], strip.state["seg"][0]["col"]) == (40, [[16, 32, 48]])
    assert len(strip.messages) == 1


async def test_a_strip_begins_with_its_preset(start: Start, strip: HttpWled) -> None:
    await known(await start(wled=settings(strip, initial_state="on", initial_preset=4), wait=False), "on")
    assert strip.messages == [{"on": True, "ps": 4, "v": True}]


async def test_a_strip_that_showed_a_preset_shows_it_again(start: Start, strip: HttpWled, mqtt: Ear) -> None:
    bridge = await known(await start(wled=settings(strip, restore=True), wait=False))
    await set_strip(bridge, "on", preset=7)
    lights = bridge.bridge.companions.strips.get("lights")
    await until(lambda: lights.kept is not None and lights.kept.preset == 7)
    await bridge.end()
    strip.state |= {"on": False, "ps": -1}  # it had no power
    strip.messages.clear()
    await known(await start(wled=settings(strip, restore=True), wait=False, instance="again"), "on")
    assert strip.messages == [{"on": True, "bri": 128, "ps": 7, "v": True}]  # and not its colour alone


async def test_a_strip_is_what_it_was_when_that_is_wanted(start: Start, strip: HttpWled, mqtt: Ear) -> None:
    bridge = await known(await start(wled=settings(strip, restore=True), wait=False))
    await set_strip(bridge, "on", brightness=99, color="010203")
    await bridge.end()
    strip.state |= {"on": False, "bri": 1}  # it had no power
    await known(await start(wled=settings(strip, restore=True), wait=False, instance="again"), "on")
    assert (strip.state["bri"], strip.state["seg"][0]["col"]) == (99, [[1, 2, 3]])


async def test_a_database_that_takes_nothing_hurts_nobody(
    start: Start, strip: HttpWled, caplog: pytest.LogCaptureFixture
) -> None:
    bridge = await known(await start(wled=settings(strip, restore=True), wait=False))
    store, one = bridge.bridge.store, bridge.bridge.companions.strips.get("lights")
    await until(lambda: one.kept)
    await store.read(lambda db: db.rows.connection.execute("PRAGMA query_only = 1").fetchall())
    await set_strip(bridge, "on", brightness=99)
    await until(lambda: "the state of 'lights' is not remembered" in caplog.text)
    assert (await set_strip(bridge, "on", brightness=98))["brightness"] == 98
    await store.read(lambda db: db.rows.connection.execute("PRAGMA query_only = 0").fetchall())
    await set_strip(bridge, "on", brightness=97)
    await until(lambda: one.kept.brightness == 97)


async def switched(bridge: Running, one: Wled) -> None:
    assert (await set_strip(bridge, "on", brightness=11))["brightness"] == 11
    assert (one.state["on"], one.state["bri"]) == (True, 11)


async def test_a_strip_on_a_serial_cable(start: Start) -> None:
    async with cable(SerialWled()) as one:
        options = {"type": "serial", "port": one.port, "poll": 0.1, "timeout": 0.3}
        bridge = await known(await start(wled={"lights": options}, wait=False))
        await switched(bridge, one)
        one.state["on"] = False
        await known(bridge)
        one.silent = True
        with pytest.raises(Refused, match="no answer on") as refused:
            await set_strip(bridge, "on")
        assert refused.value.code == 504
        one.fall_silent()
        one.unplug()
        await until(lambda: bridge.bridge.companions.strips.get("lights").error)
        assert (await call(bridge, "server.info"))["components"]


async def test_an_answer_that_comes_late_is_not_taken_for_the_next(start: Start) -> None:
    async with cable(SerialWled()) as one:
        settings = {"type": "serial", "port": one.port, "poll": 60, "timeout": 0.2}
        bridge = await known(await start(wled={"lights": settings}, wait=False))
        one.silent = True
        with pytest.raises(Refused, match="no answer on"):
            await set_strip(bridge, "off")
        one.say(json.dumps({"state": one.state}).encode() + b"\r\n")
        link: Any = bridge.bridge.companions.strips.get("lights")._link
        await until(lambda: link._port[0]._buffer)  # it has come
        one.silent = False
        assert (await set_strip(bridge, "on"))["status"] == "on"


async def test_a_port_that_is_not_there_keeps_nobody_from_starting(start: Start, mqtt: Ear) -> None:
    bridge = await start(wled={"lights": {"type": "serial", "port": "/dev/ttyNothing"}}, wait=False)
    await until(lambda: bridge.bridge.companions.strips.get("lights").error)
    shown = await mqtt.message(bridge.topics.control_state("wled_lights"))
    assert shown.json == {
        "state": None,
        "brightness": None,
    }  # a colour that is null makes Home Assistant warn
    with pytest.raises(Refused, match="/dev/ttyNothing is not open"):
        await set_strip(bridge, "on")


async def test_an_address_with_a_path_is_a_mistake_in_the_configuration(start: Start) -> None:
    with pytest.raises(ConfigError, match=r"wled\.lights\.address: expected host"):
        await start(wled={"lights": {"type": "http", "address": "http://wled/json"}})
