"""server.job_queue.*: order, states, and what happens when something comes between."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bridge.config import JobQueue as Settings
from bridge.errors import BadParams, BadRequest, BridgeError, Conflict, NotFound
from bridge.gcode.library import Library
from bridge.handlers.job_queue import JobQueue
from bridge.jobs.watch import JobWatch
from bridge.klippy.commands import Commands
from bridge.klippy.frames import encode
from bridge.klippy.link import KlippyLink
from bridge.klippy.state import Klippy
from bridge.klippy.status import StatusCache
from bridge.roots import Root, Roots
from bridge.rpc import Access, Door, Registry
from bridge.store import Store
from tests.klippy.fake_klippy import SILENT, FakeKlippy, Refused, fake_klippy
from tests.threads import asked_below
from tests.wire import until

NAMES = ("a.gcode", "b.gcode", "c d.gcode", "sub/e.gcode")


class Shop:
    """A queue before a fake Klippy; its own client."""

    door, user = Door.HTTP, "ann"

    def __init__(self, folder: Path, fake: FakeKlippy, settings: Settings) -> None:
        self.gcodes, self.fake = folder / "data" / "gcodes", fake
        self.store = Store(folder / "bridge.db")
        link = KlippyLink(fake.path, timeout=2)
        self.cache = StatusCache(link)
        self.klippy = Klippy(link, self.cache, version="0")
        self.watch = JobWatch(self.klippy, self.cache)
        library = Library(Roots({"gcodes": Root("gcodes", self.gcodes, writable=True)}), self.store)
        self.queue = JobQueue(self.store, library, self.klippy, Commands(link), self.watch, settings)
        self.registry = Registry()
        self.registry.mount(self.queue)
        self.told: list[tuple[str, list[str] | None, str]] = []
        self.registry.noticed.connect(lambda notice: self._hear(msgspec.to_builtins(notice.params[0])))
        self.parts = (self.klippy, self.queue)
        self.tasks: list[asyncio.Future[None]] = []

    def _hear(self, change: dict[str, Any]) -> None:
        jobs = change["updated_queue"]
        self.told.append(
            (change["action"], jobs and [job["filename"] for job in jobs], change["queue_state"])
        )

    def allows(self, _access: Access, _method: str) -> BridgeError | None:
        return None

    def notify(self, method: str, params: list[Any]) -> None: ...

    async def call(self, name: str, **params: Any) -> Any:
        return msgspec.to_builtins(await self.registry.call(f"server.job_queue.{name}", params, self))

    async def post(self, *names: str, **params: Any) -> list[str]:
        answer = await self.call("post_job", filenames=list(names), **params)
        return [job["job_id"] for job in answer["queued_jobs"]]

    @property
    def state(self) -> str:
        return self.queue.status.queue_state

    @property
    def names(self) -> list[str]:
        return [job.filename for job in self.queue.status.queued_jobs]

    @property
    def prints(self) -> list[str]:
        """The files that Klippy was asked to print."""
        return [text.partition("FILENAME=")[2].strip('"') for text in self.fake.scripts if "SDCARD" in text]

    async def becomes(self, state: str) -> None:
        await until(lambda: self.state == state)

    async def sees(self, **stats: Any) -> None:
        """Klippy's status has changed, and the queue has heard of it."""
        seen = asyncio.Event()
        forget = self.cache.changed.connect(lambda _delta: seen.set())
        self.fake.push(print_stats=stats)
        await seen.wait()
        forget()

    async def prints_to(self, end: str, name: str, **more: Any) -> None:
        await self.sees(state="printing", filename=name, total_duration=0.1)
        await self.sees(state=end, total_duration=5.0, **more)


@contextlib.asynccontextmanager
async def running(folder: Path, fake: FakeKlippy, **settings: Any) -> AsyncIterator[Shop]:
    shop = Shop(folder, fake, Settings(**settings))
    for name in NAMES:
        path = shop.gcodes / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("G28\n")
    await shop.store.open()
    await shop.queue.open()
    shop.tasks = [asyncio.ensure_future(part.run()) for part in shop.parts]
    try:
        await until(lambda: fake._server is None or (shop.klippy.ready and fake.subscribed))
        yield shop
    finally:
        for task in shop.tasks:
            task.cancel()
        await asyncio.wait(shop.tasks)
        await shop.klippy.close()
        await shop.store.close()
        assert not [task for task in shop.tasks if not task.cancelled() and task.exception()]


@pytest.fixture
async def fake(tmp_path: Path):
    async with fake_klippy(tmp_path) as one:
        yield one


@pytest.fixture
async def shop(tmp_path: Path, fake: FakeKlippy):
    async with running(tmp_path, fake) as one:
        yield one


@pytest.fixture
async def line(tmp_path: Path, fake: FakeKlippy):
    """A printer whose bed clears itself, which takes it a moment."""
    async with running(tmp_path, fake, automatic_transition=True, job_transition_delay=0.05) as one:
        yield one


def hold(fake: FakeKlippy) -> None:
    """Scripts are not answered any more."""
    fake.answers["gcode/script"] = lambda params: fake.scripts.append(params["script"]) or SILENT


def release(fake: FakeKlippy) -> None:
    """The last script is answered."""
    last = [one for one in fake.requests if one["method"] == "gcode/script"][-1]
    fake.answers.clear()
    fake.send(encode({"id": last["id"], "result": {}}))


async def test_jobs_come_out_in_the_order_they_came_in_and_may_repeat(shop: Shop) -> None:
    answer = await shop.call("post_job", filenames="a.gcode,b.gcode,a.gcode")
    assert answer.keys() == {"queued_jobs", "queue_state", "reason"}
    first = answer["queued_jobs"][0]
    assert first.keys() == {"filename", "job_id", "time_added", "time_in_queue"}
    assert len({job["job_id"] for job in answer["queued_jobs"]}) == 3
    await shop.post("/sub//e.gcode")
    assert shop.names == ["a.gcode", "b.gcode", "a.gcode", "sub/e.gcode"]
    await shop.post("c d.gcode", reset=True)
    assert shop.names == ["c d.gcode"]
    assert [told[0] for told in shop.told] == ["jobs_added"] * 3
    assert (await shop.call("status"))["queue_state"] == "ready"


@pytest.mark.parametrize(
    "name", ["none.gcode", "../bridge.db", "sub", "", "a.gcode/", "a\n.gcode", "sub/../a.gcode"]
)
async def test_nothing_is_added_unless_every_file_is_inside_gcodes(shop: Shop, name: str) -> None:
    with pytest.raises((NotFound, BadRequest)):
        await shop.post("a.gcode", name)
    assert shop.names == []
    assert shop.told == []


async def test_a_queue_has_a_largest_size(shop: Shop) -> None:
    with pytest.raises(Conflict, match="at most"):
        await shop.post(*["a.gcode"] * 1001)
    with pytest.raises(BadParams):
        await shop.post()
    assert shop.names == []


async def test_a_hundred_thousand_names_are_refused_at_once(shop: Shop) -> None:
    with asked_below(shop.gcodes) as asked, pytest.raises(Conflict, match="at most 1000"):
        await shop.post(*["a.gcode"] * 100_000)
    assert asked == []


async def test_the_event_loop_never_waits_for_the_disk(shop: Shop) -> None:
    with asked_below(shop.gcodes) as asked:
        await shop.post("a.gcode", "b.gcode")
        await shop.queue.start_or_queue("c d.gcode", None, may_queue=True)
        await shop.call("start")
        await shop.becomes("ready")
        await until(lambda: len(shop.prints) == 2)
    assert asked
    assert not any(asked)


async def test_jobs_are_taken_out_and_unknown_ids_ignored(shop: Shop) -> None:
    ids = await shop.post("a.gcode", "b.gcode", "c d.gcode")
    shop.told.clear()
    await shop.call("delete_job", job_ids=f"{ids[1]},FFFF")
    assert shop.names == ["a.gcode", "c d.gcode"]
    await shop.call("delete_job", job_ids=["FFFF"])
    assert shop.told == [("jobs_removed", ["a.gcode", "c d.gcode"], "ready")]
    assert (await shop.call("delete_job", all=True))["queued_jobs"] == []
    with pytest.raises(BadParams):
        await shop.call("delete_job")


async def test_a_jump_is_announced(shop: Shop) -> None:
    ids = await shop.post("a.gcode", "b.gcode", "c d.gcode")
    shop.told.clear()
    await shop.call("jump", job_id=ids[2])
    assert shop.told == [("jobs_reordered", ["c d.gcode", "a.gcode", "b.gcode"], "ready")]
    with pytest.raises(NotFound):
        await shop.call("jump", job_id="FFFF")


async def test_a_start_on_an_idle_printer_goes_through_every_state(shop: Shop) -> None:
    await shop.post("c d.gcode", "b.gcode")
    shop.told.clear()
    assert (await shop.call("start"))["queue_state"] == "loading"
    await shop.becomes("ready")
    assert shop.prints == ["c d.gcode"]
    assert shop.told == [
        ("state_changed", None, "loading"),
        ("state_changed", None, "starting"),
        ("job_loaded", ["b.gcode"], "starting"),
        ("state_changed", None, "ready"),
    ]


async def test_nothing_follows_by_itself_unless_that_is_wished_for(shop: Shop) -> None:
    await shop.post("a.gcode", "b.gcode")
    await shop.call("start")
    await shop.becomes("ready")
    await shop.prints_to("complete", "a.gcode")
    assert (shop.state, shop.prints) == ("paused", ["a.gcode"])


async def test_an_automatic_queue_prints_all_it_has(line: Shop) -> None:
    await line.post("a.gcode", "b.gcode", "a.gcode")
    await line.call("start")
    for number, name in enumerate(("a.gcode", "b.gcode", "a.gcode"), 1):
        await until(lambda number=number: len(line.prints) == number and line.state == "ready")
        await line.prints_to("complete", name)
    assert line.prints == ["a.gcode", "b.gcode", "a.gcode"]
    assert (line.state, line.names) == ("ready", [])


async def test_a_job_is_started_no_sooner_than_the_delay_after_the_one_before(
    tmp_path: Path, fake: FakeKlippy
) -> None:
    """Then comes the transition's G-code, then the job; `loading` tells of it meanwhile."""
    delay, loop = 0.4, asyncio.get_running_loop()
    settings = {
        "automatic_transition": True,
        "job_transition_delay": delay,
        "job_transition_gcode": "CLEAR_BED",
    }
    async with running(tmp_path, fake, **settings) as shop:
        await shop.post("a.gcode")
        await shop.prints_to("complete", "b.gcode")
        began = loop.time()
        assert shop.state == "loading"
        await until(lambda: fake.scripts)
        assert loop.time() - began >= delay - 0.02
        await shop.becomes("ready")
        assert fake.scripts == ["CLEAR_BED", 'SDCARD_PRINT_FILE FILENAME="a.gcode"']


@pytest.mark.parametrize(
    ("end", "message", "reason"),
    [
        ("cancelled", "", "a.gcode ended as 'cancelled'"),
        ("error", "Move out of range\nmore", "a.gcode ended as 'error': Move out of range"),
    ],
)
async def test_a_job_that_failed_stops_the_queue_and_says_why(
    line: Shop, end: str, message: str, reason: str
) -> None:
    await line.post("a.gcode", "b.gcode")
    await line.call("start")
    await line.becomes("ready")
    await line.prints_to(end, "a.gcode", message=message)
    assert (line.state, line.queue.status.reason, line.names) == ("paused", reason, ["b.gcode"])
    await line.call("delete_job", all=True)
    await line.call("start")
    assert (line.state, line.queue.status.reason) == ("ready", None)
    await line.prints_to(end, "a.gcode", message=message)
    assert line.state == "ready"


async def test_a_shutdown_in_a_print_stops_the_queue(line: Shop) -> None:
    await line.post("a.gcode", "b.gcode")
    await line.call("start")
    await line.becomes("ready")
    await line.sees(state="printing", filename="a.gcode", total_duration=0.1)
    line.fake.become("shutdown", "Lost communication with MCU")
    await line.becomes("paused")
    assert line.queue.status.reason == "a.gcode ended as 'klippy_shutdown': Lost communication with MCU"


async def test_a_pause_aborts_a_load(line: Shop) -> None:
    await line.post("a.gcode")
    await line.call("start")
    assert (await line.call("pause"))["queue_state"] == "paused"
    await asyncio.sleep(0.1)  # longer than the delay: a load that was not aborted would start by now
    assert (line.state, line.prints, line.names) == ("paused", [], ["a.gcode"])


async def test_a_pause_and_a_start_in_one_load_start_one_job(line: Shop) -> None:
    await line.post("a.gcode", "b.gcode")
    for _ in range(5):
        await line.call("start")
        await line.call("pause")
    await line.call("start")
    await line.becomes("ready")
    await asyncio.sleep(0.1)
    assert line.prints == ["a.gcode"]


async def test_a_pause_while_a_job_is_being_started_counts_after_it(line: Shop) -> None:
    await line.post("a.gcode", "b.gcode")
    hold(line.fake)
    await line.call("start")
    await line.becomes("starting")
    assert (await line.call("pause"))["queue_state"] == "starting"
    await until(lambda: line.prints)
    release(line.fake)
    await line.becomes("paused")
    assert line.names == ["b.gcode"]
    await line.prints_to("complete", "a.gcode")
    assert (line.state, line.prints) == ("paused", ["a.gcode"])


async def test_jumps_and_deletions_in_a_load_are_heeded(line: Shop) -> None:
    ids = await line.post("a.gcode", "b.gcode", "c d.gcode")
    await line.call("start")
    await line.call("jump", job_id=ids[2])
    await line.call("delete_job", job_ids=[ids[0]])
    await line.becomes("ready")
    assert (line.prints, line.names) == (["c d.gcode"], ["b.gcode"])


async def test_a_queue_that_is_emptied_in_a_load_is_ready(line: Shop) -> None:
    await line.post("a.gcode")
    await line.call("start")
    await line.call("delete_job", all=True)
    await line.becomes("ready")
    assert line.prints == []


async def test_a_print_started_by_hand_in_a_load_goes_first(line: Shop) -> None:
    await line.post("a.gcode")
    await line.call("start")
    await line.sees(state="printing", filename="b.gcode", total_duration=0.1)
    await line.becomes("ready")
    assert line.prints == []
    await line.sees(state="complete", total_duration=5.0)
    await until(lambda: line.prints == ["a.gcode"])


async def test_what_klippy_refuses_stops_the_queue_with_the_reason(shop: Shop) -> None:
    def refuse(_params: dict[str, Any]) -> Any:
        raise Refused("Unable to open file")

    await shop.post("a.gcode", "b.gcode")
    shop.fake.answers["gcode/script"] = refuse
    await shop.call("start")
    await shop.becomes("paused")
    assert (shop.queue.status.reason, shop.names) == ("Unable to open file", ["a.gcode", "b.gcode"])
    shop.fake.answers.clear()
    await shop.call("start")
    await shop.becomes("ready")
    assert shop.prints == ["a.gcode"]


async def test_a_file_that_is_gone_is_skipped_and_said(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    await shop.post("a.gcode", "b.gcode", "a.gcode", "c d.gcode")
    (shop.gcodes / "a.gcode").unlink()
    (shop.gcodes / "b.gcode").unlink()
    shop.told.clear()
    await shop.call("start")
    await shop.becomes("ready")
    assert (shop.prints, shop.names) == (["c d.gcode"], [])
    assert ("jobs_removed", ["c d.gcode"], "loading") in shop.told
    assert caplog.text.count("its file is gone") == 3


async def test_a_start_without_klippy_waits_for_a_job_to_end(shop: Shop) -> None:
    await shop.post("a.gcode")
    await shop.call("pause")
    await shop.fake.stop()
    await until(lambda: not shop.klippy.ready)
    assert (await shop.call("start"))["queue_state"] == "ready"
    await shop.fake.start()
    await until(lambda: shop.klippy.ready and shop.fake.subscribed)
    assert shop.prints == []


async def test_a_start_in_a_print_loads_after_it(line: Shop) -> None:
    await line.sees(state="printing", filename="b.gcode", total_duration=0.1)
    await line.post("a.gcode")
    await line.call("pause")
    assert (await line.call("start"))["queue_state"] == "ready"
    await line.sees(state="complete", total_duration=5.0)
    await until(lambda: line.prints == ["a.gcode"])


async def test_a_lost_socket_in_a_print_does_not_stop_the_queue(line: Shop) -> None:
    await line.post("a.gcode")
    await line.sees(state="printing", filename="b.gcode", total_duration=0.1)
    line.fake.drop()
    await until(lambda: not line.klippy.ready)
    await until(lambda: line.klippy.ready and line.fake.subscribed)
    await line.sees(state="complete", total_duration=5.0)
    await until(lambda: line.prints == ["a.gcode"])


async def test_a_restart_keeps_the_queue_and_waits(tmp_path: Path, fake: FakeKlippy) -> None:
    async with running(tmp_path, fake) as shop:
        before = await shop.post("a.gcode", "b.gcode")
    async with running(tmp_path, fake) as shop:
        status = await shop.call("status")
        assert [job["job_id"] for job in status["queued_jobs"]] == before
        assert (status["queue_state"], status["reason"]) == ("paused", "the bridge has restarted")
        await shop.call("start")
        await shop.becomes("ready")
        assert shop.prints == ["a.gcode"]
    async with running(tmp_path, fake) as shop:
        assert shop.names == ["b.gcode"]


async def test_a_queue_may_load_on_startup(tmp_path: Path, fake: FakeKlippy) -> None:
    async with running(tmp_path, fake) as shop:
        await shop.post("a.gcode", "b.gcode")
    async with running(tmp_path, fake, load_on_startup=True) as shop:
        await until(lambda: shop.prints == ["a.gcode"])
        await shop.becomes("ready")
        fake.push(print_stats={"state": "printing", "filename": "a.gcode", "total_duration": 1.0})
    async with running(tmp_path, fake, load_on_startup=True) as shop:
        assert (shop.state, shop.names, shop.prints) == ("ready", ["b.gcode"], ["a.gcode"])


async def test_gcode_runs_between_two_jobs_and_its_error_stops_the_queue(
    tmp_path: Path, fake: FakeKlippy
) -> None:
    def refuse(_params: dict[str, Any]) -> Any:
        raise Refused("the bed is not clear")

    async with running(tmp_path, fake, job_transition_gcode="CLEAR_BED") as shop:
        await shop.post("a.gcode", "b.gcode")
        await shop.call("start")
        await shop.becomes("ready")
        assert fake.scripts == ["CLEAR_BED", 'SDCARD_PRINT_FILE FILENAME="a.gcode"']
        await shop.prints_to("complete", "a.gcode")
        fake.answers["gcode/script"] = refuse
        await shop.call("start")
        await until(lambda: shop.queue.status.reason)
        assert (shop.state, shop.queue.status.reason) == ("paused", "the bed is not clear")


async def test_macros_pause_and_start_the_queue(shop: Shop) -> None:
    await shop.post("a.gcode")
    offered = {
        one["params"]["remote_method"]: one["params"]["response_template"]
        for one in shop.fake.requests
        if one["method"] == "register_remote_method"
    }
    shop.fake.send(encode({**offered["pause_job_queue"], "params": {}}))
    await shop.becomes("paused")
    shop.fake.send(encode({**offered["start_job_queue"], "params": {}}))
    await until(lambda: shop.prints == ["a.gcode"])


async def test_a_job_that_is_over_before_its_start_is_answered_is_followed_by_the_next(line: Shop) -> None:
    await line.post("a.gcode", "b.gcode")
    hold(line.fake)
    await line.call("start")
    await until(lambda: line.prints)
    await line.sees(state="complete", filename="a.gcode", total_duration=0.02)
    assert line.state == "starting"
    release(line.fake)
    await until(lambda: line.prints == ["a.gcode", "b.gcode"])
    await line.becomes("ready")
    assert line.names == []


async def test_an_upload_is_printed_when_the_printer_is_free_else_queued(shop: Shop) -> None:
    started = await shop.queue.start_or_queue("a.gcode", "ann", may_queue=True)
    assert (started.print_started, started.print_queued, shop.prints) == (True, False, ["a.gcode"])
    await shop.sees(state="printing", filename="a.gcode", total_duration=0.1)
    queued = await shop.queue.start_or_queue("b.gcode", "ann", may_queue=True)
    assert (queued.print_started, queued.print_queued, shop.names) == (False, True, ["b.gcode"])
    with pytest.raises(Conflict, match="is printing"):
        await shop.queue.start_or_queue("b.gcode", "ann", may_queue=False)
    with pytest.raises(NotFound):
        await shop.queue.start_or_queue("none.gcode", "ann", may_queue=True)


async def test_a_stored_queue_that_cannot_be_read_is_begun_anew(tmp_path: Path, fake: FakeKlippy) -> None:
    async with running(tmp_path, fake) as shop:
        await shop.post("a.gcode")
        await shop.store.table("job_queue").update({"jobs": [{"filename": 5}]})
    async with running(tmp_path, fake) as shop:
        assert shop.names == []
        await shop.post("b.gcode")
    async with running(tmp_path, fake) as shop:
        assert shop.names == ["b.gcode"]


async def test_a_change_that_cannot_be_written_is_refused_and_changes_nothing(shop: Shop) -> None:
    await shop.post("a.gcode")
    await shop.store.read(lambda db: db.rows.connection.execute("PRAGMA query_only=ON"))
    with pytest.raises(BridgeError, match="Nothing was stored"):
        await shop.post("b.gcode")
    assert shop.names == ["a.gcode"]
    await shop.call("start")
    await shop.becomes("paused")
    assert "Nothing was stored" in (shop.queue.status.reason or "")


@pytest.mark.parametrize(("waiting", "warnings"), [([], []), (["a.gcode"], ["WARNING"])])
async def test_a_bed_to_be_cleared_is_a_warning_only_where_a_job_waits(
    shop: Shop, waiting: list[str], warnings: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    for name in waiting:
        await shop.post(name)
    await shop.prints_to("complete", "b.gcode")
    await shop.becomes("paused")
    told = [record.levelname for record in caplog.records if "clear the bed" in record.getMessage()]
    assert [level for level in told if level != "INFO"] == warnings
