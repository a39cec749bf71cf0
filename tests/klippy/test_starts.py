"""A file is in use from the request for its print until Klippy's status tells what became of it."""

import asyncio

import pytest

from bridge.klippy.starts import Starts
from bridge.klippy.status import StatusDelta
from tests.wire import until

LOADED = StatusDelta(1.0, 1.0, {"virtual_sdcard": {"file_path": "/g/a.gcode"}})
OTHER = StatusDelta(1.0, 1.0, {"extruder": {"temperature": 20.0}})
IDLE = StatusDelta(1.0, 1.0, {"print_stats": {"state": "standby"}})


async def test_a_file_is_held_until_the_status_behind_the_answer() -> None:
    starts = Starts()
    with starts.asked("a.gcode"):
        assert starts.filenames == ("a.gcode",)
        starts.look(IDLE)
    for delta, held in ((OTHER, ("a.gcode",)), (LOADED, ())):
        starts.look(delta)
        assert starts.filenames == held


async def test_a_file_whose_status_came_before_the_answer_is_held_no_longer() -> None:
    starts = Starts()
    with starts.asked("a.gcode"):
        starts.look(LOADED)
        assert starts.filenames == ("a.gcode",)
    assert starts.filenames == ()


async def test_a_print_that_was_refused_holds_nothing() -> None:
    starts = Starts()
    with pytest.raises(ValueError, match="SD busy"), starts.asked("a.gcode"):
        raise ValueError("SD busy")
    assert starts.filenames == ()


async def test_who_goes_away_while_klippy_thinks_leaves_the_file_held() -> None:
    starts, asked = Starts(), asyncio.Event()

    async def ask() -> None:
        with starts.asked("a.gcode"):
            asked.set()
            await asyncio.Event().wait()

    client = asyncio.ensure_future(ask())
    await asked.wait()
    client.cancel()
    with pytest.raises(asyncio.CancelledError):
        await client
    assert starts.filenames == ("a.gcode",)
    starts.look(LOADED)
    assert starts.filenames == ()


async def test_a_status_that_never_comes_holds_a_file_for_a_while_only() -> None:
    starts = Starts(patience=0.01)
    with starts.asked("a.gcode"), starts.asked("b.gcode"):
        pass
    assert starts.filenames == ("a.gcode", "b.gcode")
    await until(lambda: not starts.filenames)
