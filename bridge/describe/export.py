"""All descriptions as the files they are committed in."""

from pathlib import Path

import msgspec

from bridge.config import Config
from bridge.describe.asyncapi import asyncapi
from bridge.describe.markdown import markdown
from bridge.describe.model import Json
from bridge.describe.openapi import openapi
from bridge.describe.openrpc import openrpc
from bridge.rpc import Registry

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def export(registry: Registry, version: str) -> dict[Path, bytes]:
    """Every exported file by its path in the project; equal input gives equal bytes."""
    return {
        Path("docs/openrpc.json"): _json(openrpc(registry, version)),
        Path("docs/openapi.json"): _json(openapi(registry, version)),
        Path("docs/asyncapi.json"): _json(asyncapi(registry, version)),
        Path("docs/api.md"): markdown(registry).encode(),
        Path("config/bridge.schema.json"): _json(configuration()),
    }


def configuration() -> Json:
    """The JSON Schema of the configuration file, for editors."""
    schema = msgspec.json.schema(Config)
    for section in schema["$defs"].values():  # msgspec knows no description for what tells sections apart
        if "enum" in (tag := section.get("properties", {}).get("type", {})):
            tag.setdefault("description", "the kind of link")
    return {"$schema": DIALECT, "title": "klipper-bridge", **schema}


def _json(document: Json) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
