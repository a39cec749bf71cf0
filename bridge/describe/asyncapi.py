"""The MQTT interface as an AsyncAPI 3.0 document: a schema for every topic."""

import re
from collections.abc import Iterable
from typing import Any

from bridge.config import Mqtt
from bridge.describe.channels import PARAMETERS, TEMPLATE, Channel, channels, event_channel
from bridge.describe.model import Json, components
from bridge.mqtt.payloads import EVENTS, Event, Nothing, event_of
from bridge.rpc import Registry

ABOUT = """\
The MQTT interface of klipper-bridge, seen from the bridge: it sends states and events, and receives requests
and controls. QoS is 1 unless `mqtt.qos` says otherwise. State is retained, events never are. Times are Unix
seconds. null is what is not known."""

BINDING = "0.2.0"  # the version of AsyncAPI's MQTT bindings


def asyncapi(registry: Registry, version: str) -> Json:
    """Every topic; the methods that the request topics take are in openrpc.json."""
    rows = [*channels(), *_events(registry)]
    types = {(row.name, message.name): message.type for row in rows for message in row.messages}
    schemas, definitions = components({**types, ("", "event"): Event})
    envelope = schemas["", "event"]
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "klipper-bridge", "version": version, "description": ABOUT},
        "defaultContentType": "application/json",
        "servers": {"broker": _server()},
        "channels": {row.name: _channel(row, schemas, envelope) for row in rows},
        "operations": {row.name: _operation(row) for row in rows},
        "components": {
            "schemas": dict(sorted(definitions.items())),
            "parameters": {name: {"description": text} for name, text in PARAMETERS.items()},
        },
    }


def _events(registry: Registry) -> Iterable[Channel]:
    """The events for automation, and every notification that is published and has not one of them."""
    kinds: dict[str, tuple[Any, str]] = {}
    for notice in registry.notices.values():
        if (name := event_of(notice.name)) is not None:
            kinds[name] = (Nothing if notice.payload is None else notice.payload, notice.summary)
    kinds |= {name: (kind.data, kind.summary) for name, kind in EVENTS.items()}
    return (event_channel(name, data, summary) for name, (data, summary) in sorted(kinds.items()))


def _server() -> Json:
    default = Mqtt()
    return {
        "host": "{host}:{port}",
        "protocol": "mqtt",
        "protocolVersion": "5",
        "description": "MQTT 5, or 3.1.1 where the broker has no 5; with `mqtt.tls` over TLS.",
        "variables": {"host": {"default": default.host}, "port": {"default": "1883"}},
        "bindings": {
            "mqtt": {
                "cleanSession": True,
                "keepAlive": default.keepalive,
                "lastWill": {
                    "topic": TEMPLATE.status,
                    "qos": 1,
                    "message": '{"server":"offline"}',
                    "retain": True,
                },
                "bindingVersion": BINDING,
            }
        },
    }


def _channel(row: Channel, schemas: dict[tuple[str, str], Json], envelope: Json) -> Json:
    messages = {}
    for message in row.messages:
        payload = schemas[row.name, message.name]
        messages[message.name] = {
            "name": message.name,
            "summary": message.summary,
            "contentType": message.content,
            "payload": _event(row, envelope, payload) if row.event else payload,
            "bindings": {"mqtt": _message_binding(row, message.content)},
        }
    described: Json = {"address": row.address, "summary": row.summary, "messages": messages}
    names = re.findall(r"\{(\w+)\}", row.address)
    described["parameters"] = {name: {"$ref": f"#/components/parameters/{name}"} for name in names}
    return described


def _event(row: Channel, envelope: Json, data: Json) -> Json:
    name = row.address.rpartition("/")[2]
    return {"allOf": [envelope, {"properties": {"event": {"const": name}, "data": data}}]}


def _message_binding(row: Channel, content: str) -> Json:
    described: Json = {"contentType": content, "bindingVersion": BINDING}
    if row.reply is not None:
        described["responseTopic"] = {"type": "string"}
        described["correlationData"] = {"type": "string"}
    return described


def _operation(row: Channel) -> Json:
    channel = f"#/channels/{row.name}"
    described: Json = {
        "action": "send" if row.sends else "receive",
        "channel": {"$ref": channel},
        "summary": row.summary,
        "messages": [{"$ref": f"{channel}/messages/{message.name}"} for message in row.messages],
        "bindings": {"mqtt": {"qos": 1, "bindingVersion": BINDING}},
    }
    if row.sends:
        described["bindings"]["mqtt"]["retain"] = row.retained
    if row.reply is not None:
        target = f"#/channels/{row.reply}"
        replies = ("result", "failure", "batch")
        described["reply"] = {
            "channel": {"$ref": target},
            "messages": [{"$ref": f"{target}/messages/{name}"} for name in replies],
        }
    return described
