"""What stands around the printer: power, sensors, spools; built, and put on their topics."""

import asyncio
import time
from collections.abc import Iterable, Iterator
from typing import Any

from bridge.config import Config, Discretion
from bridge.handlers.controls import Controls
from bridge.handlers.job_queue import JobQueue, QueueChange
from bridge.handlers.power import Power
from bridge.handlers.sensors import Sensors
from bridge.handlers.spoolman import Spoolman
from bridge.jobs.tracker import JobTracker
from bridge.klippy.commands import Commands
from bridge.klippy.state import Klippy
from bridge.klippy.status import StatusCache
from bridge.lifecycle import Part
from bridge.mqtt.link import MqttLink
from bridge.mqtt.payloads import Power as PowerPayload
from bridge.mqtt.payloads import SensorFigures
from bridge.mqtt.payloads import Spool as SpoolPayload
from bridge.mqtt.sheet import MqttSheet
from bridge.mqtt.topics import Topics
from bridge.outgoing import Outgoing
from bridge.power.device import Device
from bridge.power.rack import Rack, Wires
from bridge.sensors.sensor import Sensor
from bridge.spoolman.client import SpoolmanClient
from bridge.spoolman.spools import Spools, SpoolState
from bridge.spoolman.usage import FilamentUse
from bridge.store import Store
from ha_discovery.publisher import Discovery
from ha_discovery.rows_around import JOB_ENERGY, SPOOL, Figure, power_rows, sensor_rows

PACE = 10.0  # seconds between two messages of one sensor; the broker has its figures already


class Surroundings:
    """A part of its own: tells Home Assistant and the list of controls what there is when it opens."""

    def __init__(
        self,
        config: Config,
        link: MqttLink,
        topics: Topics,
        *,
        klippy: Klippy,
        cache: StatusCache,
        commands: Commands,
        tracker: JobTracker,
        store: Store,
        queue: JobQueue,
        controls: Controls,
        home: Discovery,
        discretion: Discretion,
    ) -> None:
        self._controls, self._home = controls, home
        self.outgoing, self.discretion = Outgoing(), discretion
        wires = Wires(link, self.outgoing, klippy, cache, commands)
        self.rack = Rack(config.power, wires, tracker, self.discretion)
        self.power = Power(self.rack, klippy, topics)
        self._power_topics = {name: MqttSheet(link, topics.power(name)) for name in self.rack.devices}
        self.rack.changed.connect(self._show_power)
        queue.changed.connect(self._queued)

        size = config.server.temperature_store_size
        self._sensors = {name: Sensor(name, one, link, tracker, size) for name, one in config.sensors.items()}
        sensors = Sensors(self._sensors)
        self._figures = {name: FigureTopic(link, topics.sensor(name)) for name in self._sensors}
        sensors.changed.connect(lambda sensor: self._figures[sensor.name].offer(dict(sensor.figures)))

        client = SpoolmanClient(self.outgoing, config.spoolman)
        self.spools: Spools | None = None
        self._spool_topic = MqttSheet(link, topics.spool)
        if client.configured:
            use = FilamentUse(klippy, cache)
            self.spools = Spools(client, use, tracker, store, config.spoolman)
            self.spools.changed.connect(lambda state: self._spool_topic.show(spool_payload(state)))
        spoolman = Spoolman(self.spools, client, klippy)
        self.capabilities: list[object] = [self.power, sensors, spoolman]
        self.parts: list[Part] = [self.outgoing, self.power.crew, self.rack, sensors, spoolman.crew, self]
        if self.spools is not None:
            self.parts.insert(1, self.spools)

    async def open(self) -> None:
        """Say what there is."""
        for device in self.rack.devices.values():
            self._show_power(device)
        if self.rack.devices:
            self._controls.register(*self.power.controls)
            self._home.show("power", power_rows(self.rack.devices))
        if self._sensors:
            found = list(figures(self._sensors.values()))
            meters = [JOB_ENERGY] if any(one.meter for one in found) else []
            self._home.show("sensors", [*sensor_rows(found), *meters])
        if self.spools is not None:
            self._spool_topic.show(spool_payload(self.spools.state))
            self._home.show("spoolman", SPOOL)

    async def run(self) -> None:
        """Nothing by itself."""

    async def close(self) -> None:
        """Stop the clocks."""
        for topic in self._figures.values():
            topic.close()

    def publish(self) -> None:
        """Say it all again."""
        for sheet in (*self._power_topics.values(), self._spool_topic):
            sheet.publish()
        for topic in self._figures.values():
            topic.publish()

    def _show_power(self, device: Device) -> None:
        self._power_topics[device.name].show(PowerPayload(device.state, device.locked, device.reason))

    def _queued(self, change: QueueChange) -> None:
        if change.action == "jobs_added":
            self.rack.rules.job_queued()


class FigureTopic:
    """The figures of one sensor as a retained topic: the first at once, then the newest at a pace."""

    def __init__(self, link: MqttLink, topic: str) -> None:
        self._sheet = MqttSheet(link, topic)
        self._figures: dict[str, Any] = {}
        self._said = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def offer(self, found: dict[str, Any]) -> None:
        """The figures of now."""
        self._figures = found
        wait = self._said + PACE - time.monotonic()
        if wait <= 0:
            self._say()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(wait, self._say)

    def publish(self) -> None:
        """Say it again."""
        self._sheet.publish()

    def close(self) -> None:
        """Stop the clock."""
        if self._timer is not None:
            self._timer.cancel()

    def _say(self) -> None:
        self.close()
        self._timer, self._said = None, time.monotonic()
        self._sheet.show(SensorFigures(self._figures))


def figures(sensors: Iterable[Sensor]) -> Iterator[Figure]:
    """What sensors measure, for Home Assistant."""
    for sensor in sensors:
        for key, value in sensor.settings.values.items():
            name = value.name or key.replace("_", " ")
            yield Figure(
                sensor.name,
                sensor.settings.name or sensor.name,
                key,
                name,
                value.units,
                value.kind is not None,
            )


def spool_payload(state: SpoolState) -> SpoolPayload:
    """What people want to know of the spool in use."""
    spool = state.spool or {}
    filament = _table(spool.get("filament"))
    return SpoolPayload(
        connected=state.connected,
        spool_id=state.spool_id,
        name=_text(filament.get("name")),
        vendor=_text(_table(filament.get("vendor")).get("name")),
        material=_text(filament.get("material")),
        color=_text(filament.get("color_hex")),
        remaining_weight=_rounded(spool.get("remaining_weight")),
        remaining_length=_rounded(spool.get("remaining_length")),
    )


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _rounded(value: Any) -> float | None:
    return round(value, 1) if isinstance(value, int | float) and not isinstance(value, bool) else None
