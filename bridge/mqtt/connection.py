"""One connection to the broker: aiomqtt's client, plus what it leaves out. The only importer of aiomqtt.

aiomqtt hides the CONNACK's properties, waits out its time-out when the broker hangs up before the CONNACK,
leaves the socket behind when connecting fails, and spends two tasks on each message it receives. The hooks
that are overridden here are those of aiomqtt 2.5 (pyproject.toml keeps it below 3).
"""

import asyncio
import logging
import math
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import aiomqtt
import msgspec
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY, MQTT_ERR_SUCCESS, MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from bridge.config import Mqtt
from bridge.errors import LinkDown, TimedOut
from bridge.mqtt.buffered import BufferedSocket
from bridge.mqtt.tls import tls_context

MqttError = aiomqtt.MqttError
T = TypeVar("T")

CONNECT_TIMEOUT = 10.0  # seconds for TCP, TLS and CONNACK together
MAX_UNACKNOWLEDGED = 5000  # messages that wait for the broker's word
MAX_UNSENT = 20_000  # messages of QoS 0 that wait for the socket
TAKEN_OVER = 0x8E
UNSUPPORTED_VERSION = 0x84
KEEPALIVE_TIMEOUT = 0x8D
CLOSE_WAIT = 8  # TCP's state after the other end's FIN, in Linux
FAILURE = 0x80  # codes from here on say no


class ClosedEarlyError(aiomqtt.MqttError):
    """The broker hung up instead of answering CONNECT."""


class RefusedError(aiomqtt.MqttError):
    """The broker answered CONNECT with a refusal; `version` when the protocol's version was its reason."""

    def __init__(self, reason: str, *, version: bool) -> None:
        super().__init__(reason)
        self.version = version


class LostError(aiomqtt.MqttError):
    """A standing connection ended.

    `taken_over`: the broker says that another client came with our id; `closed`: it hung up without a word.
    """

    def __init__(self, reason: str, *, taken_over: bool, closed: bool) -> None:
        super().__init__(reason)
        self.taken_over, self.closed = taken_over, closed


class Incoming(msgspec.Struct, frozen=True):
    """A message as it arrived."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    response_topic: str | None = None
    correlation: bytes | None = None


@dataclass(frozen=True)
class Broker:
    """Where and how to connect."""

    host: str
    port: int
    username: str | None
    password: str | None
    client_id: str
    keepalive: int
    tls: ssl.SSLContext | None


@dataclass(frozen=True)
class Will:
    """What the broker publishes, retained, when we are lost."""

    topic: str
    payload: bytes


class Connection(aiomqtt.Client):
    """One try at the broker; every message that arrives goes straight to `receive`."""

    def __init__(
        self,
        broker: Broker,
        will: Will | None,
        *,
        version5: bool,
        receive: Callable[[Incoming], None],
        acknowledged: Callable[[int], None] = lambda _number: None,
    ) -> None:
        super().__init__(
            broker.host,
            broker.port,
            username=broker.username,
            password=broker.password,
            identifier=broker.client_id,
            protocol=aiomqtt.ProtocolVersion.V5 if version5 else aiomqtt.ProtocolVersion.V311,
            will=None if will is None else aiomqtt.Will(will.topic, will.payload, qos=1, retain=True),
            clean_session=None if version5 else True,
            clean_start=True if version5 else MQTT_CLEAN_START_FIRST_ONLY,  # paho's own default
            timeout=CONNECT_TIMEOUT,
            keepalive=broker.keepalive,
            max_queued_outgoing_messages=MAX_UNACKNOWLEDGED,
            tls_context=broker.tls,
        )
        self.pending_calls_threshold = MAX_UNACKNOWLEDGED
        self.version5 = version5
        self.max_packet: int | None = None  # what the broker takes, where it says so
        self.server_keepalive: int | None = None
        self._receive, self._acknowledged = receive, acknowledged
        self._home = threading.get_ident()
        self._writing = self._flush_due = self._writer = False
        self._abandoned = self._hung_up = False
        self._gathering = True  # more is likely to follow what is posted
        self._unsent = 0
        self._buffers: BufferedSocket | None = None

    async def open(self) -> None:
        """Connect, or raise MqttError having left nothing behind."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT + 2):
                await self.__aenter__()
            self._buffer()
        except TimeoutError as error:
            self.abandon()
            raise aiomqtt.MqttError("no answer from the broker") from error
        except aiomqtt.MqttCodeError as error:
            self.abandon()
            raise _refused(error) from error
        except BaseException:
            self.abandon()
            raise
        finally:  # its end may come when nobody asks any more
            self._disconnected.add_done_callback(lambda end: end.cancelled() or end.exception())

    def _buffer(self) -> None:
        """From here on paho reads and writes through buffers of ours, and forms no log lines in vain."""
        sock = self._client.socket()
        if isinstance(sock, socket.socket):
            self._buffers = self._client._sock = BufferedSocket(sock)  # noqa: SLF001 - paho offers no other way
        if not self._logger.isEnabledFor(logging.DEBUG):
            self._client.disable_logger()

    async def lost(self) -> None:
        """Wait until the connection ends; always raises LostError or MqttError."""
        try:
            async for _ in self.messages:
                pass
        except aiomqtt.MqttError as error:
            reason = getattr(error.__cause__, "rc", None)
            code = reason.value if isinstance(reason, ReasonCode) else None
            text = "the broker closed the connection" if code == FAILURE else str(error.__cause__ or error)
            raise LostError(text, taken_over=code == TAKEN_OVER, closed=self._hung_up) from error

    async def leave(self) -> None:
        """Say goodbye to the broker: our last will is not published."""
        await self.__aexit__(None, None, None)

    def abandon(self) -> None:
        """Give up a connection that was never, or is no longer, good."""
        self._abandoned = True
        sock = self._client.socket()
        self._client.disconnect()
        if (sock := self._client.socket() or sock) is None or sock.fileno() == -1:
            return
        self._loop.remove_reader(sock.fileno())
        self._loop.remove_writer(sock.fileno())
        if self._misc_task is not None:
            self._misc_task.cancel()
        sock.close()

    def post(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int,
        retain: bool,
        correlation: bytes | None = None,
        more: bool = True,
    ) -> int | None:
        """Hand a message to the socket, with what `more` may follow now or at once; its number.

        None when too many wait already.
        """
        if self._unsent >= MAX_UNSENT:
            return None
        properties = None
        if correlation is not None and self.version5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho has no hints here
            properties.CorrelationData = correlation
        self._unsent += 1
        self._gathering = more
        sent = self._client.publish(topic, payload, qos, retain, properties)
        self._gathering = True
        if self._flush_due and not more:
            self._flush()
        return sent.mid if sent.rc == MQTT_ERR_SUCCESS else None

    async def deliver(
        self, topic: str, payload: bytes, *, qos: int, retain: bool, timeout: float | None
    ) -> None:
        """Publish and wait for the broker's word, or TimedOut; the message goes out all the same."""
        try:
            async with asyncio.timeout(timeout):
                await self.publish(topic, payload, qos, retain, timeout=float("inf"))
        except TimeoutError as error:
            raise TimedOut(f"The broker did not acknowledge '{topic}' within {timeout:g} s") from error
        except aiomqtt.MqttError as error:
            raise LinkDown(f"The connection to the broker was lost: {error}") from error

    async def ask_for(self, pattern: str, qos: int, *, own: bool = True) -> None:
        """Subscribe; MQTT 5 keeps the retain flag on live messages and can leave out our `own`."""
        if self.version5:
            codes: Any = await self.subscribe(
                pattern, options=SubscribeOptions(qos=qos, noLocal=not own, retainAsPublished=True)
            )
        else:
            codes = await self.subscribe(pattern, qos)
        for code in codes:
            value = code.value if isinstance(code, ReasonCode) else code
            if value >= FAILURE:
                raise aiomqtt.MqttError(f"the broker does not let us subscribe to '{pattern}'")

    def forget(self, pattern: str) -> None:
        """Unsubscribe; nobody waits for the broker's word."""
        self._client.unsubscribe(pattern)

    # hooks of aiomqtt -------------------------------------------------------------------------------

    async def _wait_for(self, fut: Awaitable[T], timeout: float | None) -> T:
        """Wait by `asyncio.timeout`: Python 3.11's `wait_for` loses a cancellation that meets the result."""
        seconds = self.timeout if timeout is None else timeout
        try:
            async with asyncio.timeout(None if seconds == math.inf else seconds):
                return await fut
        except TimeoutError:
            raise aiomqtt.MqttError("Operation timed out") from None

    def _on_connect(
        self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any = None
    ) -> None:
        self.max_packet = getattr(properties, "MaximumPacketSize", None)
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(
        self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any = None
    ) -> None:
        if self._connected.cancelled():
            return  # nobody waits for the connection any more
        if not self._connected.done():
            late = getattr(reason_code, "value", None) == KEEPALIVE_TIMEOUT
            self._connected.set_exception(
                aiomqtt.MqttError("no answer from the broker: timed out")
                if late
                else ClosedEarlyError("the broker closed the connection at once")
            )
        super()._on_disconnect(client, userdata, flags, reason_code, properties)
        for subscription in self._pending_subscribes.values():
            if not subscription.done():
                subscription.set_exception(aiomqtt.MqttError("the broker closed the connection"))

    def _on_socket_open(self, client: Any, userdata: Any, sock: Any) -> None:
        if self._abandoned:  # a slow name server: the thread got through when nobody waited any more
            sock.close()
        else:
            super()._on_socket_open(client, userdata, sock)

    def _on_socket_close(self, client: Any, userdata: Any, sock: Any) -> None:
        self._hung_up = _closed_by_peer(sock)
        super()._on_socket_close(client, userdata, sock)

    def _on_message(self, client: Any, userdata: Any, message: MQTTMessage) -> None:  # noqa: ARG002 - theirs
        self._receive(_incoming(message))

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason_code: Any, properties: Any) -> None:
        self._acknowledged(mid)
        super()._on_publish(client, userdata, mid, reason_code, properties)

    def _on_unsubscribe(
        self, client: Any, userdata: Any, mid: int, reason_codes: Any, properties: Any = None
    ) -> None:
        """Nobody waits for it."""

    def _on_socket_register_write(self, client: Any, userdata: Any, sock: Any) -> None:
        """Write all that has come together in the next turn of the loop; a full socket is watched."""
        if threading.get_ident() != self._home:  # CONNECT, from the thread that opened the socket
            self._writer = True
            super()._on_socket_register_write(client, userdata, sock)
        elif self._writing:
            self._writer = True
            self._loop.add_writer(sock.fileno(), self._flush)
        elif not (self._flush_due or self._writer):
            self._flush_due = True
            if self._gathering:
                self._loop.call_soon(self._flush)

    def _on_socket_unregister_write(self, client: Any, userdata: Any, sock: Any) -> None:
        self._unsent = 0
        if self._writer:
            self._writer = False
            super()._on_socket_unregister_write(client, userdata, sock)

    def _flush(self) -> None:
        """Send all that waits; what the socket does not take now, as soon as it does."""
        self._flush_due, self._writing = False, True
        if not self._pending_publishes:
            self._client.on_publish = None  # nobody waits for QoS 0 to be written, and telling it is dear
        try:
            self._client.loop_write()
        finally:
            self._writing = False
            self._client.on_publish = self._on_publish
        if self._buffers is not None:
            self._watch(self._buffers, full=not self._buffers.flush() or self._client.want_write())

    def _watch(self, sock: BufferedSocket, *, full: bool) -> None:
        if sock.fileno() == -1:  # the broker went while we wrote
            return
        if full and not self._writer:
            self._loop.add_writer(sock.fileno(), self._flush)
        elif self._writer and not full:
            self._loop.remove_writer(sock.fileno())
        self._writer = full


def _closed_by_peer(sock: socket.socket) -> bool:
    """Whether the other end closed it in an orderly way: no reset, no silence."""
    try:
        return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == CLOSE_WAIT
    except OSError:
        return False


def broker_of(settings: Mqtt, client_id: str) -> Broker:
    """Where and how the configuration says to connect."""
    return Broker(
        host=settings.host,
        port=settings.port or (1883 if settings.tls is None else 8883),
        username=settings.username,
        password=settings.password,
        client_id=settings.client_id or client_id,
        keepalive=settings.keepalive,
        tls=tls_context(settings),
    )


def _incoming(message: MQTTMessage) -> Incoming:
    properties = getattr(message, "properties", None)
    return Incoming(
        topic=message.topic,
        payload=bytes(message.payload),
        qos=message.qos,
        retain=bool(message.retain),
        response_topic=getattr(properties, "ResponseTopic", None),
        correlation=getattr(properties, "CorrelationData", None),
    )


def _refused(error: aiomqtt.MqttCodeError) -> aiomqtt.MqttError:
    code = error.rc
    value = code.value if isinstance(code, ReasonCode) else code
    return RefusedError(
        f"the broker refused the connection: {code}", version=value in (1, UNSUPPORTED_VERSION)
    )
