"""server.mqtt.*: the broker for HTTP and WebSocket clients and for macros (seed 004, MQTT APIs)."""

import logging
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bridge.decoding import UNREADABLE
from bridge.errors import BadParams
from bridge.klippy.state import Klippy
from bridge.mqtt.link import MqttLink
from bridge.mqtt.topics import is_concrete
from bridge.rpc import NOT_MQTT, Access, Call, rpc

log = logging.getLogger(__name__)

QoS = Literal[0, 1, 2]
ELSEWHERE = "MQTT clients publish and subscribe themselves"


class Published(msgspec.Struct, frozen=True):
    """The topic that was published to."""

    topic: str


class Received(msgspec.Struct, frozen=True):
    """A message: its JSON where it is an object or an array, else its text."""

    topic: str
    payload: Any


class Mqtt:
    """The broker, for those who cannot reach it themselves."""

    components = ("mqtt",)

    def __init__(self, link: MqttLink, klippy: Klippy) -> None:
        self._link = link
        klippy.offer("publish_mqtt_topic", self._publish_for_macro)

    @rpc("server.mqtt.publish", "POST", access=Access.CONTROL, doors=NOT_MQTT, elsewhere=ELSEWHERE)
    async def publish(
        self,
        call: Call,
        *,
        topic: str,
        payload: Annotated[
            Any, Meta(description="text, number, boolean, object or array; nothing if omitted")
        ] = None,
        qos: Annotated[QoS, Meta(description="default: mqtt.qos")] | None = None,
        retain: bool = False,
        timeout: Annotated[float, Meta(gt=0, description="seconds to wait for the broker's word")]
        | None = None,
    ) -> Published:
        """Publish a message; with QoS 1 or 2 answered when the broker has it, 504 after `timeout`."""
        await self._link.publish(topic, to_payload(payload), qos=qos, retain=retain, timeout=timeout)
        return Published(topic)

    @rpc("server.mqtt.subscribe", "POST", access=Access.CONTROL, doors=NOT_MQTT, elsewhere=ELSEWHERE)
    async def subscribe(
        self,
        call: Call,
        *,
        topic: str,
        qos: Annotated[QoS, Meta(description="default: mqtt.qos")] | None = None,
        timeout: Annotated[float, Meta(gt=0, description="seconds to wait; default for ever")] | None = None,
    ) -> Received:
        """Wait for the next message of a topic, its retained one first; 504 after `timeout`."""
        return Received(topic, from_payload(await self._link.once(topic, qos=qos, timeout=timeout)))

    def _publish_for_macro(self, params: dict[str, Any]) -> None:
        """`action_call_remote_method("publish_mqtt_topic", topic=…, payload=…, qos=…, retain=…)`."""
        topic, qos = params.get("topic"), params.get("qos")
        if not isinstance(topic, str) or not is_concrete(topic):
            log.warning(
                "a macro called publish_mqtt_topic without a topic that can be published to: %r", topic
            )
            return
        level = qos if qos in (0, 1, 2) else None
        sent = self._link.post(
            topic, to_payload(params.get("payload")), qos=level, retain=bool(params.get("retain"))
        )
        if not sent:
            log.warning(
                "publish_mqtt_topic for '%s' was dropped: the broker is away or it is too large", topic
            )


def to_payload(value: Any) -> bytes:
    """A value as the text that is published: JSON for objects and arrays, nothing for null."""
    if value is None:
        return b""
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, dict | list):
        return msgspec.json.encode(value)
    try:
        return str(value).encode()
    except UnicodeEncodeError as error:
        raise BadParams("Argument 'payload': not valid Unicode") from error


def from_payload(payload: bytes) -> Any:
    """What came: an object or array where it is JSON of one, else text; null when empty."""
    if not payload:
        return None
    text = payload.decode(errors="replace")
    if text.lstrip()[:1] not in ("{", "["):
        return text
    try:
        return msgspec.json.decode(payload)
    except UNREADABLE:
        return text
