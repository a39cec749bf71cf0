"""The board: every entry, which were dismissed and until when, and which feeds are read."""

import asyncio
import hashlib
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from bridge.announcements.entry import OWN, Entry
from bridge.errors import BadRequest, NotFound
from bridge.signals import Signal
from bridge.store import Document, Store

MOST_FEEDS = 20  # that clients add
FEED = re.compile(r"[A-Za-z0-9][\w.\-]{0,63}", re.ASCII)
LONGEST_WAIT = 3600.0  # seconds: clocks jump, and a timer does not notice
FOREVER = 10 * 365 * 86_400.0  # seconds; nobody means more


class Dismissal(msgspec.Struct, frozen=True):
    """Somebody has seen an entry."""

    date: float
    wake: float | None = None


class Account(msgspec.Struct, frozen=True):
    """What is kept on the disk."""

    feeds: list[str] = []
    dismissed: dict[str, Dismissal] = {}
    entries: dict[str, list[Entry]] = {}


class Board:
    """Knows all entries; what changes is on the disk before it is told."""

    def __init__(
        self, store: Store, warnings: Callable[[], list[str]], configured: Mapping[str, str]
    ) -> None:
        self.changed: Signal[list[Entry]] = Signal("announcements")
        self.dismissed: Signal[str] = Signal("announcement dismissed")
        self.woke: Signal[str] = Signal("announcement awake again")
        self._table = store.table("announcements")
        self._row: int | None = None
        self._account = Account()
        self._warnings, self._configured = warnings, configured
        self._own: dict[str, Entry] = {}  # posted by other parts of the bridge
        self._since: dict[str, float] = {}  # when a warning was first seen
        self._said: list[Entry] = []
        self._timer: asyncio.TimerHandle | None = None
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        """Read what was kept; entries of feeds that are gone are not shown any more."""
        for stored in (await self._table.all())[:1]:
            self._row = stored.doc_id
            try:
                self._account = msgspec.convert(dict(stored), Account, strict=False)
            except msgspec.ValidationError:
                self._account = Account()
        self._rouse(time.time())
        self._said = self.entries
        self._wind()

    def close(self) -> None:
        """Stop the clock."""
        if self._timer is not None:
            self._timer.cancel()

    @property
    def feeds(self) -> list[str]:
        """The names of all feeds; the bridge's own is the first."""
        return [OWN, *self._configured, *(one for one in self._account.feeds if one not in self._configured)]

    @property
    def entries(self) -> list[Entry]:
        """All entries, the newest first."""
        feeds = self.feeds
        kept = [one for feed, entries in self._account.entries.items() if feed in feeds for one in entries]
        found = [*self._warned(), *self._own.values(), *kept]
        return sorted((self._seen(one) for one in found), key=lambda one: -one.date)

    def post(self, key: str, title: str, description: str, *, url: str = "", high: bool = False) -> None:
        """The bridge itself has something to tell; `key` takes the place of what was said under it."""
        entry = Entry(
            entry_id=_named(key, title),
            title=title,
            description=description,
            url=url,
            priority="high" if high else "normal",
            date=time.time(),
            source="internal",
            feed=OWN,
        )
        before = self._own.get(key)
        if before is None or before.entry_id != entry.entry_id:
            self._own[key] = entry
            self.look()

    def withdraw(self, key: str) -> None:
        """What was said under `key` is over."""
        if self._own.pop(key, None) is not None:
            self.look()

    def look(self) -> bool:
        """Tell what has changed since it was told last; whether anything has."""
        found = self.entries
        if found == self._said:
            return False
        self._said = found
        self.changed.emit(found)
        return True

    async def take(self, feed: str, entries: list[Entry]) -> None:
        """A feed was read."""
        known = {one.entry_id: one.date for one in self._account.entries.get(feed, [])}
        dated = [
            msgspec.structs.replace(one, date=min(one.date, known.get(one.entry_id, one.date)))
            for one in entries
        ]
        if dated != self._account.entries.get(feed) and feed in self.feeds:
            await self._keep(lambda now: {"entries": {**now.entries, feed: dated}})
            self.look()

    async def dismiss(self, entry_id: str, wake: float | None) -> None:
        """Somebody has seen an entry; after `wake` seconds it is new again."""
        if not any(one.entry_id == entry_id for one in self.entries):
            raise NotFound(f"There is no announcement '{entry_id[:100]}'")
        now = time.time()
        seen = Dismissal(now, None if wake is None else now + min(wake, FOREVER))
        await self._keep(lambda now: {"dismissed": {**now.dismissed, entry_id: seen}})
        self._said = self.entries
        self.dismissed.emit(entry_id)
        self._wind()

    async def add_feed(self, name: str) -> bool:
        """Whether there was none of that name before."""
        if FEED.fullmatch(name) is None:
            raise BadRequest("A feed has a name of letters, digits, dots, - and _, at most 64")
        if name in self.feeds:
            return False
        if len(self._account.feeds) >= MOST_FEEDS:
            raise BadRequest(f"Clients add at most {MOST_FEEDS} feeds")
        await self._keep(lambda now: {"feeds": [*now.feeds, name]})
        return True

    async def remove_feed(self, name: str) -> bool:
        """Whether there was one of that name."""
        if name in (OWN, *self._configured):
            raise BadRequest(f"Feed '{name}' belongs to the bridge's configuration; change it there")
        if name not in self._account.feeds:
            return False
        await self._keep(
            lambda now: {
                "feeds": [one for one in now.feeds if one != name],
                "entries": {feed: entries for feed, entries in now.entries.items() if feed != name},
            }
        )
        self.look()
        return True

    def _seen(self, entry: Entry) -> Entry:
        """The entry as it stands with people."""
        found = self._account.dismissed.get(entry.entry_id)
        if found is None:
            return entry
        return msgspec.structs.replace(
            entry, dismissed=True, date_dismissed=found.date, dismiss_wake=found.wake
        )

    def _warned(self) -> list[Entry]:
        texts = self._warnings()
        self._since = {text: self._since.get(text, time.time()) for text in texts}
        return [
            Entry(
                entry_id=_named("warning", text),
                title="The bridge has a warning",
                description=text,
                priority="high",
                date=self._since[text],
                source="internal",
                feed=OWN,
            )
            for text in texts
        ]

    async def _keep(self, change: Callable[[Account], dict[str, Any]]) -> None:
        """One change after the other, each of what the one before has left."""
        async with self._turn:
            before = self._account
            self._account = msgspec.structs.replace(before, **change(before))
            self._forget_old()
            document = msgspec.to_builtins(self._account)
            try:
                if self._row is None:
                    self._row = await self._table.insert(document)
                else:
                    await self._table.upsert(Document(document, self._row))
            except BaseException:
                self._account = before
                raise

    def _forget_old(self) -> None:
        """Of entries that nobody shows any more nobody has to know that they were seen; for a while."""
        there = {one.entry_id for one in self.entries}
        old = time.time() - 90 * 86_400
        kept = {
            name: seen for name, seen in self._account.dismissed.items() if name in there or seen.date > old
        }
        self._account = msgspec.structs.replace(self._account, dismissed=dict(list(kept.items())[-1000:]))

    def _wind(self) -> None:
        """Be there when the next entry wakes."""
        self.close()
        wakes = [one.wake for one in self._account.dismissed.values() if one.wake is not None]
        if wakes:
            wait = min(max(0.0, min(wakes) - time.time()), LONGEST_WAIT)
            self._timer = asyncio.get_running_loop().call_later(wait, self._wake)

    def _rouse(self, now: float) -> list[str]:
        """Who was dismissed until now; the disk hears of it with the next change, and needs it no sooner."""
        seen = self._account.dismissed
        due = [name for name, one in seen.items() if one.wake is not None and one.wake <= now]
        left = {name: one for name, one in seen.items() if name not in due}
        self._account = msgspec.structs.replace(self._account, dismissed=left)
        return due

    def _wake(self) -> None:
        due = self._rouse(time.time())
        self._said = entries = self.entries
        there = {one.entry_id for one in entries}
        for name in due:
            if name in there:
                self.woke.emit(name)
        self._wind()


def _named(key: str, text: str) -> str:
    return f"{OWN}/{key}/{hashlib.sha256(text.encode()).hexdigest()[:12]}"
