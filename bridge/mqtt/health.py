"""The bridge's own health, retained: on change and each minute. It also notices a rival of our name."""

import asyncio
import time
from collections.abc import Callable

import msgspec

from bridge.decoding import UNREADABLE
from bridge.klippy.printer_link import PrinterLink
from bridge.klippy.state import Klippy
from bridge.mqtt.connection import Incoming
from bridge.mqtt.link import MqttLink
from bridge.mqtt.payloads import Health, HealthBroker, HealthCounters, HealthQueues
from bridge.mqtt.topics import Topics

INTERVAL = 60.0  # seconds
CALM = 0.2  # seconds in which changes are gathered

_encode = msgspec.json.Encoder().encode


class MqttHealth:
    """Publishes the health; reads what another of our name has left there."""

    def __init__(
        self,
        link: MqttLink,
        topics: Topics,
        klippy: Klippy,
        klippy_link: PrinterLink,
        *,
        version: str,
        unique_id: str,
        counts: Callable[[], HealthCounters],
        queues: Callable[[], HealthQueues],
    ) -> None:
        self._link, self._topics, self._klippy, self._klippy_link = link, topics, klippy, klippy_link
        self._version, self._unique_id = version, unique_id
        self._counts, self._queues = counts, queues
        self._began = time.monotonic()
        self._changed = asyncio.Event()
        self._last_error: str | None = None
        link.lost.connect(self._note)
        link.duelling.connect(self._note)
        klippy.changed.connect(lambda _info: self._changed.set())

    async def open(self) -> None:
        """Listen for a rival."""
        self._link.route(self._topics.health, self._heard, early=True)

    async def run(self) -> None:
        """Publish on change, and each minute."""
        while True:
            try:
                async with asyncio.timeout(INTERVAL):
                    await self._changed.wait()
                    await asyncio.sleep(CALM)
            except TimeoutError:
                pass
            self._changed.clear()
            self.publish()

    async def close(self) -> None:
        """Nothing to give back."""

    def change(self) -> None:
        """Something that health tells of has changed."""
        self._changed.set()

    def publish(self) -> None:
        """Publish the health as it is now."""
        if self._link.up:
            self._link.post(self._topics.health, _encode(self.now()), retain=True)

    def now(self) -> Health:
        """The health as it is now."""
        return Health(
            version=self._version,
            unique_id=self._unique_id,
            broker=HealthBroker(
                address=self._link.address,
                protocol=self._link.protocol,
                connected_since=self._link.since,
            ),
            klippy=self._klippy.info.state.value,
            uptime=round(time.monotonic() - self._began, 1),
            counters=self._counts(),
            queues=self._queues(),
            last_error=self._last_error,
            time=time.time(),
        )

    def _note(self, error: str) -> None:
        self._last_error = error
        self._changed.set()

    def _heard(self, incoming: Incoming) -> None:
        """Another bridge of our instance name, by another unique id, that is online."""
        try:
            other = msgspec.json.decode(incoming.payload, type=_Name)
        except UNREADABLE:
            return
        if (
            other.unique_id
            and other.unique_id != self._unique_id
            and (self._link.up or self._link.found_online)
        ):
            self._link.rival(
                f"another bridge ({other.unique_id}) uses the instance name '{self._topics.instance}' on "
                f"{self._link.address}; give one of the two another `instance`"
            )


class _Name(msgspec.Struct):
    unique_id: str | None = None
