"""One device's discovery message: published when it changes, remembered on disk, never fought over."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import msgspec

from bridge import durable
from bridge.mqtt.connection import Incoming
from bridge.mqtt.link import MqttLink
from bridge.signals import Signal
from ha_discovery.device import diff

log = logging.getLogger(__name__)

CALM = 1.5  # seconds between two messages of one device; Home Assistant drops what comes before it is done

_encode = msgspec.json.Encoder().encode


class Announcement:
    """What should be there, and what is."""

    def __init__(self, link: MqttLink, topic: str, memory: Path, *, announce: bool) -> None:
        self.settled: Signal[None] = Signal("discovery")  # what is there is what should be
        self._link, self._topic, self._memory, self._announce = link, topic, memory, announce
        self._message: dict[str, Any] | None = None  # what should be there
        self._published: dict[str, Any] | None = None  # what is there
        self._rest: list[dict[str, Any]] = []
        self._due = asyncio.Event()
        self._deleted = False

    @property
    def remembered(self) -> dict[str, Any] | None:
        """What is there, perhaps since before this start."""
        return self._published

    @property
    def is_calm(self) -> bool:
        """Whether nothing waits to be published."""
        return not self._rest and not self._due.is_set()

    @property
    def is_known(self) -> bool:
        """Whether anything was shown since this start."""
        return self._message is not None

    async def open(self) -> None:
        """Remember what was published before, and hear when Home Assistant deletes the device."""
        self._published = await asyncio.to_thread(_recall, self._memory, self._topic)
        if self._announce:
            self._link.route(self._topic, self._heard)

    async def run(self) -> None:
        """Publish what has to wait its turn, and write down what was published."""
        while True:
            await self._due.wait()
            self._due.clear()
            while self._rest:
                await asyncio.sleep(CALM)
                if self._rest:
                    self._post(self._rest.pop(0))
            if self._says_all and self._message != self._published:
                self._published = self._message
                await asyncio.to_thread(_write, self._memory, self._topic, self._published)
            self.settled.emit(None)

    @property
    def _says_all(self) -> bool:
        return self._announce and self._link.up and self._message is not None and not self._deleted

    def show(self, message: dict[str, Any]) -> None:
        """The device as it shall be; published when that is another one."""
        if message != self._message:
            self._message = message
            self.publish()

    def publish(self) -> None:
        """Publish the message, whether or not it was published before."""
        if self._says_all and self._message is not None:
            first, *self._rest = diff(self._published, self._message) or (self._message,)
            self._post(first)
        if self._link.up:
            self._due.set()

    def revive(self) -> None:
        """Come back although the user deleted the device: somebody asks for it."""
        self._deleted = False

    def _post(self, message: dict[str, Any]) -> None:
        if not self._link.post(self._topic, _encode(message), retain=True) and self._link.up:
            log.warning("the discovery message is larger than the broker or mqtt.max_payload lets through")

    def _heard(self, incoming: Incoming) -> None:
        """An empty message is Home Assistant's: the user deleted the device; it comes back with a restart."""
        if not incoming.payload and not self._deleted:
            self._deleted = True
            log.info("the device was deleted in Home Assistant; `klipper-bridge rediscover` brings it back")


def _recall(path: Path, topic: str) -> dict[str, Any] | None:
    """What was published to `topic` when the bridge ran last."""
    try:
        found = msgspec.json.decode(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    message = found.get("message") if isinstance(found, dict) and found.get("topic") == topic else None
    return message if isinstance(message, dict) else None


def _write(path: Path, topic: str, message: dict[str, Any] | None) -> None:
    try:
        durable.write(path, _encode({"topic": topic, "message": message}))
    except OSError as error:
        log.warning("cannot remember what was published to Home Assistant: %s", error)
