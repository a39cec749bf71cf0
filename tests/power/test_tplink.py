"""A Kasa plug that speaks the vendor's protocol: JSON behind a running XOR, over TCP."""

import asyncio
import contextlib
import json
import struct
from collections.abc import AsyncIterator
from typing import Any

import kasa
import pytest

from bridge.config.yaml_file import Secret
from tests.conftest import Start
from tests.power.calls import switch
from tests.wire import HOST, until

KEY = 171


def encrypted(text: str) -> bytes:
    key, out = KEY, bytearray()
    for byte in text.encode():
        key ^= byte
        out.append(key)
    return struct.pack(">I", len(out)) + bytes(out)


def decrypted(body: bytes) -> str:
    key, out = KEY, bytearray()
    for byte in body:
        out.append(key ^ byte)
        key = byte
    return out.decode()


class Plug:
    """An HS100 with its own answers."""

    def __init__(self) -> None:
        self.is_on = False
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                (size,) = struct.unpack(">I", await reader.readexactly(4))
                asked = json.loads(decrypted(await reader.readexactly(size)))
                writer.write(encrypted(json.dumps(self.answer(asked))))
                await writer.drain()
        writer.close()

    def answer(self, asked: dict) -> dict:
        asked = dict(asked)
        asked.pop("context", None)
        return {
            name: {call: self.one(call, params) for call, params in calls.items()}
            for name, calls in asked.items()
        }

    def one(self, call: str, params: dict) -> dict:
        if call == "set_relay_state":
            self.is_on = bool(params["state"])
            return {"err_code": 0}
        if call == "get_sysinfo":
            return {
                "sw_ver": "1.2.5 Build 171213 Rel.101014",
                "hw_ver": "1.0",
                "type": "IOT.SMARTPLUGSWITCH",
                "model": "HS100(EU)",
                "mac": "50:C7:BF:00:00:01",
                "deviceId": "8006000000000000000000000000000000000001",
                "hwId": "22603EA5E716DEAEA6642A30BE87AFCA",
                "oemId": "812A90EB2FCF306A993FAD8748024B07",
                "alias": "Printer",
                "relay_state": int(self.is_on),
                "on_time": 0,
                "feature": "TIM",
                "rssi": -50,
                "led_off": 0,
                "err_code": 0,
            }
        if call == "get_time":
            return {"year": 2026, "month": 5, "mday": 1, "hour": 20, "min": 15, "sec": 0, "err_code": 0}
        if call == "get_timezone":
            return {"index": 39, "err_code": 0}
        return {"err_code": -1, "err_msg": "module not support"}


@contextlib.asynccontextmanager
async def plugged(one: Plug) -> AsyncIterator[Any]:
    server = await asyncio.start_server(one.serve, HOST, 0)
    one.port = server.sockets[0].getsockname()[1]
    try:
        yield one
    finally:
        server.close()


async def test_a_plug_is_switched_and_followed(start: Start) -> None:
    async with plugged(Plug()) as plug:
        bridge = await start(
            power={"plug": {"type": "tplink", "address": HOST, "port": plug.port, "poll": 0.1}}, wait=False
        )
        device = bridge.bridge.surroundings.rack.get("plug")
        await until(lambda: device.state == "off")
        assert await switch(bridge, "on") == "on"
        assert plug.is_on
        plug.is_on = False  # by hand
        await until(lambda: device.state == "off")


async def test_a_plug_that_is_not_there_keeps_nobody_from_starting(start: Start) -> None:
    bridge = await start(
        power={"plug": {"type": "tplink", "address": HOST, "port": 1, "timeout": 1}}, wait=False
    )
    device = bridge.bridge.surroundings.rack.get("plug")
    await until(lambda: device.state == "error")
    assert HOST in (device.reason or "")


class Strip(Plug):
    """An HS300 with two sockets, which it calls its children."""

    def __init__(self) -> None:
        super().__init__()
        self.sockets = {"00": False, "01": False}

    def answer(self, asked: dict) -> dict:
        self.addressed = asked.get("context", {}).get("child_ids", [])
        return super().answer(asked)

    def one(self, call: str, params: dict) -> dict:
        if call == "set_relay_state":
            for child in self.addressed:
                self.sockets[child[-2:]] = bool(params["state"])
            return {"err_code": 0}
        found = super().one(call, params)
        if call == "get_sysinfo":
            del found["relay_state"]
            children = [
                {"id": f"{found['deviceId']}{name}", "state": int(is_on), "alias": name, "on_time": 0}
                for name, is_on in self.sockets.items()
            ]
            return {**found, "model": "HS300(US)", "child_num": len(children), "children": children}
        return found


async def test_one_socket_of_a_strip_is_switched_and_followed(start: Start) -> None:
    async with plugged(Strip()) as strip:
        options = {"type": "tplink", "address": HOST, "port": strip.port, "poll": 0.1}
        bridge = await start(
            power={"plug": {**options, "output": 1}, "none": {**options, "output": 2}}, wait=False
        )
        rack = bridge.bridge.surroundings.rack
        await until(lambda: rack.get("plug").state == "off")
        assert await switch(bridge, "on") == "on"
        assert strip.sockets == {"00": False, "01": True}
        strip.sockets["01"] = False  # by hand
        await until(lambda: rack.get("plug").state == "off")
        await until(lambda: rack.get("none").state == "error")
        assert rack.get("none").reason == "it has 2 sockets, counted from 0; power.none.output is wrong"


async def test_a_plug_with_an_account_is_found_with_it(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the border to python-kasa, whose newer protocols only the vendor's own plugs speak."""
    asked: list[tuple[str, dict]] = []

    class Found:
        is_on = False

        async def update(self) -> None: ...

        async def turn_on(self) -> None:
            self.is_on = True

        async def disconnect(self) -> None: ...

    async def discover_single(address: str, **options: object) -> Found:
        asked.append((address, options))
        return Found()

    monkeypatch.setattr(kasa.Discover, "discover_single", discover_single)
    account = {"username": "me@example.org", "password": "geheim"}
    bridge = await start(power={"plug": {"type": "tplink", "address": HOST, **account}}, wait=False)
    await until(lambda: bridge.bridge.surroundings.rack.get("plug").state == "off")
    assert await switch(bridge, "on") == "on"
    ((address, options),) = asked
    assert address == HOST
    assert account.items() <= options.items()


async def test_what_the_library_says_of_an_address_is_told_without_its_secrets(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def discover_single(address: str, **_options: object) -> None:
        said = (
            f"Unable to query the device: {address}: url='http://{address}/app?token=s3cret-session', geheim"
        )
        raise kasa.KasaException(said)

    monkeypatch.setattr(kasa.Discover, "discover_single", discover_single)
    account = {"username": "me@example.org", "password": "geheim"}
    bridge = await start(power={"plug": {"type": "tplink", "address": HOST, **account}}, wait=False)
    device = bridge.bridge.surroundings.rack.get("plug")
    await until(lambda: device.state == "error")
    assert device.reason == (
        f"{HOST}: Unable to query the device: {HOST}: url='http://{HOST}/app?token=***', ***"
    )


async def test_what_came_by_secret_is_in_no_reason(start: Start) -> None:
    plug = {"type": "serial", "port": Secret("/dev/by-id/usb-4711"), "preset": "lcus"}
    strip = {"type": "serial", "port": Secret("/dev/by-id/usb-4712")}
    bridge = await start(power={"plug": plug}, wled={"strip": strip}, wait=False)
    device, strips = bridge.bridge.surroundings.rack.get("plug"), bridge.bridge.companions.strips
    await until(lambda: device.state == "error" and strips.get("strip").error)
    assert "***" in (device.reason or "")
    assert "471" not in f"{device.reason} {strips.get('strip').error}"
