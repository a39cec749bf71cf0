"""No ghosts: retained topics of what is gone are cleared, also when it went while the bridge was away."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import msgspec

from bridge import durable
from bridge.decoding import UNREADABLE
from bridge.mqtt.link import MqttLink

log = logging.getLogger(__name__)

CALM = 1.0  # seconds; Home Assistant shall have let go of a topic before it is cleared


class Keeper:
    """Remembers on disk which topics are retained, and clears those that nobody publishes any more."""

    def __init__(self, link: MqttLink, memory: Path, known: Callable[[], bool]) -> None:
        self._link, self._memory, self._known = link, memory, known
        self._remembered: set[str] = set()
        self._due = asyncio.Event()

    async def open(self) -> None:
        """Remember what was retained before."""
        self._remembered = await asyncio.to_thread(_recall, self._memory)

    async def run(self) -> None:
        """Sweep when everything that there is has been published."""
        while True:
            await self._due.wait()
            await asyncio.sleep(CALM)
            if not self._link.up:
                self._due.clear()  # after the next connect everything is published again
            elif self._known():
                self._due.clear()
                await self._sweep()

    async def close(self) -> None:
        """What was retained stays, for the next start."""

    def look(self) -> None:
        """Something may be gone."""
        self._due.set()

    async def _sweep(self) -> None:
        there = set(self._link.retained.kept)
        for topic in sorted((self._remembered - there) | self._link.retained.forsaken):
            self._link.post(topic, b"", retain=True)
        if there != self._remembered:
            self._remembered = there
            await asyncio.to_thread(_write, self._memory, there)


def _recall(path: Path) -> set[str]:
    try:
        return set(msgspec.json.decode(path.read_bytes(), type=list[str]))
    except (OSError, *UNREADABLE):
        return set()


def _write(path: Path, topics: set[str]) -> None:
    try:
        durable.write(path, msgspec.json.encode(sorted(topics)))
    except OSError as error:
        log.warning("cannot remember which topics are retained: %s", error)
