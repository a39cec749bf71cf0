"""One retained payload that is published when it changes."""

import msgspec

from bridge.mqtt.link import MqttLink
from bridge.mqtt.payloads import Payload

_encode = msgspec.json.Encoder().encode


class MqttSheet:
    """Knows what was said last, and says it again when asked to."""

    def __init__(self, link: MqttLink, topic: str) -> None:
        self._link, self._topic = link, topic
        self._payload: Payload | None = None

    def show(self, payload: Payload) -> None:
        """What is true now."""
        if payload != self._payload:
            self._payload = payload
            self.publish()

    def publish(self) -> None:
        """Publish it, whether or not it was published before."""
        if self._payload is not None and self._link.up:
            self._link.post(self._topic, _encode(self._payload), retain=True)
