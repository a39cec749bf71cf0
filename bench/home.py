"""What Home Assistant waits for: `python bench/home.py [--changes N] [--turns N]`, the bridge of this venv.

Two delays: from a line of Klippy's to the state on MQTT, beside the updates of a moving printer; and from
Klippy's first answer about a printer of 60 sensors and 150 macros to its description at the broker.
"""

import argparse
import asyncio
import contextlib
import itertools
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

sys.path.insert(0, str(Path(__file__).parent.parent))  # also when started from elsewhere

from bench.clients import Mqtt
from bench.klippy import Klippy, Peer
from bench.machine import Process, broker, free_port

NAME, PREFIX = "bench", "homeassistant"
PACE = 0.04  # seconds between two changes of state
MOVING = 4  # updates a second beside them
SURVEY = ("objects/query", "objects/subscribe", "objects/list")


class Printer(Klippy):
    """Knows when it was asked what it consists of, and changes when it is told to."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.answered: list[float] = []
        self.objects |= {f"temperature_sensor number_{n}": {"temperature": 20.0} for n in range(48)}
        self.objects |= {f"gcode_macro MACRO_NUMBER_{n}": {} for n in range(150)}
        self.socket = folder / "klippy.sock"
        self._server: asyncio.Server | None = None

    def answer(self, peer: Peer, method: str, params: dict[str, Any]) -> Any:
        """As ever."""
        if method in SURVEY:
            self.answered.append(time.monotonic())
        return super().answer(peer, method, params)

    def change(self, **changes: dict[str, Any]) -> None:
        """One line to everybody."""
        for name, fields in changes.items():
            self.objects[name].update(fields)
        for peer in tuple(self.peers):
            peer.push(changes)

    async def begin(self) -> None:
        """Listen."""
        self.socket.unlink(missing_ok=True)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: Peer(self), str(self.socket))

    def end(self) -> None:
        """Die."""
        if self._server is not None:
            self._server.close()
        for peer in tuple(self.peers):
            if peer._transport is not None:
                peer._transport.abort()


class Heard:
    """When each topic was heard last, and who waits for it."""

    def __init__(self) -> None:
        self.payloads: dict[str, bytes] = {}
        self._when: dict[str, float] = {}
        self._news = asyncio.Event()

    def take(self, topic: bytes, payload: bytes) -> None:
        """One message."""
        name = topic.decode()
        self.payloads[name], self._when[name] = payload, time.monotonic()
        self._news.set()

    async def wait(self, topic: str, part: bytes) -> float:
        """When a payload with this part came, once it has come."""
        async with asyncio.timeout(30):
            while part not in self.payloads.get(topic, b""):
                self._news.clear()
                await self._news.wait()
        return self._when[topic]


async def changes(printer: Printer, heard: Heard, count: int) -> list[float]:
    """Seconds from a line with another print state and another target to both on MQTT."""
    state = f"{NAME}/klipper/state/print_stats/state"
    target = f"{NAME}/klipper/state/extruder/target"
    took = []
    printer.set_rate(MOVING)
    for number, word in zip(range(count), itertools.cycle(("printing", "paused"))):
        wanted = 100.0 + number % 150
        began = time.monotonic()
        printer.change(print_stats={"state": word, "filename": "a.gcode"}, extruder={"target": wanted})
        both = (heard.wait(state, f'"{word}"'.encode()), heard.wait(target, f":{wanted}}}".encode()))
        took.append(max(await asyncio.gather(*both)) - began)
        await asyncio.sleep(PACE)
    printer.set_rate(0)
    return took


async def descriptions(printer: Printer, heard: Heard, topic: str, turns: int) -> tuple[list[float], int]:
    """Seconds from the first answer of a survey to the description at the broker, and its bytes."""
    took = []
    for turn in range(turns):
        printer.end()
        name = f"EXTRA_{turn}"
        printer.objects[f"gcode_macro {name}"] = {}
        printer.answered.clear()
        await asyncio.sleep(2)  # nothing of the turn before is under way
        await printer.begin()
        came = await heard.wait(topic, f"macro_{name}/".encode())
        took.append(came - printer.answered[0])
    return took, len(heard.payloads[topic])


@contextlib.contextmanager
def bridge(folder: Path, socket: Path, port: int) -> Iterator[Path]:
    """The bridge as a process with what is its default; its own folder."""
    config = {
        "instance": NAME,
        "data": str(folder / "data"),
        "klippy": {"socket": str(socket)},
        "mqtt": {"host": "127.0.0.1", "port": port},
        "http": {"port": free_port()},
        "homeassistant": {"prefix": PREFIX},
    }
    path = folder / "bridge.yaml"
    path.write_bytes(msgspec.yaml.encode(config))
    process = Process([sys.executable, "-m", "bridge", "run", "--config", str(path)], folder / "output.log")
    try:
        yield folder / "data" / "bridge"
        process.check()
    finally:
        process.stop()


async def main(count: int, turns: int) -> None:
    """Measure, and print."""
    folder = Path(tempfile.mkdtemp(prefix="klipper-bridge-home-"))
    process, port = broker(folder)
    try:
        printer, heard = Printer(folder), Heard()
        client = await Mqtt.open(port)
        client.on_publish = heard.take
        await client.subscribe("#")
        await printer.begin()
        with bridge(folder, printer.socket, port) as own:
            await heard.wait(f"{NAME}/klipper/availability", b"online")
            await heard.wait(f"{NAME}/bridge/health", b'"klippy":"ready"')
            _show("a change of state on MQTT", await changes(printer, heard, count))
            topic = f"{PREFIX}/device/{(own / 'id').read_text().strip()}/config"
            took, size = await descriptions(printer, heard, topic, turns)
            _show(f"the description of {size / 1000:.0f} kB at the broker", took)
        printer.end()
    finally:
        process.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _show(name: str, took: list[float]) -> None:
    found = sorted(took)
    middle, late = statistics.median(found), found[round(len(found) * 0.99) - 1]
    print(f"{name}: p50 {1e3 * middle:.1f} ms, p99 {1e3 * late:.1f} ms, of {len(found)}")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--changes", type=int, default=500)
    options.add_argument("--turns", type=int, default=10)
    given = options.parse_args()
    asyncio.run(main(given.changes, given.turns))
