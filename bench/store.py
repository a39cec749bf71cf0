"""The store beside plain SQLite commits of the same bytes: `python bench/store.py`; figures are medians."""

import asyncio
import random
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
from tinydb import where

sys.path.insert(0, str(Path(__file__).parent.parent))

from bridge.store import Store

COLUMNS = {"start_time": float, "status": str}
ROUNDS = 400


def job(number: int) -> dict[str, object]:
    noise = random.Random(number)
    return {
        "filename": f"parts/part_{number}.gcode",
        "status": noise.choice(["completed", "cancelled", "error"]),
        "start_time": 1.7e9 + number * 600,
        "end_time": 1.7e9 + number * 600 + 500,
        "print_duration": noise.random() * 500,
        "filament_used": noise.random() * 5000,
        "metadata": {f"field_{i}": noise.random() * 1000 for i in range(40)},
        "user": None,
    }


class Plain:
    """What a commit costs without us: one table, no index, the same settings."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for setting in ("journal_mode=WAL", "synchronous=FULL"):
            self.connection.execute(f"PRAGMA {setting}")
        self.connection.execute("CREATE TABLE IF NOT EXISTS jobs (id INTEGER PRIMARY KEY, doc BLOB NOT NULL)")

    def fill(self, first: int, last: int) -> None:
        """Add jobs in one commit."""
        self.connection.execute("BEGIN")
        for number in range(first, last):
            self.insert(job(number))
        self.connection.execute("COMMIT")

    def insert(self, document: dict[str, object]) -> None:
        """One commit of one document."""
        self.connection.execute("INSERT INTO jobs (doc) VALUES (?)", [msgspec.json.encode(document)])

    def update(self, doc_id: int, document: dict[str, object]) -> None:
        """One commit of one changed document."""
        self.connection.execute(
            "UPDATE jobs SET doc = ? WHERE id = ?", [msgspec.json.encode(document), doc_id]
        )


def resident() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmRSS")


def show(name: str, value: float, plain: float = 0, threaded: float = 0, unit: str = "ms") -> None:
    beside = (
        f"   x {value / plain:4.2f} of plain   x {value / threaded:4.2f} of plain in a thread"
        if plain
        else ""
    )
    print(f"{name:42} {value:8.3f} {unit}{beside}")


class Threaded(Plain):
    """The same commit sent to a thread, as everything must be that may not stop the event loop."""

    def __init__(self, path: Path) -> None:
        self.worker = ThreadPoolExecutor(1)
        self.worker.submit(super().__init__, path).result()

    async def send(self, work: Callable[..., None], *arguments: object) -> None:
        """Do it over there and wait."""
        await asyncio.get_running_loop().run_in_executor(self.worker, work, *arguments)


async def writes(store: Store, plain: Plain, threaded: Threaded, count: int) -> None:
    """Turn by turn, so that all meet the same disk."""
    jobs = store.table("jobs", COLUMNS)
    took: dict[str, list[float]] = {}

    def note(name: str, started: float) -> None:
        took.setdefault(name, []).append(time.perf_counter() - started)

    for number in range(ROUNDS):
        document = job(count + number)
        changed = {**document, "end_time": float(number), "status": "completed"}
        started = time.perf_counter()
        plain.insert(document)
        note("insert plain", started)
        started = time.perf_counter()
        await threaded.send(threaded.insert, document)
        note("insert threaded", started)
        started = time.perf_counter()
        doc_id = await jobs.insert(document)
        note("insert store", started)
        started = time.perf_counter()
        plain.update(doc_id, changed)
        note("update plain", started)
        started = time.perf_counter()
        await threaded.send(threaded.update, doc_id, changed)
        note("update threaded", started)
        started = time.perf_counter()
        await jobs.update({"end_time": float(number), "status": "completed"}, doc_ids=[doc_id])
        note("update store", started)
    for what in ("insert", "update"):
        middle = {
            name: statistics.median(took[f"{what} {name}"]) * 1000 for name in ("store", "plain", "threaded")
        }
        show(f"{what} at {count} documents", middle["store"], middle["plain"], middle["threaded"])


async def loop_lag(work: Awaitable[object]) -> float:
    """The longest time the loop was late while `work` was awaited."""
    worst, done = 0.0, asyncio.ensure_future(work)
    while not done.done():
        started = time.perf_counter()
        await asyncio.sleep(0.001)
        worst = max(worst, time.perf_counter() - started - 0.001)
    await done
    return worst * 1000


async def timed(name: str, make: Callable[[], Awaitable[object]], rounds: int) -> None:
    took = []
    for _ in range(rounds):
        started = time.perf_counter()
        await make()
        took.append(time.perf_counter() - started)
    show(name, statistics.median(took) * 1000)


async def started_in(path: Path) -> float:
    started = time.perf_counter()
    async with Store(path) as store:
        await store.table("jobs", COLUMNS).page(order="-id", limit=1)
        took = time.perf_counter() - started
    return took * 1000


async def main(folder: Path) -> None:
    print(f"a document has {len(msgspec.json.encode(job(5)))} bytes")
    async with Store(folder / "empty.db") as store:
        await store.table("jobs", COLUMNS).count()
    empty = statistics.median([await started_in(folder / "empty.db") for _ in range(5)])
    plain, threaded = Plain(folder / "plain.db"), Threaded(folder / "threaded.db")
    async with Store(folder / "store.db") as store:
        await writes(store, plain, threaded, 0)
        jobs = store.table("jobs", COLUMNS)
        for first in range(ROUNDS, 10_000, 400):
            await jobs.insert_multiple([job(number) for number in range(first, first + 400)])
    for other in (plain, threaded):
        other.fill(ROUNDS, 10_000)
        # Opened anew like the store: a log that grows costs more than one that is written over.
        other.connection.close()
    plain, threaded = Plain(folder / "plain.db"), Threaded(folder / "threaded.db")
    show("start-up, empty", empty)
    full = statistics.median([await started_in(folder / "store.db") for _ in range(5)])
    show("start-up, 10,000 documents", full)
    before = resident()
    store = Store(folder / "store.db")
    await store.open()
    await writes(store, plain, threaded, 10_000)
    await reads(store)
    show("memory taken by all this", resident() - before, unit="MB")
    show("loop lag during all() of 10,000", await loop_lag(store.table("jobs").all()))
    await store.close()


async def reads(store: Store) -> None:
    jobs = store.table("jobs", COLUMNS)
    some = [("start_time", ">", 1.7e9 + 3e6), ("start_time", "<", 1.7e9 + 4e6)]
    await timed("page, limit 50, offset 5,000", lambda: jobs.page(order="-start_time", offset=5000), 50)
    await timed("page since and before", lambda: jobs.page(where=some, order="-start_time"), 50)
    await timed("search 10,000 for one", lambda: jobs.search(where("filename") == "parts/part_9000.gcode"), 3)
    await timed("count 10,000", jobs.count, 5)
    show(
        "loop lag during a search of 10,000", await loop_lag(jobs.search(where("metadata")["field_3"] > 990))
    )


if __name__ == "__main__":
    place = Path(tempfile.mkdtemp(dir=sys.argv[1] if len(sys.argv) > 1 else None))
    try:
        asyncio.run(main(place))
    finally:
        shutil.rmtree(place)
