"""What happens, as messages that are not retained: each once and in order."""

import time
import uuid
from collections import deque
from typing import Any

import msgspec

from bridge.config import Discretion
from bridge.mqtt.link import MqttLink
from bridge.mqtt.payloads import EVENTS, Event, Nothing, event_of
from bridge.mqtt.topics import Topics
from bridge.rpc import Notification

_WITH_URLS = frozenset({"webcams_changed"})  # browsers need the secrets in them; a broker is no place for any
KEPT, KEPT_FOR = 100, 60.0  # events and seconds while the broker is away

_encode = msgspec.json.Encoder().encode


class MqttEvents:
    """Publishes events below event/; keeps them for a moment while the broker is away."""

    def __init__(self, link: MqttLink, topics: Topics, discretion: Discretion) -> None:
        self.dropped = 0
        self._link, self._topics, self._discretion = link, topics, discretion
        self._boot = uuid.uuid4().hex[:12]
        self._sequence = 0
        self._kept: deque[Event] = deque()
        self._no_news: set[str] = set()
        link.connected.connect(lambda _first: self._catch_up())

    @property
    def waiting(self) -> int:
        """Events that wait for the broker."""
        return len(self._kept)

    def no_news(self, name: str) -> None:
        """The next event of that name is known already: the bridge has only just begun to look."""
        self._no_news.add(name)

    def forward(self, notification: Notification) -> None:
        """A notification of the API under its name without the prefix, unless an event of ours says more."""
        name = event_of(notification.method)
        if name in self._no_news:
            self._no_news.discard(name)
        elif name is not None and name not in EVENTS:
            params = notification.params
            if name in _WITH_URLS:
                params = self._discretion.plain(params)
            self.tell(name, params[0] if len(params) == 1 else params or Nothing())

    def tell(self, name: str, data: Any) -> None:
        """Publish one event."""
        self._sequence += 1
        event = Event(time=time.time(), boot=self._boot, seq=self._sequence, event=name, data=data)
        if self._link.up:
            self._post(event)
        else:
            self._keep(event)

    def _post(self, event: Event) -> None:
        if not self._link.post(self._topics.event(event.event), _encode(event)):
            self.dropped += 1

    def _keep(self, event: Event) -> None:
        if len(self._kept) == KEPT:
            self._kept.popleft()
            self.dropped += 1
        self._kept.append(event)

    def _catch_up(self) -> None:
        """The broker is back: what is young enough still goes out, in order."""
        oldest = time.time() - KEPT_FOR
        while self._kept:
            event = self._kept.popleft()
            if event.time >= oldest:
                self._post(event)
            else:
                self.dropped += 1
