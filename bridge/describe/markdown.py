"""The registry as a page for people: docs/api.md."""

import json
from collections.abc import Iterable
from itertools import groupby

from bridge.describe.model import (
    SCHEMAS,
    Entry,
    Json,
    Model,
    NoticeEntry,
    Parameter,
    failures,
    first_line,
    model,
)
from bridge.mqtt.payloads import event_of
from bridge.rpc import Door, Registry

INTRODUCTION = """\
# The API

<!-- Exported from the code by `klipper-bridge api`. -->

Every method is the same at every door that offers it:

| door | how |
|---|---|
| MQTT | JSON-RPC 2.0 on `{instance}/moonraker/api/request`, answered on its Response Topic or `…/response` |
| WebSocket | JSON-RPC 2.0 on `/websocket` |
| HTTP | its route, answered with `{"result": …}`; or JSON-RPC 2.0 at `POST /server/jsonrpc` |

The class of a method says who may call it: MQTT takes what `mqtt.allow` lists, HTTP and WebSocket take all
from a trusted address, with the API key or with a user's token ([security.md](security.md)). Parameters go
by name or in the order of the table; a list may be `a,b`, and unknown parameters are ignored. In a query
string a hint behind the name says the type where that is needed: `?seconds:int=120`, `?enabled:bool=true`,
`?factor:float=0.5`, `?value:json={"a":1}`.

Endpoints of Klippy that are not listed here pass through as methods `printer.…` of class control.
For machines: [openrpc.json](openrpc.json), [openapi.json](openapi.json), [asyncapi.json](asyncapi.json).
"""

_DOORS = {Door.MQTT: "MQTT", Door.HTTP: "HTTP", Door.WEBSOCKET: "WebSocket"}
_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "pattern": "matching `{}`",
}


def markdown(registry: Registry) -> str:
    """The whole page."""
    found = model(registry)
    grouped = sorted(found.entries, key=lambda entry: (entry.capability, entry.method.name))
    groups = [(name, list(entries)) for name, entries in groupby(grouped, key=lambda entry: entry.capability)]
    sections = [INTRODUCTION, _contents(groups)]
    for name, entries in groups:
        sections.append(f"## {name}\n\n{entries[0].about}".rstrip() + "\n")
        sections.extend(_method(entry) for entry in entries)
    sections += [_notices(found.notices), _errors(), _types(found)]
    return "\n".join(section for section in sections if section)


def _contents(groups: Iterable[tuple[str, list[Entry]]]) -> str:
    lines = [
        f"- {name}: {', '.join(_link(entry.method.name) for entry in entries)}" for name, entries in groups
    ]
    return "\n".join([*lines, ""])


def _link(name: str) -> str:
    return f"[{name}](#{name.lower().replace('.', '')})"


def _method(entry: Entry) -> str:
    lines = [f"### {entry.method.name}", "", entry.summary, ""]
    if entry.details:
        lines += [entry.details, ""]
    lines += [_offer(entry), ""]
    if entry.parameters:
        rows = (_row(parameter) for parameter in entry.parameters)
        lines += [*_table(("parameter", "type", "default", "what it is"), rows), ""]
    return "\n".join([*lines, f"Result: {_type(entry.result)}", ""])


def _offer(entry: Entry) -> str:
    method = entry.method
    routes = [f"`{verb} {entry.route}`" for verb in method.verbs] if entry.route is not None else []
    doors = ", ".join(name for door, name in _DOORS.items() if door in method.doors)
    said = [*routes, f"class {method.access.value}", doors, *(["no key needed"] if method.public else [])]
    hint = f"\n\nElsewhere: {method.elsewhere}." if method.elsewhere else ""
    return " · ".join(said) + hint


def _row(parameter: Parameter) -> tuple[str, ...]:
    default = "required" if parameter.required else f"`{json.dumps(parameter.schema.get('default'))}`"
    text = parameter.description
    if parameter.open:
        text = f"{text}{'; ' if text else ''}its names may stand beside the other parameters"
    return f"`{parameter.name}`", _type(parameter.schema), default, text


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [head, tuple("---" for _ in head), *rows]
    return [f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _type(schema: Json) -> str:
    """A schema in words."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(SCHEMAS)
        return f"[{name}](#type-{_anchor(name)})"
    if "anyOf" in schema:
        return " or ".join(_type(option) for option in schema["anyOf"])
    if "enum" in schema:
        values = ", ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
        return values if len(schema["enum"]) == 1 else f"one of {values}"
    bounds = [words.format(schema[key]) for key, words in _BOUNDS.items() if key in schema]
    return ", ".join([_kind(schema), *bounds])


def _kind(schema: Json) -> str:
    kind = str(schema.get("type", "any"))
    if kind == "array":
        return f"list of {_part(schema['items'])}" if schema.get("items") else "list"
    if kind == "object" and schema.get("additionalProperties"):
        return f"object of {_part(schema['additionalProperties'])}"
    return kind


def _part(schema: Json) -> str:
    return f"({_type(schema)})" if "anyOf" in schema else _type(schema)


def _anchor(name: str) -> str:
    return name.lower().replace(".", "")


def _notices(notices: Iterable[NoticeEntry]) -> str:
    rows = []
    for notice in notices:
        event = event_of(notice.name)
        topic = f"`event/{event}`" if event is not None else "not an event"
        carried = "nothing" if notice.schema is None else _type(notice.schema)
        rows.append((f"`{notice.name}`", topic, carried, notice.summary))
    if not rows:
        return ""
    head = ("notification", "over MQTT", "carries", "when")
    return "\n".join(["## Notifications", "", *_table(head, rows), ""])


def _errors() -> str:
    rows = ((str(error.status), str(error().rpc_code), first_line(error)) for error in failures())
    return "\n".join(["## Errors", "", *_table(("HTTP status", "JSON-RPC code", "what happened"), rows), ""])


def _types(found: Model) -> str:
    if not found.definitions:
        return ""
    return "\n".join(["## Types", "", *(_definition(*named) for named in found.definitions.items())])


def _definition(name: str, schema: Json) -> str:
    lines = [f"### Type {name}", ""]
    if "description" in schema:
        lines += [schema["description"], ""]
    if "properties" in schema:
        rows = (
            (f"`{key}`", _type(part), part.get("description", ""))
            for key, part in schema["properties"].items()
        )
        lines += _table(("field", "type", "what it is"), rows)
    else:
        lines.append(_type(schema))
    return "\n".join([*lines, ""])
