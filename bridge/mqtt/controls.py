"""The control topics: one plain value each, and the retained list of what can be set."""

import asyncio
import logging
from collections import Counter
from typing import Any

import msgspec

from bridge.auth.policy import Permit
from bridge.decoding import decode as parse_json
from bridge.errors import BadParams, BridgeError, Busy, ParseError
from bridge.lifecycle import Crew, Sparing
from bridge.mqtt.connection import Incoming
from bridge.mqtt.inlet import MqttClient
from bridge.mqtt.link import MqttLink
from bridge.mqtt.payloads import ControlRejected, ControlRow
from bridge.mqtt.topics import Topics, decode
from bridge.rpc import Access, Registry, printable
from bridge.signals import Signal

log = logging.getLogger(__name__)

AT_ONCE = 200
MAX_VALUE = 4096  # bytes; the longest value is a macro's JSON
HELD = 3.0  # seconds; Home Assistant shall know new options before one of them is chosen
SET = "printer.control.set"
JSON_KINDS = ("light", "button")  # their values may be objects

_encode = msgspec.json.Encoder().encode


class MqttControls:
    """Takes plain values from their topics; ends in the same dispatch as everything else."""

    def __init__(self, link: MqttLink, topics: Topics, registry: Registry, permit: Permit) -> None:
        self.rejected: Signal[ControlRejected] = Signal("rejected control")
        self.rejections = 0
        self.allowed = permit.refuse(Access.CONTROL, SET) is None
        self._link, self._topics, self._registry = link, topics, registry
        self._client = MqttClient("control", permit)
        self._crew = Crew()
        self._warnings = Sparing(log)
        self._running = 0
        self._clearing: Counter[str] = Counter()
        self._rows: list[ControlRow] = []
        self._objects: frozenset[str] = frozenset()  # controls that take JSON
        self._states: dict[str, Any] = {}
        self._said: dict[str, bytes] = {}
        self._held: dict[str, asyncio.TimerHandle] = {}

    async def open(self) -> None:
        """Ask for the control topics."""
        self._link.route(self._topics.all_controls, self.receive)

    async def run(self) -> None:
        """Own the tasks of the commands."""
        await self._crew.run()

    async def close(self) -> None:
        """Stop the clocks."""
        for timer in self._held.values():
            timer.cancel()

    def show(self, rows: list[ControlRow]) -> None:
        """The controls that there are now; what a vanished one was set to is taken away."""
        if rows == self._rows:
            return
        before, self._rows = {row.key: row for row in self._rows}, rows
        self._objects = frozenset(row.key for row in rows if row.kind in JSON_KINDS)
        for row in rows:
            if row.key in self._states and row.options != before.get(row.key, row).options:
                self._hold(row.key)
        for key in self._states.keys() - {row.key for row in rows}:
            del self._states[key]
            self._said.pop(key, None)
            self._link.retained.forsake(self._topics.control_state(key))
        self._publish_list()

    def tell(self, key: str, payload: Any) -> None:
        """What a control is set to now."""
        self._states[key] = payload
        if key not in self._held:
            self._publish_state(key, again=False)

    def publish(self) -> None:
        """Publish the list and every state, retained."""
        self._publish_list()
        for key in self._states:
            self._publish_state(key)

    def _publish_list(self) -> None:
        if self._link.up:
            self._link.post(self._topics.controls, _encode(self._rows), retain=True)

    def _publish_state(self, key: str, *, again: bool = True) -> None:
        """What a control is set to; `again` also when that was said before."""
        payload = _encode(self._states[key])
        if self._link.up and (again or self._said.get(key) != payload):
            self._said[key] = payload
            self._link.post(self._topics.control_state(key), payload, retain=True)

    def _hold(self, key: str) -> None:
        if key in self._held:
            self._held[key].cancel()
        self._held[key] = asyncio.get_running_loop().call_later(HELD, self._release, key)

    def _release(self, key: str) -> None:
        del self._held[key]
        if key in self._states:
            self._publish_state(key, again=False)

    def receive(self, incoming: Incoming) -> None:
        """Begin one command; never blocks, and never carries out a retained one."""
        key = decode(incoming.topic.split("/")[2])
        if not incoming.payload and (incoming.retain or self._clearing[incoming.topic]):
            self._clearing[incoming.topic] -= not incoming.retain
            return  # somebody, perhaps we, took a retained value from the broker
        if incoming.retain:
            self._reject(key, incoming.payload, BadParams("the value was retained; publish without retain"))
            self._clearing[incoming.topic] += (
                self._link.protocol == "3.1.1"
            )  # MQTT 5 does not send us our own
            self._link.post(incoming.topic, b"", retain=True)
            return
        if self._running >= AT_ONCE:
            self._reject(key, incoming.payload, Busy(f"{AT_ONCE} commands wait already"))
            return
        self._running += self._crew.start(self._set(key, incoming.payload))

    async def _set(self, key: str, payload: bytes) -> None:
        try:
            await self._registry.call(SET, {"control": key, "value": self._value(key, payload)}, self._client)
        except BridgeError as error:
            self._reject(key, payload, error)
        finally:
            self._running -= 1

    def _reject(self, key: str, payload: bytes, error: BridgeError) -> None:
        self.rejections += 1
        shown = printable(payload[:200].decode(errors="replace"))
        self._warnings.warn(f"control '{printable(key)}' was not set to '{shown}': {error}")
        self.rejected.emit(ControlRejected(control=key, value=shown, reason=str(error)))

    def _value(self, key: str, payload: bytes) -> Any:
        """A plain value: JSON for a light or a macro, else text as it stands."""
        if not payload.strip():
            raise BadParams("the value is empty")
        if len(payload) > MAX_VALUE:
            raise BadParams(f"the value has {len(payload)} bytes, at most {MAX_VALUE} are taken")
        try:
            text = payload.decode()
            return parse_json(payload) if key in self._objects and text.lstrip().startswith("{") else text
        except (UnicodeDecodeError, ParseError) as error:
            raise BadParams("the value is neither text in UTF-8 nor a JSON object") from error
