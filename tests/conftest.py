"""The three wire fixtures: a real broker, the simulated printer on its socket, the real bridge between."""

import asyncio
import contextlib
import gc
import itertools
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.app import Bridge, build
from bridge.config import convert
from bridge.klippy.simulator import Simulator
from bridge.threads import ThreadEach
from tests.filing import Filing, filing
from tests.wire import HOST, Ear, Mosquitto, ear, until

_names = (f"t{number}" for number in itertools.count(1))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker that knows nothing yet: what other tests had retained would be read by every ear."""
    if shutil.which("mosquitto") is None and not Path("/usr/sbin/mosquitto").exists():
        pytest.exit("mosquitto is missing; install it (Debian: apt-get install mosquitto)", returncode=3)
    one = Mosquitto(tmp_path).start()
    yield one
    one.kill()


@pytest.fixture
async def klippy(tmp_path: Path) -> AsyncIterator[Simulator]:
    """A simulated printer, a hundred times faster than life and without noise."""
    gcodes = tmp_path / "data" / "gcodes"
    gcodes.mkdir(parents=True)
    async with Simulator(tmp_path / "klippy.sock", gcodes, speed=100.0, noise=0.0) as simulator:
        yield simulator


class Running:
    """A bridge that runs, and what tests need to know of it."""

    def __init__(self, bridge: Bridge, stop: asyncio.Event, restarts: list[str] | None = None) -> None:
        self.bridge, self.stop = bridge, stop
        self.restarts = [] if restarts is None else restarts  # that were asked for, by the instance's name
        self.name = bridge.identity.name
        self.topics = bridge.topics
        self.task: asyncio.Future[None] | None = None

    async def end(self) -> None:
        """Stop it, and wait until it has given everything back."""
        self.stop.set()
        async with asyncio.timeout(20):
            assert self.task is not None
            await asyncio.shield(self.task)

    async def ready(self) -> "Running":
        await until(lambda: self.bridge.klippy.ready and self.bridge.mqtt.up)
        return self


Start = Callable[..., Awaitable[Running]]


@pytest.fixture
async def start(tmp_path: Path, broker: Mosquitto) -> AsyncIterator[Start]:
    """Starts bridges: `await start(mqtt={...})` merges options over a configuration that works."""
    async with contextlib.AsyncExitStack() as stack:

        async def begin(*, wait: bool = True, **sections: Any) -> Running:
            asyncio.get_running_loop().set_default_executor(ThreadEach())
            name = sections.pop("instance", None) or next(_names)
            raw: dict[str, Any] = {
                "instance": name,
                "data": sections.pop("data", str(tmp_path / "data")),
                "klippy": {"socket": str(tmp_path / "klippy.sock")},
                "mqtt": {"host": HOST, "port": broker.port},
                "http": {"port": 0},
                "homeassistant": {"prefix": f"ha-{name}"},
            }
            for section, options in sections.items():
                raw[section] = {**raw.get(section, {}), **options}
            restarts: list[str] = []
            running = Running(
                build(
                    convert(raw, "test.yaml"), config_name="test.yaml", restart=lambda: restarts.append(name)
                ),
                asyncio.Event(),
                restarts,
            )
            opened = asyncio.Event()
            task = asyncio.ensure_future(running.bridge.run(running.stop, opened.set))
            running.task = task
            stack.push_async_callback(running.end)
            await asyncio.wait(
                (task, waiting := asyncio.ensure_future(opened.wait())), return_when=asyncio.FIRST_COMPLETED
            )
            waiting.cancel()
            if task.done():
                await task
            return await running.ready() if wait else running

        yield begin


@pytest.fixture
async def bridge(klippy: Simulator, start: Start) -> Running:
    """The real app between broker and simulator, ready."""
    return await start()


@pytest.fixture
async def mqtt(broker: Mosquitto) -> AsyncIterator[Ear]:
    """A client that hears everything on the broker."""
    async with ear(broker.port) as one:
        yield one


@pytest.fixture
async def files(bridge: Running) -> AsyncIterator[Filing]:
    """A client of files, over HTTP and a WebSocket."""
    async with filing(bridge) as one:
        yield one


def pytest_collection_finish() -> None:
    """What is there now stays to the end: the collector need not look at it again with every test."""
    gc.collect()
    gc.freeze()
