"""The job queue as a retained topic."""

from datetime import UTC, datetime

import msgspec

from bridge.mqtt.link import MqttLink
from bridge.mqtt.payloads import Queue
from bridge.mqtt.topics import Topics

_encode = msgspec.json.Encoder().encode


class MqttQueue:
    """Publishes the queue whenever it changes."""

    def __init__(self, link: MqttLink, topics: Topics) -> None:
        self._link, self._topics = link, topics
        self._queue: Queue | None = None

    def show(self, queue: Queue) -> None:
        """The queue as it is now."""
        if queue != self._queue:
            self._queue = queue
            self.publish()

    def publish(self) -> None:
        """Publish the queue, whether or not it was published before."""
        if self._queue is not None and self._link.up:
            self._link.post(self._topics.queue, _encode(self._queue), retain=True)


def at(when: float) -> str:
    """Unix seconds as the topics have them."""
    return datetime.fromtimestamp(when, UTC).astimezone().isoformat("T", "seconds")
