"""The whole truth again: after each connect and each birth of Home Assistant, in the order that it needs."""

import asyncio
import random
from collections.abc import Callable, Sequence

from bridge.mqtt.connection import Incoming
from bridge.mqtt.link import MqttLink
from bridge.mqtt.topics import Topics

JITTER = 3.0  # seconds; many bridges on one broker shall not speak all at once
BIRTH = b"online"


class Replay:
    """Publishes everything again, step by step: discovery, availability, state."""

    def __init__(self, link: MqttLink, topics: Topics, steps: Sequence[Callable[[], None]]) -> None:
        self._link, self._topics, self._steps = link, topics, list(steps)
        self._due = asyncio.Event()
        link.connected.connect(self._connected)
        link.overrun.connect(lambda _topic: self._due.set())  # it is owed the truth

    async def open(self) -> None:
        """Listen for Home Assistant."""
        self._link.route(self._topics.birth, self._born)

    async def run(self) -> None:
        """Wait for a reason, then a moment of chance, then speak."""
        while True:
            await self._due.wait()
            await asyncio.sleep(random.uniform(0, JITTER))  # noqa: S311 - jitter, not a secret
            self._due.clear()
            self.speak()

    async def close(self) -> None:
        """Nothing to give back."""

    def _connected(self, first: bool) -> None:  # noqa: FBT001 - a slot
        if first:
            self.speak()  # nobody else starts just now
        else:
            self._due.set()

    def _born(self, incoming: Incoming) -> None:
        if incoming.payload == BIRTH and not incoming.retain:
            self._due.set()

    def then(self, step: Callable[[], None]) -> None:
        """Add a step."""
        self._steps.append(step)

    def speak(self) -> None:
        """Publish everything now."""
        if self._link.up:
            for step in self._steps:
                step()
