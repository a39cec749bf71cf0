"""What holds for every exported document alike."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from bridge.config import Config
from bridge.describe.asyncapi import asyncapi
from bridge.describe.export import configuration, export
from bridge.describe.model import model
from bridge.describe.openapi import openapi
from bridge.describe.openrpc import openrpc
from bridge.rpc import Access, Call, Door, Registry, rpc
from tests.describe.sample import (
    VERSION,
    JobQueue,
    Printer,
    QueueStatus,
    references,
    resolve,
    schemas,
    small_registry,
)

Describe = Callable[[Registry, str], dict[str, Any]]
ALL = pytest.mark.parametrize("describe", [openrpc, openapi, asyncapi])


@pytest.fixture
def registry() -> Registry:
    return small_registry()


@ALL
def test_every_reference_points_to_something(describe: Describe, registry: Registry) -> None:
    document = describe(registry, VERSION)
    found = set(references(document))
    assert found
    for reference in found:
        assert resolve(document, reference) is not None


@ALL
def test_every_definition_is_used(describe: Describe, registry: Registry) -> None:
    document = describe(registry, VERSION)
    defined = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert defined <= set(references(document))


@ALL
def test_every_schema_is_valid_json_schema(describe: Describe, registry: Registry) -> None:
    found = list(schemas(describe(registry, VERSION)))
    assert len(found) > 5
    for schema in found:
        Draft202012Validator.check_schema(schema)


@ALL
def test_the_version_and_the_name_are_told(describe: Describe, registry: Registry) -> None:
    info = describe(registry, VERSION)["info"]
    assert (info["title"], info["version"]) == ("klipper-bridge", VERSION)


@ALL
def test_two_types_of_one_name_stay_two(describe: Describe, registry: Registry) -> None:
    definitions = describe(registry, VERSION)["components"]["schemas"]
    fields = [set(schema.get("properties", ())) for schema in definitions.values()]
    assert {"level"} in fields
    expected = 1 if describe is asyncapi else 2  # over MQTT one of the two is published
    assert sum(known in ({"level"}, {"state"}) for known in fields) == expected


def test_a_type_of_the_bridge_keeps_its_name_only_while_it_is_the_only_one(registry: Registry) -> None:
    names = set(asyncapi(registry, VERSION)["components"]["schemas"])
    assert {"bridge.mqtt.payloads.Status", "sample.of_the_spool.Status", "Health"} <= names


def test_the_order_of_mounting_does_not_matter() -> None:
    turned = Registry()
    for capability in (Printer(), JobQueue()):
        turned.mount(capability)
    assert export(turned, VERSION) == export(small_registry(), VERSION)


def test_the_export_names_its_files(registry: Registry) -> None:
    files = export(registry, VERSION)
    assert [path.as_posix() for path in files] == [
        "docs/openrpc.json",
        "docs/openapi.json",
        "docs/asyncapi.json",
        "docs/api.md",
        "config/bridge.schema.json",
    ]
    assert all(content.endswith(b"\n") and not content.endswith(b"\n\n") for content in files.values())


def test_the_http_door_leaves_out_what_it_does_not_offer(registry: Registry) -> None:
    found = {entry.method.name for entry in model(registry, Door.HTTP).entries}
    assert set(registry.methods) - found == {"server.websocket.id", "printer.hidden"}


def test_a_type_without_a_schema_is_refused_by_its_name(registry: Registry) -> None:
    class Strange:
        @rpc("strange", access=Access.READ)
        async def strange(self, _call: Call) -> complex:
            """Nothing that JSON knows."""
            return complex(0)

    registry.mount(Strange())
    with pytest.raises(TypeError, match="complex"):
        openrpc(registry, VERSION)


def test_the_schema_of_the_configuration_takes_the_defaults_and_refuses_a_typo() -> None:
    schema = configuration()
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    assert validator.is_valid(msgspec.to_builtins(Config()))
    assert validator.is_valid({"mqtt": {"host": "homeassistant.local", "allow": ["read"]}})
    assert not validator.is_valid({"mqtt": {"prot": 1883}})
    assert not validator.is_valid({"mqtt": {"port": "abc"}})


def test_what_a_method_answers_fits_its_schema(registry: Registry) -> None:
    document = openrpc(registry, VERSION)
    method = next(m for m in document["methods"] if m["name"] == "server.job_queue.status")
    validator = Draft202012Validator({**method["result"]["schema"], "components": document["components"]})
    assert validator.is_valid(msgspec.to_builtins(QueueStatus("ready", ["a.gcode"])))
    assert not validator.is_valid({"queue_state": "flying", "queued_jobs": []})
