"""Queries and subscriptions: one timer for all, answers and updates on its ticks, and only what changed."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.klippy.simulator.dispatch import Status

Wanted = dict[str, list[str] | None]
Snapshot = Mapping[str, Status]
_READY_PHASE = 0.6  # the update with "ready" comes this part of a tick after the output line


@dataclass(eq=False)
class Subscription:
    """What one connection wants to be told, and what it was told last."""

    wanted: Wanted
    tell: Callable[[dict[str, Any]], None]
    told: dict[str, Status] = field(default_factory=dict)

    def fix(self, snapshot: Snapshot) -> dict[str, Status]:
        """The first answer: everything; it also fixes which fields "all" means."""
        for name, fields in self.wanted.items():
            if fields is None:
                self.wanted[name] = list(snapshot.get(name, {}))
        self.told = select(self.wanted, snapshot)
        return dict(self.told)

    def changes(self, snapshot: Snapshot) -> dict[str, Status]:
        """The fields whose value is another than last time."""
        found: dict[str, Status] = {}
        for name, fields in select(self.wanted, snapshot).items():
            old = self.told.get(name, {})
            changed = {key: value for key, value in fields.items() if value != old.get(key)}
            if changed:
                found[name] = changed
                self.told[name] = fields
        return found


def select(wanted: Wanted, snapshot: Snapshot) -> dict[str, Status]:
    """The wanted fields: an unknown object is empty, an unknown field null."""
    chosen = {}
    for name, fields in wanted.items():
        status = snapshot.get(name, {})
        chosen[name] = dict(status) if fields is None else {key: status.get(key) for key in fields}
    return chosen


_Waiting = tuple[Wanted | Subscription, asyncio.Future[dict[str, Any]]]


class StatusTimer:
    """Ticks while somebody is subscribed or waits for an answer."""

    def __init__(self, objects: Mapping[str, Callable[[], Status]], tick: float) -> None:
        self._objects, self._tick = objects, tick
        self._subscriptions: dict[object, Subscription] = {}
        self._waiting: list[_Waiting] = []
        self._wanted = asyncio.Event()
        self._ready = asyncio.Event()

    async def query(self, wanted: Wanted) -> dict[str, Any]:
        """The status of objects, at the next tick."""
        return await self._at_tick(wanted)

    async def subscribe(self, who: object, subscription: Subscription) -> dict[str, Any]:
        """All wanted fields at the next tick, then their changes; replaces what `who` had."""
        self.unsubscribe(who)
        if subscription.wanted:
            self._subscriptions[who] = subscription
        return await self._at_tick(subscription)

    def unsubscribe(self, who: object) -> None:
        """Tell `who` no more."""
        self._subscriptions.pop(who, None)

    def became_ready(self, _: None) -> None:
        """Set the phase of the ticks: the news of being ready comes a moment after the output line."""
        self._ready.set()

    async def _at_tick(self, wanted: Wanted | Subscription) -> dict[str, Any]:
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting.append((wanted, answer))
        self._wanted.set()
        return await answer

    async def run(self) -> None:
        """Tick, for ever."""
        self._ready.clear()  # a printer that is ready from the start has nobody to tell
        while True:
            await self._wanted.wait()
            self._do_tick()
            if not self._subscriptions:
                self._wanted.clear()
            await self._pause()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._tick):
                await self._ready.wait()
        except TimeoutError:
            return
        self._ready.clear()
        await asyncio.sleep(self._tick * _READY_PHASE)

    def _do_tick(self) -> None:
        now = time.monotonic()
        waiting, self._waiting = self._waiting, []
        snapshot = self._snapshot(waiting)
        for subscription in self._subscriptions.values():
            changes = subscription.changes(snapshot) if subscription.told else {}
            if changes:
                subscription.tell({"eventtime": now, "status": changes})
        for wanted, answer in waiting:
            if not answer.done():
                status = (
                    wanted.fix(snapshot) if isinstance(wanted, Subscription) else select(wanted, snapshot)
                )
                answer.set_result({"eventtime": now, "status": status})

    def _snapshot(self, waiting: list[_Waiting]) -> Snapshot:
        names: set[str] = set()
        for subscription in self._subscriptions.values():
            names.update(subscription.wanted)
        for wanted, _ in waiting:
            names.update(wanted.wanted if isinstance(wanted, Subscription) else wanted)
        return {name: self._objects[name]() for name in names if name in self._objects}
