"""Publishes discovery when the printer's model changes, and remembers on disk what it published."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from bridge.klippy.state import Klippy, KlippyInfo, KlippyState, Machine
from bridge.mqtt.connection import Incoming
from bridge.mqtt.link import MqttLink
from bridge.mqtt.topics import Topics
from bridge.signals import Signal
from ha_discovery.catalogue import entities
from ha_discovery.device import Identity, device_message, diff
from ha_discovery.entity import Entity, fields_read
from ha_discovery.model import PrinterModel

log = logging.getLogger(__name__)

PATIENCE = 2.0  # seconds that Klippy may take to say what the printer consists of
CALM = 1.5  # seconds between two messages of one device; Home Assistant drops what comes before it is done

_encode = msgspec.json.Encoder().encode


class Discovery:
    """The printer as a device of Home Assistant's."""

    def __init__(
        self,
        link: MqttLink,
        topics: Topics,
        klippy: Klippy,
        *,
        identity: Identity,
        controls: Callable[[], set[str]],
        memory: Path,
        announce: bool,
    ) -> None:
        self.chosen: Signal[dict[str, set[str]]] = Signal("fields that entities read")
        self._link, self._topics, self._klippy = link, topics, klippy
        self._identity, self._controls = identity, controls
        self._memory, self._announce = memory, announce
        self._topic = topics.device(identity.unique)
        self._rows: tuple[Entity, ...] = ()
        self._message: dict[str, Any] | None = None  # what should be there
        self._published: dict[str, Any] | None = None  # what is there
        self._rest: list[dict[str, Any]] = []
        self._due = asyncio.Event()
        self._deleted = False
        klippy.surveyed.connect(self._surveyed)
        klippy.changed.connect(self._state)

    async def open(self) -> None:
        """Remember what was published before, and hear when Home Assistant deletes the device."""
        self._published = await asyncio.to_thread(_recall, self._memory, self._topic)
        if self._announce:
            self._link.route(self._topic, self._heard)

    async def run(self) -> None:
        """Publish what has to wait its turn, and write down what was published."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._due.wait()
        except TimeoutError:
            self._without_klippy()
        while True:
            await self._due.wait()
            self._due.clear()
            while self._rest:
                await asyncio.sleep(CALM)
                if self._rest:
                    self._post(self._rest.pop(0))
            if self._link.up and self._message is not None and self._message != self._published:
                self._published = self._message
                await asyncio.to_thread(_write, self._memory, self._topic, self._published)

    async def close(self) -> None:
        """What was published stays, for the next start."""

    def publish(self) -> None:
        """Publish the device message, whether or not it was published before."""
        if self._message is None or not self._announce or self._deleted or not self._link.up:
            return
        first, *self._rest = diff(self._published, self._message) or (self._message,)
        self._post(first)
        self._due.set()

    def _without_klippy(self) -> None:
        """The device is still there: as it was, or with the little that always is."""
        if self._message is None:
            if not self._rows:
                self._rows = entities(PrinterModel.of((), None, None), self._controls())
            self._message = self._published or self._build()
            self.publish()

    def _surveyed(self, machine: Machine) -> None:
        model = PrinterModel.of(list(machine.objects), machine.settings, machine.status)
        self._rows = entities(model, self._controls())
        self.chosen.emit(fields_read(self._rows))

    def _state(self, info: KlippyInfo) -> None:
        """A new model, or another version of Klippy; one that goes leaves its device as it was."""
        if info.state is KlippyState.DISCONNECTED or not self._klippy.machine.objects:
            return
        if (message := self._build()) != self._message:
            self._message = message
            self.publish()

    def _build(self) -> dict[str, Any]:
        known = self._klippy.info.version
        identity = self._identity if known is None else replace(self._identity, klipper=known)
        return device_message(self._rows, self._topics, identity)

    def _post(self, message: dict[str, Any]) -> None:
        if not self._link.post(self._topic, _encode(message), retain=True) and self._link.up:
            log.warning("the discovery message is larger than the broker or mqtt.max_payload lets through")

    def _heard(self, incoming: Incoming) -> None:
        """An empty message is Home Assistant's: the user deleted the device; it comes back with a restart."""
        if not incoming.payload and not self._deleted:
            self._deleted = True
            log.info("the device was deleted in Home Assistant; it is published again at the next start")


def _recall(path: Path, topic: str) -> dict[str, Any] | None:
    """What was published to `topic` when the bridge ran last."""
    try:
        found = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError):
        return None
    message = found.get("message") if isinstance(found, dict) and found.get("topic") == topic else None
    return message if isinstance(message, dict) else None


def _write(path: Path, topic: str, message: dict[str, Any]) -> None:
    temporary = path.with_suffix(".new")
    try:
        temporary.write_bytes(_encode({"topic": topic, "message": message}))
        temporary.replace(path)
    except OSError as error:
        log.warning("cannot remember what was published to Home Assistant: %s", error)
