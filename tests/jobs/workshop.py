"""The parts that know of jobs, below the doors; Klippy's status is put on its wire by hand."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from bridge.gcode.library import Library
from bridge.jobs.fields import FieldSpec, Gauge
from bridge.jobs.ledger import SETTLED, Ledger, Record
from bridge.jobs.tracker import JobTracker
from bridge.jobs.watch import JobWatch
from bridge.klippy.commands import Commands
from bridge.klippy.link import KlippyLink, StatusUpdate
from bridge.klippy.simulator import write_sample
from bridge.klippy.state import Klippy, KlippyInfo, KlippyState
from bridge.klippy.status import StatusCache
from bridge.roots import Root, Roots
from bridge.store import Store
from tests.wire import until

STANDBY = {"state": "standby", "filename": "", "message": "", "print_duration": 0.0, "total_duration": 0.0}
METER = FieldSpec(
    "sensor plug", "energy", "Energy of the job", "kWh", strategy="delta", total=True, maximum=True
)


class Workshop:
    """Watch, tracker and ledger over a store in `folder`."""

    def __init__(self, folder: Path, settled: float) -> None:
        self.gcodes = folder / "gcodes"
        self.gcodes.mkdir(exist_ok=True)
        self.store = Store(folder / "bridge.db")
        self.link = KlippyLink(folder / "none.sock", timeout=1)
        self.cache = StatusCache(self.link)
        self.klippy = Klippy(self.link, self.cache, version="0")
        self.watch = JobWatch(self.klippy, self.cache)
        self.commands = Commands(self.link)
        roots = Roots({"gcodes": Root("gcodes", self.gcodes, writable=True)})
        self.tracker = JobTracker(self.watch, self.cache, Library(roots, self.store), self.commands)
        self.ledger = Ledger(self.store, self.tracker, settled=settled)
        self.meter: Gauge = self.tracker.register(METER)
        self.told: list[tuple[str, Record]] = []
        self.ledger.added.connect(lambda record: self.told.append(("added", record)))
        self.ledger.finished.connect(lambda record: self.told.append(("finished", record)))
        self._tasks: list[asyncio.Future[None]] = []

    def file(self, name: str) -> None:
        write_sample(self.gcodes / name, size=10, layers=3)

    async def open(self) -> None:
        await self.store.open()
        await self.ledger.open()
        self._tasks = [asyncio.ensure_future(part.run()) for part in (self.tracker.crew, self.ledger)]
        await asyncio.sleep(0)  # their first steps

    async def stop(self) -> None:
        """In order: what was under way is written."""
        for task in self._tasks:
            task.cancel()
            await asyncio.wait([task])
        await self.store.close()

    async def kill(self) -> None:
        """The power goes: nothing that comes later is written."""
        await self.store.close()
        await self.stop()

    def klippy_is(self, state: str, message: str = "", process: int = 1) -> None:
        if state == "disconnected":
            self.cache.clear()
        self.klippy._become(KlippyInfo(KlippyState(state), message, None, process))

    def see(self, status: dict[str, Any] | None = None, **stats: Any) -> None:
        """Klippy's status as it comes over the wire."""
        self.link.updated.emit(StatusUpdate(1.0, {**(status or {}), "print_stats": stats}))

    def first_sight(self, **stats: Any) -> None:
        self.see(**{**STANDBY, **stats})
        self.klippy_is("ready")

    async def wrote(self, count: int) -> list[tuple[str, Record]]:
        await until(lambda: len(self.told) >= count)
        return self.told

    async def rows(self) -> list[dict[str, Any]]:
        return await self.ledger.page(where=[], newest_first=False, limit=100, start=0)


@contextlib.asynccontextmanager
async def workshop(
    folder: Path, *, kill: bool = False, klippy: bool = True, settled: float = SETTLED, **first_sight: Any
) -> AsyncIterator[Workshop]:
    """One run of the bridge's middle, ended in order or by a power cut."""
    one = Workshop(folder, settled)
    await one.open()
    try:
        if klippy:
            one.first_sight(**first_sight)
        yield one
    finally:
        await (one.kill() if kill else one.stop())
