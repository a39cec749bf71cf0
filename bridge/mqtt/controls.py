"""The control topics: one plain value each, and the retained list of what can be set."""

import logging
from collections import Counter
from typing import Any

import msgspec

from bridge.access import Identity
from bridge.errors import BadParams, BridgeError, Busy
from bridge.lifecycle import Crew
from bridge.mqtt.connection import Incoming
from bridge.mqtt.inlet import MqttClient
from bridge.mqtt.link import MqttLink
from bridge.mqtt.payloads import ControlRejected, ControlRow
from bridge.mqtt.topics import Topics, decode
from bridge.rpc import Access, Registry, printable
from bridge.signals import Signal

log = logging.getLogger(__name__)

AT_ONCE = 200
MAX_VALUE = 4096  # bytes; the longest value is a light's JSON
SET = "printer.control.set"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class MqttControls:
    """Takes plain values from their topics; ends in the same dispatch as everything else."""

    def __init__(self, link: MqttLink, topics: Topics, registry: Registry, identity: Identity) -> None:
        self.rejected: Signal[ControlRejected] = Signal("rejected control")
        self.rejections = 0
        self.allowed = identity.refuse(Access.CONTROL, SET) is None
        self._link, self._topics, self._registry = link, topics, registry
        self._client = MqttClient("control", identity)
        self._crew = Crew()
        self._running = 0
        self._clearing: Counter[str] = Counter()
        self._rows: list[ControlRow] = []

    async def open(self) -> None:
        """Ask for the control topics."""
        self._link.route(self._topics.all_controls, self.receive)

    async def run(self) -> None:
        """Own the tasks of the commands."""
        await self._crew.run()

    async def close(self) -> None:
        """Nothing to give back."""

    def show(self, rows: list[ControlRow]) -> None:
        """The controls that there are now."""
        if rows != self._rows:
            self._rows = rows
            self.publish()

    def publish(self) -> None:
        """Publish the list, retained."""
        if self._link.up:
            self._link.post(self._topics.controls, _encode(self._rows), retain=True)

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
            await self._registry.call(SET, {"control": key, "value": _value(payload)}, self._client)
        except BridgeError as error:
            self._reject(key, payload, error)
        finally:
            self._running -= 1

    def _reject(self, key: str, payload: bytes, error: BridgeError) -> None:
        self.rejections += 1
        shown = printable(payload[:200].decode(errors="replace"))
        log.warning("control '%s' was not set to '%s': %s", printable(key), shown, error)
        self.rejected.emit(ControlRejected(control=key, value=shown, reason=str(error)))


def _value(payload: bytes) -> Any:
    """A plain value: a JSON object for a light, else text as it stands."""
    if not payload.strip():
        raise BadParams("the value is empty")
    if len(payload) > MAX_VALUE:
        raise BadParams(f"the value has {len(payload)} bytes, at most {MAX_VALUE} are taken")
    try:
        text = payload.decode()
        return _decode(payload) if text.lstrip().startswith("{") else text
    except (UnicodeDecodeError, msgspec.DecodeError) as error:
        raise BadParams("the value is neither text in UTF-8 nor a JSON object") from error
