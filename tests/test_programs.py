"""Other programs: none is left behind by whoever has ceased to wait for it."""

import asyncio

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
