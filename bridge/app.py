"""The composition root: builds every part in its order, and is the only one that knows them all."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bridge import __version__
from bridge.access import Guard
from bridge.config import Config
from bridge.errors import ConfigError
from bridge.gcode.library import Library
from bridge.handlers.controls import Controls
from bridge.handlers.database import Database, reserved
from bridge.handlers.history import History
from bridge.handlers.job_queue import JobQueue, QueueStatus
from bridge.handlers.machine import Machine
from bridge.handlers.mqtt import Mqtt
from bridge.handlers.printer import Printer
from bridge.handlers.rpc import Discovery as RpcDiscovery
from bridge.handlers.server import Server
from bridge.http_compat.app import HttpDoor
from bridge.http_compat.sockets import Sockets
from bridge.identity import Identity, identify
from bridge.jobs.ledger import Ledger
from bridge.jobs.tracker import JobTracker
from bridge.jobs.watch import JobWatch
from bridge.klippy.commands import Commands
from bridge.klippy.console import Console
from bridge.klippy.filament import FilamentWatch
from bridge.klippy.link import KlippyLink
from bridge.klippy.state import Klippy
from bridge.klippy.status import StatusCache
from bridge.klippy.temperatures import TemperatureStore
from bridge.lifecycle import Part, serve
from bridge.mqtt.controls import MqttControls
from bridge.mqtt.events import MqttEvents
from bridge.mqtt.health import MqttHealth
from bridge.mqtt.inlet import MqttInlet
from bridge.mqtt.job import MqttJob
from bridge.mqtt.link import MqttLink
from bridge.mqtt.news import MqttNews
from bridge.mqtt.outlet import MqttOutlet
from bridge.mqtt.payloads import HealthCounters, HealthQueues
from bridge.mqtt.payloads import Queue as QueuePayload
from bridge.mqtt.payloads import QueuedJob as QueuedPayload
from bridge.mqtt.queue import MqttQueue, at
from bridge.mqtt.replay import Replay
from bridge.mqtt.topics import Topics
from bridge.roots import Root, Roots
from bridge.rpc import Registry
from bridge.store import Store
from bridge.store.lock import FolderLock
from ha_discovery.device import Identity as Device
from ha_discovery.publisher import Discovery


@dataclass(frozen=True)
class Folders:
    """Where the bridge keeps its own things, below the configuration's `data`."""

    data: Path

    @property
    def own(self) -> Path:
        """Ids, memory and stores of the bridge."""
        return self.data / "bridge"

    @property
    def logs(self) -> Path:
        """Klipper's logs and ours."""
        return self.data / "logs"

    def make(self) -> None:
        """Create what is missing, or ConfigError."""
        try:
            for folder in (self.own, self.logs, self.data / "gcodes", self.data / "config"):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"data: {self.data} cannot be written to: {error.strerror}") from error


class Bridge:
    """Everything, built and wired; nothing runs before `run`."""

    def __init__(
        self,
        config: Config,
        identity: Identity,
        folders: Folders,
        *,
        config_name: str = "bridge.yaml",
        restart: Callable[[], None] = lambda: None,
    ) -> None:
        self.config, self.identity = config, identity
        self.registry = Registry()
        self._disk_side(folders)
        self._klippy_side(config)
        self._mqtt_side(config, identity, folders)
        self._handlers(config, config_name, restart)
        self._doors(config)

    def _disk_side(self, folders: Folders) -> None:
        self.lock = FolderLock(folders.own)
        self.store = Store(folders.own / "bridge.db")
        self.backups = folders.own / "backups"
        self.roots = Roots(
            {
                "gcodes": Root("gcodes", folders.data / "gcodes", writable=True),
                "config": Root("config", folders.data / "config", writable=True),
                "logs": Root("logs", folders.logs, writable=False),
            },
            reserved=(folders.own, folders.data / "config" / "secrets.yaml"),
        )
        self.library = Library(self.roots, self.store)

    def _klippy_side(self, config: Config) -> None:
        self.klippy_link = KlippyLink(
            Path(config.klippy.socket).expanduser(), timeout=config.klippy.request_timeout
        )
        self.cache = StatusCache(self.klippy_link)
        self.klippy = Klippy(self.klippy_link, self.cache, version=__version__)
        self.commands = Commands(self.klippy_link)
        self.temperatures = TemperatureStore(self.klippy, self.cache, config.server.temperature_store_size)
        self.console = Console(self.klippy_link, self.commands, config.server.gcode_store_size)
        self.jobs = JobWatch(self.klippy, self.cache)
        self.tracker = JobTracker(self.jobs, self.cache, self.library, self.commands)
        self.ledger = Ledger(self.store, self.tracker)
        self.filament = FilamentWatch(self.klippy, self.cache)
        self.controls = Controls(self.klippy, self.commands)

    def _mqtt_side(self, config: Config, identity: Identity, folders: Folders) -> None:
        http, mqtt, home = config.http, config.mqtt, config.homeassistant
        self.guard = Guard(
            trusted=http.trusted, api_key=http.api_key, proxies=http.proxies, mqtt_allow=mqtt.allow
        )
        self.topics = Topics(identity.name, home.prefix)
        self.mqtt = MqttLink(mqtt, self.topics, client_id=f"klipper-bridge-{identity.unique}")
        self.control_topics = MqttControls(self.mqtt, self.topics, self.registry, self.guard.mqtt)
        self.home = Discovery(
            self.mqtt,
            self.topics,
            self.klippy,
            identity=Device(identity.unique, home.name or identity.name, __version__),
            controls=self._callable_controls,
            memory=folders.own / "discovery.json",
            announce=home.enabled,
        )
        # after Discovery: a device is described before its first values are published
        self.outlet = MqttOutlet(self.mqtt, self.topics, self.klippy, self.cache, self.jobs, mqtt.state)
        self.home.chosen.connect(self.outlet.choose)
        self.inlet = MqttInlet(self.mqtt, self.topics, self.registry, self.guard.mqtt)
        self.events = MqttEvents(self.mqtt, self.topics)
        # before MqttNews: the record of a job is there when its end is told
        self.job_topics = MqttJob(
            self.mqtt, self.topics, self.tracker, self.ledger, self.library, self.outlet.retain_job
        )
        self.queue_topic = MqttQueue(self.mqtt, self.topics)
        self.news = MqttNews(self.events, self.klippy, self.jobs, self.filament)
        self.health = MqttHealth(
            self.mqtt,
            self.topics,
            self.klippy,
            self.klippy_link,
            version=__version__,
            unique_id=identity.unique,
            counts=self._counts,
            queues=self._queues,
        )
        self.replay = Replay(
            self.mqtt,
            self.topics,
            (
                self.home.publish,
                self.outlet.publish_availability,
                self.outlet.publish_state,
                self.job_topics.publish,
                self.queue_topic.publish,
                self.control_topics.publish,
                self.health.publish,
            ),
        )
        self.registry.noticed.connect(self.events.forward)
        self.inlet.rejected.connect(lambda rejection: self.events.tell("request_rejected", rejection))
        self.control_topics.rejected.connect(
            lambda rejection: self.events.tell("control_rejected", rejection)
        )
        self.control_topics.show(self.controls.rows)
        self.controls.changed.connect(self.control_topics.show)

    def _handlers(self, config: Config, config_name: str, restart: Callable[[], None]) -> None:
        """Every capability, in its order: a later one may use an earlier one."""
        self.sockets = Sockets(self.registry, self.cache, self.klippy.changed)
        printer = Printer(self.klippy, self.klippy_link, self.cache, self.commands, self.sockets)
        self.machine = Machine(self.sockets)
        history = History(self.ledger, self.tracker, self.library)
        self.job_queue = JobQueue(
            self.store, self.library, self.klippy, self.commands, self.jobs, config.job_queue
        )
        self.job_queue.status_changed.connect(lambda status: self.queue_topic.show(_queue(status)))
        server = Server(
            config=config,
            config_name=config_name,
            klippy=self.klippy,
            link=self.klippy_link,
            temperatures=self.temperatures,
            console=self.console,
            sockets=self.sockets,
            components=self.registry.components,
            warnings=self.store.warnings,
            restart=restart,
        )
        discovery = RpcDiscovery(self.registry)
        for capability in (
            server,
            printer,
            self.controls,
            self.machine,
            history,
            self.job_queue,
            Mqtt(self.mqtt, self.klippy),
            self._database(restart),
            discovery,
        ):
            self.registry.mount(capability)
        self.registry.fallback = printer.passed_on

    def _database(self, restart: Callable[[], None]) -> Database:
        return Database(
            self.store,
            self.backups,
            reserved=reserved(self.store, self.identity.unique),
            busy=lambda: self.jobs.active is not None,
            restart=restart,
        )

    def _doors(self, config: Config) -> None:
        self.parts: list[Part] = [
            self.lock,
            self.store,
            self.ledger,
            self.job_queue,
            self.tracker,
            self.klippy,  # first to come and last to go: its loss is no news while the bridge ends
            self.temperatures,
            self.mqtt,
            self.inlet,
            self.control_topics,
            self.outlet,
            self.job_topics,
            self.home,
            self.replay,
            self.health,
            self.machine,
        ]
        self.http: HttpDoor | None = None
        if config.http.enabled:
            self.http = HttpDoor(config.http, self.registry, self.guard, self.sockets, self.klippy_link.path)
            self.parts.append(self.http)

    def _callable_controls(self) -> set[str]:
        """The controls that may be operated over MQTT."""
        if not (self.config.mqtt.controls and self.control_topics.allowed):
            return set()
        return {row.key for row in self.controls.rows}

    def _counts(self) -> HealthCounters:
        return HealthCounters(
            requests=self.inlet.requests,
            rejected=self.inlet.rejections + self.control_topics.rejections,
            dropped=self.mqtt.dropped + self.events.dropped,
            published=self.mqtt.published,
            reconnects=self.mqtt.reconnects,
            klippy_dropped_frames=self.klippy_link.dropped_frames,
        )

    def _queues(self) -> HealthQueues:
        return HealthQueues(requests=self.inlet.depth, events=self.events.waiting, state=self.outlet.waiting)

    async def run(self, stop: asyncio.Event, opened: Callable[[], None] = lambda: None) -> None:
        """Run until `stop` is set."""
        await serve(self.parts, opened, stop)


def _queue(status: QueueStatus) -> QueuePayload:
    """The queue as its topic has it."""
    jobs = [QueuedPayload(job.filename, job.job_id, at(job.time_added)) for job in status.queued_jobs]
    return QueuePayload(state=status.queue_state, reason=status.reason, jobs=jobs)


def build(config: Config, *, config_name: str, restart: Callable[[], None]) -> Bridge:
    """The bridge of a configuration, with its folders made and its identity known."""
    folders = Folders(Path(config.data).expanduser())
    folders.make()
    return Bridge(
        config, identify(config.instance, folders.own), folders, config_name=config_name, restart=restart
    )


def describe_registry() -> Registry:
    """The whole table, for descriptions: nothing is opened."""
    return Bridge(Config(), Identity("printer", "0" * 16), Folders(Path())).registry
