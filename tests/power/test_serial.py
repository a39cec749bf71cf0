"""Relay boards behind a pseudo-terminal."""

import asyncio

import pytest

from bridge.errors import ConfigError
from tests.conftest import Running, Start
from tests.power.calls import Refused, switch
from tests.stand_ins import FarEnd, cable
from tests.wire import Ear, until

ON, OFF, QUERY = bytes.fromhex("A00201A3"), bytes.fromhex("A00200A2"), b"\xff"


class Board(FarEnd):
    """The far end of the cable: an LCUS-2, its second relay."""

    def __init__(self) -> None:
        super().__init__()
        self.is_on = False
        self.sticks = False

    def hear(self) -> None:
        while self.heard:
            if self.heard[:1] == QUERY:
                self.heard = self.heard[1:]
                state = b"ON " if self.is_on else b"OFF"
                self.say(b"CH1: OFF \r\nCH2: " + state + b"\r\n")
            elif len(self.heard) >= 4:
                order, self.heard = self.heard[:4], self.heard[4:]
                if not self.sticks:
                    self.is_on = {ON: True, OFF: False}[order]
            else:
                return


def lcus(one: Board, **more: object) -> dict[str, object]:
    return {"type": "serial", "port": one.port, "preset": "lcus", "output": 2, "poll": 0.1, **more}


async def followed(start: Start, one: "Board | Own", settings: dict[str, object]) -> Running:
    """A bridge that has switched the board on, and seen somebody press its button."""
    bridge = await start(power={"plug": settings}, wait=False)
    device = bridge.bridge.surroundings.rack.get("plug")
    await until(lambda: device.state == "off")
    assert await switch(bridge, "on") == "on"
    assert one.is_on
    one.is_on = False  # by its button
    await until(lambda: device.state == "off")
    return bridge


async def test_a_board_that_tells_its_state_is_switched_and_followed(start: Start) -> None:
    async with cable(Board()) as one:
        bridge = await followed(start, one, lcus(one, query_bytes="FF"))
        one.sticks = True
        with pytest.raises(Refused, match="it is still off"):
            await switch(bridge, "on")


async def test_a_board_that_cannot_be_asked_is_what_it_was_told(start: Start) -> None:
    async with cable(Board()) as one:
        bridge = await start(power={"plug": lcus(one, initial_state="on")}, wait=False)
        device = bridge.bridge.surroundings.rack.get("plug")
        await until(lambda: device._link._port is not None)
        assert await switch(bridge, "on") == "on"
        await until(lambda: one.is_on)
        assert await switch(bridge, "off") == "off"
        await until(lambda: not one.is_on)


async def test_a_cable_that_is_pulled_is_an_error(start: Start, mqtt: Ear) -> None:
    async with cable(Board()) as one:
        bridge = await start(power={"plug": lcus(one)}, wait=False)
        device = bridge.bridge.surroundings.rack.get("plug")
        await until(lambda: device._link._port is not None)
        asyncio.get_running_loop().remove_reader(one.far)
        one.unplug()
        told = await mqtt.message(bridge.topics.power("plug"), where=lambda m: m.json["state"] == "error")
        assert told.json["reason"]


async def test_a_port_that_is_not_there_keeps_nobody_from_starting(start: Start) -> None:
    bridge = await start(
        power={"plug": {"type": "serial", "port": "/dev/ttyNothing", "preset": "lcus"}}, wait=False
    )
    device = bridge.bridge.surroundings.rack.get("plug")
    await until(lambda: device.state == "error")
    assert "/dev/ttyNothing" in (device.reason or "")


class Own(FarEnd):
    """A board of somebody's own that says one byte to each of three."""

    def __init__(self) -> None:
        super().__init__()
        self.is_on = False
        self.orders = b""

    def hear(self) -> None:
        for byte in self.heard:
            self.is_on = {0x51: True, 0x52: False}.get(byte, self.is_on)
            if byte == 0x3F:
                self.say(b"\x01" if self.is_on else b"\x00")
        self.orders, self.heard = self.orders + self.heard, b""


async def test_a_board_of_one_s_own_has_its_own_bytes(start: Start) -> None:
    orders = {"on_bytes": "51", "off_bytes": "52", "query_bytes": "3f", "on_answer": "01", "off_answer": "00"}
    async with cable(Own()) as one:
        bridge = await followed(start, one, {"type": "serial", "port": one.port, "poll": 0.1, **orders})
        assert await switch(bridge, "on") == "on"
        assert await switch(bridge, "off") == "off"
        assert set(one.orders) == {0x51, 0x52, 0x3F}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "power.plug.on_bytes: missing; what shall be sent?"),
        ({"on_bytes": "A0"}, "power.plug.off_bytes: missing; what shall be sent?"),
        ({"on_bytes": "zz"}, "power.plug.on_bytes: expected bytes in hex, such as A0 01 01 A2"),
        (
            {"on_bytes": "A0", "off_bytes": "A1", "query_bytes": "FF"},
            "power.plug.on_answer: missing; how does the answer to query_bytes say it?",
        ),
    ],
)
async def test_a_mistake_in_the_configuration_names_its_path(
    options: dict, message: str, start: Start
) -> None:
    with pytest.raises(ConfigError) as caught:
        await start(power={"plug": {"type": "serial", "port": "/dev/x", **options}})
    assert str(caught.value) == message
