"""A Kasa plug that speaks the vendor's protocol: JSON behind a running XOR, over TCP."""

import asyncio
import contextlib
import json
import struct
from collections.abc import AsyncIterator

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
async def plugged() -> AsyncIterator[Plug]:
    one = Plug()
    server = await asyncio.start_server(one.serve, HOST, 0)
    one.port = server.sockets[0].getsockname()[1]
    try:
        yield one
    finally:
        server.close()


async def test_a_plug_is_switched_and_followed(start: Start) -> None:
    async with plugged() as plug:
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
