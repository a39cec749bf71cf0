"""The running job: its metadata, figures, fields, user, and the end that it is said to have."""

import itertools
import math
import time
from datetime import datetime
from pathlib import Path

import pytest

from bridge.jobs.fields import FieldSpec
from bridge.jobs.tracker import MINUTE, Job
from bridge.klippy.commands import PrintRequest
from tests.jobs.workshop import METER, Workshop, workshop
from tests.wire import until


@pytest.fixture
async def shop(tmp_path: Path):
    async with workshop(tmp_path) as one:
        yield one


def ended(shop: Workshop) -> list[Job]:
    jobs: list[Job] = []
    shop.tracker.finished.connect(jobs.append)
    return jobs


async def test_figures_and_outlook_follow_klippy(shop: Workshop) -> None:
    shop.file("a.gcode")
    shop.see(state="printing", filename="a.gcode", total_duration=0.1)
    await until(lambda: shop.tracker.current and shop.tracker.current.metadata)
    card = {"virtual_sdcard": {"progress": 0.5, "file_position": 4000}}
    shop.see(card, print_duration=60.0, total_duration=70.0, filament_used=12.5)
    job, outlook = shop.tracker.running, shop.tracker.outlook
    assert job is not None
    assert (job.print_duration, job.total_duration, job.filament_used) == (60.0, 70.0, 12.5)
    assert outlook.source == "slicer"
    assert outlook.progress is not None
    assert outlook.remaining is not None
    assert outlook.layers == 3


async def test_the_record_keeps_the_last_figures_when_klippy_restarts_at_once(shop: Workshop) -> None:
    jobs = ended(shop)
    shop.see(state="printing", filename="a.gcode", total_duration=0.1)
    shop.see(print_duration=60.0, total_duration=70.0, filament_used=12.5)
    shop.klippy_is("disconnected")
    shop.first_sight(filament_used=0.0)
    assert [(job.status, job.print_duration, job.filament_used) for job in jobs] == [
        ("klippy_disconnect", 60.0, 12.5)
    ]


async def test_the_same_file_started_again_within_a_tick_is_another_job(shop: Workshop) -> None:
    jobs = ended(shop)
    shop.see(state="printing", filename="a.gcode", total_duration=50.0, filament_used=9.0)
    shop.see(state="printing", total_duration=0.2, filament_used=0.0)
    assert [(job.status, job.total_duration, job.filament_used) for job in jobs] == [("cancelled", 50.0, 9.0)]
    assert shop.tracker.running is not None
    assert shop.tracker.running.total_duration == 0.2


async def test_the_same_file_of_milliseconds_twice_is_two_jobs(shop: Workshop) -> None:
    jobs = ended(shop)
    shop.see(state="complete", filename="a.gcode", total_duration=0.03)
    shop.see(total_duration=0.04)
    shop.see(message="odd")
    assert [(job.status, job.total_duration) for job in jobs] == [("completed", 0.03), ("completed", 0.04)]


async def test_an_emergency_stop_that_shows_as_paused_is_a_shutdown(shop: Workshop) -> None:
    jobs = ended(shop)
    shop.see(state="printing", filename="a.gcode", total_duration=50.0)
    shop.klippy_is("shutdown", "Shutdown due to webhooks request")
    shop.see(state="paused")
    assert [(job.status, job.message) for job in jobs] == [
        ("klippy_shutdown", "Shutdown due to webhooks request")
    ]
    assert shop.tracker.current is None


async def test_a_lost_socket_that_is_back_in_shutdown_has_lost_the_print(shop: Workshop) -> None:
    jobs = ended(shop)
    shop.see(state="printing", filename="a.gcode", total_duration=50.0)
    shop.klippy_is("disconnected")
    shop.klippy_is("startup")
    assert jobs == []
    shop.klippy_is("error", "no such pin")
    assert [job.status for job in jobs] == ["klippy_disconnect"]


@pytest.mark.parametrize(
    ("asked", "age", "user"),
    [("a.gcode", 0.0, "ann"), ("A.GCODE", 0.0, "ann"), ("b.gcode", 0.0, None), ("a.gcode", 60.0, None)],
)
async def test_a_job_belongs_to_who_asked_for_it_a_moment_ago(
    shop: Workshop, asked: str, age: float, user
) -> None:
    shop.commands.starting.emit(PrintRequest(asked, "ann", time.time() - age))
    shop.see(state="printing", filename="a.gcode", total_duration=0.1)
    assert shop.tracker.current is not None
    assert shop.tracker.current.user == user
    shop.see(state="complete", total_duration=5.0)
    shop.see(state="printing", total_duration=0.1)  # started at the display
    assert shop.tracker.current.user is None


async def test_energy_and_filament_are_fields_of_the_record(shop: Workshop) -> None:
    jobs = ended(shop)
    filament = shop.tracker.register(FieldSpec("spool", "filament", "Filament", "g", strategy="accumulate"))
    shop.meter.measure(700.0)
    shop.see(state="printing", filename="a.gcode", total_duration=0.1)
    for reading in (700.2, 700.5):
        shop.meter.measure(reading)
        filament.measure(2.0)
    shop.see(state="complete", total_duration=9.0)
    shop.meter.measure(900.0)
    assert {field.name: field.value for field in jobs[0].auxiliary_data} == {
        "energy": pytest.approx(0.5),
        "filament": 4.0,
    }


async def test_a_field_has_one_owner(shop: Workshop) -> None:
    with pytest.raises(ValueError, match="twice"):
        shop.tracker.register(METER)


async def test_a_file_that_is_gone_is_a_job_without_metadata(shop: Workshop) -> None:
    shop.see(state="printing", filename="gone.gcode", total_duration=0.1)
    told = await shop.wrote(1)
    assert told[0][1].job.metadata is None
    assert shop.tracker.outlook.source is None


class Clock:
    """The time of day, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_800_000_012.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    one = Clock()
    monkeypatch.setattr(time, "time", one.time)
    return one


async def test_the_end_stands_still_at_steady_speed_and_is_rounded_to_the_minute(
    shop: Workshop, clock: Clock
) -> None:
    shop.see(state="printing", filename="a.gcode", total_duration=0.1)
    said: list[datetime | None] = []
    for second in range(0, 3600, 5):
        said.append(shop.tracker.eta(3600 - second + 20 * math.sin(second)))
        clock.now += 5
    assert len(set(said)) <= 2
    assert all(one is not None and one.timestamp() % MINUTE == 0 for one in said)


async def test_the_end_moves_at_most_once_a_minute_however_late_it_gets(shop: Workshop, clock: Clock) -> None:
    shop.see(state="printing", filename="a.gcode", total_duration=0.1)
    moved: list[float] = []
    before = None
    for _ in range(600):
        now = shop.tracker.eta(30.0)  # half a minute, for ever
        if now != before:
            moved.append(clock.now)
            before = now
        clock.now += 1
    assert 5 <= len(moved) <= 11
    assert all(later - earlier >= MINUTE for earlier, later in itertools.pairwise(moved))


async def test_there_is_no_end_while_nothing_tells_it(shop: Workshop, clock: Clock) -> None:
    assert shop.tracker.eta(60.0) is None  # no job
    shop.see(state="printing", filename="a.gcode", total_duration=0.1)
    assert shop.tracker.eta(None) is None
    assert shop.tracker.eta(60.0) is not None
    shop.see(state="paused")
    assert shop.tracker.eta(60.0) is None
