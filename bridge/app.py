"""The composition root: builds every part in its order, and is the only one that knows them all."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from bridge import __version__
from bridge.access import Guard
from bridge.auth.accounts import Accounts
from bridge.auth.api_key import ApiKey
from bridge.auth.passwords import Passwords
from bridge.auth.policy import MqttPolicy
from bridge.auth.throttle import Throttle
from bridge.auth.tokens import Tokens
from bridge.auth.users import Users
from bridge.below import ALONE, Below, Process
from bridge.companions import Companions
from bridge.config import Config, Discretion
from bridge.files.shelf import Shelf
from bridge.folders import Folders
from bridge.handlers.auth import Auth
from bridge.handlers.controls import Controls
from bridge.handlers.database import Database, reserved
from bridge.handlers.files import Files
from bridge.handlers.history import History
from bridge.handlers.job_queue import JobQueue, Started
from bridge.handlers.mqtt import Mqtt
from bridge.handlers.printer import Printer
from bridge.handlers.rpc import Discovery as RpcDiscovery
from bridge.handlers.server import Server
from bridge.http_compat.app import HttpDoor
from bridge.http_compat.sockets import Sockets
from bridge.identity import Identity, identify
from bridge.jobs.ledger import Ledger, Record, name_of
from bridge.jobs.tracker import JobTracker
from bridge.jobs.watch import JobWatch
from bridge.klippy.commands import Commands
from bridge.klippy.console import Console
from bridge.klippy.filament import FilamentWatch
from bridge.klippy.sdcard import SdCard
from bridge.klippy.starts import Starts
from bridge.klippy.state import Klippy
from bridge.klippy.status import StatusCache
from bridge.klippy.temperatures import TemperatureStore
from bridge.lifecycle import Part, serve
from bridge.mqtt.controls import MqttControls
from bridge.mqtt.events import MqttEvents
from bridge.mqtt.health import MqttHealth
from bridge.mqtt.inlet import MqttInlet
from bridge.mqtt.job import MqttJob
from bridge.mqtt.keeper import Keeper
from bridge.mqtt.link import MqttLink
from bridge.mqtt.news import MqttNews
from bridge.mqtt.outlet import MqttOutlet
from bridge.mqtt.payloads import ControlRow, HealthCounters, HealthQueues
from bridge.mqtt.queue import MqttQueue
from bridge.mqtt.replay import Replay
from bridge.mqtt.topics import Topics
from bridge.pages import file_pages
from bridge.printers import link_to
from bridge.rpc import Registry
from bridge.store import Store
from bridge.store.lock import FolderLock
from bridge.surroundings import Surroundings
from bridge.switchboard import Switchboard, queue_payload
from ha_discovery.device import Identity as Device
from ha_discovery.publisher import Discovery


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
        process: Process = ALONE,
    ) -> None:
        self.config, self.identity, self.folders, self.process = config, identity, folders, process
        self.registry, self.discretion = Registry(), Discretion(config)
        self.topics = Topics(identity.name, config.homeassistant.prefix)
        self._disk_side(config, folders)
        self._access_side(config, folders)
        self._klippy_side(config)
        self._mqtt_side(config, identity, folders)
        self._handlers(config, config_name, restart)
        self._switchboard(config)
        self._doors(config)

    def _disk_side(self, config: Config, folders: Folders) -> None:
        self.lock = FolderLock(folders.own)
        self.store = Store(folders.own / "bridge.db")
        self.backups = folders.own / "backups"
        self.shelf = Shelf(
            config,
            folders.data,
            folders.own,
            self.store,
            instance=self.identity.unique,
            in_use=self._file_in_use,
            start=self._start_or_queue,
        )
        self.library = self.shelf.library

    def _access_side(self, config: Config, folders: Folders) -> None:
        users, throttle = Users(folders.own / "users.json"), Throttle()
        tokens = Tokens(folders.own / "token.key", users)
        self.key = ApiKey(config.http.api_key, folders.own / "api_key")
        self.accounts = Accounts(users, Passwords(), tokens, throttle)
        self.guard = Guard(config.http, key=self.key, users=users, tokens=tokens, throttle=throttle)

    def _klippy_side(self, config: Config) -> None:
        self.klippy_link, self.klippy_parts = link_to(config.klippy, self.shelf.gcodes)
        self.cache = StatusCache(self.klippy_link)
        self.klippy = Klippy(self.klippy_link, self.cache, version=__version__)
        starts = Starts()
        self.cache.changed.connect(starts.look)
        self.sdcard = SdCard(
            self.klippy,
            self.cache,
            self.shelf.gcodes,
            self.shelf.gcodes_as_configured,
            self._file_running,
            starts,
            compare=config.files.check_sdcard,
        )
        self.klippy.surveyed.connect(
            lambda _machine: self.shelf.show_sources(self.klippy.hello.get("klipper_path"))
        )
        self.commands = Commands(self.klippy_link, self.sdcard.check, starts)
        self.temperatures = TemperatureStore(self.klippy, self.cache, config.server.temperature_store_size)
        self.console = Console(self.klippy_link, self.commands, config.server.gcode_store_size)
        self.jobs = JobWatch(self.klippy, self.cache)
        self.tracker = JobTracker(self.jobs, self.cache, self.library, self.commands)
        self.ledger = Ledger(self.store, self.tracker)
        self.ledger.added.connect(self._note_print)
        self.filament = FilamentWatch(self.klippy, self.cache)
        self.controls = Controls(self.klippy, self.cache, self.commands, self.topics)

    def _mqtt_side(self, config: Config, identity: Identity, folders: Folders) -> None:
        mqtt, home = config.mqtt, config.homeassistant
        self.policy = MqttPolicy(mqtt, self.guard.vouch)
        self.mqtt = MqttLink(mqtt, self.topics, client_id=f"klipper-bridge-{identity.unique}")
        self.control_topics = MqttControls(self.mqtt, self.topics, self.registry, self.policy.permit())
        self.home = Discovery(
            self.mqtt,
            self.topics,
            self.klippy,
            identity=Device(identity.unique, home.name or identity.name, __version__),
            controls=self._callable_controls,
            macros=home.macros,
            folder=folders.own,
            announce=home.enabled,
        )
        # after Discovery: a device is described before its first values are published
        self.outlet = MqttOutlet(self.mqtt, self.topics, self.klippy, self.cache, self.jobs, mqtt.state)
        self.home.chosen.connect(self.outlet.choose)
        self.keeper = Keeper(
            self.mqtt, folders.own / "retained.json", lambda: self.klippy.ready and self.home.is_calm
        )
        self.home.settled.connect(lambda _none: self.keeper.look())
        self.inlet = MqttInlet(self.mqtt, self.topics, self.registry, self.policy)
        # before MqttEvents and MqttNews: the record of a job is there when its end is told
        self.job_topics = MqttJob(
            self.mqtt, self.topics, self.tracker, self.ledger, self.library, self.outlet.retain_job
        )
        self.events = MqttEvents(self.mqtt, self.topics, self.discretion)
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
        self.controls.changed.connect(lambda _rows: self.home.refresh())
        self.controls.told.connect(lambda state: self.control_topics.tell(state.key, state.payload))
        self.controls.setting.connect(lambda field: self.outlet.answer(*field))

    def _handlers(self, config: Config, config_name: str, restart: Callable[[], None]) -> None:
        """Every capability, in its order: a later one may use an earlier one."""
        self.sockets = Sockets(self.registry, self.cache, self.klippy.changed)
        printer = Printer(self.klippy, self.klippy_link, self.cache, self.commands, self.sockets)
        history = History(self.ledger, self.tracker, self.library)
        self.job_queue = JobQueue(
            self.store, self.library, self.klippy, self.commands, self.jobs, config.job_queue
        )
        self.job_queue.status_changed.connect(lambda status: self.queue_topic.show(queue_payload(status)))
        self.surroundings = Surroundings(
            config,
            self.mqtt,
            self.topics,
            klippy=self.klippy,
            cache=self.cache,
            commands=self.commands,
            tracker=self.tracker,
            store=self.store,
            queue=self.job_queue,
            controls=self.controls,
            home=self.home,
            discretion=self.discretion,
        )
        self.below = Below(self, self.process)
        self.companions = Companions(self, config)
        server = Server(
            config=config,
            discretion=self.discretion,
            config_name=config_name,
            klippy=self.klippy,
            link=self.klippy_link,
            temperatures=self.temperatures,
            console=self.console,
            sockets=self.sockets,
            components=self.registry.components,
            warnings=self.warnings,
            directories=lambda: self.shelf.roots.names,
            restart=restart,
        )
        for capability in (
            server,
            printer,
            self.controls,
            history,
            self.job_queue,
            Mqtt(self.mqtt, self.klippy),
            self._database(restart),
            Files(self.shelf.roots, self.shelf.index, self.shelf.operations, self.library),
            Auth(self.accounts, self.guard, self.key),
            *self.surroundings.capabilities,
            *self.below.capabilities,
            *self.companions.capabilities,
            RpcDiscovery(self.registry),
        ):
            self.registry.mount(capability)
        self.registry.fallback = printer.passed_on

    def _switchboard(self, config: Config) -> None:
        """What else can be set, and told."""
        self.switchboard = Switchboard(
            self.mqtt,
            self.topics,
            registry=self.registry,
            controls=self.controls,
            home=self.home,
            index=self.shelf.index,
            library=self.library,
            queue=self.job_queue,
            jobs=self.jobs,
            ledger=self.ledger,
            machine=self.below.machine,
            gcodes=self.shelf.gcodes,
            log_level=config.logging.level,
            replay=self.replay.speak,
        )
        self.replay.then(self.switchboard.publish)
        self.replay.then(self.surroundings.publish)
        self.replay.then(self.below.publish)

    def _database(self, restart: Callable[[], None]) -> Database:
        shown = reserved(self.store, self.identity.unique)
        database = Database(self.store, self.backups, reserved=shown, busy=self._printing, restart=restart)
        database.written.connect(self.companions.written)
        return database

    def _doors(self, config: Config) -> None:
        self.parts: list[Part] = [
            self.lock,
            self.guard,
            self.store,
            *self.shelf.parts,
            self.ledger,
            self.job_queue,
            self.tracker.crew,
            *self.klippy_parts,
            self.klippy,  # first to come and last to go: its loss is no news while the bridge ends
            self.temperatures,
            self.mqtt,
            self.inlet,
            self.control_topics,
            self.outlet,
            self.job_topics,
            self.home,
            self.keeper,
            *self.switchboard.parts,
            *self.surroundings.parts,
            *self.below.parts,
            *self.companions.parts,
            self.replay,
            self.health,
        ]
        self.http: HttpDoor | None = None
        if config.http.enabled:
            self.http = HttpDoor(
                config.http,
                self.registry,
                self.guard,
                self.sockets,
                self.klippy_link.path,
                file_pages(self, config),
            )
            self.parts.append(self.http)

    # What the files need of parts that are built after them.

    def _note_print(self, one: Record) -> None:
        noting = self.library.note_print(one.job.filename, name_of(one.number), one.job.start_time)
        self.tracker.crew.start(noting)

    def _file_in_use(self) -> frozenset[Path]:
        return self.sdcard.in_use()

    def _file_running(self) -> str | None:
        return self.jobs.active

    def _printing(self) -> bool:
        return self.jobs.active is not None

    async def _start_or_queue(self, filename: str, user: str | None) -> Started:
        may_queue = self.config.files.queue_uploads
        return await self.job_queue.start_or_queue(filename, user, may_queue=may_queue)

    def warnings(self) -> list[str]:
        """What is wrong, for people."""
        return [*self.store.warnings, *([self.sdcard.mismatch] if self.sdcard.mismatch else [])]

    def _callable_controls(self) -> list[ControlRow]:
        """The controls that may be operated over MQTT."""
        if not (self.config.mqtt.controls and self.control_topics.allowed):
            return []
        permit = self.policy.permit()
        return [row for row in self.controls.rows if permit.refuse(*self.controls.asks(row.key)) is None]

    def _counts(self) -> HealthCounters:
        return HealthCounters(
            requests=self.inlet.requests,
            rejected=self.inlet.rejections + self.control_topics.rejections,
            dropped=self.mqtt.dropped + self.events.dropped,
            published=self.mqtt.published,
            reconnects=self.mqtt.reconnects,
            klippy_dropped_frames=self.klippy_link.dropped_frames,
            denied=self.inlet.denials.count,
            unauthorized=self.http.strangers if self.http is not None else 0,
            failed_logins=self.guard.throttle.failures,
            overloads=self.http.overloads if self.http is not None else 0,
        )

    def _queues(self) -> HealthQueues:
        return HealthQueues(requests=self.inlet.depth, events=self.events.waiting, state=self.outlet.waiting)

    async def run(self, stop: asyncio.Event, opened: Callable[[], None] = lambda: None) -> None:
        """Run until `stop` is set."""
        await serve(self.parts, opened, stop)


def build(
    config: Config, *, config_name: str, restart: Callable[[], None], process: Process = ALONE
) -> Bridge:
    """The bridge of a configuration, with its folders made and its identity known."""
    folders = Folders(Path(config.data).expanduser())
    folders.make()
    identity = identify(config.instance, folders.own)
    return Bridge(config, identity, folders, config_name=config_name, restart=restart, process=process)


def describe_registry() -> Registry:
    """The whole table, for descriptions: nothing is opened."""
    return Bridge(Config(), Identity("printer", "0" * 16), Folders(Path())).registry
