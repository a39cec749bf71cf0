"""JSON-RPC requests that arrive over MQTT: whom to answer, what is a repeat, how many at once."""

import logging
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bridge.auth.policy import MqttPolicy, Permit
from bridge.decoding import decode
from bridge.errors import (
    BadParams,
    BadRequest,
    BridgeError,
    Busy,
    DuplicateRequest,
    ParseError,
    TimedOut,
    TooLarge,
    UnknownMethod,
)
from bridge.lifecycle import Crew, Sparing
from bridge.mqtt.connection import Incoming
from bridge.mqtt.denials import Denial, Denials
from bridge.mqtt.link import MqttLink
from bridge.mqtt.payloads import RequestRejected
from bridge.mqtt.repeats import Key, Repeatable, Repeats
from bridge.mqtt.topics import Topics
from bridge.mqtt.topics import decode as plain_name
from bridge.rpc import Access, Door, Lane, Registry, Unanswered, encode_failure, printable
from bridge.signals import Signal

log = logging.getLogger(__name__)

AT_ONCE, WAITING, SCRIPTS = 64, 1000, 1000
OURS = frozenset({"mqtt_timestamp", "mqtt_expires", "token"})  # params that no method sees


class MqttClient:
    """The far end of a request topic."""

    door = Door.MQTT

    def __init__(self, name: str, permit: Permit, denials: Denials | None = None) -> None:
        self.name = name
        self.permit = permit
        self.denied: list[BridgeError] = []  # told already
        self._denials = denials

    @property
    def user(self) -> str | None:
        """Who vouched for it by a token."""
        return self.permit.user

    def allows(self, access: Access, method: str) -> BridgeError | None:
        """None when `method` may be called over MQTT."""
        refusal = self.permit.refuse(access, method)
        if refusal is not None and self._denials is not None:
            self.denied.append(refusal)
            self._denials.note(self.name, method, refusal)
        return refusal

    def notify(self, method: str, params: list[Any]) -> None:
        """Nothing: over MQTT the event topics are everybody's."""


@dataclass(slots=True)
class _Request:
    topic: str
    reply: str
    correlation: bytes | None
    payload: bytes
    qos: int
    client: MqttClient
    message: Any = None  # the JSON, once it is read


class MqttInlet:
    """Takes requests from their topics, and sends each asker its answer."""

    def __init__(self, link: MqttLink, topics: Topics, registry: Registry, policy: MqttPolicy) -> None:
        self.rejected: Signal[RequestRejected] = Signal("rejected request")
        self.denials = Denials()
        self.requests = 0
        self.rejections = 0
        self._link, self._topics, self._registry, self._policy = link, topics, registry, policy
        self._crew = Crew()
        self._warnings = Sparing(log)
        self._waiting: deque[Callable[[], bool]] = deque()
        self._running = self._scripts = 0
        self._repeats: Repeats[_Request] = Repeats()
        self._clearing: Counter[str] = Counter()
        registry.unanswered.connect(self._unanswered)
        self.denials.denied.connect(self._denied)

    @property
    def depth(self) -> int:
        """Requests under way or waiting."""
        return self._running + self._scripts + len(self._waiting)

    async def open(self) -> None:
        """Ask for the request topics."""
        self._link.route(self._topics.request, self.receive)
        self._link.route(f"{self._topics.request}/+", self.receive)

    async def run(self) -> None:
        """Own the tasks of the requests."""
        await self._crew.run()

    async def close(self) -> None:
        """Drop what has not begun."""
        self._waiting.clear()

    def receive(self, incoming: Incoming) -> None:
        """Begin one message; never blocks."""
        if not incoming.payload and (incoming.retain or self._clearing[incoming.topic]):
            self._clearing[incoming.topic] -= not incoming.retain
            return  # somebody, perhaps we, took a retained request from the broker
        self.requests += 1
        if incoming.retain:
            self._clear(incoming)
            return
        request = self._addressed(incoming)
        try:
            self._read(request, incoming)
        except BridgeError as error:
            self._refuse(request, error)
            return
        self._start(request)

    def _addressed(self, incoming: Incoming) -> _Request:
        """The request with its reply topic; `reply` is the shared one where a message names none."""
        name = incoming.topic.removeprefix(self._topics.request).removeprefix("/")
        default = self._topics.client_response(name) if name else self._topics.response
        good = incoming.response_topic is not None and self._topics.may_reply(incoming.response_topic)
        return _Request(
            topic=incoming.topic,
            reply=incoming.response_topic if good and incoming.response_topic else default,
            correlation=incoming.correlation,
            payload=incoming.payload,
            qos=incoming.qos,
            client=MqttClient(name, self._policy.permit(plain_name(name) if name else None), self.denials),
        )

    def _read(self, request: _Request, incoming: Incoming) -> None:
        """Take the JSON out of the payload, or raise what stands in its way."""
        if incoming.response_topic is not None and request.reply != incoming.response_topic:
            raise BadRequest(
                f"The Response Topic '{printable(incoming.response_topic)}' cannot be answered on: expected "
                "a topic without wildcards that is no request, control, state or discovery topic; "
                "nothing was executed"
            )
        if len(request.payload) > (room := self._link.room(request.topic)):
            raise TooLarge(f"The request has {len(request.payload)} bytes, at most {room} are taken")
        request.message = decode(request.payload)

    def _start(self, request: _Request) -> None:
        """Give the request its task: urgent at once, G-code in its order, the others as there is room."""
        lane = self._lane(request.message)
        if lane is Lane.URGENT:
            self._crew.start(self._serve(request, lane))
        elif lane is Lane.GCODE:
            if self._scripts >= SCRIPTS:
                self._refuse(request, Busy(f"{SCRIPTS} G-code requests wait already; try again later"))
            elif self._crew.start(self._serve(request, lane)):
                self._scripts += 1
        elif self._running < AT_ONCE:
            self._begin(request)
        elif len(self._waiting) >= WAITING:
            self._refuse(request, Busy(f"busy: {WAITING} requests wait already; try again later"))
        else:
            self._waiting.append(lambda: self._begin(request))

    def _begin(self, request: _Request) -> bool:
        started = self._crew.start(self._serve(request, Lane.NORMAL))
        self._running += started
        return started

    async def _serve(self, request: _Request, lane: Lane) -> None:
        try:
            await self._answer(request)
        finally:
            if lane is Lane.GCODE:
                self._scripts -= 1
            elif lane is Lane.NORMAL:
                self._running -= 1
                if self._waiting:
                    self._waiting.popleft()()

    async def _answer(self, request: _Request) -> None:
        key = self._key(request)
        if key is None:
            await self._reply(request)
            return
        first = self._repeats.find(key)
        if first is not None:
            self._repeat(request, first, key)
            return
        entry = self._repeats.remember(key)
        entry.answer = await self._reply(request)
        entry.done = True
        for asker in entry.asking:
            self._send(asker, entry.answer)

    async def _reply(self, request: _Request) -> bytes | None:
        """Execute it and send its answer, be that a refusal; also to be sent again."""
        try:
            answer = await self._execute(request)
        except BridgeError as error:
            return self._refuse(request, error)
        self._send(request, answer)
        return answer

    async def _execute(self, request: _Request) -> bytes | None:
        message, tokens = _checked(request.message)
        for token in tokens:
            if request.client.user is None:
                request.client.permit = request.client.permit.with_token(token)
        return await self._registry.handle(message, request.client)

    def _repeat(self, request: _Request, first: Repeatable[_Request], key: Key) -> None:
        """The same request again: answered as the first was, never executed."""
        if key[0] == "timestamp":
            self._refuse(request, DuplicateRequest("Duplicate MQTT request: this mqtt_timestamp came before"))
        elif first.done:
            self._send(request, first.answer)
        elif len(first.asking) < AT_ONCE:
            first.asking.append(request)

    def _key(self, request: _Request) -> Key | None:
        """By what a repeat of this request would be known; reading may be repeated at will."""
        if self._only_reads(request.message):
            return None
        if (stamp := _param(request.message, "mqtt_timestamp")) is not None:
            return "timestamp", request.topic, repr(stamp)
        if request.correlation is not None:
            return "correlation", request.reply, request.correlation, request.payload
        if request.qos > 0 and _identifier(request.message) is not None:
            return "delivery", request.reply, request.payload
        return None

    def _lane(self, message: Any) -> Lane:
        """The slowest lane of a batch's parts; one urgent request alone is urgent."""
        if isinstance(message, dict):
            return Lane(self._known(message, "lane", Lane.NORMAL))
        lanes = {self._known(part, "lane", Lane.NORMAL) for part in _parts(message)}
        if lanes == {Lane.URGENT}:
            return Lane.URGENT
        return Lane.GCODE if lanes & {Lane.GCODE, Lane.URGENT} else Lane.NORMAL

    def _only_reads(self, message: Any) -> bool:
        return all(self._known(part, "access", Access.READ) is Access.READ for part in _parts(message))

    def _known(self, part: Any, attribute: str, default: Any) -> Any:
        name = part.get("method") if isinstance(part, dict) else None
        if not isinstance(name, str):
            return default
        try:
            return getattr(self._registry.find(name), attribute)
        except UnknownMethod:
            return default

    def _send(self, request: _Request, answer: bytes | None) -> None:
        if answer is None:
            return
        if len(answer) > (room := self._link.room(request.reply, request.correlation)):
            error = TooLarge(
                f"The answer has {len(answer)} bytes, at most {room} fit "
                "(mqtt.max_payload and the broker's own limit)"
            )
            answer = encode_failure(_identifier(request.message), error)
        self._link.post(request.reply, answer, correlation=request.correlation, more=self.depth > 1)

    def _refuse(self, request: _Request, error: BridgeError) -> bytes | None:
        """Answer with an error what was not executed, and count it; the answer, unless none is wanted."""
        message = request.message
        method = message.get("method") if isinstance(message, dict) else None
        named = printable(method) if isinstance(method, str) else None
        self._reject(RequestRejected(topic=request.topic, method=named, reason=str(error)))
        if isinstance(message, dict) and "id" not in message and not isinstance(error, ParseError):
            return None
        answer = encode_failure(_identifier(message), error)
        self._send(request, answer)
        return answer

    def _reject(self, rejection: RequestRejected) -> None:
        self.rejections += 1
        self.rejected.emit(rejection)

    def _unanswered(self, failed: Unanswered) -> None:
        client = failed.client
        if isinstance(client, MqttClient) and failed.error not in client.denied:
            self._tell(client.name, failed.method, failed.error)

    def _denied(self, denial: Denial) -> None:
        self._tell(denial.client, denial.method, denial.error)

    def _tell(self, client: str, method: str, error: BridgeError) -> None:
        topic = "/".join(filter(None, (self._topics.request, client)))
        self._reject(RequestRejected(topic=topic, method=printable(method), reason=str(error)))

    def _clear(self, incoming: Incoming) -> None:
        """A retained request would run again at every connect: never execute it, take it from the broker."""
        self._warnings.warn(f"a retained request on {incoming.topic} was not executed; it is cleared")
        reason = "the request was retained; publish requests without retain"
        self._reject(RequestRejected(topic=incoming.topic, method=None, reason=reason))
        self._clearing[incoming.topic] += self._link.protocol == "3.1.1"  # MQTT 5 does not send us our own
        self._link.post(incoming.topic, b"", retain=True)


def _parts(message: Any) -> list[Any]:
    return message if isinstance(message, list) else [message]


def _identifier(message: Any) -> Any:
    found = message.get("id") if isinstance(message, dict) else None
    return found if isinstance(found, str | int | float) and not isinstance(found, bool) else None


def _param(message: Any, name: str) -> Any:
    params = message.get("params") if isinstance(message, dict) else None
    return params.get(name) if isinstance(params, dict) else None


def _checked(message: Any) -> tuple[Any, list[str]]:
    """The message without what is for us alone, and the tokens in it; TimedOut when it came too late."""
    if isinstance(message, list):
        parts = [_checked(part) for part in message]
        return [part for part, _ in parts], [token for _, found in parts for token in found]
    if not isinstance(message, dict) or not isinstance(params := message.get("params"), dict):
        return message, []
    if not OURS & params.keys():
        return message, []
    _check_in_time(params.get("mqtt_expires"))
    token = params.get("token")
    kept = {key: value for key, value in params.items() if key not in OURS}
    return {**message, "params": kept}, [token] if isinstance(token, str) else []


def _check_in_time(expires: Any) -> None:
    if expires is None:
        return
    if not isinstance(expires, int | float) or isinstance(expires, bool):
        raise BadParams("Argument 'mqtt_expires': expected Unix seconds")
    if time.time() > expires:
        raise TimedOut("The request came after its mqtt_expires; nothing was executed")
