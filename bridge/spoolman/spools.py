"""The spool in use and its account: kept in the store, told to Spoolman as soon as it listens."""

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import Any

import msgspec

from bridge.config.spoolman import Spoolman as Settings
from bridge.errors import BridgeError
from bridge.jobs.fields import FieldSpec
from bridge.jobs.tracker import JobTracker
from bridge.lifecycle import Backoff, Nagger
from bridge.signals import Signal
from bridge.spoolman.client import Refusal, SpoolmanAway, SpoolmanClient
from bridge.spoolman.usage import FilamentUse
from bridge.store import Document, Store

log = logging.getLogger(__name__)

LOOK_AGAIN = 30.0  # seconds between two looks at the spool when nothing is printed
LEAST = 0.01  # mm that are worth a report
GONE, ITS_FAULT = 404, 500


class Account(msgspec.Struct, frozen=True):
    """What is kept over a restart."""

    spool_id: int | None = None
    pending: dict[int, float] = {}  # spool -> mm that Spoolman was not told of


@dataclass(frozen=True)
class SpoolState:
    """What is known of the spool in use."""

    connected: bool
    spool_id: int | None
    spool: dict[str, Any] | None  # as Spoolman has it; None: not known


class Spools:
    """One spool is in use at a time; filament is booked on the one that is in use when it is pushed."""

    def __init__(
        self,
        client: SpoolmanClient,
        use: FilamentUse,
        tracker: JobTracker,
        store: Store,
        settings: Settings,
    ) -> None:
        self.chosen: Signal[int | None] = Signal("spool in use")
        self.connection: Signal[bool] = Signal("connection to Spoolman")
        self.changed: Signal[SpoolState] = Signal("what is known of the spool")
        self.connected = False
        self.spool_id: int | None = None
        self._client, self._use, self._settings = client, use, settings
        self._pending: dict[int, float] = {}
        self._spool: dict[str, Any] | None = None
        self._table = store.table("spoolman")
        self._row = 1
        self._kept = Account()
        self._soon = asyncio.Event()
        self._turn = asyncio.Lock()
        self._nag = Nagger(log)
        self._gauge = tracker.register(
            FieldSpec("spoolman", "spool_ids", "Spools that were used", strategy="collect")
        )
        tracker.started.connect(lambda _start: self._note())

    @property
    def pending(self) -> dict[int, float]:
        """The filament that Spoolman was not told of, in mm by spool."""
        self._book()
        return dict(self._pending)

    @property
    def state(self) -> SpoolState:
        """What is known now."""
        return SpoolState(self.connected, self.spool_id, self._spool)

    async def open(self) -> None:
        """Remember the spool in use and what is still to be told."""
        for stored in (await self._table.all())[:1]:
            self._row = stored.doc_id
            try:
                self._kept = msgspec.convert(dict(stored), Account, strict=False)
            except msgspec.ValidationError as error:
                log.warning("what was kept of the spools cannot be read: %s", error)
        self.spool_id, self._pending = self._kept.spool_id, dict(self._kept.pending)
        self._note()

    async def run(self) -> None:
        """Tell what is used and look at the spool, again and again; one who is away is waited for."""
        backoff = Backoff(first=1.0, last=LOOK_AGAIN)
        while True:
            self._soon.clear()
            try:
                await self._tell()
                await self._look()
            except SpoolmanAway as error:
                self._become(connected=False)
                self._nag.warn(f"{error}; what is used meanwhile is kept")
                pause = backoff.pause()
            except BridgeError as error:
                self._nag.warn(f"Spoolman: {error}")
                pause = backoff.pause()
            else:
                backoff.reset()
                pause = LOOK_AGAIN
            await self._wait(pause)

    async def close(self) -> None:
        """Keep what was not told."""
        await self._keep()

    async def choose(self, spool_id: int | None) -> None:
        """Another spool is in use from now on; None: no spool that is counted."""
        self._book()
        if spool_id == self.spool_id:
            return
        self.spool_id, self._spool = spool_id, None
        await self._keep()
        self._note()
        self.chosen.emit(spool_id)
        self._say()
        self._soon.set()

    async def _wait(self, pause: float) -> None:
        """Until the next look; meanwhile whatever is used is told at its interval."""
        end = asyncio.get_running_loop().time() + pause
        while (left := end - asyncio.get_running_loop().time()) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, self._settings.sync_rate)):
                    await self._soon.wait()
            self._book()
            if self._soon.is_set():
                return
            if self.connected and any(used >= LEAST for used in self._pending.values()):
                return
            if not self.connected:
                await self._keep()

    async def _tell(self) -> None:
        """Report what was used; what a spool that is gone has used is nobody's any more."""
        self._book()
        async with self._turn:
            for spool_id, used in tuple(self._pending.items()):
                if used < LEAST:
                    continue
                answer = await self._client.request(
                    "PUT", f"/v1/spool/{spool_id}/use", body={"use_length": round(used, 4)}
                )
                if isinstance(answer, Refusal) and answer.status_code >= ITS_FAULT:
                    raise SpoolmanAway(answer.message)
                self._pending[spool_id] -= used
                if self._pending[spool_id] < LEAST:
                    del self._pending[spool_id]
                if isinstance(answer, Refusal):
                    await self._refused(spool_id, answer)
                elif spool_id == self.spool_id:
                    self._know(answer)
        await self._keep()

    async def _look(self) -> None:
        """See what has become of the spool in use."""
        if self.spool_id is None:
            await self._client.request("GET", "/v1/health")
            self._become(connected=True)
            return
        asked = self.spool_id
        answer = await self._client.request("GET", f"/v1/spool/{asked}")
        if isinstance(answer, Refusal) and answer.status_code >= ITS_FAULT:
            raise SpoolmanAway(answer.message)
        self._become(connected=True)
        if isinstance(answer, Refusal):
            await self._refused(asked, answer)
        elif asked == self.spool_id:
            self._know(answer)

    async def _refused(self, spool_id: int, refusal: Refusal) -> None:
        self._nag.warn(f"Spoolman says of spool {spool_id}: {refusal.message}")
        if refusal.status_code == GONE and spool_id == self.spool_id:
            await self.choose(None)

    def _book(self) -> None:
        """Put what was used on the account of the spool in use."""
        used = self._use.take()
        if used and self.spool_id is not None:
            self._pending[self.spool_id] = self._pending.get(self.spool_id, 0.0) + used

    def _note(self) -> None:
        """The running job uses this spool."""
        self._gauge.measure(self.spool_id)

    def _know(self, answer: Any) -> None:
        if isinstance(answer, dict) and answer != self._spool:
            self._spool = answer
            self._say()

    def _become(self, *, connected: bool) -> None:
        if connected:
            self._nag.reset()
        if connected != self.connected:
            self.connected = connected
            self.connection.emit(connected)
            self._say()

    def _say(self) -> None:
        self.changed.emit(self.state)

    async def _keep(self) -> None:
        """Write down what has changed."""
        account = Account(self.spool_id, {spool: round(used, 4) for spool, used in self.pending.items()})
        if account != self._kept:
            kept = {"spool_id": account.spool_id, "pending": {str(k): v for k, v in account.pending.items()}}
            await self._table.upsert(Document(kept, self._row))
            self._kept = account
