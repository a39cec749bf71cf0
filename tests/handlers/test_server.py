"""server.* and rpc.discover as clients see them: what is told of the printer, the stores, the table."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.app import describe_registry
from bridge.describe.openrpc import openrpc
from bridge.klippy.simulator import Simulator
from tests.agents import agent
from tests.conftest import Running, Start
from tests.klippy.fake_klippy import FakeKlippy, fake_klippy
from tests.power.calls import Refused, call, fetch
from tests.wire import until

MONITORS: dict[str, Any] = {
    "heaters": {
        "available_heaters": ["extruder"],
        "available_sensors": ["extruder"],
        "available_monitors": ["tmc2240 stepper_x"],
    },
    "tmc2240 stepper_x": {"temperature": None},
}


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[FakeKlippy]:
    async with fake_klippy(tmp_path, **MONITORS) as one:
        yield one


async def test_temperatures_are_taken_each_second_into_rings_of_the_size_wished_for(
    fake: FakeKlippy, start: Start
) -> None:
    bridge = await start(server={"temperature_store_size": 7})
    store = await call(bridge, "server.temperature_store")
    assert {name: sorted(one) for name, one in store.items()} == {
        "extruder": ["powers", "targets", "temperatures"]
    }
    assert {len(values) for values in store["extruder"].values()} == {7}
    fake.push(extruder={"temperature": 77.7})
    await until(
        lambda: bridge.bridge.temperatures.snapshot(monitors=False)["extruder"]["temperatures"][-1] == 77.7
    )
    status, answer = await fetch(bridge, "GET", "/server/temperature_store?include_monitors=true")
    assert (status, answer["result"]["tmc2240 stepper_x"]) == (200, {"temperatures": [None] * 7})
    assert answer["result"]["extruder"]["temperatures"][-1] == 77.7


async def test_the_console_is_as_long_as_wished_for_and_tells_its_newest_lines(
    fake: FakeKlippy, start: Start
) -> None:
    bridge = await start(server={"gcode_store_size": 4})
    await call(bridge, "printer.gcode.script", script="M105")
    for number in range(3):
        fake.say(f"line {number}")
    await until(lambda: len(bridge.bridge.console.last()) == 4)
    lines = (await call(bridge, "server.gcode_store"))["gcode_store"]
    assert [(line["type"], line["message"]) for line in lines] == [
        ("command", "M105"),
        ("response", "line 0"),
        ("response", "line 1"),
        ("response", "line 2"),
    ]
    assert all(line.keys() == {"message", "time", "type"} for line in lines)
    assert (await call(bridge, "server.gcode_store", count=2))["gcode_store"] == lines[2:]
    assert (await fetch(bridge, "GET", "/server/gcode_store?count=1"))[1]["result"]["gcode_store"] == lines[
        3:
    ]
    assert (await call(bridge, "server.gcode_store", count=0))["gcode_store"] == []
    fake.say("line 3")
    await until(lambda: bridge.bridge.console.last(1)[0].message == "line 3")
    assert (await call(bridge, "server.gcode_store"))["gcode_store"][0] == lines[1]
    with pytest.raises(Refused):
        await call(bridge, "server.gcode_store", count=-1)


async def test_sections_that_clients_need_and_klipper_lacks_are_named(fake: FakeKlippy, start: Start) -> None:
    del fake.objects["pause_resume"]
    del fake.objects["display_status"]
    bridge = await start()
    info = await call(bridge, "server.info")
    assert info["missing_klippy_requirements"] == ["display_status", "pause_resume"]
    await fake.stop()
    await until(lambda: not bridge.bridge.klippy.ready)
    info = await call(bridge, "server.info")  # nobody knows
    assert (info["klippy_state"], info["missing_klippy_requirements"]) == ("disconnected", [])


async def test_nothing_is_missing_on_a_whole_printer(klippy: Simulator, bridge: Running) -> None:
    info = await call(bridge, "server.info")
    assert (info["klippy_state"], info["missing_klippy_requirements"]) == ("ready", [])


async def test_the_table_describes_itself(start: Start) -> None:
    """Over every door the same, and the document that `klipper-bridge api` writes."""
    bridge = await start(wait=False)
    found = await call(bridge, "rpc.discover")
    wanted = openrpc(describe_registry(), found["info"]["version"])
    assert {one["name"] for one in found["methods"]} == {one["name"] for one in wanted["methods"]}
    assert found["openrpc"] == wanted["openrpc"]
    assert "rpc.discover" in {one["name"] for one in found["methods"]}
    async with agent(bridge) as socket:
        assert await socket.call("rpc.discover") == found
