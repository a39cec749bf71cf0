"""server.announcements.*: what people should know, and what of it they have seen."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bridge.announcements.board import Board
from bridge.announcements.entry import Entry
from bridge.announcements.reader import Reader
from bridge.rpc import Access, Call, Notice, rpc

FeedName = Annotated[str, Meta(description="its name")]


class Entries(msgspec.Struct, frozen=True):
    """Entries, the newest first."""

    entries: list[Entry]


class Listing(msgspec.Struct, frozen=True):
    """Entries, and the feeds that they may come from."""

    entries: list[Entry]
    feeds: list[str]


class Updated(msgspec.Struct, frozen=True):
    """All entries, and whether reading the feeds has changed any."""

    entries: list[Entry]
    modified: bool


class EntryId(msgspec.Struct, frozen=True):
    """One entry."""

    entry_id: str


class Feeds(msgspec.Struct, frozen=True):
    """The names of all feeds."""

    feeds: list[str]


class FeedChange(msgspec.Struct, frozen=True):
    """What became of a feed; `skipped`: nothing."""

    feed: str
    action: Literal["added", "removed", "skipped"]


class Announcements:
    """Entries of feeds and of the bridge itself."""

    components = ("announcements",)

    def __init__(self, board: Board, reader: Reader) -> None:
        self.updated: Notice[Entries] = Notice(
            "notify_announcement_update", Entries, "There are other announcements than before"
        )
        self.dismissed: Notice[EntryId] = Notice(
            "notify_announcement_dismissed", EntryId, "Somebody has seen an announcement"
        )
        self.woke: Notice[EntryId] = Notice(
            "notify_announcement_wake", EntryId, "An announcement is to be seen again"
        )
        self._board, self._reader = board, reader
        board.changed.connect(lambda entries: self.updated.emit(Entries(entries)))
        board.dismissed.connect(lambda entry_id: self.dismissed.emit(EntryId(entry_id)))
        board.woke.connect(lambda entry_id: self.woke.emit(EntryId(entry_id)))

    @rpc("server.announcements.list", "GET", access=Access.READ)
    async def listing(
        self,
        call: Call,
        *,
        include_dismissed: Annotated[bool, Meta(description="also what was seen")] = True,
    ) -> Listing:
        """All announcements, the newest first."""
        self._board.look()
        entries = [one for one in self._board.entries if include_dismissed or not one.dismissed]
        return Listing(entries, self._board.feeds)

    @rpc("server.announcements.update", "POST", access=Access.FILES)
    async def update(self, call: Call) -> Updated:
        """Read the feeds now."""
        before = self._board.entries
        await self._reader.read()
        self._board.look()
        return Updated(self._board.entries, self._board.entries != before)

    @rpc("server.announcements.dismiss", "POST", access=Access.FILES)
    async def dismiss(
        self,
        call: Call,
        *,
        entry_id: Annotated[str, Meta(description="of an entry")],
        wake_time: Annotated[
            Annotated[float, Meta(ge=0)] | None,
            Meta(description="seconds after which it is to be seen again; null: never"),
        ] = None,
    ) -> EntryId:
        """Note that an announcement was seen."""
        await self._board.dismiss(entry_id, wake_time)
        return EntryId(entry_id)

    @rpc("server.announcements.feeds", "GET", access=Access.READ)
    async def feeds(self, call: Call) -> Feeds:
        """The names of all feeds."""
        return Feeds(self._board.feeds)

    @rpc("server.announcements.post_feed", "POST", path="/server/announcements/feed", access=Access.FILES)
    async def post_feed(self, call: Call, *, name: FeedName) -> FeedChange:
        """Add a feed; it is read where `announcements.address` says where feeds are."""
        return FeedChange(name, "added" if await self._board.add_feed(name) else "skipped")

    @rpc("server.announcements.delete_feed", "DELETE", path="/server/announcements/feed", access=Access.FILES)
    async def delete_feed(self, call: Call, *, name: FeedName) -> FeedChange:
        """Remove a feed that a client has added."""
        return FeedChange(name, "removed" if await self._board.remove_feed(name) else "skipped")
