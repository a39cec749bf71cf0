"""Real processes, and what is promised when one of them is killed in mid-print."""

import asyncio
import contextlib
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.klippy.simulator import write_sample
from bridge.mqtt.topics import Topics
from tests.mqtt.brokers import Proxy
from tests.wire import HOST, Ear, Mosquitto, ear, until

NAME = "printer"
TOPICS = Topics(NAME, "homeassistant")


class Program:
    """`klipper-bridge …` as a process of its own."""

    def __init__(self, *arguments: object) -> None:
        self.arguments = [str(argument) for argument in arguments]
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> "Program":
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bridge", *self.arguments),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        return self

    async def end(self, how: signal.Signals = signal.SIGTERM) -> float:
        """Send a signal; the seconds that it took to end."""
        began = time.monotonic()
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(how)
            async with asyncio.timeout(6):
                await self.process.wait()
        return time.monotonic() - began

    async def kill(self) -> None:
        await self.end(signal.SIGKILL)


class House:
    """Broker, simulated printer and bridge, each a process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gcodes = folder / "data" / "gcodes"
        write_sample(self.gcodes / "cube.gcode", size=20, layers=40)
        self.broker = Mosquitto(folder)
        socket = folder / "klippy.sock"
        self.klippy = Program("simulate", "--socket", socket, "--gcodes", self.gcodes, "--speed", 25)
        self.config = folder / "bridge.yaml"
        self.configure(port=self.broker.port)
        self.bridge = Program("run", "-c", self.config)

    def configure(self, **mqtt: Any) -> None:
        options = {
            "instance": NAME,
            "data": str(self.folder / "data"),
            "klippy": {"socket": str(self.folder / "klippy.sock")},
            "mqtt": {"host": HOST, "keepalive": 5, **mqtt},
            "http": {"port": 0},
        }
        self.config.write_text(yaml.safe_dump(options))

    async def close(self) -> None:
        for program in (self.bridge, self.klippy):
            await program.kill()
        self.broker.kill()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    one = House(tmp_path)
    one.broker.start()
    yield one
    await one.close()


async def printing(house: House, mqtt: Ear) -> None:
    """Everything runs, and a print does."""
    await asyncio.gather(house.klippy.start(), house.bridge.start())
    await mqtt.message(TOPICS.availability, where=lambda m: m.payload == b"online")
    start = {"jsonrpc": "2.0", "method": "printer.print.start", "params": {"filename": "cube.gcode"}, "id": 1}
    await mqtt.say(TOPICS.request, start)
    await mqtt.message(TOPICS.event("print_started"))
    await mqtt.message(TOPICS.state("print_stats", "state"), where=lambda m: m.json["value"] == "printing")


def events(mqtt: Ear) -> list[str]:
    return [m.json["event"] for m in mqtt.on(f"{NAME}/event/print")]


@pytest.mark.torture
async def test_the_broker_is_killed_in_mid_print(house: House) -> None:
    async with ear(house.broker.port) as mqtt:
        await printing(house, mqtt)
        config = next(m.topic for m in mqtt.on("homeassistant/device/"))
        house.broker.kill()
    house.broker.start()
    began = time.monotonic()
    async with ear(house.broker.port) as mqtt:
        wanted = {
            TOPICS.status,
            TOPICS.availability,
            TOPICS.klippy_info,
            TOPICS.health,
            TOPICS.controls,
            config,
        }
        wanted |= {TOPICS.state("print_stats", "state"), TOPICS.state("extruder", "temperature")}
        await mqtt.until(lambda: wanted <= mqtt.retained().keys())
        assert time.monotonic() - began < 5
        assert mqtt.latest(TOPICS.state("print_stats", "state")).json["value"] == "printing"
        assert mqtt.latest(TOPICS.availability).payload == b"online"
        assert events(mqtt) == []


@pytest.mark.torture
async def test_klippy_is_killed_in_mid_print(house: House) -> None:
    async with ear(house.broker.port) as mqtt:
        await printing(house, mqtt)
        began = time.monotonic()
        await house.klippy.kill()
        offline = await mqtt.message(TOPICS.availability, where=lambda m: m.payload == b"offline")
        assert offline.when - began < 1
        await mqtt.message(TOPICS.klippy_info, where=lambda m: m.json["state"] == "disconnected")
        await mqtt.message(TOPICS.state("extruder", "temperature"), where=lambda m: m.json["value"] is None)
        states = {m.topic: m for m in mqtt.on(f"{NAME}/klipper/state/")}
        await mqtt.until(lambda: all(mqtt.latest(topic).json["value"] is None for topic in states))
        assert mqtt.latest(TOPICS.status).json == {"server": "online"}
        assert (await mqtt.message(TOPICS.event("klippy_disconnected"))).json["data"] == {}
        await house.klippy.start()
        await mqtt.message(
            TOPICS.availability, where=lambda m: m.payload == b"online" and m.when > offline.when
        )
        await mqtt.message(
            TOPICS.state("print_stats", "state"),
            where=lambda m: m.when > offline.when and m.json["value"] == "standby",
        )
        last = await mqtt.message(TOPICS.job_last, where=lambda m: m.json["file"] is not None)
        assert (last.json["file"], last.json["result"]) == ("cube.gcode", "klippy_disconnect")
        assert events(mqtt) == ["print_started"]  # klippy_disconnected tells of its end


async def test_the_bridge_is_killed_in_mid_print(house: House) -> None:
    async with ear(house.broker.port) as mqtt:
        await printing(house, mqtt)
        began = time.monotonic()
        await house.bridge.kill()
        will = await mqtt.message(TOPICS.status, where=lambda m: m.json["server"] == "offline")
        assert will.when - began < 5 * 1.5
        await house.bridge.start()
        await mqtt.message(TOPICS.status, where=lambda m: m.json["server"] == "online" and m.when > will.when)
        await mqtt.message(
            TOPICS.state("print_stats", "state"),
            where=lambda m: m.when > will.when and m.json["value"] == "printing",
        )
        await mqtt.say(TOPICS.control("cancel"), "PRESS")
        await mqtt.message(TOPICS.event("print_cancelled"))
        assert events(mqtt) == ["print_started", "print_cancelled"]


async def test_a_term_signal_ends_the_bridge_with_a_goodbye(house: House) -> None:
    async with ear(house.broker.port) as mqtt:
        await printing(house, mqtt)
        assert await house.bridge.end() < 3
        assert house.bridge.process is not None
        assert house.bridge.process.returncode == 0
        assert (await mqtt.message(TOPICS.status, where=lambda m: m.json["server"] == "offline")).topic
        assert mqtt.latest(TOPICS.availability).payload == b"offline"


@contextlib.asynccontextmanager
async def black_hole() -> AsyncIterator[int]:
    """A port whose backlog is full: what connects gets no answer to its SYN."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((HOST, 0))
        listener.listen(0)
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@contextlib.asynccontextmanager
async def half_open(target: int) -> AsyncIterator[int]:
    """A port that accepts and says nothing."""
    async with Proxy(target) as proxy:
        proxy.hold = True
        yield proxy.port


@pytest.mark.parametrize(
    "kind",
    [
        "half open",
        *(pytest.param(kind, marks=pytest.mark.torture) for kind in ("no answer to SYN", "no handshake")),
    ],
)
async def test_a_term_signal_ends_the_bridge_also_while_it_connects(kind: str, house: House) -> None:
    async with black_hole() if kind == "no answer to SYN" else half_open(house.broker.port) as port:
        house.configure(port=port, **({"tls": {}} if kind == "no handshake" else {}))
        await house.bridge.start()
        log = house.folder / "data" / "logs" / "klipper-bridge.log"
        await until(lambda: log.exists() and "cannot reach Klippy" in log.read_text())  # it is at work
        assert await house.bridge.end() < 3
        assert house.bridge.process is not None
        assert house.bridge.process.returncode == 0
