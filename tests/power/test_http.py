"""Plugs and hubs by HTTP: each vendor's answers, logins and failures."""

import asyncio
import contextlib
from typing import Any
from urllib.parse import quote, quote_plus

import aiohttp
import pytest
from aiohttp import web

from bridge.config import Discretion, convert
from bridge.config.yaml_file import Secret
from bridge.errors import ConfigError
from bridge.outgoing import Outgoing, reason_of
from bridge.power.http import HttpPlug
from bridge.power.http_presets import HTTP_PRESETS
from tests.conftest import Running, Start
from tests.power import vendors
from tests.power.calls import Refused, power, switch
from tests.power.vendors import PASSWORD, TOKEN, USER, Vendor, vendor
from tests.wire import HOST, Ear, until

ANSWERS = {
    "tasmota": vendors.tasmota,
    "shelly_gen1": vendors.shelly_gen1,
    "shelly_gen2": vendors.shelly_gen2,
    "homeassistant": vendors.homeassistant,
    "homeseer": vendors.homeseer,
    "loxone": vendors.loxone,
    "domoticz": vendors.domoticz,
    "hue": vendors.hue,
    "hue_group": vendors.hue,
    "smartthings": vendors.smartthings,
}


def settings(plug: Vendor, preset: str, **more: object) -> dict[str, object]:
    return {
        "type": "http",
        "preset": preset,
        "address": f"127.0.0.1:{plug.port}",
        "device": "switch.plug",
        "username": USER,
        "password": PASSWORD,
        "token": TOKEN,
        "poll": 0.1,
        **more,
    }


async def understood(bridge: Running, preset: str, plug: Vendor) -> None:
    device = bridge.bridge.surroundings.rack.get(preset)
    await until(lambda: device.state == "off")
    assert await switch(bridge, "on", preset) == "on"
    assert plug.is_on, preset
    plug.is_on = False  # by hand
    await until(lambda: device.state == "off")
    plug.is_on = True
    await until(lambda: device.state == "on")
    assert await switch(bridge, "toggle", preset) == "off"


async def test_each_preset_understands_its_vendor(start: Start) -> None:
    async with contextlib.AsyncExitStack() as stack:
        plugs = {
            preset: await stack.enter_async_context(vendor(answer)) for preset, answer in ANSWERS.items()
        }
        bridge = await start(
            power={preset: settings(plug, preset) for preset, plug in plugs.items()}, wait=False
        )
        await asyncio.gather(*(understood(bridge, preset, plug) for preset, plug in plugs.items()))


def test_every_preset_is_tried() -> None:
    assert ANSWERS.keys() == HTTP_PRESETS.keys()


# preset -> where it is asked for its state with `output: "2"`, and where with nothing said but what it needs
ADDRESSES = {
    "tasmota": ("http://h/cm?cmnd=Power2", "http://h/cm?cmnd=Power"),
    "shelly_gen1": ("http://h/relay/2", "http://h/relay/0"),
    "shelly_gen2": ("http://h/rpc/Switch.GetStatus?id=2", "http://h/rpc/Switch.GetStatus?id=0"),
    "homeassistant": ("http://h:8123/api/states/d%201", "http://h:8123/api/states/d%201"),
    "homeseer": ("http://h/JSON?request=getstatus&ref=d%201",) * 2,
    "loxone": ("http://h/jdev/sps/io/d%201",) * 2,
    "domoticz": ("http://h:8080/json.htm?type=command&param=getdevices&rid=d%201",) * 2,
    "hue": ("http://h/api/t/lights/d%201",) * 2,
    "hue_group": ("http://h/api/t/groups/d%201",) * 2,
    "smartthings": ("http://h/v1/devices/d%201/components/main/capabilities/switch/status",) * 2,
}


def asked_at(preset: str, **options: str) -> str:
    plug = {"type": "http", "preset": preset, "address": "h", "device": "d 1", "token": "t", **options}
    (made,) = convert({"power": {"plug": plug}}, "x").power.values()
    return HttpPlug(Outgoing(), made, "power.plug", str)._status.url


@pytest.mark.parametrize("preset", HTTP_PRESETS)
def test_each_preset_has_its_vendor_s_port_and_counts_its_relays(preset: str) -> None:
    assert (asked_at(preset, output="2"), asked_at(preset)) == ADDRESSES[preset]
    assert asked_at(preset, address="h:81").startswith("http://h:81/")
    assert asked_at(preset, address="https://h").startswith("https://h")


async def test_one_relay_of_several_is_switched(start: Start) -> None:
    async with vendor(vendors.tasmota) as plug:
        bridge = await start(power={"plug": settings(plug, "tasmota", output="2", poll=60)}, wait=False)
        assert await switch(bridge, "on") == "on"
    assert any(one.startswith("GET /cm?cmnd=Power2%20on&user=") for one in plug.asked)


async def test_any_other_plug_is_spoken_to_by_its_own_addresses(start: Start) -> None:
    async with vendor(vendors.generic) as plug:
        url = f"http://127.0.0.1:{plug.port}/relay"
        own = {
            "type": "http",
            "on_url": url,
            "off_url": url,
            "status_url": url,
            "method": "POST",
            "on_body": "an",
            "off_body": "aus",
            "headers": {"X-Key": TOKEN},
            "state_template": "{{ value_json.relay.mode }}",
            "state_on": "an",
            "state_off": "aus",
        }
        bridge = await start(power={"plug": own}, wait=False)
        assert await switch(bridge, "on") == "on"
        assert await switch(bridge, "off") == "off"
        assert "POST /relay" in plug.asked


async def test_a_wrong_password_is_an_error_that_says_so_once(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    async with vendor(vendors.shelly_gen1) as plug:
        bridge = await start(power={"plug": settings(plug, "shelly_gen1", password="wrong")}, wait=False)
        device = bridge.bridge.surroundings.rack.get("plug")
        await until(lambda: device.state == "error")
        assert device.reason == "127.0.0.1 answers 401 Unauthorized"
        with pytest.raises(Refused, match=r"127\.0\.0\.1 answers 401"):
            await switch(bridge, "on")
        said = [r for r in caplog.records if "power device plug" in r.getMessage()]
        assert len(said) == 1
        assert PASSWORD not in caplog.text


SECRETS = {one for text in (PASSWORD, TOKEN, "s3cret-query") for one in (text, quote(text), quote_plus(text))}


def every_kind(port: int, **more: object) -> dict[str, dict[str, object]]:
    """A plug of each make at one address, and one of its own, whose secret is in its addresses."""
    own = f"http://me:{TOKEN}@127.0.0.1:{port}/relay?pwd=s3cret-query"
    plug = Vendor(vendors.generic)
    plug.port = port
    plugs = {preset: settings(plug, preset, poll=30, **more) for preset in HTTP_PRESETS}
    generic = {"type": "http", "on_url": own, "off_url": own, "status_url": own, "poll": 30, **more}
    return {**plugs, "generic": generic}


async def in_error(bridge: Running, mqtt: Ear) -> str:
    """All that is told of devices none of which can be understood."""
    told = []
    for name, device in bridge.bridge.surroundings.rack.devices.items():
        message = await mqtt.message(bridge.topics.power(name), where=lambda m: m.json["state"] == "error")
        with pytest.raises(Refused) as caught:
            await switch(bridge, "on", name)
        told += [message.payload.decode(), str(caught.value), device.reason or ""]
    return "\n".join(told)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (vendors.repeating, "it says 'No such page"),
        (vendors.circling, "127.0.0.1 cannot be reached: it sends us from one address to the next"),
        (None, "127.0.0.1 cannot be reached: its answer is no HTTP"),
    ],
)
async def test_what_a_plug_answers_publishes_no_secret(
    answer: Any, reason: str, start: Start, mqtt: Ear, caplog: pytest.LogCaptureFixture
) -> None:
    async with vendor(answer) if answer else vendors.garbling() as found:
        port = found if isinstance(found, int) else found.port
        more = {"state_template": "{{ value }}"} if answer is vendors.repeating else {}
        bridge = await start(power=every_kind(port, **more), wait=False)
        told = await in_error(bridge, mqtt)
    said = "\n".join(r.getMessage() for r in caplog.records)  # before the log masks what it knows
    assert reason in told
    assert [secret for secret in SECRETS if secret in told + said] == []


async def test_the_whole_configuration_s_secrets_are_hidden_before_a_page_is_cut(start: Start) -> None:
    secret = "Wh0le-Conf/Secret-" * 2
    page = "no such page: 23456789 123456789 " + secret

    def telling(*_: object) -> None:
        raise web.HTTPOk(text=page)

    async with vendor(telling) as found:
        url = f"http://127.0.0.1:{found.port}/"
        plug = {"type": "http", "on_url": url, "off_url": url, "status_url": url, "poll": 30}
        bridge = await start(power={"plug": plug}, mqtt={"username": Secret(secret)}, wait=False)
        device = bridge.bridge.surroundings.rack.get("plug")
        await until(lambda: device.reason)
    assert device.reason == "it says 'no such page: 23456789 123456789 ***', which is neither on nor off"


async def test_an_answer_that_breaks_off_is_told_so(start: Start) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        writer.close()

    async with await asyncio.start_server(serve, HOST, 0) as server:
        address = f"{HOST}:{server.sockets[0].getsockname()[1]}"
        plug = {"type": "http", "preset": "tasmota", "address": address, "poll": 30}
        bridge = await start(power={"plug": plug}, wait=False)
        device = bridge.bridge.surroundings.rack.get("plug")
        await until(lambda: device.reason)
    assert device.reason == f"{HOST} cannot be reached: it broke off"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (aiohttp.ConnectionTimeoutError("http://me:s3cret@h"), "it does not answer"),
        (aiohttp.ClientPayloadError("s3cret"), "it broke off"),
        (ValueError("s3cret in a header"), "what it is asked holds a character that cannot be sent"),
        (aiohttp.InvalidURL("http://s3cret:x"), "its address is none"),
        (aiohttp.ClientConnectionResetError("s3cret"), "it hung up"),
        (ConnectionRefusedError(111, "s3cret"), "Connection refused"),
    ],
)
def test_each_failure_has_its_words(error: Exception, words: str) -> None:
    assert reason_of(error) == words


@pytest.mark.torture
async def test_a_plug_that_fails_for_a_while_is_well_again_by_itself(start: Start, mqtt: Ear) -> None:
    async with vendor(vendors.shelly_gen1) as plug:
        plug.broken = True
        bridge = await start(power={"plug": settings(plug, "shelly_gen1")}, wait=False)
        await mqtt.message(bridge.topics.power("plug"), where=lambda m: m.json["state"] == "error")
        plug.broken = False
        await mqtt.message(bridge.topics.power("plug"), where=lambda m: m.json["state"] == "off")
        assert await power(bridge) == "off"


async def test_a_plug_that_is_not_there_keeps_nobody_from_starting(start: Start) -> None:
    bridge = await start(
        power={"plug": {"type": "http", "preset": "tasmota", "address": "127.0.0.1:1"}}, wait=False
    )
    device = bridge.bridge.surroundings.rack.get("plug")
    await until(lambda: device.state == "error")
    assert device.reason is not None
    assert device.reason.startswith("127.0.0.1 cannot be reached")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "power.plug.on_url: missing; or name a preset"),
        (
            {"on_url": "x", "off_url": "x", "status_url": "x"},
            "power.plug.on_url: expected an address that begins with http",
        ),
        (
            {"on_url": "http://a/", "off_url": "http://[::1", "status_url": "http://a/"},
            "power.plug.off_url: expected an address that begins with http",
        ),
        ({"preset": "tasmota"}, "power.plug.address: missing; name the host of the plug or hub"),
        ({"preset": "hue", "address": "a", "device": "3"}, "power.plug.token: missing; hue needs it"),
        (
            {"preset": "tasmota", "address": "http://a/b"},
            "power.plug.address: expected host, host:port or http://host:port alone",
        ),
        ({"preset": "tasmota", "address": "a:b"}, "power.plug.address: Port could not be cast"),
    ],
)
async def test_a_mistake_in_the_configuration_names_its_path(
    options: dict, message: str, start: Start
) -> None:
    with pytest.raises(ConfigError) as caught:
        await start(power={"plug": {"type": "http", **options}})
    assert str(caught.value).startswith(message)


def test_passwords_and_tokens_are_masked_where_the_configuration_is_shown() -> None:
    plug = {
        "type": "http",
        "preset": "hue",
        "password": "geheim",
        "token": "geheim",
        "headers": {"Authorization": "geheim"},
    }
    config = convert({"power": {"plug": plug}}, "x")
    assert "geheim" not in str(Discretion(config).plain(config))
