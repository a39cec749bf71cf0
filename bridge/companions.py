"""What keeps the printer company: cameras, agents, announcements, notifiers, light strips, the network."""

import logging
from typing import Protocol

from bridge import __version__
from bridge.announcements.board import Board
from bridge.announcements.reader import Reader
from bridge.below import Below
from bridge.config import Config
from bridge.errors import BridgeError
from bridge.gcode.library import Library
from bridge.handlers.announcements import Announcements
from bridge.handlers.controls import Controls
from bridge.handlers.extensions import Extensions
from bridge.handlers.notifiers import Notifiers
from bridge.handlers.webcams import Webcams
from bridge.handlers.wled import Wled
from bridge.http_compat.app import HttpDoor
from bridge.http_compat.sockets import Sockets
from bridge.identity import Identity
from bridge.jobs.tracker import JobTracker
from bridge.jobs.watch import JobWatch
from bridge.klippy.filament import FilamentWatch
from bridge.klippy.state import Klippy
from bridge.lifecycle import Crew, Part
from bridge.mqtt.announcements import MqttAnnouncements
from bridge.mqtt.link import MqttLink
from bridge.mqtt.replay import Replay
from bridge.mqtt.topics import Topics
from bridge.mqtt.webcams import MqttWebcams
from bridge.nearby import Nearby, Place, is_loopback
from bridge.notifiers.desk import Desk
from bridge.notifiers.pictures import Pictures
from bridge.outgoing import Outgoing
from bridge.store import Store
from bridge.surroundings import Surroundings
from bridge.webcams.album import NAMESPACE, Album
from bridge.webcams.snapshots import Snapshots
from bridge.wled.strips import Strips
from ha_discovery.publisher import Discovery
from ha_discovery.rows_webcams import webcam_rows

log = logging.getLogger(__name__)


class House(Protocol):
    """What of the bridge they need."""

    identity: Identity
    http: HttpDoor | None
    store: Store
    topics: Topics
    mqtt: MqttLink
    klippy: Klippy
    sockets: Sockets
    tracker: JobTracker
    jobs: JobWatch
    filament: FilamentWatch
    library: Library
    controls: Controls
    home: Discovery
    replay: Replay
    surroundings: Surroundings
    below: Below

    def warnings(self) -> list[str]:
        """What is wrong now."""


class Companions:
    """A part of its own: owns the tasks of its links, and tells Home Assistant what there is."""

    def __init__(self, house: House, config: Config) -> None:
        self._config, self._home = config, house.home
        self._crew = Crew()
        self.capabilities: list[object] = []
        self.parts: list[Part] = [self]
        self._cameras(house, house.surroundings.outgoing)
        self.capabilities.append(Extensions(house.sockets, house.klippy, config.extensions))
        self._announcements(house, house.surroundings.outgoing)
        self._notifiers(house)
        self._strips(house)
        self._house = house
        self._nearby(house)
        house.replay.then(self.publish)

    def _cameras(self, house: House, outgoing: Outgoing) -> None:
        settings = self._config.webcams
        self.album = Album(settings, house.store)
        self._snapshots = snapshots = Snapshots(outgoing, settings)
        self._webcam_topics = MqttWebcams(
            house.mqtt,
            house.topics,
            self.album,
            snapshots,
            house.tracker,
            settings,
            house.surroundings.discretion,
        )
        self.album.changed.connect(lambda _webcams: self._show_webcams())
        self.capabilities.append(Webcams(self.album, snapshots, house.surroundings.discretion))
        self.parts.append(self._webcam_topics)

    def _announcements(self, house: House, outgoing: Outgoing) -> None:
        settings = self._config.announcements
        self.board = Board(house.store, house.warnings, settings.feeds)
        house.below.upkeep.announce_on(self.board)
        reader = Reader(self.board, outgoing, settings)
        house.klippy.changed.connect(lambda _info: self._look())
        self.capabilities.append(Announcements(self.board, reader))
        self._announcement_topic = MqttAnnouncements(house.mqtt, house.topics, self.board)
        self.parts += [reader, self._announcement_topic]

    def _notifiers(self, house: House) -> None:
        pictures = Pictures(self.album, self._snapshots, house.library)
        self.desk = Desk(
            self._config.notifiers,
            printer=self._config.homeassistant.name or house.topics.instance,
            watch=house.jobs,
            tracker=house.tracker,
            klippy=house.klippy,
            filament=house.filament,
            look=pictures.look,
        )
        self.capabilities.append(Notifiers(self.desk.notifiers))
        self.parts.append(self.desk)

    def _strips(self, house: House) -> None:
        around = house.surroundings
        self.strips = Strips(self._config.wled, around.outgoing, house.store, around.discretion)
        self._controls = house.controls
        for strip in self.strips.all.values():
            strip.changed.connect(lambda _strip: house.controls.refresh())
        self._wled = Wled(self.strips, house.klippy, house.topics)
        self.capabilities.append(self._wled)
        self.parts += [self._wled.crew, self.strips]

    def _nearby(self, house: House) -> None:
        settings, identity = self._config.zeroconf, house.identity
        name = settings.name or identity.name
        facts = {"uuid": identity.unique, "name": name, "version": __version__}
        if settings.enabled:
            self.parts.append(Nearby(name, identity.unique, facts, self.place))

    def place(self) -> Place | None:
        """Where others reach the HTTP door; None on loopback."""
        door, host = self._house.http, self._config.http.host
        return None if door is None or is_loopback(host) else Place(host, door.port)

    async def open(self) -> None:
        """Learn and say what there is."""
        await self.album.open()
        self._show_webcams()
        if self.strips.all:
            self._controls.register(*self._wled.controls)

    async def run(self) -> None:
        """Own the tasks of what others set off."""
        await self._crew.run()

    async def close(self) -> None:
        """Nothing to give back."""

    def publish(self) -> None:
        """Say it all again."""
        self._webcam_topics.publish()
        self._announcement_topic.publish()

    def written(self, namespace: str) -> None:
        """Somebody wrote into the database himself, as web UIs of old do."""
        if namespace == NAMESPACE:
            self._crew.start(self._read_again())

    async def _read_again(self) -> None:
        try:
            await self.album.reload()
        except BridgeError as error:
            log.warning("the webcams in the database cannot be read: %s", error)

    def _look(self) -> None:
        self.board.look()

    def _show_webcams(self) -> None:
        by_address = self._config.webcams.homeassistant == "url"
        names = [one.name for one in self._webcam_topics.shown]
        self._home.show("webcams", webcam_rows(names, by_address=by_address))
        self._webcam_topics.publish()
