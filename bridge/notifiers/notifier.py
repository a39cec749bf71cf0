"""One notifier: its texts, its queue, and its patience with a service that fails."""

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from typing import Any

from bridge.config.notifiers import Notifier as Settings
from bridge.errors import DeviceFailed, Unprocessable
from bridge.lifecycle import Nagger
from bridge.notifiers.service import Message, Picture, Service
from bridge.template import Template

log = logging.getLogger(__name__)

MOST_WAITING = 20  # messages
TRIES = 3
TITLES: Mapping[str, str] = {
    "started": "{{ printer }} prints",
    "paused": "{{ printer }} has paused",
    "resumed": "{{ printer }} goes on",
    "complete": "{{ printer }} is finished",
    "cancelled": "{{ printer }}: print cancelled",
    "error": "{{ printer }}: print failed",
    "klippy_shutdown": "{{ printer }} has shut down",
    "klippy_disconnect": "{{ printer }} was lost in mid-print",
    "filament_runout": "{{ printer }} has no filament",
    "gcode": "{{ printer }}",
}
BODIES: Mapping[str, str] = {
    "started": "{{ file }}"
    "{% if job.slicer_estimate %}, about {{ job.slicer_estimate | duration }}{% endif %}",
    "complete": "{{ file }} took {{ job.elapsed | duration }}",
    "error": "{{ file }}: {{ message }}",
    "klippy_shutdown": "{{ message }}",
    "filament_runout": "{{ message }} sees no filament{% if file %}; {{ file }} waits{% endif %}",
    "gcode": "{{ message }}",
}
OTHERWISE = "{{ file }}{% if message %}: {{ message }}{% endif %}"


class Notifier:
    """Takes what happens and sends it, one message after the other."""

    def __init__(self, name: str, settings: Settings, where: str) -> None:
        self.name, self.settings = name, settings
        self.dropped = 0
        self._titles = _templates(TITLES, settings.title, f"{where}.title")
        self._bodies = _templates(BODIES, settings.body, f"{where}.body")
        self._service: Service | None = None
        self._waiting: deque[Message] = deque()
        self._news = asyncio.Event()
        self._nag = Nagger(log)

    def wants(self, event: str) -> bool:
        """Whether it is to be told."""
        return "*" in self.settings.events or event in self.settings.events

    def offer(self, event: str, names: Mapping[str, Any], picture: Picture | None) -> None:
        """Have it told; when too much waits, the oldest message goes."""
        known = {**names, "notifier": self.name}
        try:
            title = self._titles[event].fill(known)
            body = self._bodies[event].fill(known)
        except Unprocessable as error:
            self._nag.warn(f"notifier '{self.name}' is not told of '{event}': {error}")
            return
        if len(self._waiting) == MOST_WAITING:
            self._waiting.popleft()
            self.dropped += 1
            self._nag.warn(f"notifier '{self.name}' is {MOST_WAITING} messages behind; the oldest is lost")
        self._waiting.append(Message(title, body or title or event, picture))
        self._news.set()

    async def run(self) -> None:
        """Send for ever."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                await self._deliver(self._waiting.popleft())

    async def _deliver(self, message: Message) -> None:
        """Try it three times; a service that fails is told once."""
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(self.settings.retry * attempt)
            try:
                await asyncio.to_thread(self._send, message)
            except DeviceFailed as error:
                reason = str(error)
            else:
                self._nag.reset()
                return
        self._nag.warn(f"notifier '{self.name}' could not deliver a message: {reason}")

    def _send(self, message: Message) -> None:
        try:
            if self._service is None:
                self._service = Service(self.settings.url, self.settings.format)
            self._service.send(message)
        except DeviceFailed:
            raise
        except Exception as error:  # a hundred plugins, each with mistakes of its own
            raise DeviceFailed(f"apprise itself failed: {type(error).__name__}") from error


def _templates(defaults: Mapping[str, str], own: str | None, where: str) -> dict[str, Template]:
    return {event: Template(own or defaults.get(event, OTHERWISE), where) for event in TITLES}
