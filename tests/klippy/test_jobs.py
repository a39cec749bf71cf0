"""What becomes of prints: each event once, whatever Klippy's status does in between."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.jobs import watch as watch_module
from bridge.jobs.watch import JobWatch
from bridge.klippy.filament import FilamentWatch
from bridge.klippy.link import KlippyLink, StatusUpdate
from bridge.klippy.state import Klippy
from bridge.klippy.status import StatusCache
from tests.klippy.fake_klippy import FakeKlippy, fake_klippy
from tests.wire import until

TOTAL = {"print_duration": 5.0, "total_duration": 6.0, "filament_used": 7.0}
STATES = ("standby", "printing", "paused", "complete", "cancelled", "error")
ENDS = {"complete", "cancelled", "error", "klippy_shutdown", "klippy_disconnect"}


class Shop:
    """A watch on a fake Klippy."""

    def __init__(self, fake: FakeKlippy) -> None:
        self.fake = fake
        self.link = KlippyLink(fake.path, timeout=2)
        self.cache = StatusCache(self.link)
        self.klippy = Klippy(self.link, self.cache, version="0")
        self.jobs = JobWatch(self.klippy, self.cache)
        self.filament = FilamentWatch(self.klippy, self.cache)
        self.told: list[str] = []
        self.changes: list[Any] = []
        self.runouts: list[str] = []
        self.jobs.changed.connect(lambda change: self.told.append(change.event.value))
        self.jobs.changed.connect(self.changes.append)
        self.filament.ran_out.connect(self.runouts.append)
        self._marks = 0.0
        self.task = asyncio.ensure_future(self.klippy.run())

    async def sees(self, **stats: Any) -> None:
        """Klippy tells of a change, and the bridge has heard it."""
        self._marks += 1
        self.fake.push(print_stats={**stats, "filament_used": self._marks})
        await until(lambda: self.cache.get("print_stats", "filament_used") == self._marks)

    async def ready(self) -> None:
        await until(lambda: self.klippy.ready and self.fake.subscribed)


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with fake_klippy(tmp_path) as fake:
        one = Shop(fake)
        await one.ready()
        yield one
        one.task.cancel()
        await asyncio.wait([one.task])
        await one.klippy.close()


async def test_a_print_with_all_its_figures(shop: Shop) -> None:
    await shop.sees(state="printing", filename="dir/a b.gcode")
    assert shop.jobs.active == "dir/a b.gcode"
    assert shop.jobs.printing
    await shop.sees(state="paused")
    assert not shop.jobs.printing
    await shop.sees(state="printing")
    await shop.sees(state="complete", **{**TOTAL, "message": ""})
    assert shop.told == ["started", "paused", "resumed", "complete"]
    last = shop.changes[-1]
    assert (last.filename, last.print_duration, last.total_duration) == ("dir/a b.gcode", 5.0, 6.0)
    assert shop.jobs.active is None


async def test_the_same_file_again_is_another_job(shop: Shop) -> None:
    for _ in range(2):
        await shop.sees(state="printing", filename="a.gcode", total_duration=0.1)
        await shop.sees(state="complete", total_duration=5.0)
    await shop.sees(state="standby", filename="", total_duration=0.0)
    assert shop.told == ["started", "complete"] * 2


async def test_a_file_of_milliseconds_was_there_all_the_same(shop: Shop) -> None:
    await shop.sees(state="complete", filename="a.gcode", total_duration=0.01)
    await shop.sees(state="complete", filename="b.gcode", total_duration=0.01)
    await shop.sees(state="error", filename="c.gcode", total_duration=0.005, message="no")
    assert shop.told == ["started", "complete", "started", "complete", "started", "error"]
    assert shop.changes[-1].message == "no"


async def test_a_file_that_is_only_chosen_is_no_job(shop: Shop) -> None:
    await shop.sees(state="standby", filename="a.gcode")
    await shop.sees(state="standby", filename="")
    assert shop.told == []


async def test_another_file_in_its_place_ends_the_first(shop: Shop) -> None:
    await shop.sees(state="printing", filename="a.gcode", total_duration=50.0)
    await shop.sees(state="printing", filename="b.gcode", total_duration=0.1)
    assert shop.told == ["started", "cancelled", "started"]
    await shop.sees(state="standby", filename="")
    assert shop.told[-1] == "cancelled"


async def test_a_shutdown_ends_the_print_and_what_status_says_afterwards_does_not_count(shop: Shop) -> None:
    await shop.sees(state="printing", filename="a.gcode")
    shop.fake.become("shutdown", "Shutdown due to webhooks request")
    await until(lambda: not shop.klippy.ready)
    await shop.sees(state="paused")
    assert shop.told == ["started", "klippy_shutdown"]


async def test_a_socket_that_comes_back_soon_with_the_print_running_is_no_news(shop: Shop) -> None:
    await shop.sees(state="printing", filename="a.gcode", total_duration=3.0)
    shop.fake.drop()
    await until(lambda: not shop.klippy.ready)
    await shop.ready()
    await shop.sees(state="complete", total_duration=4.0)
    assert shop.told == ["started", "complete"]


async def test_a_klippy_that_is_another_process_has_lost_the_print(shop: Shop) -> None:
    await shop.sees(state="printing", filename="a.gcode", total_duration=3.0)
    await shop.fake.stop()
    shop.fake.info["process_id"] = 9
    shop.fake.objects["print_stats"].update(state="standby", filename="", total_duration=0.0)
    await shop.fake.start()
    await until(lambda: "klippy_disconnect" in shop.told)
    await shop.sees(state="standby")
    assert shop.told == ["started", "klippy_disconnect"]


@pytest.mark.torture
async def test_a_socket_that_stays_away_ends_the_print(shop: Shop) -> None:
    await shop.sees(state="printing", filename="a.gcode")
    await shop.fake.stop()
    await until(lambda: "klippy_disconnect" in shop.told, patience=watch_module.GRACE + 2)
    assert shop.told == ["started", "klippy_disconnect"]
    assert shop.jobs.active is None


async def test_a_print_that_runs_already_is_taken_over_in_silence(tmp_path: Path) -> None:
    async with fake_klippy(tmp_path) as fake:
        fake.objects["print_stats"].update(state="paused", filename="a.gcode")
        shop = Shop(fake)
        await shop.ready()
        assert shop.jobs.active == "a.gcode"
        await shop.sees(state="printing")
        await shop.sees(state="complete")
        assert shop.told == ["resumed", "complete"]
        shop.task.cancel()
        await asyncio.wait([shop.task])
        await shop.klippy.close()


async def test_a_runout_is_told_once_and_only_by_a_sensor_that_is_on(shop: Shop) -> None:
    spool = "filament_switch_sensor spool"

    async def sensor(**fields: Any) -> None:
        shop.fake.push(filament_switch_sensor__spool=fields)
        await shop.sees()

    await sensor(filament_detected=False)
    await sensor(filament_detected=False)
    assert shop.runouts == [spool]
    await sensor(filament_detected=True)
    await sensor(enabled=False)
    await sensor(filament_detected=False)
    assert shop.runouts == [spool]
    await sensor(filament_detected=True, enabled=True)
    await sensor(filament_detected=None)
    await sensor(filament_detected="odd")
    await sensor(filament_detected=False)
    assert shop.runouts == [spool, spool]


async def test_a_sensor_that_is_empty_from_the_start_is_no_news(tmp_path: Path) -> None:
    async with fake_klippy(tmp_path) as fake:
        fake.objects["filament_switch_sensor spool"]["filament_detected"] = False
        shop = Shop(fake)
        await shop.ready()
        await shop.sees()
        assert shop.runouts == []
        shop.task.cancel()
        await asyncio.wait([shop.task])
        await shop.klippy.close()


@given(
    st.lists(
        st.tuples(st.sampled_from(STATES), st.sampled_from(["", "a", "b"]), st.floats(0, 9) | st.none()),
        max_size=12,
    )
)
def test_every_job_begins_once_and_ends_at_most_once(steps: list[tuple[str, str, float | None]]) -> None:
    link = KlippyLink(Path("nowhere"), timeout=1)
    cache = StatusCache(link)
    klippy = Klippy(link, cache, version="0")
    jobs = JobWatch(klippy, cache)
    told: list[str] = []
    jobs.changed.connect(lambda change: told.append(change.event.value))
    link.updated.emit(StatusUpdate(0.0, {"print_stats": {"state": "standby", "filename": ""}}))
    klippy._become(klippy._reported({"state": "ready"}))
    for state, name, total in steps:
        update = {"state": state, "filename": name, "total_duration": total}
        link.updated.emit(StatusUpdate(1.0, {"print_stats": update}))
    running = paused = False
    for event in told:
        if event == "started":
            assert not running
            running, paused = True, False
        elif event in ENDS:
            assert running
            running = False
        else:
            assert running
            assert paused is (event == "resumed")
            paused = not paused
    assert running is (jobs.active is not None)
