"""A bridge to throw things at."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.app import Bridge, build
from bridge.config import convert
from bridge.klippy.simulator import Simulator
from bridge.threads import ThreadEach
from tests.wire import until

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[Bridge, Run]]:
    """A bridge with a simulated printer and without a broker, and what runs coroutines beside it."""
    (tmp_path / "data/gcodes").mkdir(parents=True)
    options = {
        "instance": "fuzzed",
        "data": str(tmp_path / "data"),
        "klippy": {"socket": str(tmp_path / "k.sock"), "request_timeout": 2},
        "mqtt": {"port": 1, "allow": ["read", "control", "files"]},
        "http": {"port": 0},
    }
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        loop.set_default_executor(ThreadEach())
        bridge = build(convert(options, "x"), config_name="x", restart=lambda: None)
        stop = asyncio.Event()

        async def begin() -> "asyncio.Task[None]":
            await simulator.__aenter__()
            task = asyncio.create_task(bridge.run(stop))
            await until(lambda: bridge.klippy.ready)
            return task

        async def end(task: "asyncio.Task[None]") -> None:
            stop.set()
            await task
            await simulator.__aexit__(None, None, None)

        simulator = Simulator(tmp_path / "k.sock", tmp_path / "data/gcodes", speed=1000.0, noise=0.0)
        task = runner.run(begin())
        try:
            yield bridge, runner.run
            assert not task.done()
        finally:
            runner.run(end(task))


def bugs(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log calls an error: an exception that nobody expected."""
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR or r.exc_info]
