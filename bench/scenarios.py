"""What is measured: each scenario yields figures of one server after the other, in an order that turns."""

import asyncio
import re
import statistics
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from typing import Any

from bench.clients import Client, Http, Mqtt
from bench.load import ClosedLoop, Issue
from bench.servers import Feed, Kind
from bench.stage import Server, Stage

Figure = tuple[str, str, float]  # server, what, value

INFO: dict[str, Any] = {}
QUERY = {"objects": {"print_stats": None, "extruder": None, "toolhead": None}}
METHODS = (
    ("server.info", INFO, "/server/info"),
    ("printer.objects.query", QUERY, "/printer/objects/query?print_stats&extruder&toolhead"),
)
DOORS = {
    "mqtt": ((1, 1), (1, 32)),  # clients, requests in flight of each
    "websocket": ((1, 1), (1, 32), (8, 1), (8, 32)),
    "http": ((1, 1), (1, 32), (8, 1), (8, 32)),
}
SUBSCRIBERS = (1, 10, 50, 200)
RATES = (("4 Hz", 4, 3.0), ("50 Hz", 50, 2.0), ("burst", -1, 0.0))  # name, updates a second, seconds
BURST = 20_000  # deliveries of one burst, but at most BURST_UPDATES updates
BURST_UPDATES = 4000

_STAMP = re.compile(rb'"bench_stamp":\s*(\d+)')


def turns(kinds: Sequence[Kind], number: int) -> Iterator[Kind]:
    """The servers in the order of this round: each begins one."""
    shift = number % len(kinds)
    yield from (*kinds[shift:], *kinds[:shift])


async def start(kinds: Sequence[Kind], number: int, scale: float) -> AsyncIterator[Figure]:
    """Start with an empty folder, what it costs to be there, and the end."""
    for kind in turns(kinds, number):
        async with Stage() as stage:
            await stage.rate(4)
            server = await stage.start(kind)
            for door, seconds in server.ready.items():
                yield kind.name, f"start: ready over {door} [s]", seconds
            await server.settle()
            yield kind.name, "idle: RSS [MB]", server.process.rss()
            before, began = server.process.cpu(), time.monotonic()
            await asyncio.sleep(6 * scale)
            spent = server.process.cpu() - before
            yield kind.name, "idle: CPU at 4 Hz [%]", 100 * spent / (time.monotonic() - began)
            yield kind.name, "stop: SIGTERM to end [s]", server.process.stop()


async def requests(kinds: Sequence[Kind], number: int, scale: float) -> AsyncIterator[Figure]:
    """All servers wait on one stage, and are asked turn by turn."""
    async with Stage() as stage:
        servers = {kind: await stage.start(kind) for kind in kinds}
        for server in servers.values():
            await server.settle()
        for door, loads in DOORS.items():
            for clients, depth in loads:
                for method, params, path in METHODS:
                    for kind in turns(kinds, number):
                        issuers, opened = await _issuers(
                            servers[kind], door, clients, depth, (method, params, path)
                        )
                        name = f"{door} {method} c{clients}p{depth}"
                        for what, value in (await _ask(servers[kind], issuers, 0.7 * scale)).items():
                            yield kind.name, f"{name}: {what}", value
                        for client in opened:
                            client.close()
        for kind, server in servers.items():
            yield kind.name, "after the requests: RSS [MB]", server.process.rss()


async def _issuers(
    server: Server, door: str, clients: int, depth: int, asked: tuple[str, dict[str, Any], str]
) -> tuple[list[Issue], list[Client | Http]]:
    """What to call for one more request, for each in flight; and the connections to close at last."""
    method, params, path = asked
    if door == "http":  # a connection for each request in flight
        pages = [await server.http() for _ in range(clients * depth)]
        await pages[0].fetch(path)  # it must be there
        return [partial(page.get, path) for page in pages], list(pages)
    callers: list[Client] = [await server.caller(door) for _ in range(clients)]
    await callers[0].call(method, params)
    issuers: list[Issue] = [
        partial(caller.request, method, params) for caller in callers for _ in range(depth)
    ]
    return issuers, list(callers)


async def _ask(server: Server, issuers: list[Issue], seconds: float) -> dict[str, float]:
    loop, before = ClosedLoop(), server.process.cpu()
    await loop.run(issuers, seconds)
    if loop.failures:
        raise RuntimeError(f"{server.kind.name}: {loop.failures} of {loop.answers} requests failed")
    return {
        "CPU [us]": 1e6 * (server.process.cpu() - before) / loop.answers,
        "p50 [ms]": 1e3 * statistics.median(loop.latencies),
    }


class Window:
    """Updates on their way: when each arrived, by its stamp."""

    def __init__(self, stage: Stage, server: Server) -> None:
        self.delays: list[float] = []
        self._stage, self._server = stage, server

    def take(self, payload: bytes) -> None:
        """One message at one client."""
        if (found := _STAMP.search(payload)) is not None and found[1] != b"0":
            self.delays.append(time.monotonic() - int(found[1]) / 1e9)

    async def run(self, rate: float, seconds: float, updates: int, clients: int) -> dict[str, float]:
        """Let Klippy push, wait until all is delivered or nothing moves any more; the figures."""
        self.delays.clear()
        before, cpu = await self._pushed(), self._server.process.cpu()
        await self._stage.rate(rate, updates if rate < 0 else None)
        if rate < 0:
            while (await self._stage.klippy.call("bench/stats"))["rate"]:
                await asyncio.sleep(0.01)
        else:
            await asyncio.sleep(seconds)
            await self._stage.rate(0)
        expected = (await self._pushed() - before) * clients
        await self._drain(expected)
        arrived = len(self.delays)
        if not arrived:  # it is told, and the other windows go on
            return {"delivered [share]": 0.0}
        return {
            "delivered [share]": arrived / expected,
            "p50 [ms]": 1e3 * statistics.median(self.delays),
            "CPU a message [us]": 1e6 * (self._server.process.cpu() - cpu) / arrived,
        }

    async def _pushed(self) -> int:
        return int((await self._stage.klippy.call("bench/stats"))["pushed"])

    async def _drain(self, expected: int) -> None:
        """Wait for what is under way, as long as messages arrive or the server works."""
        end, still = time.monotonic() + 30, 0
        while len(self.delays) < expected and still < 20 and time.monotonic() < end:
            arrived, cpu = len(self.delays), self._server.process.cpu()
            await asyncio.sleep(0.1)
            moved = len(self.delays) > arrived or self._server.process.cpu() - cpu > 0.02
            still = 0 if moved else still + 1


async def fanout(kinds: Sequence[Kind], number: int, scale: float) -> AsyncIterator[Figure]:
    """Klippy's updates to more and more WebSockets that are subscribed to everything."""
    for kind in turns(kinds, number):
        async with Stage() as stage:
            server = await stage.start(kind)
            await server.settle()
            window, opened = Window(stage, server), 0
            for clients in SUBSCRIBERS:
                for _ in range(clients - opened):
                    client = await server.websocket()
                    client.on_other = window.take
                    await client.call("printer.objects.subscribe", {"objects": dict.fromkeys(stage.objects)})
                opened = clients
                await asyncio.sleep(0.3)
                for name, rate, seconds in RATES:
                    updates = int(min(BURST_UPDATES, BURST / clients) * scale)
                    found = await window.run(rate, seconds * scale, updates, clients)
                    for what, value in found.items():
                        yield kind.name, f"{clients} WebSockets {name}: {what}", value
            yield kind.name, "with 200 WebSockets: RSS [MB]", server.process.rss()


async def feed(kinds: Sequence[Kind], number: int, scale: float) -> AsyncIterator[Figure]:
    """The same updates over the broker: one topic for all, or one for each field."""
    for split in (False, True):
        for kind in turns(kinds, number):
            async with Stage() as stage:
                server = await stage.start(kind, Feed(stage.objects, split=split))
                await server.settle()
                window = Window(stage, server)
                client = await Mqtt.open(server.place.mqtt_port)
                client.on_publish = _reader(window, split=split)
                topic = "klipper/state/#" if split else "klipper/status"
                await client.subscribe(f"{kind.name}/{topic}")
                await asyncio.sleep(0.3)
                for name, rate, seconds in RATES:
                    updates = int(2000 * scale)
                    found = await window.run(rate, seconds * scale, updates, 1)
                    title = f"MQTT {'a topic a field' if split else 'joint'} {name}"
                    for what, value in found.items():
                        yield kind.name, f"{title}: {what}", value


def _reader(window: Window, *, split: bool) -> Any:
    if not split:
        return lambda _topic, payload: window.take(payload)
    value = re.compile(rb'"value":\s*(\d+)')

    def read(topic: bytes, payload: bytes) -> None:
        found = value.search(payload) if topic.endswith(b"/bench_stamp") else None
        if found is not None:
            window.take(b'"bench_stamp":' + found[1])

    return read


SCENARIOS = {"start": start, "requests": requests, "fanout": fanout, "feed": feed}
