"""10,000 jobs of 1.5 kB: `python bench/history.py [--moonraker PYTHON]`; figures are medians.

Insert and update are those of a real job (its start and its end with the totals) beside a plain SQLite commit
of the same bytes, turn by turn on the same disk. With the interpreter of a venv that has Moonraker
installed, both servers are asked for the same page turn by turn.
"""

import argparse
import asyncio
import contextlib
import json
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import psutil

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.database import Server, bridge, moonraker
from bridge.gcode.library import Library
from bridge.gcode.metadata import Metadata, Thumbnail
from bridge.jobs.ledger import Ledger
from bridge.jobs.tracker import Job, JobTracker, Start
from bridge.jobs.watch import JobWatch
from bridge.klippy.commands import Commands
from bridge.klippy.link import KlippyLink
from bridge.klippy.state import Klippy
from bridge.klippy.status import StatusCache
from bridge.roots import Roots
from bridge.store import Store

JOBS, PAGES, COMMITS, STARTS = 10_000, 300, 300, 5
COLUMNS = {"start_time": float}


def job(number: int) -> Job:
    """One of some 1.5 kB."""
    pictures = [Thumbnail(side, side, 9999, f".thumbs/part_{number}-{side}x{side}.png") for side in (32, 300)]
    metadata = Metadata(
        size=5_000_000 + number,
        modified=1.7e9 + number,
        uuid="8f6a0f0e-0000-0000-0000-000000000000",
        slicer="PrusaSlicer",
        slicer_version="2.8.0",
        gcode_start_byte=60_000,
        gcode_end_byte=4_990_000,
        layer_count=250,
        object_height=50.0,
        estimated_time=3723.0,
        nozzle_diameter=0.4,
        layer_height=0.2,
        first_layer_height=0.2,
        first_layer_extr_temp=215.0,
        first_layer_bed_temp=60.0,
        filament_total=12_345.67,
        filament_weight_total=36.83,
        filament_type="PLA",
        filament_name="Generic PLA " + "x" * 620,
        thumbnails=pictures,
    )
    start = 1.7e9 + number * 4000
    return Job(
        f"parts/part_{number % 500}.gcode",
        start,
        status="completed" if number % 7 else "cancelled",
        end_time=start + 3700,
        print_duration=3600.0,
        total_duration=3700.0,
        filament_used=random.Random(number).random() * 5000,
        metadata=metadata,
    )


async def seed(path: Path, count: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    async with Store(path) as store:
        documents = [msgspec.to_builtins(job(number)) for number in range(count)]
        await store.table("history", COLUMNS).insert_multiple(documents)


def seed_moonraker(folder: Path, count: int) -> None:
    """Moonraker's rows, while it is stopped; it must have run once."""
    rows = []
    for number in range(count):
        one = job(number)
        metadata = json.dumps(msgspec.to_builtins(one.metadata))
        figures = (one.start_time, one.end_time, one.print_duration, one.total_duration, one.filament_used)
        rows.append((None, "No User", one.filename, one.status, *figures, metadata, "[]", "default"))
    with contextlib.closing(sqlite3.connect(folder / "database" / "moonraker-sql.db")) as db, db:
        db.executemany("INSERT INTO job_history VALUES(?,?,?,?,?,?,?,?,?,?,?,?)", rows)


class Desk:
    """The ledger with a tracker that is told of jobs by hand."""

    def __init__(self, store: Store) -> None:
        link = KlippyLink(Path("none.sock"), timeout=1)
        cache = StatusCache(link)
        watch = JobWatch(Klippy(link, cache, version="0"), cache)
        self.tracker = JobTracker(watch, cache, Library(Roots({}), store), Commands(link))
        self.ledger = Ledger(store, self.tracker)
        self._written = asyncio.Event()
        self.ledger.added.connect(lambda _record: self._written.set())
        self.ledger.finished.connect(lambda _record: self._written.set())

    async def _took(self, tell: Callable[[], None]) -> float:
        self._written.clear()
        started = time.perf_counter()
        tell()
        await self._written.wait()
        return time.perf_counter() - started

    async def start(self, one: Job) -> float:
        known: asyncio.Future[Metadata | None] = asyncio.get_running_loop().create_future()
        known.set_result(one.metadata)
        begun = Start(one, adopted=False, metadata=known)
        return await self._took(lambda: self.tracker.started.emit(begun))

    async def end(self, one: Job) -> float:
        return await self._took(lambda: self.tracker.finished.emit(one))


class Plain:
    """A table without index, and its commits: here, or in a thread, as what may not stop the loop must be."""

    def __init__(self, path: Path, count: int) -> None:
        self._worker = ThreadPoolExecutor(1)
        self._db = self._opened(path)
        self._db.execute("CREATE TABLE jobs (id INTEGER PRIMARY KEY, doc BLOB NOT NULL)")
        self._db.execute("BEGIN")
        for number in range(count):
            self._insert(job(number))
        self._db.execute("COMMIT")
        self._db.close()
        self._db = self._opened(path)  # as ours: a log that grows costs more than one that is written over

    def _opened(self, path: Path) -> sqlite3.Connection:
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for setting in ("journal_mode=WAL", "synchronous=FULL"):
            db.execute(f"PRAGMA {setting}")
        return db

    def _insert(self, one: Job) -> None:
        self._db.execute("INSERT INTO jobs (doc) VALUES (?)", [msgspec.json.encode(one)])

    def _update(self, one: Job) -> None:
        self._db.execute(
            "UPDATE jobs SET doc = ? WHERE id = (SELECT max(id) FROM jobs)", [msgspec.json.encode(one)]
        )

    async def took(self, what: str, one: Job, *, threaded: bool) -> float:
        """Seconds of one commit."""
        work = self._insert if what == "insert" else self._update
        started = time.perf_counter()
        if threaded:
            await asyncio.get_running_loop().run_in_executor(self._worker, work, one)
        else:
            work(one)
        return time.perf_counter() - started


async def commits(folder: Path, count: int) -> None:
    """A job's start and end beside plain commits, turn by turn."""
    await seed(folder / "bridge.db", count)
    plain, threaded = Plain(folder / "plain.db", count), Plain(folder / "threaded.db", count)
    took: dict[tuple[str, str], list[float]] = {}
    async with Store(folder / "bridge.db") as store:
        desk = Desk(store)
        await desk.ledger.open()
        running = asyncio.ensure_future(desk.ledger.run())
        for number in range(COMMITS):
            ended = job(count + number)
            begun = replace(ended, status="in_progress", end_time=None)
            for what, one, ours in (("insert", begun, desk.start), ("update", ended, desk.end)):
                took.setdefault((what, "ours"), []).append(await ours(one))
                took.setdefault((what, "plain"), []).append(await plain.took(what, one, threaded=False))
                took.setdefault((what, "threaded"), []).append(await threaded.took(what, one, threaded=True))
        running.cancel()
        await asyncio.wait([running])
    for what in ("insert", "update"):
        ours, here, there = (
            statistics.median(took[what, who]) * 1e3 for who in ("ours", "plain", "threaded")
        )
        ratios = f"x {ours / here:.2f} of plain, x {ours / there:.2f} of plain in a thread"
        print(f"{what} with {count} jobs: {ours:.3f} ms, {ratios}")


async def first_answer(server: Server, command: list[str]) -> tuple[float, float]:
    """Seconds from the start of the process to its first answer, and its memory after a page in MB."""
    started = time.perf_counter()
    async with server.running(command):
        await server.call("start", "server.history.list", limit=1)
        took = time.perf_counter() - started
        for _ in range(20):
            await server.call("warm", "server.history.list", limit=50, start=JOBS // 2)
        [process] = [
            one for one in psutil.Process().children() if str(server.folder) in " ".join(one.cmdline())
        ]
        return took, process.memory_info().rss / 1e6


async def growth(folder: Path) -> None:
    """What 10,000 jobs cost at the start and in memory; empty and full turn by turn."""
    found: dict[int, list[tuple[float, float]]] = {0: [], JOBS: []}
    for count in found:
        (folder / str(count)).mkdir(parents=True)
        await seed(folder / str(count) / "data" / "bridge" / "bridge.db", count)
    for _ in range(STARTS):
        for count, figures in found.items():
            figures.append(await first_answer(*bridge(folder / str(count))))
    (start, memory), (full_start, full_memory) = (
        tuple(statistics.median(column) for column in zip(*figures, strict=True))
        for figures in found.values()
    )
    print(f"start-up: {start:.2f} s empty, {full_start:.2f} s full, growth {full_start - start:.2f} s")
    print(f"memory: {memory:.1f} MB empty, {full_memory:.1f} MB full, growth {full_memory - memory:.1f} MB")


async def pages(folder: Path, python: str | None) -> None:
    """A page in the middle."""
    folder.mkdir()
    starts = [bridge(folder)]
    await seed(folder / "data" / "bridge" / "bridge.db", JOBS)
    if python:
        starts.append(moonraker(folder / "moonraker", python))
        async with starts[1][0].running(starts[1][1]):
            await starts[1][0].call("start", "server.info")
        seed_moonraker(folder / "moonraker", JOBS)
    async with contextlib.AsyncExitStack() as stack:
        for server, command in starts:
            await stack.enter_async_context(server.running(command))
        for _ in range(PAGES):
            for server, _command in starts:
                answer: Any = await server.call("page", "server.history.list", limit=50, start=JOBS // 2)
                assert answer["count"] == 50
    for server, _command in starts:
        low = statistics.quantiles(server.took["page"], n=100)
        print(f"page, {server.name:16} p50 {low[49]:.2f} ms  p99 {low[98]:.2f} ms")
    if python:
        ours, theirs = (statistics.median(server.took["page"]) for server, _ in starts)
        print(f"page, ratio {ours / theirs:.2f}")


async def main(python: str | None) -> None:
    size = len(msgspec.json.encode(job(1)))
    print(f"{JOBS} jobs of {size} bytes")
    with tempfile.TemporaryDirectory() as name:
        for count in (0, JOBS):
            (Path(name) / f"commits-{count}").mkdir()
            await commits(Path(name) / f"commits-{count}", count)
        await growth(Path(name) / "growth")
        await pages(Path(name) / "pages", python)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--moonraker", metavar="PYTHON", help="interpreter of a venv with Moonraker")
    asyncio.run(main(options.parse_args().moonraker))
