"""Status to subscribers: equal subscriptions are one group, filtered and encoded once."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Protocol

from bridge.errors import BridgeError
from bridge.http_compat.pipe import Status, status_frame
from bridge.klippy.status import StatusCache, StatusDelta, Want, restrict


class Subscriber(Hashable, Protocol):
    """Who hears of changes."""

    def send_status(self, frame: bytes, status: Status, eventtime: float) -> None:
        """Take an update; never blocks."""


@dataclass
class _Group:
    want: Want
    members: dict[Subscriber, None] = field(default_factory=dict)


class Fanout:
    """Who is subscribed to what."""

    def __init__(self, cache: StatusCache) -> None:
        self._cache = cache
        self._groups: dict[Hashable, _Group] = {}
        self._joined: dict[Subscriber, Hashable] = {}
        self._wants: dict[Subscriber, Want] = {}
        cache.changed.connect(self._spread)

    async def subscribe(self, who: Subscriber, want: Want) -> Status:
        """Replace what `who` hears of; the answer is where that begins, and no change is lost behind it."""
        if not want:
            self.leave(who)
            return {}
        before = self._wants.get(who)
        self._wants[who] = want
        try:
            status = await self._cache.subscribe(who, want)
        except BridgeError:
            self._restore(who, want, before)
            raise
        if self._wants.get(who) is want:  # neither gone nor asked again meanwhile
            self._join(who, want)
        return status

    def leave(self, who: Subscriber) -> None:
        """Forget a subscriber."""
        self._wants.pop(who, None)
        self._cache.unsubscribe(who)
        self._part(who)

    def clear(self) -> None:
        """Klippy is gone: whoever wants more subscribes again when it is ready."""
        for who in tuple(self._wants):
            self.leave(who)

    def _join(self, who: Subscriber, want: Want) -> None:
        self._part(who)
        key = _key(want)
        self._groups.setdefault(key, _Group(want)).members[who] = None
        self._joined[who] = key

    def _part(self, who: Subscriber) -> None:
        key = self._joined.pop(who, None)
        if key is None:
            return
        group = self._groups[key]
        del group.members[who]
        if not group.members:
            del self._groups[key]

    def _restore(self, who: Subscriber, want: Want, before: Want | None) -> None:
        """Undo a subscription that failed; the one before it stays."""
        if self._wants.get(who) is not want:
            return
        if before is None:
            self.leave(who)
        else:
            self._wants[who] = before
            self._cache.want(who, before)

    def _spread(self, delta: StatusDelta) -> None:
        for group in self._groups.values():
            status = restrict(delta.status, group.want)
            if not status:
                continue
            frame = status_frame(status, delta.eventtime)
            for who in group.members:
                who.send_status(frame, status, delta.eventtime)


def _key(want: Want) -> Hashable:
    return frozenset((name, None if fields is None else frozenset(fields)) for name, fields in want.items())
