"""The stage of one measurement: a fake Klippy, a private broker and the servers, all in one folder."""

import asyncio
import contextlib
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Self

from bench.clients import Http, Klippy, Mqtt, WebSocket
from bench.machine import Process, broker
from bench.servers import Feed, Kind, Place, place

POLL = 0.02  # seconds between two looks whether a server is ready
HARNESS = Path(__file__).parent


class Server:
    """A server under measurement."""

    def __init__(self, kind: Kind, at: Place, process: Process, ready: dict[str, float]) -> None:
        self.kind, self.place, self.process = kind, at, process
        self.ready = ready  # seconds from its start until it says that Klippy is ready, by door

    async def websocket(self) -> WebSocket:
        """A WebSocket to it."""
        return await WebSocket.open(self.place.http_port)

    async def http(self) -> Http:
        """An HTTP connection to it."""
        return await Http.open(self.place.http_port)

    async def mqtt(self) -> Mqtt:
        """A client of its JSON-RPC over the broker."""
        return await Mqtt.open(self.place.mqtt_port, self.kind.name)

    async def caller(self, door: str) -> Mqtt | WebSocket:
        """A client of its JSON-RPC by that door."""
        return await (self.mqtt() if door == "mqtt" else self.websocket())

    async def settle(self, limit: float = 10) -> None:
        """Return when it has been quiet for a second."""
        quiet, end = 0, time.monotonic() + limit
        while quiet < 3 and time.monotonic() < end:
            before = self.process.cpu()
            await asyncio.sleep(0.35)
            quiet = quiet + 1 if self.process.cpu() - before < 0.02 else 0


class Stage:
    """Use it with `async with`; whatever it started is ended and its folder removed."""

    def __init__(self) -> None:
        self.objects: list[str] = []
        self.klippy: Klippy
        self._exit = contextlib.AsyncExitStack()
        self._folder = Path()
        self._mqtt_port = 0

    async def __aenter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="klipper-bridge-bench-"))
        self._exit.callback(shutil.rmtree, self._folder, ignore_errors=True)
        process, self._mqtt_port = broker(self._folder)
        self._exit.callback(process.stop)
        command = [sys.executable, str(HARNESS / "klippy.py"), str(self._socket), str(self._folder)]
        fake = Process(command, self._folder / "klippy.log")
        self._exit.callback(fake.stop)
        self.klippy = await _connected(self._socket, fake)
        self.objects = (await self.klippy.call("objects/list"))["objects"]
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._exit.aclose()

    @property
    def _socket(self) -> Path:
        return self._folder / "klippy.sock"

    async def rate(self, rate: float, limit: int | None = None) -> None:
        """Let Klippy push so many updates a second; -1 as many as the sockets take, `limit` of them."""
        await self.klippy.call("bench/set", {"rate": rate, "limit": limit})

    async def start(self, kind: Kind, feed: Feed | None = None) -> Server:
        """Start a server and wait until every door says that Klippy is ready."""
        at = place(self._folder, self._socket, self._mqtt_port, kind)
        command = kind.command(at, feed or Feed())
        began = time.perf_counter()
        process = Process(command, at.folder / "output.log", kind.env)
        self._exit.callback(process.stop)
        server = Server(kind, at, process, {})
        async with asyncio.timeout(60):
            found = await asyncio.gather(_ready_http(server, began), _ready_mqtt(server, began))
        server.ready = dict(zip(("http", "mqtt"), found, strict=True))
        return server


async def _connected(path: Path, process: Process) -> Klippy:
    """A connection to Klippy as soon as it listens."""
    async with asyncio.timeout(10):
        while True:
            process.check()
            with contextlib.suppress(OSError):
                return await Klippy.open(path)
            await asyncio.sleep(POLL)


async def _ready_http(server: Server, began: float) -> float:
    while True:
        server.process.check()
        try:
            client = await server.http()
            while (await client.fetch("/server/info"))["klippy_state"] != "ready":
                await asyncio.sleep(POLL)
        except (OSError, TimeoutError):
            await asyncio.sleep(POLL)
        else:
            client.close()
            return time.perf_counter() - began


async def _ready_mqtt(server: Server, began: float) -> float:
    client = await server.mqtt()
    while True:
        server.process.check()
        with contextlib.suppress(TimeoutError):
            if (await client.call("server.info", timeout=0.05))["klippy_state"] == "ready":
                client.close()
                return time.perf_counter() - began
            await asyncio.sleep(POLL)
