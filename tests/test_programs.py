"""Other programs: none is left behind by whoever has ceased to wait for it."""

import asyncio
import time
from pathlib import Path

import psutil
import pytest

from bridge.errors import TimedOut
from bridge.programs import run
from tests.wire import until

LEAVES_ONE = "sleep 60 & echo $!"  # its end is not the end of what it says: that one holds the pipe


def gone(process: str) -> bool:
    try:
        return psutil.Process(int(process)).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def test_what_a_program_has_left_behind_ends_with_the_patience() -> None:
    said: list[str] = []
    with pytest.raises(TimedOut, match="sh did not end within"):
        await run("/bin/sh", "-c", LEAVES_ONE, patience=0.3, say=said.append)
    await until(lambda: gone(said[0]), patience=3)


async def test_what_a_program_has_left_behind_ends_when_nobody_waits_any_more() -> None:
    said: list[str] = []
    task = asyncio.ensure_future(run("/bin/sh", "-c", LEAVES_ONE, say=said.append))
    await until(lambda: said)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: gone(said[0]), patience=3)


@pytest.mark.parametrize("turns", range(8))
async def test_a_program_ends_also_when_nobody_waits_for_its_beginning(turns: int, tmp_path: Path) -> None:
    told = tmp_path / "process"
    task = asyncio.ensure_future(run("/bin/sh", "-c", f"sleep 60 & echo $! > {told}; wait"))
    for _ in range(turns):
        await asyncio.sleep(0)
    stand_still(told)
    task.cancel()
    async with asyncio.timeout(10):
        await asyncio.wait((task,))
    assert task.cancelled()
    if told.exists():
        await until(lambda: gone(told.read_text()), patience=3)


def stand_still(told: Path) -> None:
    """Hold up the loop until the program, if there is one yet, has begun another."""
    end = time.monotonic() + 0.3
    while time.monotonic() < end and not (told.exists() and told.read_text()):
        time.sleep(0.005)
