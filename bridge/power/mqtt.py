"""A plug on the broker: it is commanded on one topic and tells what it is on another."""

import asyncio
from collections.abc import Callable

from bridge.config.power import MqttSwitch
from bridge.errors import BridgeError, DeviceFailed
from bridge.mqtt.connection import Incoming
from bridge.mqtt.link import MqttLink
from bridge.power.device import See
from bridge.power.mqtt_presets import MQTT_PRESETS
from bridge.power.mqtt_topics import topics_of
from bridge.power.readings import Reading


class MqttPlug:
    """Pushes and is pushed: nothing is polled."""

    def __init__(self, link: MqttLink, settings: MqttSwitch, where: str, hide: Callable[[str], str]) -> None:
        self._link, self._settings = link, settings
        preset = MQTT_PRESETS[settings.preset]
        topics = topics_of(settings, where)
        self._command, self._topic, self._query = topics.command, topics.state, topics.query
        self.tells = topics.state is not None
        self._payloads = {
            True: (settings.on_payload or preset.on_payload).encode(),
            False: (settings.off_payload or preset.off_payload).encode(),
        }
        self._reading = Reading(
            settings.state_template or preset.state_template,
            f"{where}.state_template",
            settings.state_on,
            settings.state_off,
            hide,
        )
        asked = preset.query_payload if settings.query_payload is None else settings.query_payload
        self._question = asked.encode()
        self._see: See = lambda _on: None
        self._is: bool | None = None
        self._complaint: DeviceFailed | BridgeError | None = None
        self._up, self._heard, self._down = asyncio.Event(), asyncio.Event(), asyncio.Event()
        link.connected.connect(lambda _first: self._up.set())
        link.lost.connect(lambda _reason: self._lost())
        if self._topic is not None:
            link.route(self._topic, self._receive, qos=settings.qos)

    async def watch(self, see: See) -> None:
        """Ask when the broker is there, then listen until it is gone."""
        self._see = see
        while True:
            await self._up.wait()
            if self._complaint is None:  # else something odd came between two looks
                self._down.clear()
            if self._is is not None:
                see(self._is)  # its retained state, which came before we were told of the connection
            await self._ask_first()
            while not self._down.is_set():
                await self._down.wait()
            self._is = None
            if self._complaint is not None:
                complaint, self._complaint = self._complaint, None
                raise complaint
            see(None)

    async def switch(self, *, on: bool) -> None:
        """Command it, and wait until it confirms."""
        settings, known = self._settings, self._is
        self._heard.clear()
        await self._link.publish(
            self._command,
            self._payloads[on],
            retain=settings.retain_command,
            qos=settings.qos,
            timeout=settings.state_timeout,
        )
        if self._topic is None:
            self._take(on)
            return
        if settings.query_after_command:
            self._ask()
        if known is on:
            return  # it may see no reason to say so again
        try:
            async with asyncio.timeout(settings.state_timeout):
                while self._is is not on:
                    await self._heard.wait()
                    self._heard.clear()
        except TimeoutError as error:
            self._is = None  # whether it obeyed is for it to say
            word = "on" if on else "off"
            raise DeviceFailed(
                f"it did not say '{word}' on {self._topic} within {settings.state_timeout:g} s"
            ) from error

    async def _ask_first(self) -> None:
        if self._query is None or self._topic is None:
            return
        self._heard.clear()
        self._ask()
        try:
            async with asyncio.timeout(self._settings.state_timeout):
                await self._heard.wait()
        except TimeoutError as error:
            if self._is is None:
                raise DeviceFailed(f"it does not answer on {self._topic}; is it on the network?") from error

    def _ask(self) -> None:
        if self._query is not None:
            self._link.post(self._query, self._question, qos=self._settings.qos)

    def _receive(self, incoming: Incoming) -> None:
        try:
            became = self._reading.of(incoming.payload)
        except BridgeError as error:
            self._complaint = error
            self._heard.set()
            self._down.set()
            return
        if became is not None:
            self._take(became)

    def _take(self, on: bool) -> None:  # noqa: FBT001 - what was heard
        self._is = on
        if self._complaint is not None:
            self._complaint = None
            self._down.clear()
        self._heard.set()
        self._see(on)

    def _lost(self) -> None:
        self._up.clear()
        self._down.set()
