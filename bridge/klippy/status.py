"""StatusCache: the only owner of what is true now, fed by one superset subscription."""

import asyncio
import logging
import time
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from bridge.errors import TimedOut
from bridge.klippy.printer_link import (
    STATUS,
    Outcome,
    PrinterLink,
    StatusUpdate,
    decoded,
    status_update,
)
from bridge.signals import Signal

log = logging.getLogger(__name__)

Want = Mapping[str, Collection[str] | None]  # object -> fields, None for all of them
Status = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class StatusDelta:
    """What changed: fields by object, Klippy's clock and ours."""

    eventtime: float
    time: float  # Unix seconds
    status: Status


class StatusCache:
    """Merges Klippy's updates, and subscribes to what anybody wants."""

    def __init__(self, link: PrinterLink) -> None:
        self.changed: Signal[StatusDelta] = Signal("status")
        self.eventtime = 0.0
        self._link = link
        self._now: Status = {}
        self._wants: dict[Hashable, Want] = {}
        self._subscribed: dict[str, list[str] | None] = {}
        self._turn = asyncio.Lock()
        link.updated.connect(self._merge)

    def want(self, who: Hashable, want: Want) -> None:
        """Note what `who` wants; it takes effect with the next (re)subscription."""
        self._wants[who] = want

    async def subscribe(self, who: Hashable, want: Want) -> Status:
        """Note what `who` wants and return it; every later change is in `changed`, none is lost between."""
        self.want(who, want)
        async with self._turn:
            if not _covers(self._subscribed, want):
                await self._subscribe()
        return self.snapshot(want)

    def unsubscribe(self, who: Hashable) -> None:
        """Forget what `who` wants."""
        self._wants.pop(who, None)

    async def resubscribe(self) -> None:
        """Subscribe anew: after a (re)start Klippy has forgotten, and new objects may be there."""
        async with self._turn:
            await self._subscribe()

    @property
    def following(self) -> bool:
        """Whether Klippy sends us updates."""
        return bool(self._subscribed)

    def prime(self, update: StatusUpdate) -> None:
        """Take over, of a query's answer, what is wanted: known before the subscription is answered."""
        wanted = restrict(update.status, union(self._wants.values()))
        self._merge(StatusUpdate(update.eventtime, wanted))

    def snapshot(self, want: Want) -> Status:
        """What is known of `want`; an object that Klippy does not have is an empty dict."""
        return {name: select(self._now.get(name, {}), fields) for name, fields in want.items()}

    def get(self, name: str, field: str) -> Any:
        """One value, or None when it is not known."""
        return self._now.get(name, {}).get(field)

    def clear(self) -> None:
        """Klippy is gone: nothing is known any more."""
        self._now, self._subscribed = {}, {}

    async def _subscribe(self) -> None:
        superset = union(self._wants.values())
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done(outcome: Outcome) -> None:
            # at once, in the order of frames: an update behind the answer must not be overwritten by it
            if not isinstance(outcome, Exception):
                self._subscribed = superset
                self._replace(outcome)
            if not answer.done():
                answer.set_exception(outcome) if isinstance(outcome, Exception) else answer.set_result(None)

        params = {"objects": superset, "response_template": {"method": STATUS}}
        self._link.send("objects/subscribe", params, done)
        try:
            async with asyncio.timeout(self._link.timeout):
                await answer
        except TimeoutError as error:
            raise TimedOut("Klippy did not answer the subscription in time") from error

    def _replace(self, answer: msgspec.Raw) -> None:
        """Take the whole of a subscription's answer; what it changes is told like any update."""
        found = decoded(answer)
        if isinstance(found, dict):
            self._merge(status_update(found))

    def _merge(self, update: StatusUpdate) -> None:
        changed: Status = {}
        for name, fields in update.status.items():
            known = self._now.setdefault(name, {})
            new = {
                field: value for field, value in fields.items() if field not in known or known[field] != value
            }
            if new:
                known.update(new)
                changed[name] = new
        self.eventtime = update.eventtime
        if changed:
            self.changed.emit(StatusDelta(update.eventtime, time.time(), changed))


def select(fields: Mapping[str, Any], wanted: Collection[str] | None) -> dict[str, Any]:
    """The wanted fields; one that does not exist is None, as Klippy answers it."""
    return dict(fields) if wanted is None else {name: fields.get(name) for name in wanted}


def restrict(delta: Status, want: Want) -> Status:
    """The part of a delta that `want` covers."""
    part: Status = {}
    for name, fields in delta.items():
        if name not in want:
            continue
        wanted = want[name]
        kept = fields if wanted is None else {field: fields[field] for field in wanted if field in fields}
        if kept:
            part[name] = kept
    return part


def union(wants: Iterable[Want]) -> dict[str, list[str] | None]:
    """One want that covers all."""
    merged: dict[str, list[str] | None] = {}
    for want in wants:
        for name, fields in want.items():
            have = merged.get(name, [])
            merged[name] = (
                None if fields is None or have is None else [*have, *(f for f in fields if f not in have)]
            )
    return merged


def _covers(have: Mapping[str, list[str] | None], want: Want) -> bool:
    for name, fields in want.items():
        if name not in have:
            return False
        known = have[name]
        if known is not None and (fields is None or not set(fields) <= set(known)):
            return False
    return True
