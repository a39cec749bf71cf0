"""One bridge a folder."""

import asyncio
import os
import sys

import pytest

from bridge.store.lock import FolderLock, InUse

HOLD = """
import asyncio, sys, time
from pathlib import Path
from bridge.store.lock import FolderLock

async def main():
    await FolderLock(Path(sys.argv[1])).open()
    print("held", flush=True)
    time.sleep(60)

asyncio.run(main())
"""


async def test_a_second_one_is_refused_by_name_until_the_first_gives_back(tmp_path) -> None:
    first, second = FolderLock(tmp_path), FolderLock(tmp_path, patience=0)
    await first.open()
    with pytest.raises(InUse, match=rf"process {os.getpid()}\)"):
        await second.open()
    await second.close()
    await first.close()
    await second.open()
    with pytest.raises(InUse):
        await FolderLock(tmp_path, patience=0).open()
    await second.close()


async def test_a_killed_process_holds_nothing(tmp_path) -> None:
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLD, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert await holder.stdout.readline() == b"held\n"
    lock = FolderLock(tmp_path, patience=0)
    with pytest.raises(InUse, match=str(holder.pid)):
        await lock.open()
    await lock.close()
    holder.kill()
    await holder.wait()
    await lock.open()
    await lock.close()


async def test_a_folder_that_cannot_be_locked_is_told_and_used(tmp_path, caplog) -> None:
    lock = FolderLock(tmp_path / "missing", patience=0)
    await lock.open()
    assert "cannot be told" in caplog.text
    await lock.close()


async def test_a_bridge_holds_its_folder_while_it_runs(start, tmp_path) -> None:
    lock = FolderLock(tmp_path / "data" / "bridge", patience=0)
    running = await start(wait=False)
    with pytest.raises(InUse):
        await lock.open()
    await lock.close()
    running.stop.set()
    patient = FolderLock(tmp_path / "data" / "bridge", patience=5)
    await patient.open()
    await patient.close()
