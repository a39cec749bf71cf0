"""A registry as data for all descriptions: each method with the JSON Schemas of its parameters and result."""

import re
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from bridge import errors
from bridge.errors import BridgeError
from bridge.rpc import Door, Method, Notice, Registry
from bridge.schema import Param

Json = dict[str, Any]
K = TypeVar("K", bound=Hashable)

SCHEMAS = "#/components/schemas/"
_PLACEHOLDER = re.compile(r"\{(\w+)(?::(?:[^{}]|\{[^{}]*\})*)?\}")  # of aiohttp: {name} or {name:pattern}


@dataclass(frozen=True)
class Parameter:
    """One parameter with its schema; `open` ones take names that are data."""

    name: str
    schema: Json  # its default included
    description: str
    required: bool
    open: bool
    is_list: bool


@dataclass(frozen=True)
class Entry:
    """One method, ready to be written down."""

    method: Method
    capability: str
    about: str  # one line about the capability
    summary: str
    details: str
    parameters: tuple[Parameter, ...]
    result: Json

    @property
    def route(self) -> str | None:
        """Its HTTP path with bare placeholders; None where the HTTP door does not offer it."""
        if self.method.path is None or Door.HTTP not in self.method.doors:
            return None
        return _PLACEHOLDER.sub(r"{\1}", self.method.path)


@dataclass(frozen=True)
class NoticeEntry:
    """One notification; no schema: it comes without parameters."""

    name: str
    summary: str
    schema: Json | None


@dataclass(frozen=True)
class Model:
    """Methods and notifications by name, the schemas they share, and those of the extra types by key."""

    entries: tuple[Entry, ...]
    notices: tuple[NoticeEntry, ...]
    extra: dict[str, Json]
    definitions: Json


def model(registry: Registry, door: Door | None = None, extra: Mapping[str, Any] | None = None) -> Model:
    """Methods and notifications of `registry`; with a `door` its methods alone."""
    methods = [method for _, method in sorted(registry.methods.items()) if _offered(method, door)]
    notices = [notice for _, notice in sorted(registry.notices.items())] if door is None else []
    more = dict(extra or {})
    schemas, definitions = components(_types(methods, notices, more))
    return Model(
        entries=tuple(_entry(method, schemas) for method in methods),
        notices=tuple(_notice(notice, schemas["notice", notice.name]) for notice in notices),
        extra={key: schemas["extra", key] for key in more},
        definitions=dict(sorted(definitions.items())),
    )


def _offered(method: Method, door: Door | None) -> bool:
    if door is None:
        return True
    return door in method.doors and (door is not Door.HTTP or method.path is not None)


def _types(
    methods: Iterable[Method], notices: Iterable[Notice[Any]], extra: Mapping[str, Any]
) -> dict[tuple[str, str], Any]:
    """Every type that is to be described: (method, parameter), (method, "") for its result, and so on."""
    types = {("extra", key): value for key, value in extra.items()}
    types |= {("notice", notice.name): notice.payload for notice in notices}
    for method in methods:
        types[method.name, ""] = method.schema.returns
        types |= {(method.name, param.name): param.type for param in method.schema.params.values()}
    return types


def components(types: Mapping[K, Any]) -> tuple[dict[K, Json], Json]:
    """Schemas by key and the definitions they share: one call, so that equal names of two types differ."""
    schemas, definitions = msgspec.json.schema_components(types.values(), ref_template=SCHEMAS + "{name}")
    return dict(zip(types, schemas, strict=True)), definitions


def failures() -> list[type[BridgeError]]:
    """Every error that an answer can tell of, as bridge.errors lists them."""
    found = [value for value in vars(errors).values() if isinstance(value, type)]
    untold = (BridgeError, errors.ConfigError)
    return [value for value in found if issubclass(value, BridgeError) and value not in untold]


def first_line(documented: object) -> str:
    """The first line of a docstring."""
    return (documented.__doc__ or "").strip().partition("\n")[0]


def _entry(method: Method, schemas: Mapping[tuple[str, str], Json]) -> Entry:
    owner = getattr(method.handler, "__self__", None)
    summary, _, details = method.summary.partition("\n\n")
    return Entry(
        method=method,
        capability=_words(type(owner).__name__) if owner is not None else method.name.partition(".")[0],
        about=first_line(type(owner)) if owner is not None else "",
        summary=" ".join(summary.split()),
        details=details.strip(),
        parameters=tuple(
            _parameter(param, schemas[method.name, param.name], is_open=param.name == method.schema.open)
            for param in method.schema.params.values()
        ),
        result=schemas[method.name, ""],
    )


def _parameter(param: Param, schema: Json, *, is_open: bool) -> Parameter:
    described = dict(schema)
    description = described.pop("description", "")
    if not param.required and param.default is not None:
        described["default"] = msgspec.to_builtins(param.default, str_keys=True)
    return Parameter(param.name, described, description, param.required, is_open, param.is_list)


def _notice(notice: Notice[Any], schema: Json) -> NoticeEntry:
    return NoticeEntry(notice.name, notice.summary, None if notice.payload is None else schema)


def _words(name: str) -> str:
    """`JobQueue` as `Job queue`."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])(?=[a-z])", lambda match: " " + match[1].lower(), name)
