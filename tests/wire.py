"""What tests put on the wire: a broker, an MQTT ear, a bridge."""

import asyncio
import contextlib
import json
import random
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

HOST = "127.0.0.1"
PATIENCE = 20.0  # seconds until a condition that does not come true fails its test


def free_port() -> int:
    """A port that nobody has: from below those that the kernel hands to whoever connects meanwhile."""
    while True:
        port = random.SystemRandom().randint(10_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port


class Mosquitto:
    """A broker of the test's own, on its own port for as long as it lives, stopped and started at will."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        self.config = folder / f"mosquitto-{self.port}.conf"
        lines = (
            f"listener {self.port} {HOST}",
            "persistence false",
            "set_tcp_nodelay true",
            "max_queued_messages 100000",
            *options,
        )
        if not any(line.startswith("allow_anonymous") for line in lines):
            lines = (*lines, "allow_anonymous true")
        self.config.write_text("\n".join(lines) + "\n")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Mosquitto":
        program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        self.process = subprocess.Popen(
            [program, "-c", str(self.config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            with socket.socket() as probe:
                if probe.connect_ex((HOST, self.port)) == 0:
                    return self
            time.sleep(0.003)
        raise TimeoutError("mosquitto does not listen")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@dataclass(frozen=True)
class Heard:
    """A message that came."""

    topic: str
    payload: bytes
    retain: bool
    qos: int
    properties: Any = None
    when: float = field(default_factory=time.monotonic)

    @property
    def json(self) -> Any:
        return json.loads(self.payload)


class Ear:
    """An MQTT client that remembers all it hears."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self.client = client
        self.heard: list[Heard] = []
        self._news = asyncio.Event()

    async def listen(self) -> None:
        async for message in self.client.messages:
            self.heard.append(
                Heard(
                    str(message.topic),
                    bytes(message.payload),
                    bool(message.retain),
                    message.qos,
                    message.properties,
                )
            )
            self._news.set()

    async def until(self, condition: Callable[[], Any], *, patience: float = PATIENCE) -> Any:
        """Wait until `condition` is true, looking at each message."""
        try:
            async with asyncio.timeout(patience):
                while not (found := condition()):
                    self._news.clear()
                    await self._news.wait()
                return found
        except TimeoutError:
            last = "\n".join(f"  {m.topic} {m.payload[:160]!r}" for m in self.heard[-25:])
            raise AssertionError(f"it did not come true; the last messages:\n{last}") from None

    async def message(
        self, topic: str, *, patience: float = PATIENCE, where: Callable[[Heard], bool] | None = None
    ) -> Heard:
        """The first message on `topic` (that fits), now or soon."""
        seen = 0

        def find() -> Heard | None:
            """Each message is looked at once."""
            nonlocal seen
            fresh, seen = self.heard[seen:], len(self.heard)
            return next((m for m in fresh if m.topic == topic and (where is None or where(m))), None)

        return await self.until(find, patience=patience)

    def on(self, prefix: str) -> list[Heard]:
        return [m for m in self.heard if m.topic.startswith(prefix)]

    def latest(self, topic: str) -> Heard | None:
        return next((m for m in reversed(self.heard) if m.topic == topic), None)

    def retained(self) -> dict[str, bytes]:
        """The last payload of each topic, as a broker would retain it."""
        return {m.topic: m.payload for m in self.heard if m.payload}

    def forget(self) -> None:
        self.heard.clear()

    async def say(
        self, topic: str, payload: Any, *, qos: int = 1, retain: bool = False, **properties: Any
    ) -> None:
        body = payload if isinstance(payload, bytes | str) else json.dumps(payload)
        props = None
        if properties:
            props = Properties(PacketTypes.PUBLISH)
            for name, value in properties.items():
                setattr(props, name, value)
        await self.client.publish(topic, body, qos=qos, retain=retain, properties=props)


@contextlib.asynccontextmanager
async def ear(port: int, *patterns: str, version5: bool = True, **options: Any) -> AsyncIterator[Ear]:
    """A client that hears `patterns` (all, by default); `options` are aiomqtt's."""
    version = aiomqtt.ProtocolVersion.V5 if version5 else aiomqtt.ProtocolVersion.V311
    async with aiomqtt.Client(HOST, port, protocol=version, **options) as client:
        one = Ear(client)
        listening = asyncio.ensure_future(one.listen())
        try:
            for pattern in patterns or ("#",):
                await client.subscribe(pattern, qos=2)
            yield one
        finally:
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError, aiomqtt.MqttError):
                await listening


async def until(condition: Callable[[], Any], *, patience: float = PATIENCE) -> Any:
    """Wait until `condition` is true; looked at in every turn of the loop, a hundred times a second."""
    end = time.monotonic() + patience
    while not (found := condition()):
        if time.monotonic() > end:
            raise AssertionError("it did not come true in time")
        await asyncio.sleep(0.01)
    return found
