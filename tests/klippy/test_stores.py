"""The temperature store and the G-code store: what is kept of what Klippy says, and how much of it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.klippy.commands import Commands
from bridge.klippy.console import Console
from bridge.klippy.link import KlippyLink
from bridge.klippy.state import Klippy
from bridge.klippy.status import StatusCache
from bridge.klippy.temperatures import TemperatureStore
from tests.klippy.fake_klippy import PRINTER, FakeKlippy, fake_klippy
from tests.wire import until

SIZE = 5
MONITOR = "tmc2240 stepper_x"
MACHINE: dict[str, Any] = {
    "heaters": {
        "available_heaters": ["extruder", "heater_bed"],
        "available_sensors": [
            "extruder",
            "heater_bed",
            "temperature_sensor chamber",
            "temperature_fan exhaust",
        ],
        "available_monitors": [MONITOR],
    },
    "heater_bed": {"temperature": 60.0, "target": 60.0, "power": 0.25},
    "temperature_sensor chamber": {"temperature": 30.456, "measured_min_temp": 20.0},
    "temperature_fan exhaust": {"temperature": 35.0, "target": 40.0, "speed": 0.5},
    MONITOR: {"temperature": None},
}


class Stores:
    """Both stores on a Klippy's wire; samples are taken when the test says so."""

    def __init__(self, path: Path) -> None:
        link = KlippyLink(path, timeout=5.0)
        self.cache = StatusCache(link)
        self.klippy = Klippy(link, self.cache, version="0")
        self.commands = Commands(link)
        self.temperatures = TemperatureStore(self.klippy, self.cache, SIZE)
        self.console = Console(link, self.commands, SIZE)
        self.task = asyncio.ensure_future(self.klippy.run())

    async def knows(self, name: str, field: str, value: Any) -> None:
        await until(lambda: self.cache.get(name, field) == value)

    def series(self, *, monitors: bool = False) -> dict[str, dict[str, list[float | None]]]:
        return self.temperatures.snapshot(monitors=monitors)

    @property
    def said(self) -> list[tuple[str, str]]:
        return [(line.type, line.message) for line in self.console.last()]


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[FakeKlippy]:
    async with fake_klippy(tmp_path, **MACHINE) as one:
        yield one


@pytest.fixture
async def stores(fake: FakeKlippy) -> AsyncIterator[Stores]:
    one = Stores(fake.path)
    await until(lambda: one.klippy.ready and fake.subscribed)
    yield one
    one.task.cancel()
    await asyncio.wait([one.task])
    await one.klippy.close()


async def test_every_heater_and_sensor_has_its_series(stores: Stores) -> None:
    stores.temperatures.sample()
    found = stores.series()
    newest = {name: {kind: values[-1] for kind, values in one.items()} for name, one in found.items()}
    assert newest == {
        "extruder": {"temperatures": 20.0, "targets": 0.0, "powers": 0.0},
        "heater_bed": {"temperatures": 60.0, "targets": 60.0, "powers": 0.25},
        "temperature_sensor chamber": {"temperatures": 30.46},
        "temperature_fan exhaust": {"temperatures": 35.0, "targets": 40.0, "speeds": 0.5},
    }
    assert {len(values) for one in found.values() for values in one.values()} == {SIZE}


async def test_the_newest_values_stay_the_oldest_first(fake: FakeKlippy, stores: Stores) -> None:
    assert stores.series()["extruder"]["temperatures"] == [0.0] * SIZE
    for degrees in range(21, 29):
        fake.push(extruder={"temperature": float(degrees)})
        await stores.knows("extruder", "temperature", degrees)
        stores.temperatures.sample()
    assert stores.series()["extruder"]["temperatures"] == [24.0, 25.0, 26.0, 27.0, 28.0]
    assert stores.series()["heater_bed"]["powers"] == [0.25] * SIZE


async def test_monitors_are_shown_when_they_are_asked_for_and_may_be_silent(
    fake: FakeKlippy, stores: Stores
) -> None:
    stores.temperatures.sample()
    assert MONITOR not in stores.series()
    fake.push(tmc2240__stepper_x={"temperature": 44.0})
    await stores.knows(MONITOR, "temperature", 44.0)
    stores.temperatures.sample()
    assert stores.series(monitors=True)[MONITOR] == {"temperatures": [None] * (SIZE - 1) + [44.0]}
    assert stores.series(monitors=True).keys() == {*stores.series(), MONITOR}


@pytest.mark.parametrize("odd", [None, "hot", True, float("nan"), [1]])
async def test_what_is_no_number_leaves_the_last_one(fake: FakeKlippy, stores: Stores, odd: Any) -> None:
    stores.temperatures.sample()
    fake.push(extruder={"temperature": odd, "target": 7.0})
    await stores.knows("extruder", "target", 7.0)
    stores.temperatures.sample()
    assert stores.series()["extruder"]["temperatures"][-2:] == [20.0, 20.0]
    assert stores.series()["extruder"]["targets"][-2:] == [0.0, 7.0]


async def test_a_restart_goes_on_with_what_is_still_there(fake: FakeKlippy, stores: Stores) -> None:
    stores.temperatures.sample()
    fake.objects["heaters"] = PRINTER["heaters"]  # the extruder alone
    fake.drop()
    await until(lambda: list(stores.series()) == ["extruder"])
    assert stores.series()["extruder"]["temperatures"] == [0.0] * (SIZE - 1) + [20.0]


async def test_the_console_has_what_was_sent_and_what_was_answered_in_order(
    fake: FakeKlippy, stores: Stores
) -> None:
    await stores.commands.script("M105")
    fake.say("ok T:20.0")
    fake.say("!! Must home axis first")
    await until(lambda: len(stores.said) == 3)
    assert stores.said == [
        ("command", "M105"),
        ("response", "ok T:20.0"),
        ("response", "!! Must home axis first"),
    ]
    times = [line.time for line in stores.console.last()]
    assert times == sorted(times)
    assert times[0] > 1.7e9


async def test_the_console_keeps_its_newest_lines(fake: FakeKlippy, stores: Stores) -> None:
    for number in range(SIZE + 3):
        fake.say(f"line {number}")
    await until(lambda: ("response", f"line {SIZE + 2}") in stores.said)
    assert [text for _, text in stores.said] == [f"line {number}" for number in range(3, SIZE + 3)]
    assert [line.message for line in stores.console.last(2)] == ["line 6", "line 7"]
    assert stores.console.last(0) == []
    assert len(stores.console.last(99)) == SIZE
