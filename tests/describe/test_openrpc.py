from typing import Any

import pytest

from bridge.describe.openrpc import openrpc
from tests.describe.sample import VERSION, small_registry


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openrpc(small_registry(), VERSION)


def method(document: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [each for each in document["methods"] if each["name"] == name]
    return found


def test_every_method_is_there_once_and_in_order(document):
    names = [each["name"] for each in document["methods"]]
    assert names == sorted(small_registry().methods)


def test_what_openrpc_requires_is_there(document):
    assert document["openrpc"] == "1.3.2"
    for each in document["methods"]:
        assert each["summary"]
        assert {"name", "schema"} <= each["result"].keys()
        assert all({"name", "schema"} <= parameter.keys() for parameter in each["params"])
        assert len({parameter["name"] for parameter in each["params"]}) == len(each["params"])


def test_a_parameter_has_its_type_default_bounds_and_words(document):
    filenames, reset, limit = method(document, "server.job_queue.post_job")["params"]
    assert filenames == {
        "name": "filenames",
        "required": True,
        "schema": {"type": "array", "items": {"type": "string"}},
        "description": "paths relative to gcodes | or below",
    }
    assert reset["schema"] == {"type": "boolean", "default": False}
    assert not reset["required"]
    assert limit["schema"] == {"type": "integer", "minimum": 1, "maximum": 50, "default": 10}


def test_a_docstring_is_summary_and_details(document):
    described = method(document, "server.job_queue.post_job")
    assert described["summary"] == "Append files to the queue; nothing is added unless every file exists."
    assert described["description"] == "A second paragraph."
    assert "description" not in method(document, "printer.emergency_stop")


def test_class_doors_and_the_way_elsewhere_are_told(document):
    described = method(document, "printer.objects.subscribe")
    assert described["x-access"] == "read"
    assert described["x-doors"] == ["http", "websocket"]
    assert described["x-elsewhere"] == "the topics klipper/state/# are the subscription"


def test_results_have_their_schemas(document):
    assert method(document, "printer.emergency_stop")["result"]["schema"] == {"enum": ["ok"]}
    assert method(document, "printer.objects.query")["result"]["schema"] == {}
    assert method(document, "printer.configure")["result"]["schema"] == {"type": "null"}
    queue = method(document, "server.job_queue.status")["result"]["schema"]
    assert queue == {"$ref": "#/components/schemas/QueueStatus"}


def test_an_open_parameter_is_marked(document):
    assert method(document, "printer.objects.query")["params"][0]["x-open"] is True
    assert "x-open" not in method(document, "printer.objects.subscribe")["params"][0]


def test_notifications_stand_beside_the_methods(document):
    found = {each["name"]: each for each in document["x-notifications"]}
    assert list(found) == sorted(found)
    assert found["notify_klippy_ready"]["params"] == []
    (changed,) = found["notify_job_queue_changed"]["params"]
    assert changed["schema"] == {"$ref": "#/components/schemas/QueueStatus"}


def test_errors_are_those_of_the_bridge(document):
    found = document["components"]["errors"]
    assert found["BadParams"]["code"] == -32602
    assert found["NotFound"]["code"] == 404
    assert "ConfigError" not in found
