"""All light strips, and what is remembered of them."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict

import msgspec

from bridge.config.wled import HttpStrip, LightStrip
from bridge.errors import BridgeError, NotFound
from bridge.lifecycle import Nagger
from bridge.outgoing import Outgoing
from bridge.store import Document, Store
from bridge.wled.http import HttpLink
from bridge.wled.serial import SerialLink
from bridge.wled.state import StripState
from bridge.wled.strip import Link, Strip

log = logging.getLogger(__name__)


class Strips:
    """A part that watches all of them; what they are is kept where that is asked for."""

    def __init__(
        self,
        configured: Mapping[str, LightStrip],
        outgoing: Outgoing,
        store: Store,
        hide: Callable[[str], str],
    ) -> None:
        self.all = {
            name: Strip(name, one, _link(name, one, outgoing), hide) for name, one in configured.items()
        }
        self._table = store.table("wled")
        self._rows: dict[str, int] = {}
        self._news = asyncio.Event()
        self._unkept: set[str] = set()
        self._ends = False
        self._nag = Nagger(log)
        for strip in self.all.values():
            if strip.settings.restore:
                strip.changed.connect(self._changed)

    def get(self, name: str) -> Strip:
        """The strip of that name, or NotFound."""
        if name not in self.all:
            raise NotFound(f"There is no light strip '{name[:100]}'")
        return self.all[name]

    async def open(self) -> None:
        """Learn what they were."""
        if not any(strip.settings.restore for strip in self.all.values()):
            return
        for stored in await self._table.all():
            strip = self.all.get(str(stored.get("name")))
            if strip is None:
                continue
            self._rows[strip.name] = stored.doc_id
            try:
                strip.kept = msgspec.convert(stored.get("state"), StripState)
            except msgspec.ValidationError:
                strip.kept = None

    async def run(self) -> None:
        """Watch each, and keep what they become."""
        async with asyncio.TaskGroup() as group:
            for strip in self.all.values():
                group.create_task(strip.run())
            keeping = group.create_task(self._keep_news())
            try:
                await asyncio.shield(keeping)  # what is half written when the bridge ends is finished
            finally:
                self._ends = True
                self._news.set()
                await keeping

    async def close(self) -> None:
        """What they are stays with them."""

    def _changed(self, strip: Strip) -> None:
        if strip.state is not None and strip.error is None and strip.state != strip.kept:
            self._unkept.add(strip.name)
            self._news.set()

    async def _keep_news(self) -> None:
        """Write down what changes, to the last before the bridge ends."""
        while self._unkept or not self._ends:
            await self._news.wait()
            self._news.clear()
            while self._unkept:
                await self._keep(self.all[self._unkept.pop()])

    async def _keep(self, strip: Strip) -> None:
        if strip.state is None or not strip.begun:
            return
        before, strip.kept = strip.kept, strip.state
        document = {"name": strip.name, "state": asdict(strip.state)}
        row = self._rows.get(strip.name)
        try:
            if row is None:
                self._rows[strip.name] = await self._table.insert(document)
            else:
                await self._table.upsert(Document(document, row))
        except BridgeError as error:
            strip.kept = before
            self._nag.warn(f"the state of '{strip.name}' is not remembered: {error}")
        else:
            self._nag.reset()


def _link(name: str, settings: LightStrip, outgoing: Outgoing) -> Link:
    where = f"wled.{name}"
    if isinstance(settings, HttpStrip):
        return HttpLink(outgoing, settings, where)
    return SerialLink(settings, where)
