"""Records of jobs: written as things happen, and what becomes of them when the bridge or the power goes."""

from pathlib import Path

import pytest

from bridge.errors import Conflict, NotFound
from bridge.jobs.fields import FieldSpec
from tests.jobs.workshop import Workshop, workshop
from tests.wire import until

PRINTING = {"state": "printing", "filename": "a.gcode"}


def statuses(rows) -> list[tuple[str, str]]:
    return [(row["filename"], row["status"]) for row in rows]


async def one_job(shop: Workshop, name: str = "a.gcode", state: str = "complete", **figures) -> None:
    before = len(shop.told)
    shop.see(state="printing", filename=name, total_duration=0.0)
    shop.see(state=state, **figures)
    await shop.wrote(before + 2)


async def test_a_job_is_told_when_it_is_written_with_its_metadata(tmp_path: Path) -> None:
    async with workshop(tmp_path) as shop:
        shop.file("a.gcode")
        await one_job(shop, print_duration=5.0, total_duration=6.0, filament_used=7.0)
        (first, added), (second, finished) = shop.told
        assert (first, second) == ("added", "finished")
        assert added.number == finished.number == 1
        assert added.job.metadata is not None
        assert added.job.metadata.slicer == "PrusaSlicer"
        assert finished.job.metadata == added.job.metadata
        assert (finished.job.status, finished.job.total_duration, finished.job.filament_used) == (
            "completed",
            6.0,
            7.0,
        )
        [row] = await shop.rows()
        assert row["metadata"]["slicer"] == "PrusaSlicer"
        assert "gauges" not in row
        assert shop.ledger.last is not None
        assert shop.ledger.last.status == "completed"


async def test_jobs_of_milliseconds_stay_in_order_and_whole(tmp_path: Path) -> None:
    async with workshop(tmp_path) as shop:
        shop.file("a.gcode")
        for number in range(20):
            shop.see(state="complete", filename="a.gcode", total_duration=0.1 + number)
        told = await shop.wrote(40)
        assert [(word, record.number) for word, record in told] == [
            (word, number) for number in range(1, 21) for word in ("added", "finished")
        ]
        assert all(record.job.metadata for _, record in told)


async def test_totals_are_those_of_all_jobs_and_outlive_their_records(tmp_path: Path) -> None:
    async with workshop(tmp_path) as shop:
        await one_job(shop, print_duration=5.0, total_duration=6.0, filament_used=7.0)
        await one_job(shop, state="cancelled", print_duration=1.0, total_duration=20.0, filament_used=0.5)
        wanted = {
            "total_jobs": 2,
            "total_time": 26.0,
            "total_print_time": 6.0,
            "total_filament_used": 7.5,
            "longest_job": 20.0,
            "longest_print": 5.0,
        }
        assert await shop.ledger.delete_all() == [1, 2]
        found = await shop.ledger.totals()
        assert {name: found[name] for name in wanted} == wanted
    async with workshop(tmp_path) as shop:
        assert (await shop.ledger.totals())["total_jobs"] == 2
        assert (await shop.ledger.reset())["total_time"] == 26.0
        assert (await shop.ledger.totals())["total_time"] == 0.0
        await one_job(shop, total_duration=1.0)
        assert (await shop.ledger.totals())["total_jobs"] == 1
        assert [row.doc_id for row in await shop.rows()] == [3]


async def test_totals_of_fields_are_kept_where_they_make_sense(tmp_path: Path) -> None:
    """As the documented example shows: energy has both, a mean current only a maximum, the state neither."""
    async with workshop(tmp_path) as shop:
        sensor = "sensor hist_test"
        current = shop.tracker.register(
            FieldSpec(sensor, "avg_current", "", "A", strategy="average", maximum=True)
        )
        state = shop.tracker.register(FieldSpec(sensor, "status", "Power Switch Status"))
        cold = shop.tracker.register(FieldSpec(sensor, "cold", "", "°C", strategy="minimum", maximum=True))
        for energy, amperes, coldest in ((1.5, 3.0, -20.0), (0.5, 1.0, -25.0)):
            shop.meter.measure(0.0)
            shop.see(state="printing", filename="a.gcode", total_duration=0.0)
            shop.meter.measure(energy)
            current.measure(amperes)
            cold.measure(coldest)
            state.measure(2)
            shop.see(state="complete", total_duration=1.0)
        await shop.wrote(4)
        totals = (await shop.ledger.totals())["auxiliary"].values()
        assert [(one["field"], one["maximum"], one["total"]) for one in totals] == [
            ("energy", 1.5, 2.0),
            ("avg_current", 3.0, None),
            ("cold", -20.0, None),
        ]


async def test_a_print_that_still_runs_goes_on_after_a_kill(tmp_path: Path) -> None:
    async with workshop(tmp_path, kill=True) as shop:
        shop.meter.measure(100.0)
        shop.see(**PRINTING, total_duration=0.0)
        await shop.wrote(1)
        [before] = await shop.rows()
    async with workshop(tmp_path, **PRINTING, total_duration=5.0) as shop:
        await until(lambda: shop.ledger.current == 1)
        shop.meter.measure(100.7)
        shop.see(state="complete", total_duration=9.0)
        await shop.wrote(1)
        [row] = await shop.rows()
        assert statuses([row]) == [("a.gcode", "completed")]
        assert row["start_time"] == before["start_time"]
        assert row["auxiliary_data"][0]["value"] == pytest.approx(0.7)
        assert [word for word, _ in shop.told] == ["finished"]


async def test_it_goes_on_after_an_orderly_stop_too_and_its_user_and_fields_with_it(tmp_path: Path) -> None:
    async with workshop(tmp_path) as shop:
        shop.see(**PRINTING, total_duration=0.0)
        await shop.wrote(1)
        shop.meter.measure(10.0)
        shop.meter.measure(11.0)
        shop.see(total_duration=4.0, print_duration=3.0)
        await shop.store.table("history").update({"user": "ann"})
    async with workshop(tmp_path, klippy=False) as shop:
        [row] = await shop.rows()
        assert (row["status"], row["total_duration"], row["print_duration"]) == ("in_progress", 4.0, 3.0)
        shop.first_sight(**PRINTING, total_duration=5.0)
        await until(lambda: shop.tracker.running and shop.tracker.running.user == "ann")
        shop.meter.measure(13.0)
        shop.see(state="complete", total_duration=9.0)
        await shop.wrote(1)
        [row] = await shop.rows()
        assert (row["status"], row["user"], row["auxiliary_data"][0]["value"]) == ("completed", "ann", 3.0)
        assert (await shop.ledger.totals())["total_jobs"] == 1


@pytest.mark.parametrize(
    "sight",
    [
        {"state": "standby", "filename": ""},
        {"state": "complete", "filename": "a.gcode"},
        {"state": "printing", "filename": "b.gcode", "total_duration": 3.0},
        {"state": "printing", "filename": "a.gcode", "total_duration": -60.0},  # began a minute later
    ],
)
async def test_a_job_that_no_longer_runs_is_interrupted(tmp_path: Path, sight) -> None:
    async with workshop(tmp_path) as shop:
        await one_job(shop, "before.gcode", total_duration=1.0)
        shop.see(**PRINTING, total_duration=0.0)
        await shop.wrote(3)
        await shop.kill()
    async with workshop(tmp_path, **sight) as shop:
        await until(lambda: ("finished", 2) in [(word, record.number) for word, record in shop.told])
        rows = sorted(await shop.rows(), key=lambda row: row.doc_id)
        assert statuses(rows)[:2] == [("before.gcode", "completed"), ("a.gcode", "interrupted")]
        assert rows[1]["end_time"] is None
        assert [row["status"] for row in rows[2:]] == ["in_progress"] * (sight["state"] == "printing")
        assert shop.ledger.last is not None
        assert (shop.ledger.last.filename, shop.ledger.last.status) == ("a.gcode", "interrupted")


async def test_without_klippy_it_is_interrupted_after_a_while_and_still_goes_on_if_it_is_found(
    tmp_path: Path,
) -> None:
    async with workshop(tmp_path) as shop:
        shop.see(**PRINTING, total_duration=0.0)
        await shop.wrote(1)
    async with workshop(tmp_path, klippy=False, settled=0.05) as shop:
        await shop.wrote(1)
        assert statuses(await shop.rows()) == [("a.gcode", "interrupted")]
        shop.first_sight(**PRINTING, total_duration=5.0)
        await until(lambda: shop.ledger.current == 1)
        shop.see(state="complete", total_duration=9.0)
        await shop.wrote(2)
        assert statuses(await shop.rows()) == [("a.gcode", "completed")]


async def test_two_kills_before_klippy_is_seen_do_not_cost_the_job(tmp_path: Path) -> None:
    async with workshop(tmp_path, kill=True) as shop:
        shop.see(**PRINTING, total_duration=0.0)
        await shop.wrote(1)
    async with workshop(tmp_path, kill=True, klippy=False) as shop:
        assert statuses(await shop.rows()) == [("a.gcode", "in_progress")]
    async with workshop(tmp_path, **PRINTING, total_duration=50.0) as shop:
        await until(lambda: shop.ledger.current == 1)
        assert len(await shop.rows()) == 1


async def test_a_print_that_began_while_the_bridge_was_away_has_a_record(tmp_path: Path) -> None:
    async with workshop(tmp_path, **{**PRINTING, "state": "paused"}, total_duration=100.0) as shop:
        [(word, record)] = await shop.wrote(1)
        assert word == "added"
        assert shop.tracker.paused
        shop.see(state="cancelled", total_duration=120.0)
        await shop.wrote(2)
        [row] = await shop.rows()
        assert row["status"] == "cancelled"
        assert row["end_time"] - row["start_time"] == pytest.approx(100.0, abs=1.0)
        assert record.number == 1


async def test_pauses_keep_the_figures_for_a_power_cut(tmp_path: Path) -> None:
    async with workshop(tmp_path) as shop:
        shop.see(**PRINTING, total_duration=0.0)
        shop.see(total_duration=40.0, print_duration=30.0)
        shop.see(state="paused")
        await shop.wrote(1)
        await until(shop.ledger._work.empty)
        await shop.ledger.totals()  # what was asked of the store before is done
        await shop.kill()
    async with workshop(tmp_path) as shop:
        await shop.wrote(1)
        assert shop.ledger.last is not None
        assert (shop.ledger.last.status, shop.ledger.last.print_duration) == ("interrupted", 30.0)


async def test_the_record_of_the_running_job_cannot_be_deleted(tmp_path: Path) -> None:
    async with workshop(tmp_path) as shop:
        await one_job(shop)
        shop.see(**PRINTING, total_duration=0.0)
        await shop.wrote(3)
        with pytest.raises(Conflict, match="in progress"):
            await shop.ledger.delete(2)
        with pytest.raises(NotFound):
            await shop.ledger.delete(77)
        assert await shop.ledger.delete_all() == [1]
        shop.see(state="complete", total_duration=3.0)
        await shop.wrote(4)
        assert await shop.ledger.delete(2) == [2]
        assert await shop.rows() == []


async def test_a_job_whose_start_could_not_be_written_is_written_whole_at_its_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with workshop(tmp_path) as shop:
        await one_job(shop, "before.gcode")
        await shop.store.read(lambda db: db.rows.connection.execute("PRAGMA query_only=ON"))
        shop.see(**PRINTING, total_duration=0.0)
        await until(lambda: "the history could not be written" in caplog.text)
        await shop.store.read(lambda db: db.rows.connection.execute("PRAGMA query_only=OFF"))
        shop.see(state="error", message="Move out of range", total_duration=3.0)
        told = await shop.wrote(3)
        assert [word for word, _ in told] == ["added", "finished", "finished"]
        assert statuses(await shop.rows()) == [("before.gcode", "completed"), ("a.gcode", "error")]
        assert told[-1][1].job.message == "Move out of range"


async def test_records_written_by_something_else_do_not_matter(tmp_path: Path) -> None:
    async with workshop(tmp_path) as shop:
        await shop.store.table("history").insert({"status": "in_progress", "filename": 5})
        await shop.store.table("history").insert({"odd": True})
    async with workshop(tmp_path) as shop:
        await one_job(shop)
        assert [
            row.get("status") for row in await shop.ledger.page(where=[], newest_first=True, limit=9, start=0)
        ] == [
            "completed",
            None,
            "interrupted",
        ]
