"""What is remembered of light strips."""

import asyncio
import contextlib
import sqlite3
from pathlib import Path

from bridge.config.wled import HttpStrip
from bridge.outgoing import Outgoing
from bridge.store import Store
from bridge.wled.strips import Strips
from tests.wire import until
from tests.wled.stand_in import http_wled


async def test_an_end_during_the_first_write_leaves_one_row(tmp_path: Path) -> None:
    outgoing, path = Outgoing(), tmp_path / "bridge.db"
    async with Store(path) as store, http_wled() as one:
        settings = HttpStrip(address=one.address, restore=True)
        strips = Strips({"lights": settings}, outgoing, store, str)
        await outgoing.open()
        await strips.open()
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")  # the write waits in its thread
        running = asyncio.ensure_future(strips.run())
        try:
            begun = store._worker._work_queue.empty
            await until(lambda: strips.get("lights").kept is not None and begun())
            running.cancel()
            await asyncio.sleep(0)
        finally:
            other.close()
            with contextlib.suppress(asyncio.CancelledError):
                await running
            await outgoing.close()
        rows = await store.table("wled").all()
    assert [(row["name"], row["state"]["on"]) for row in rows] == [("lights", False)]
