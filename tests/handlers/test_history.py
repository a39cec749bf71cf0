"""server.history.*: the shapes of the documents, pages, deletions, totals."""

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bridge.errors import BadParams, BridgeError, Conflict, NotFound
from bridge.handlers.history import History
from bridge.jobs.fields import FieldSpec
from bridge.jobs.ledger import Record
from bridge.jobs.tracker import Job
from bridge.rpc import Access, Door, Registry
from tests.jobs.workshop import Workshop, workshop
from tests.threads import asked_below
from tests.wire import until

FIELDS = {
    "job_id": str,
    "user": (str, type(None)),
    "filename": str,
    "exists": bool,
    "status": str,
    "start_time": float,
    "end_time": (float, type(None)),
    "print_duration": float,
    "total_duration": float,
    "filament_used": float,
    "metadata": dict,
    "auxiliary_data": list,
}


class Desk:
    """A client that may do everything, and the notifications it would get."""

    door, user = Door.HTTP, None

    def __init__(self, shop: Workshop) -> None:
        self.shop, self.registry = shop, Registry()
        self.registry.mount(History(shop.ledger, shop.tracker, shop.tracker._library))
        self.told: list[Any] = []
        self.registry.noticed.connect(
            lambda notice: self.told.append(
                (notice.method, *(msgspec.to_builtins(part) for part in notice.params))
            )
        )

    def allows(self, _access: Access, _method: str) -> BridgeError | None:
        return None

    def notify(self, method: str, params: list[Any]) -> None: ...

    async def call(self, name: str, **params: Any) -> Any:
        return msgspec.to_builtins(await self.registry.call(f"server.history.{name}", params, self))

    async def ids(self, **params: Any) -> list[str]:
        answer = await self.call("list", **params)
        assert answer["count"] == len(answer["jobs"])
        return [job["job_id"] for job in answer["jobs"]]

    async def job(self, name: str = "a.gcode", state: str = "complete", **figures: Any) -> None:
        before = len(self.shop.told)
        self.shop.see(state="printing", filename=name, total_duration=0.0)
        self.shop.see(state=state, total_duration=1.0, **figures)
        await self.shop.wrote(before + 2)

    async def seed(self, starts: list[float]) -> None:
        table = self.shop.store.table("history")
        await table.insert_multiple(
            {"filename": "a.gcode", "start_time": start, "status": "completed", "total_duration": 1.0}
            for start in starts
        )


@pytest.fixture
async def desk(tmp_path: Path):
    async with workshop(tmp_path) as shop:
        shop.file("a.gcode")
        yield Desk(shop)


async def test_a_job_has_every_field_of_the_document(desk: Desk) -> None:
    desk.shop.meter.measure(1.0)
    await desk.job(print_duration=0.5, filament_used=7.8)
    [job] = (await desk.call("list"))["jobs"]
    assert job.keys() == FIELDS.keys()
    assert all(isinstance(job[name], kind) for name, kind in FIELDS.items())
    assert (job["job_id"], job["user"], job["status"], job["exists"]) == ("000001", None, "completed", True)
    assert job["auxiliary_data"] == [
        {
            "provider": "sensor plug",
            "name": "energy",
            "value": 0.0,
            "description": "Energy of the job",
            "units": "kWh",
        }
    ]
    assert job["metadata"]["slicer"] == "PrusaSlicer"
    assert not {"job_id", "print_start_time"} & job["metadata"].keys()
    assert await desk.call("get_job", uid="000001") == {"job": job}
    assert await desk.call("get_job", uid="1") == {"job": job}


async def test_added_and_finished_are_told_with_the_whole_job(desk: Desk) -> None:
    await desk.job(state="error", message="out of range")
    await until(lambda: len(desk.told) == 2)
    methods, changes = [one[0] for one in desk.told], [one[1] for one in desk.told]
    assert methods == ["notify_history_changed"] * 2
    assert [(change["action"], change["job"]["status"]) for change in changes] == [
        ("added", "in_progress"),
        ("finished", "error"),
    ]
    assert changes[0]["job"].keys() == FIELDS.keys()
    assert changes[0]["job"]["metadata"]["slicer"] == "PrusaSlicer"
    assert changes[1]["job"] == (await desk.call("get_job", uid="1"))["job"]


async def test_the_event_loop_never_waits_for_the_disk(desk: Desk) -> None:
    """Whether the file is there is part of what is told; jobs of milliseconds are told in their order."""
    with asked_below(desk.shop.gcodes) as asked:
        for _ in range(3):
            record = Record(1, Job("a.gcode", 1.0))
            desk.shop.ledger.added.emit(record)
            desk.shop.ledger.finished.emit(record)
        await until(lambda: len(desk.told) == 6)
        await desk.call("list")
    assert [change["action"] for _, change in desk.told] == ["added", "finished"] * 3
    assert asked
    assert not any(asked)


async def test_the_running_job_is_listed_with_its_figures_of_now(desk: Desk) -> None:
    desk.shop.see(state="printing", filename="a.gcode", total_duration=0.0)
    await desk.shop.wrote(1)
    desk.shop.meter.measure(1.0)
    desk.shop.meter.measure(1.5)
    desk.shop.see(print_duration=3.0, total_duration=4.0, filament_used=5.0)
    [job] = (await desk.call("list", since=0))["jobs"]
    assert (job["status"], job["end_time"], job["print_duration"]) == ("in_progress", None, 3.0)
    assert (job["total_duration"], job["filament_used"]) == (4.0, 5.0)
    assert job["auxiliary_data"][0]["value"] == 0.5


async def test_pages_by_the_start_both_ways(desk: Desk) -> None:
    await desk.seed([30.0, 10.0, 20.0, 40.0])
    assert await desk.ids() == ["000004", "000001", "000003", "000002"]
    assert await desk.ids(order="asc") == ["000002", "000003", "000001", "000004"]
    assert await desk.ids(order="asc", limit=2, start=1) == ["000003", "000001"]
    assert await desk.ids(since=10, before=40, order="asc") == ["000003", "000001"]
    assert await desk.ids(start=9) == []
    await desk.seed([float(start) for start in range(100, 160)])
    assert len(await desk.ids()) == 50
    assert len(await desk.ids(limit=0)) == 64


@pytest.mark.parametrize(
    ("method", "params", "error"),
    [
        ("list", {"order": "up"}, BadParams),
        ("list", {"limit": -1}, BadParams),
        ("list", {"start": "x"}, BadParams),
        ("get_job", {}, BadParams),
        ("get_job", {"uid": "xyz"}, BadParams),
        ("get_job", {"uid": "F" * 40}, BadParams),
        ("get_job", {"uid": "00000F"}, NotFound),
        ("delete_job", {}, BadParams),
        ("delete_job", {"uid": "../1"}, BadParams),
        ("delete_job", {"uid": "99"}, NotFound),
    ],
)
async def test_what_cannot_be_asked(desk: Desk, method: str, params: dict, error: type[Exception]) -> None:
    with pytest.raises(error):
        await desk.call(method, **params)


async def test_records_are_deleted_one_by_one_or_all(desk: Desk) -> None:
    await desk.seed([1.0, 2.0, 3.0])
    assert await desk.call("delete_job", uid="000002") == {"deleted_jobs": ["000002"]}
    desk.shop.see(state="printing", filename="a.gcode", total_duration=0.0)
    await desk.shop.wrote(1)
    with pytest.raises(Conflict):
        await desk.call("delete_job", uid="4")
    assert await desk.call("delete_job", all="true") == {"deleted_jobs": ["000001", "000003"]}
    assert await desk.ids() == ["000004"]
    assert (await desk.call("totals"))["job_totals"]["total_jobs"] == 0


async def test_a_file_exists_as_long_as_it_is_the_one_that_was_printed(desk: Desk) -> None:
    await desk.job()
    path = desk.shop.gcodes / "a.gcode"

    async def exists() -> bool:
        return (await desk.call("get_job", uid="1"))["job"]["exists"]

    assert await exists()
    os.utime(path, (1.0, 1.0))
    assert not await exists()
    path.unlink()
    assert not await exists()
    desk.shop.file("a.gcode")
    assert not await exists()


async def test_totals_have_the_shape_of_the_document_and_begin_anew(desk: Desk) -> None:
    current = desk.shop.tracker.register(
        FieldSpec("sensor plug", "avg_current", "", "A", strategy="average", maximum=True)
    )
    desk.shop.tracker.register(
        FieldSpec("spoolman", "spool_ids", "Spool IDs used", strategy="collect")
    ).measure(1)
    desk.shop.meter.measure(4.0)
    desk.shop.see(state="printing", filename="a.gcode", total_duration=0.0)
    desk.shop.meter.measure(8.0)
    current.measure(1.7)
    desk.shop.see(state="complete", print_duration=11.0, total_duration=12.0, filament_used=13.0)
    await desk.shop.wrote(2)
    jobs = {
        "total_jobs": 1,
        "total_time": 12.0,
        "total_print_time": 11.0,
        "total_filament_used": 13.0,
        "longest_job": 12.0,
        "longest_print": 11.0,
    }
    auxiliary = [
        {"provider": "sensor plug", "field": "energy", "maximum": 4.0, "total": 4.0},
        {"provider": "sensor plug", "field": "avg_current", "maximum": 1.7, "total": None},
    ]
    assert await desk.call("totals") == {"job_totals": jobs, "auxiliary_totals": auxiliary}
    assert await desk.call("reset_totals") == {"last_totals": jobs, "last_auxiliary_totals": auxiliary}
    zero = await desk.call("totals")
    assert set(zero["job_totals"].values()) == {0}
    assert zero["auxiliary_totals"] == []
    assert await desk.ids() == ["000001"]


async def test_an_interrupted_job_is_told_when_it_is_known_to_be_one(tmp_path: Path) -> None:
    async with workshop(tmp_path, kill=True) as shop:
        shop.see(state="printing", filename="a.gcode", total_duration=0.0)
        await shop.wrote(1)
    async with workshop(tmp_path, klippy=False) as shop:
        desk = Desk(shop)
        shop.first_sight()
        await until(lambda: desk.told)
        [(_, change)] = desk.told
        assert (change["action"], change["job"]["status"], change["job"]["end_time"]) == (
            "finished",
            "interrupted",
            None,
        )
