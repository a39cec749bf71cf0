"""Home Assistant discovery: the printer and the machine below, as two devices that follow what there is."""

import asyncio
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from itertools import chain
from pathlib import Path

from bridge.klippy.model import PrinterModel
from bridge.klippy.state import Klippy, KlippyInfo, KlippyState, Machine
from bridge.mqtt.link import MqttLink
from bridge.mqtt.payloads import ControlRow, HostStats
from bridge.mqtt.topics import Topics
from bridge.signals import Signal
from ha_discovery.announcement import Announcement
from ha_discovery.catalogue import entities, host_entities
from ha_discovery.device import Identity, device_message
from ha_discovery.entity import Entity, fields_read

PATIENCE = 2.0  # seconds that Klippy may take to say what the printer consists of
GATHERED = 0.5  # seconds in which changes of controls and of other capabilities' entities are gathered


class Discovery:
    """Publishes both devices when what they consist of changes."""

    def __init__(
        self,
        link: MqttLink,
        topics: Topics,
        klippy: Klippy,
        *,
        identity: Identity,
        controls: Callable[[], list[ControlRow]],
        macros: Collection[str],
        folder: Path,
        announce: bool,
    ) -> None:
        self.chosen: Signal[dict[str, set[str]]] = Signal("fields that entities read")
        self._topics, self._klippy = topics, klippy
        self._identity, self._controls, self._macros = identity, controls, macros
        self._host_identity = Identity(
            f"{identity.unique}_host", f"{identity.name} host", identity.sw_version, maker="klipper-bridge"
        )
        self._printer = Announcement(
            link, topics.device(identity.unique), folder / "discovery.json", announce=announce
        )
        self._host = Announcement(
            link,
            topics.device(self._host_identity.unique),
            folder / "discovery_host.json",
            announce=announce,
        )
        self._model: PrinterModel | None = None
        self._rows: tuple[Entity, ...] = ()
        self._extra: dict[tuple[str, bool], tuple[Entity, ...]] = {}
        self._stats: HostStats | None = None
        self._expected: set[str] = set()
        self._again = asyncio.Event()
        klippy.surveyed.connect(self._surveyed)
        klippy.changed.connect(self._state)

    @property
    def settled(self) -> Signal[None]:
        """The printer's device is published as it shall be."""
        return self._printer.settled

    @property
    def is_calm(self) -> bool:
        """Whether both devices are published as they shall be, as far as is known."""
        return self._printer.is_calm and self._host.is_calm and not self._again.is_set()

    async def open(self) -> None:
        """Remember what was published before."""
        await self._printer.open()
        await self._host.open()

    async def run(self) -> None:
        """Own the work of both devices."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._printer.run())
            group.create_task(self._host.run())
            group.create_task(self._first_look())
            group.create_task(self._follow())

    async def close(self) -> None:
        """What was published stays, for the next start."""

    def publish(self) -> None:
        """Publish both devices, whether or not they were published before."""
        self._printer.publish()
        self._host.publish()

    def rediscover(self) -> None:
        """Publish both devices, also those that the user has deleted."""
        self._printer.revive()
        self._host.revive()
        self.publish()

    def expect(self, source: str) -> None:
        """Who cannot show its entities yet, and will: nothing is published of the host before."""
        self._expected.add(source)

    def show(self, source: str, rows: Iterable[Entity], *, host: bool = False) -> None:
        """The entities of another capability, in place of those that it has shown before."""
        self._extra[source, host] = tuple(rows)
        self._expected.discard(source)
        self.refresh()

    def show_host(self, stats: HostStats) -> None:
        """What the machine below tells of itself; what it tells for the first time gets its entity."""
        known, self._stats = self._stats, stats
        if known is None or _told(known) != _told(stats):
            self.refresh()

    def refresh(self) -> None:
        """Look again at controls and entities, once for all changes of a moment."""
        self._again.set()

    async def _follow(self) -> None:
        while True:
            await self._again.wait()
            await asyncio.sleep(GATHERED)
            self._again.clear()
            if self._model is not None and self._printer.is_known:
                self._rows = self._entities(self._model)
                self._show_printer()
            self._show_host()

    async def _first_look(self) -> None:
        """Without Klippy the device is still there: as it was, or with the little that always is."""
        await asyncio.sleep(PATIENCE)
        if not self._printer.is_known:
            if (before := self._printer.remembered) is not None:
                self._printer.show(before)
            else:
                self._rows = self._rows or self._entities(PrinterModel())
                self._show_printer()

    def _surveyed(self, machine: Machine) -> None:
        self._model = PrinterModel.of(list(machine.objects), machine.settings, machine.status)
        self._rows = self._entities(self._model)
        self.chosen.emit(fields_read(self._rows))

    def _state(self, info: KlippyInfo) -> None:
        """A new model, or another version of Klippy; one that goes leaves its device as it was."""
        if info.state is not KlippyState.DISCONNECTED and self._klippy.machine.objects:
            self._show_printer()

    def _entities(self, model: PrinterModel) -> tuple[Entity, ...]:
        return entities(
            model,
            self._controls(),
            macros=self._macros,
            extra=self._shown(host=False),
            elsewhere=self._shown(host=True),
        )

    def _shown(self, *, host: bool) -> list[Entity]:
        return list(chain.from_iterable(rows for (_, there), rows in self._extra.items() if there is host))

    def _show_printer(self) -> None:
        if (version := self._klippy.info.version) is not None:  # one that goes has had it, too
            self._identity = replace(self._identity, klipper=version)
        self._printer.show(device_message(self._rows, self._topics, self._identity))

    def _show_host(self) -> None:
        if self._stats is None or self._expected:
            return  # a moment later it is known: what is there stays as it is until then
        rows = host_entities(self._stats, self._controls(), self._shown(host=True))
        self._host.show(device_message(rows, self._topics, self._host_identity, printer=False))


def _told(stats: HostStats) -> set[str]:
    return {name for name in stats.__struct_fields__ if getattr(stats, name) is not None}
