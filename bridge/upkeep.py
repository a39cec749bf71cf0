"""What is kept up to date: built, put on its topics, shown to Home Assistant, and announced."""

import re
from pathlib import Path
from typing import Protocol

from bridge.announcements.board import Board
from bridge.config import Config
from bridge.config.updates import UpdatedComponent
from bridge.errors import ConfigError
from bridge.folders import Folders
from bridge.handlers.controls import Controls
from bridge.handlers.update import Update
from bridge.jobs.tracker import JobTracker
from bridge.lifecycle import Part
from bridge.mqtt.link import MqttLink
from bridge.mqtt.payloads import Update as UpdatePayload
from bridge.mqtt.sheet import MqttSheet
from bridge.mqtt.topics import Topics
from bridge.services.desk import KLIPPER, OURSELVES, ServiceDesk
from bridge.services.rights import Rights
from bridge.surroundings import Surroundings
from bridge.updates.component import Component
from bridge.updates.foreman import FULL, REFRESH, SYSTEM, Foreman
from bridge.updates.memory import Memory
from bridge.updates.releases import Releases
from ha_discovery.publisher import Discovery
from ha_discovery.rows_below import update_rows

TAKEN = (SYSTEM, FULL, REFRESH)
KEY = "update"  # of the announcement
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,63}")
MOST = 8  # names in the title of one


class Around(Protocol):
    """What the bridge has that updates need."""

    config: Config
    folders: Folders
    mqtt: MqttLink
    topics: Topics
    tracker: JobTracker
    controls: Controls
    home: Discovery
    surroundings: Surroundings


class Upkeep:
    """A part of its own: tells what there is when it opens, and all that changes."""

    def __init__(self, bridge: Around, desk: ServiceDesk, rights: Rights) -> None:
        self._controls, self._home = bridge.controls, bridge.home
        self._board: Board | None = None
        self.foreman = _foreman(bridge, desk, rights)
        self.update = Update(self.foreman)
        self._topics = {
            name: MqttSheet(bridge.mqtt, bridge.topics.update(name)) for name in self.foreman.components
        }
        self.foreman.changed.connect(lambda _none: self._tell())
        self.parts: list[Part] = [self.foreman, self]

    async def open(self) -> None:
        """Say what there is."""
        self._controls.register(*self.update.controls)
        self._home.show("updates", update_rows(self.foreman.components), host=True)

    async def run(self) -> None:
        """Nothing by itself."""

    async def close(self) -> None:
        """Nothing to give back."""

    def publish(self) -> None:
        """Say it all again."""
        for sheet in self._topics.values():
            sheet.publish()

    def announce_on(self, board: Board) -> None:
        """Where new versions are announced."""
        self._board = board

    def _tell(self) -> None:
        self._show()
        self._announce()

    def _announce(self) -> None:
        """One entry for all; a version of its own makes it new, each commit of a branch does not."""
        if self._board is None:
            return
        waiting = [one for one in self.foreman.components.values() if one.versions.differ]
        if not waiting:
            self._board.withdraw(KEY)
            return
        titles = [_titled(one) for one in waiting]
        more = f" and {len(titles) - MOST} more" if len(titles) > MOST else ""
        lines = (f"{one.name}: {one.versions.installed} → {one.versions.latest}" for one in waiting)
        link = waiting[0].versions.link if len(waiting) == 1 else None
        title = f"New: {', '.join(titles[:MOST])}{more}"
        self._board.post(KEY, title, "\n".join(lines), url=link or "")

    def _show(self) -> None:
        for name, one in self.foreman.components.items():
            known = one.versions
            self._topics[name].show(
                UpdatePayload(
                    installed_version=known.installed,
                    latest_version=known.latest or known.installed,
                    title=name,
                    release_url=known.link,
                    in_progress=self.foreman.is_in_hand(name),
                    update_percentage=self.foreman.percent if self.foreman.current == name else None,
                )
            )


def _titled(one: Component) -> str:
    moves_on = one.name == SYSTEM or one.status.get("channel") == "dev"
    return one.name if moves_on else f"{one.name} {one.versions.latest}"


def _foreman(bridge: Around, desk: ServiceDesk, rights: Rights) -> Foreman:
    folder, settings = bridge.folders.own / "updates", bridge.config.updates
    memory = Memory(folder / "memory.json")
    releases = Releases(bridge.surroundings.outgoing, settings.api, settings.token)
    for name, one in settings.components.items():
        _check(name, one, bridge.config)
    return Foreman(
        _components(bridge.config, folder, memory, releases, rights),
        memory,
        releases.limit,
        settings,
        printing=lambda: bridge.tracker.current is not None,
        restart=lambda service: desk.act("restart", service),
    )


def _components(
    config: Config, folder: Path, memory: Memory, releases: Releases, rights: Rights
) -> list[Component]:
    if not (config.updates.system or config.updates.components):
        return []
    from bridge.updates import kinds  # noqa: PLC0415 - nobody pays for it who keeps nothing up to date

    components: list[Component] = [kinds.system(rights, folder)] if config.updates.system else []
    for name, one in config.updates.components.items():
        made = kinds.component(name, one, memory, releases, is_ours=name in OURSELVES)
        if not made.services:
            made.services = [OURSELVES[0]] if name in OURSELVES else [KLIPPER] * (name == KLIPPER)
        components.append(made)
    return components


def _check(name: str, one: UpdatedComponent, config: Config) -> None:
    if name in TAKEN or NAME.fullmatch(name) is None:
        raise ConfigError(f"updates.components: '{name[:40]}' cannot be a component's name")
    allowed = (KLIPPER, config.machine.klipper_service, *OURSELVES, *config.machine.services)
    for service in one.services:
        if service not in allowed:
            raise ConfigError(
                f"updates.components.{name}.services: '{service}' is not named in machine.services"
            )
