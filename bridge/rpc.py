"""The table in the middle: typed methods, their notices, and JSON-RPC 2.0 dispatch for every door."""

import asyncio
import inspect
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from bridge.decoding import decode
from bridge.errors import (
    BadParams,
    BridgeError,
    Forbidden,
    InternalError,
    InvalidRequest,
    ParseError,
    UnknownMethod,
    describe,
)
from bridge.schema import Schema
from bridge.signals import Signal

log = logging.getLogger(__name__)
T = TypeVar("T")

MAX_BATCH = 256  # requests in one array; web UIs send some dozens


class Access(Enum):
    """What kind of thing a method does; every door asks whether its caller may."""

    READ = "read"
    CONTROL = "control"
    FILES = "files"
    ADMIN = "admin"


class Door(Enum):
    """A way in."""

    MQTT = "mqtt"
    HTTP = "http"
    WEBSOCKET = "websocket"


class Lane(Enum):
    """How a method waits for others: not at all, with all others, or behind the G-code that runs."""

    URGENT = "urgent"
    NORMAL = "normal"
    GCODE = "gcode"


EVERYWHERE = frozenset(Door)
NOT_MQTT = frozenset({Door.HTTP, Door.WEBSOCKET})
SOCKET_ONLY = frozenset({Door.WEBSOCKET})


class Client(Protocol):
    """The far end of a call; each door has one implementation."""

    @property
    def door(self) -> Door:
        """The way it came in."""

    @property
    def user(self) -> str | None:
        """Who is calling, when that is known."""

    def allows(self, access: Access, method: str) -> BridgeError | None:
        """None when the caller may call `method`, else the refusal."""

    def notify(self, method: str, params: list[Any]) -> None:
        """Send a notification; never blocks."""


@dataclass(frozen=True)
class Call:
    """One request on its way through the table."""

    client: Client
    method: str


class Notice(Signal[T], Generic[T]):
    """A signal that doors forward to clients as the notification `name`."""

    def __init__(self, name: str, payload: Any, summary: str) -> None:
        super().__init__(name)
        self.payload = payload  # its type, for the descriptions; None: no parameters
        self.summary = summary


@dataclass(frozen=True)
class Notification:
    """A notice on its way out."""

    method: str
    params: list[Any]


@dataclass(frozen=True)
class Unanswered:
    """A request without an id that failed: JSON-RPC wants silence, somebody may want to count it."""

    client: Client
    method: str
    error: BridgeError


Handler = Callable[..., Awaitable[Any]]
F = TypeVar("F", bound=Callable[..., Awaitable[Any]])


@dataclass(frozen=True)
class Declaration:
    """What `@rpc` says of a function."""

    name: str
    verbs: tuple[str, ...]
    path: str | None
    access: Access
    doors: frozenset[Door]
    elsewhere: str
    lane: Lane
    public: bool


@dataclass(frozen=True)
class Method:
    """One callable of the table."""

    name: str
    verbs: tuple[str, ...]
    path: str | None  # None: no HTTP route
    access: Access
    doors: frozenset[Door]
    elsewhere: str  # what to do instead, told where a door does not offer it
    handler: Handler
    lane: Lane = Lane.NORMAL
    public: bool = False  # callable before anybody knows who is calling

    @cached_property
    def schema(self) -> Schema:
        """Its parameters, read off the handler when it is called for the first time."""
        return Schema(self.handler)

    @cached_property
    def summary(self) -> str:
        """What it does."""
        return inspect.getdoc(self.handler) or ""


def rpc(
    name: str,
    *verbs: str,
    access: Access,
    path: str | None = None,
    doors: frozenset[Door] = EVERYWHERE,
    elsewhere: str = "",
    lane: Lane = Lane.NORMAL,
    public: bool = False,
) -> Callable[[F], F]:
    """Offer a method as `name`; with `verbs` also at an HTTP `path` (default: the name with slashes)."""

    def declare(function: F) -> F:
        route = path or "/" + name.replace(".", "/") if verbs else None
        declared = Declaration(name, verbs, route, access, doors, elsewhere, lane, public)
        function.__rpc__ = declared  # type: ignore[attr-defined]  # read back by Registry.mount
        return function

    return declare


_encode = msgspec.json.Encoder().encode
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class Registry:
    """All methods and notices: parse, look up, allow, bind, run, encode."""

    def __init__(self) -> None:
        self.methods: dict[str, Method] = {}
        self.components: list[str] = []  # what clients look for in server.info
        self.notices: dict[str, Notice[Any]] = {}
        self.noticed: Signal[Notification] = Signal("notification")
        self.unanswered: Signal[Unanswered] = Signal("failed notification")
        self.fallback: Callable[[str], Method | None] = lambda _name: None

    def mount(self, capability: object) -> None:
        """Add every `@rpc` method and every Notice of a capability."""
        self.components += getattr(capability, "components", ())
        for attribute in vars(type(capability)):
            handler = getattr(capability, attribute, None)
            declared: Declaration | None = getattr(handler, "__rpc__", None)
            if declared is not None:
                assert handler is not None  # noqa: S101 - for the type checker: it has a declaration
                self.add(_method(declared, handler))
        for value in vars(capability).values():
            if isinstance(value, Notice):
                self._forward(value)

    def add(self, method: Method) -> None:
        """Add one method; a name twice is a bug."""
        if method.name in self.methods:
            raise ValueError(f"{method.name} is claimed twice")
        self.methods[method.name] = method

    def _forward(self, notice: Notice[Any]) -> None:
        if notice.name in self.notices:
            raise ValueError(f"{notice.name} is claimed twice")
        self.notices[notice.name] = notice

        def forward(value: Any) -> None:
            self.noticed.emit(Notification(notice.name, [] if notice.payload is None else [value]))

        notice.connect(forward)

    def find(self, name: str) -> Method:
        """The method of that name, or UnknownMethod."""
        method = self.methods.get(name)
        if method is None and name.startswith("printer."):
            method = self.fallback(name)
        if method is None:
            raise UnknownMethod(f"Method '{printable(name)}' not found")
        return method

    async def call(self, name: str, params: Mapping[str, Any] | list[Any] | None, client: Client) -> Any:
        """Look up, allow, bind and run one method; every error is a BridgeError."""
        return await self.run(self.find(name), params, client)

    async def run(self, method: Method, params: Mapping[str, Any] | list[Any] | None, client: Client) -> Any:
        """Allow, bind and run a method; a bug in its handler is logged and answered without its trace."""
        if client.door not in method.doors:
            raise _not_offered(method, client.door)
        if not method.public and (refusal := client.allows(method.access, method.name)) is not None:
            raise refusal
        arguments = method.schema.bind(params)
        try:
            return await method.handler(Call(client, method.name), **arguments)
        except BridgeError:
            raise
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.exception("%s failed", method.name)
            raise InternalError(f"{method.name} failed inside the bridge; its log has the details") from error

    async def dispatch(self, payload: bytes | str, client: Client) -> bytes | None:
        """Answer a JSON-RPC 2.0 request or batch; None where the protocol wants silence."""
        try:
            message = decode(payload)
        except ParseError as error:
            return _failure(None, error)
        return await self.handle(message, client)

    async def handle(self, message: Any, client: Client) -> bytes | None:
        """Answer a decoded request or batch."""
        if not isinstance(message, list):
            return await self.answer(message, client)
        if not message:
            return _failure(None, InvalidRequest("A batch needs at least one request"))
        if len(message) > MAX_BATCH:
            return _failure(None, InvalidRequest(f"A batch holds at most {MAX_BATCH} requests"))
        answers = await asyncio.gather(*(self.answer(part, client) for part in message))
        kept = [answer for answer in answers if answer is not None]
        return b"[" + b",".join(kept) + b"]" if kept else None

    async def answer(self, message: Any, client: Client) -> bytes | None:
        """Answer one decoded request; a notification is carried out and not answered."""
        try:
            name, params = _request(message)
        except InvalidRequest as error:
            return _failure(_identifier(message), error)
        try:
            result = await self.run(self.find(name), params, client)
            return encode_result(message["id"], result) if "id" in message else None
        except BridgeError as error:
            if "id" in message:
                return _failure(message["id"], error)
            self.unanswered.emit(Unanswered(client, name, error))
            return None


def encode(value: Any) -> bytes:
    """Anything that goes out, as JSON; NaN and infinity become null."""
    try:
        return _encode(value)
    except UnicodeEncodeError:  # a lone surrogate, e.g. of a file name that is not UTF-8
        return _encode(_without_surrogates(value))
    except TypeError as error:
        log.exception("an answer cannot be written as JSON")
        raise InternalError(
            "the answer cannot be written as JSON; the bridge's log has the details"
        ) from error


def encode_result(identifier: Any, result: Any) -> bytes:
    """A successful JSON-RPC answer."""
    return encode({"jsonrpc": "2.0", "result": result, "id": identifier})


def encode_notification(method: str, params: list[Any]) -> bytes:
    """A JSON-RPC notification; without `params` where there are none."""
    message: dict[str, Any] = {"jsonrpc": "2.0", "method": method}
    if params:
        message["params"] = params
    return encode(message)


def _failure(identifier: Any, error: BridgeError) -> bytes:
    return encode({"jsonrpc": "2.0", "error": describe(error), "id": identifier})


def encode_failure(identifier: Any, error: BridgeError) -> bytes:
    """A JSON-RPC answer that tells of an error."""
    return _failure(identifier, error)


def _request(message: Any) -> tuple[str, Mapping[str, Any] | list[Any] | None]:
    """The method's name and parameters of a JSON-RPC 2.0 request, strictly."""
    if not isinstance(message, dict):
        raise InvalidRequest("A request is a JSON object")
    if message.get("jsonrpc") != "2.0":
        raise InvalidRequest('A request says "jsonrpc": "2.0"')
    name = message.get("method")
    if not isinstance(name, str):
        raise InvalidRequest("A request names its method")
    params = message.get("params")
    if params is not None and not isinstance(params, dict | list):
        raise InvalidRequest("The params are an object or an array")
    if "id" in message and not _is_identifier(message["id"]):
        raise InvalidRequest("An id is a string, a number or null")
    return name, params


def _is_identifier(value: Any) -> bool:
    return value is None or (isinstance(value, str | int | float) and not isinstance(value, bool))


def _identifier(message: Any) -> Any:
    """The id to answer an invalid request with: its own where it has a valid one, else null."""
    found = message.get("id") if isinstance(message, dict) else None
    return found if _is_identifier(found) else None


def _not_offered(method: Method, door: Door) -> BridgeError:
    hint = f"; {method.elsewhere}" if method.elsewhere else ""
    return Forbidden(f"{method.name} is not offered over {door.value}{hint}")


def printable(name: str) -> str:
    """Foreign text for a message: short, without control characters."""
    shown = "".join(char if char.isprintable() else "?" for char in name[:100])
    return shown + ("…" if len(name) > len(shown) else "")


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return _LONE_SURROGATE.sub("�", value)
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_surrogates(item) for item in value]
    return value


def _method(declared: Declaration, handler: Handler) -> Method:
    return Method(
        name=declared.name,
        verbs=declared.verbs,
        path=declared.path,
        access=declared.access,
        doors=declared.doors,
        elsewhere=declared.elsewhere,
        handler=handler,
        lane=declared.lane,
        public=declared.public,
    )


def missing(argument: str) -> BadParams:
    """The error for an argument that was left out."""
    return BadParams(f"Missing argument '{argument}'")
