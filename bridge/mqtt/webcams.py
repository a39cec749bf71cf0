"""Pictures of cameras over MQTT: while a job runs, at a pace, never retained."""

import asyncio
import contextlib
import logging

from bridge.config import Discretion, hidden
from bridge.config.webcams import Webcams as Settings
from bridge.errors import BridgeError
from bridge.jobs.tracker import JobTracker
from bridge.lifecycle import Nagger
from bridge.mqtt.link import MqttLink
from bridge.mqtt.topics import Topics
from bridge.webcams.album import Album
from bridge.webcams.snapshots import Snapshots
from bridge.webcams.webcam import Webcam, absolute

log = logging.getLogger(__name__)


class MqttWebcams:
    """Publishes a picture of each camera when a job begins, at an interval, and when it has ended."""

    def __init__(
        self,
        link: MqttLink,
        topics: Topics,
        album: Album,
        snapshots: Snapshots,
        tracker: JobTracker,
        settings: Settings,
        discretion: Discretion,
    ) -> None:
        self._link, self._topics, self._album = link, topics, album
        self._snapshots, self._tracker, self._settings = snapshots, tracker, settings
        self._discretion = discretion
        self._turned = asyncio.Event()
        self._nags: dict[str, Nagger] = {}
        self._addresses: dict[str, str] = {}  # retained, by the camera's name
        if settings.homeassistant != "none":
            tracker.started.connect(lambda _start: self._turned.set())
            tracker.finished.connect(lambda _job: self._turned.set())

    @property
    def shown(self) -> list[Webcam]:
        """The cameras that have something to show over MQTT."""
        if self._settings.homeassistant == "snapshot":
            return self._with_pictures
        by_address = self._settings.homeassistant == "url"
        return [one for one in self._with_pictures if self.address(one)] if by_address else []

    @property
    def _with_pictures(self) -> list[Webcam]:
        return [one for one in self._album.all if one.enabled and one.snapshot_url]

    def address(self, webcam: Webcam) -> str | None:
        """Where Home Assistant finds the picture; None where that is not known, or is a secret."""
        return None if self._keeps(webcam) else self._address(webcam)

    def _address(self, webcam: Webcam) -> str:
        return absolute(self._settings.public_url or "", webcam.snapshot_url)

    def _keeps(self, webcam: Webcam) -> str:
        """Why Home Assistant is not told where a picture is; empty where it is. A host alone is no secret."""
        url = self._address(webcam)
        if not url.startswith(("http://", "https://")):
            return "its snapshot_url is relative; name your UI's address as webcams.public_url"
        public = "" if url == webcam.snapshot_url else self._settings.public_url
        for option, text in (("snapshot_url", webcam.snapshot_url), ("webcams.public_url", public)):
            if text and self._discretion.came_by_secret(text):
                return f"its {option} came by !secret"
        if "@" in url.split("?")[0] or hidden(url) != url:
            return "its address holds a login, a token or the like"
        return ""

    async def open(self) -> None:
        """Nothing to acquire."""

    async def run(self) -> None:
        """Look while a job runs, and once more when it has ended."""
        while True:
            await self._turned.wait()
            self._turned.clear()
            await self._look()
            while self._tracker.current is not None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._settings.interval):
                        await self._turned.wait()
                self._turned.clear()
                await self._look()

    async def close(self) -> None:
        """Nothing to give back."""

    def publish(self) -> None:
        """Say where the pictures are, and forget what is gone."""
        if self._settings.homeassistant != "url":
            return
        for webcam in self._with_pictures:
            if reason := self._keeps(webcam):
                self._nag(webcam).warn(f"webcam '{webcam.name}' is not shown in Home Assistant: {reason}")
        known, self._addresses = self._addresses, {one.name: self.address(one) or "" for one in self.shown}
        for name in known.keys() - self._addresses.keys():
            self._link.retained.forsake(self._topics.webcam_url(name))
        if self._link.up:
            for name, url in self._addresses.items():
                self._link.post(self._topics.webcam_url(name), url.encode(), retain=True)

    async def _look(self) -> None:
        if self._settings.homeassistant == "url":
            self.publish()  # Home Assistant fetches the picture whenever it is told the address
        elif self._link.up:
            await asyncio.gather(*(self._show(webcam) for webcam in self.shown))

    async def _show(self, webcam: Webcam) -> None:
        nag = self._nag(webcam)
        try:
            picture, _ = await self._snapshots.fetch(webcam, self._settings.max_bytes)
        except BridgeError as error:
            nag.warn(f"webcam '{webcam.name}' shows nothing over MQTT: {error}")
            return
        if self._link.post(self._topics.webcam_snapshot(webcam.name), picture):
            nag.reset()
        elif self._link.up:
            nag.warn(
                f"webcam '{webcam.name}' shows nothing over MQTT: mqtt.max_payload or the broker takes less"
            )

    def _nag(self, webcam: Webcam) -> Nagger:
        return self._nags.setdefault(webcam.uid, Nagger(log))
