"""The link to the broker: connected for ever, subscribed to what was asked for, never in a duel."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

from bridge.config import Mqtt
from bridge.errors import BadParams, LinkDown, TimedOut, TooLarge
from bridge.lifecycle import Backoff, Clock, Nagger, keep
from bridge.mqtt.connection import (
    ClosedEarlyError,
    Connection,
    Incoming,
    LostError,
    MqttError,
    RefusedError,
    Will,
    broker_of,
)
from bridge.mqtt.duel import DuelWatch
from bridge.mqtt.remedies import remedy
from bridge.mqtt.retained import Retained
from bridge.mqtt.sizes import LearntSize
from bridge.mqtt.topics import Topics, is_concrete, matches
from bridge.signals import Signal

log = logging.getLogger(__name__)

GOODBYE = 2.0  # seconds the farewell may take
HELD = 5.0  # seconds after which a connection counts as good
DUEL_REST = 300.0  # seconds
RETRY_5 = 86_400.0  # seconds after which MQTT 5 is tried again on a broker that refused it
EARLY_CLOSES = 2
OVERHEAD = 32  # bytes of a PUBLISH packet besides topic, payload and correlation data

ONLINE = b'{"server":"online"}'
OFFLINE = b'{"server":"offline"}'

Slot = Callable[[Incoming], None]


@dataclass(frozen=True)
class _Route:
    pattern: str
    signal: Signal[Incoming]
    own: bool  # whether our own publishes come back
    early: bool  # whether it is heard before anything is said
    qos: int


class DuelError(Exception):
    """Another client uses our name; the message says how we know."""


class MqttLink:
    """The one connection to the broker; who wants messages gives a slot, who publishes posts."""

    def __init__(self, settings: Mqtt, topics: Topics, client_id: str, clock: Clock = time.monotonic) -> None:
        self.connected: Signal[bool] = Signal("connection to the broker")  # True: the first
        self.lost: Signal[str] = Signal("loss of the broker")
        self.duelling: Signal[str] = Signal("duel")
        self.overrun: Signal[str] = Signal("retained message that a slow broker left no room for")
        self.since: float | None = None  # Unix seconds of the present connection
        self.published = self.dropped = self.reconnects = 0
        self.retained = Retained()
        self.last_error: str | None = None
        self._settings, self._topics, self._clock = settings, topics, clock
        self._broker = broker_of(settings, client_id)
        self._routes: list[_Route] = []
        self._exact: dict[str, dict[Slot, int]] = {}  # who waits for one message, and with which QoS
        self._connection: Connection | None = None
        self._speaks_5 = settings.protocol != "3.1.1"
        self._try_5_at = 0.0
        self._early_closes = 0
        self._switched = False  # since the last connection
        self._duel = DuelWatch()
        self._backoff = Backoff()
        self._nag = Nagger(log)
        self._rival = ""
        self._found = b""
        self._fuse: asyncio.Timeout | None = None
        self._welcomed = False
        self._sizes = LearntSize()

    @property
    def up(self) -> bool:
        """Whether the broker hears us."""
        return self.since is not None

    @property
    def address(self) -> str:
        """The broker's host and port."""
        return f"{self._broker.host}:{self._broker.port}"

    @property
    def protocol(self) -> Literal["5", "3.1.1"] | None:
        """The version of MQTT that is spoken now."""
        return None if self._connection is None else ("5" if self._connection.version5 else "3.1.1")

    def room(self, topic: str, correlation: bytes | None = None) -> int:
        """The largest payload, in bytes, that may be published on `topic`."""
        room = min(self._settings.max_payload, self._sizes.limit or self._settings.max_payload)
        packet = self._connection.max_packet if self._connection is not None else None
        if packet is None:
            return room
        return min(room, packet - OVERHEAD - len(topic.encode()) - len(correlation or b""))

    def route(
        self, pattern: str, slot: Slot, *, own: bool = False, early: bool = False, qos: int | None = None
    ) -> None:
        """Give every message of `pattern` to `slot`, from the next connect on.

        `own` messages come back only if asked for; `early` ones tell whether we may speak at all.
        """
        signal: Signal[Incoming] = Signal(f"messages on {pattern}")
        signal.connect(slot)
        self._routes.append(_Route(pattern, signal, own, early, self._settings.qos if qos is None else qos))

    def post(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool = False,
        qos: int | None = None,
        correlation: bytes | None = None,
        more: bool = True,
    ) -> bool:
        """Publish without waiting, with what `more` may follow now; False, and counted, when it cannot be."""
        if self._connection is None or len(payload) > self.room(topic, correlation):
            self.dropped += 1
            return False
        chosen = self._settings.qos if qos is None else qos
        number = self._connection.post(
            topic, payload, qos=chosen, retain=retain, correlation=correlation, more=more
        )
        if number is None:
            self.dropped += 1
            if retain:
                self.overrun.emit(topic)
            return False
        self.published += 1
        if retain:
            self.retained.note(topic, payload)
        self._sizes.posted(number if chosen > 0 else -number, len(payload))  # QoS 0 is never acknowledged
        return True

    async def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool = False,
        qos: int | None = None,
        timeout: float | None = None,
    ) -> None:
        """Publish and wait until the broker has it."""
        if not is_concrete(topic):
            raise BadParams(
                f"Argument 'topic': '{topic}' cannot be published to; wildcards are for subscribing"
            )
        if len(payload) > (room := self.room(topic)):
            raise TooLarge(f"The payload has {len(payload)} bytes, at most {room} may be published")
        connection = self._require()
        await connection.deliver(
            topic, payload, qos=self._settings.qos if qos is None else qos, retain=retain, timeout=timeout
        )
        self.published += 1

    async def once(self, topic: str, *, qos: int | None = None, timeout: float | None = None) -> bytes:
        """The next message on `topic`, its retained one first."""
        if not is_concrete(topic):
            raise BadParams(f"Argument 'topic': '{topic}' is not one topic; wildcards are not taken here")
        connection = self._require()
        chosen = self._settings.qos if qos is None else qos
        try:
            async with asyncio.timeout(timeout), self._listening(topic, chosen) as arrived:
                await connection.ask_for(topic, self._qos(topic))
                return await arrived
        except TimeoutError as error:
            raise TimedOut(f"Nothing came on '{topic}' within {timeout:g} s") from error
        except MqttError as error:
            raise LinkDown(f"The connection to the broker was lost: {error}") from error

    @asynccontextmanager
    async def _listening(self, topic: str, qos: int) -> AsyncIterator[asyncio.Future[bytes]]:
        arrived: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def slot(message: Incoming) -> None:
            if not arrived.done():
                arrived.set_result(message.payload)

        slots = self._exact.setdefault(topic, {})
        slots[slot] = qos

        def lost(reason: str) -> None:
            if not arrived.done():
                arrived.set_exception(LinkDown(f"The broker was lost: {reason}"))

        disconnect = self.lost.connect(lost)
        try:
            yield arrived
        finally:
            disconnect()
            del slots[slot]
            arrived.cancel()
            if not slots:
                del self._exact[topic]
                self._forget(topic)

    def _forget(self, topic: str) -> None:
        if self._connection is not None and not any(route.pattern == topic for route in self._routes):
            self._connection.forget(topic)

    async def open(self) -> None:
        """Watch our own name; a broker that is missing keeps nobody from starting."""
        self.route(self._topics.status, self._heard_status, early=True)

    async def run(self) -> None:
        """Connect for ever."""
        expected = (MqttError, OSError, LinkDown, DuelError)
        await keep(self._session, expected=expected, failed=self._failed, backoff=self._backoff)

    async def close(self) -> None:
        """Nothing stands any more when `run` has ended."""

    def rival(self, how: str) -> None:
        """Another bridge uses our instance name: leave at once."""
        self._rival = how
        if self._fuse is not None:
            self._fuse.reschedule(0)

    async def _session(self) -> None:
        self._rival, self._found = "", b""
        connection = Connection(
            self._broker,
            Will(self._topics.status, OFFLINE),
            version5=self._choose_5(),
            receive=self._received,
            acknowledged=self._sizes.acknowledged,
        )
        try:
            await connection.open()
        except MqttError:
            self._duel.failed()
            raise
        since = time.monotonic()
        try:
            await self._welcome(connection)
            await self._stay(connection)
        except LostError as error:
            self._sizes.lost()
            lasted = time.monotonic() - since
            if self._duel.lost(taken_over=error.taken_over, closed=error.closed, lasted=lasted):
                raise DuelError(self._copied) from error
            raise
        except asyncio.CancelledError:
            await self._goodbye(connection)
            raise
        finally:
            self._connection = self.since = None
            connection.abandon()
            if time.monotonic() - since >= HELD:
                self._backoff.reset()

    async def _welcome(self, connection: Connection) -> None:
        """Subscribe, be online, and let everybody publish the whole truth."""
        for route in (route for route in self._routes if route.early):
            await connection.ask_for(route.pattern, self._qos(route.pattern), own=route.own)
        self._duel.back(will_published=self._found == OFFLINE)
        if self._rival:
            raise DuelError(self._rival)
        self._connection = connection
        for route in (route for route in self._routes if not route.early):
            await connection.ask_for(route.pattern, self._qos(route.pattern), own=route.own)
        first, self._welcomed = not self._welcomed, True
        self.since = time.time()
        self.reconnects += not first
        self.last_error = None
        self._early_closes, self._switched = 0, False
        self._nag.reset()
        log.info("connected to the broker %s (MQTT %s)", self.address, self.protocol)
        self.post(self._topics.status, ONLINE, retain=True)
        self.connected.emit(first)

    def _qos(self, pattern: str) -> int:
        """What whoever listens most carefully wants: a broker knows one subscription of a pattern."""
        routes = (route.qos for route in self._routes if route.pattern == pattern)
        return max((*routes, *self._exact.get(pattern, {}).values()))

    async def _stay(self, connection: Connection) -> None:
        """Until the connection ends or a rival shows."""
        if self._rival:
            raise DuelError(self._rival)
        try:
            async with asyncio.timeout(None) as self._fuse:
                await connection.lost()
        except TimeoutError as error:
            raise DuelError(self._rival) from error
        finally:
            self._fuse = None

    async def _goodbye(self, connection: Connection) -> None:
        """Be offline in an orderly way; a broker that does not listen is left all the same."""
        try:
            async with asyncio.timeout(GOODBYE):
                await connection.deliver(self._topics.status, OFFLINE, qos=1, retain=True, timeout=None)
                await connection.leave()
        except (TimeoutError, LinkDown, MqttError) as error:
            log.warning("left the broker without a goodbye: %s", error or "it does not answer")

    def _choose_5(self) -> bool:
        if self._settings.protocol == "auto" and not self._speaks_5 and self._clock() >= self._try_5_at:
            self._speaks_5 = True
        return self._speaks_5

    def _failed(self, error: Exception) -> None:
        """Note and say what went wrong; the loop goes on."""
        self.last_error = str(error)
        if isinstance(error, DuelError):
            self._backoff.rest(DUEL_REST)
            log.error("%s; leaving it alone for %d minutes", error, DUEL_REST // 60)
            self.duelling.emit(str(error))
        elif self._settings.protocol == "auto" and self._wrong_version(error):
            self._speaks_5 = not self._speaks_5
            self._try_5_at = self._clock() + RETRY_5
            self._switch(error)
        else:
            self._nag.warn(f"no connection to the broker {self.address}: {remedy(error, self._settings)}")
        self.lost.emit(str(error))

    def _switch(self, error: Exception) -> None:
        """The other version soon; but where both have failed it is a fault like any other."""
        if self._switched:
            self._nag.warn(f"no connection to the broker {self.address}: {remedy(error, self._settings)}")
            return
        self._switched = True
        self._backoff.reset()
        log.info("the broker %s does not take this version of MQTT; trying the other", self.address)

    def _wrong_version(self, error: Exception) -> bool:
        """An explicit refusal of the version, or the second immediate close."""
        if isinstance(error, RefusedError):
            return error.version
        if isinstance(error, ClosedEarlyError):
            self._early_closes += 1
            return self._early_closes % EARLY_CLOSES == 0
        return False

    @property
    def _copied(self) -> str:
        return (
            f"another client connects to {self.address} with our client id '{self._broker.client_id}'; "
            "is this a copied SD card? delete bridge/id below `data` on one of the two"
        )

    def _heard_status(self, message: Incoming) -> None:
        """Our own status: what it was before we came, and somebody else's will that we correct."""
        if not self.up:
            self._found = message.payload
        elif message.payload == OFFLINE:
            self.post(self._topics.status, ONLINE, retain=True)

    @property
    def found_online(self) -> bool:
        """Whether somebody was online under our instance name when we connected."""
        return self._found == ONLINE

    def _received(self, message: Incoming) -> None:
        for slot in tuple(self._exact.get(message.topic, ())):
            slot(message)
        for route in self._routes:
            if route.pattern == message.topic or matches(route.pattern, message.topic):
                route.signal.emit(message)

    def _require(self) -> Connection:
        if self._connection is None:
            raise LinkDown(f"The broker {self.address} is not connected: {self.last_error or 'still trying'}")
        return self._connection
