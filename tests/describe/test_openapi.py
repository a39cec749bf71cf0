import re
from typing import Any

import pytest

from bridge.describe.openapi import openapi
from bridge.rpc import Access, Call, Registry, rpc
from tests.describe.sample import VERSION, small_registry


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi(small_registry(), VERSION)


def operations(document):
    return [(path, verb, each) for path, verbs in document["paths"].items() for verb, each in verbs.items()]


def by_name(operation):
    return {parameter["name"]: parameter for parameter in operation["parameters"]}


def test_every_route_is_there_and_no_other(document):
    assert [(path, verb) for path, verb, _ in operations(document)] == [
        ("/printer/configure", "get"),
        ("/printer/emergency_stop", "post"),
        ("/printer/objects/query", "get"),
        ("/printer/objects/query", "post"),
        ("/printer/objects/subscribe", "post"),
        ("/printer/speed", "get"),
        ("/server/files/{root}/{filename}", "get"),
        ("/server/job_queue/job", "delete"),
        ("/server/job_queue/job", "post"),
        ("/server/job_queue/status", "get"),
        ("/server/jsonrpc", "post"),
    ]


def test_paths_are_unique_whatever_their_placeholders_are_called(document):
    bare = [re.sub(r"\{\w+\}", "{}", path) for path in document["paths"]]
    assert len(set(bare)) == len(bare)


def test_operation_ids_are_unique(document):
    found = [each["operationId"] for _, _, each in operations(document)]
    assert len(set(found)) == len(found)
    assert {"printer.objects.query", "printer.objects.query.post"} <= set(found)


def test_parameters_of_an_operation_are_unique_and_typed(document):
    for _, _, operation in operations(document):
        parameters = operation.get("parameters", [])
        assert len({(each["name"], each["in"]) for each in parameters}) == len(parameters)
        assert all(("schema" in each) != ("content" in each) for each in parameters)


def test_placeholders_are_required_path_parameters(document):
    operation = document["paths"]["/server/files/{root}/{filename}"]["get"]
    assert [(each["name"], each["in"], each["required"]) for each in operation["parameters"]] == [
        ("root", "path", True),
        ("filename", "path", True),
    ]
    assert by_name(operation)["filename"]["description"] == "below the root"


def test_an_answer_is_wrapped_and_a_failure_has_its_envelope(document):
    responses = document["paths"]["/server/job_queue/status"]["get"]["responses"]
    schema = responses["200"]["content"]["application/json"]["schema"]
    assert schema["required"] == ["result"]
    assert schema["properties"]["result"] == {"$ref": "#/components/schemas/QueueStatus"}
    assert responses["default"] == {"$ref": "#/components/responses/Error"}
    failure = document["components"]["schemas"]["HttpFailure"]
    assert failure["properties"]["error"] == {"$ref": "#/components/schemas/RpcError"}


def test_a_post_takes_its_arguments_as_a_body(document):
    operation = document["paths"]["/server/job_queue/job"]["post"]
    assert operation["parameters"] == []
    body = operation["requestBody"]
    schema = body["content"]["application/json"]["schema"]
    assert body["required"] is True
    assert schema["required"] == ["filenames"]
    assert list(schema["properties"]) == ["filenames", "reset", "limit"]
    assert schema["properties"]["reset"]["description"] == "empty the queue first"


def test_a_post_without_parameters_has_no_body(document):
    assert "requestBody" not in document["paths"]["/printer/emergency_stop"]["post"]


def test_a_list_in_a_query_is_parted_by_commas(document):
    job_ids = by_name(document["paths"]["/server/job_queue/job"]["delete"])["job_ids"]
    assert (job_ids["in"], job_ids["style"], job_ids["explode"]) == ("query", "form", False)


def test_names_of_an_open_parameter_stand_in_the_query_themselves(document):
    objects = by_name(document["paths"]["/printer/objects/query"]["get"])["objects"]
    assert (objects["style"], objects["explode"]) == ("form", True)


def test_an_object_in_a_query_carries_the_hint_for_json(document):
    parameters = by_name(document["paths"]["/printer/configure"]["get"])
    assert list(parameters) == ["settings:json", "more:json", "tags"]
    assert "application/json" in parameters["settings:json"]["content"]


def test_a_named_set_of_values_in_a_query_is_no_object(document):
    wanted = by_name(document["paths"]["/printer/speed"]["get"])["wanted"]
    assert wanted["schema"] == {"$ref": "#/components/schemas/Speed", "default": "slow"}


def test_details_stand_behind_the_summary(document):
    operation = document["paths"]["/printer/configure"]["get"]
    assert (operation["summary"], operation["description"]) == ("Take settings.", "Over several lines.")


def test_hints_are_explained_once(document):
    assert all(hint in document["info"]["description"] for hint in (":int", ":bool", ":float", ":json"))
    assert not any(":int=" in each.get("summary", "") for _, _, each in operations(document))


def test_a_key_or_a_trusted_address_opens_and_public_methods_need_neither(document):
    assert document["security"] == [{"apiKey": []}, {"bearer": []}, {"digest": []}, {}]
    assert document["components"]["securitySchemes"] == {
        "apiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "digest": {"type": "http", "scheme": "digest"},
    }
    assert document["paths"]["/server/job_queue/status"]["get"]["security"] == []
    assert "security" not in document["paths"]["/printer/emergency_stop"]["post"]


def test_every_tag_is_described(document):
    told = {tag["name"]: tag["description"] for tag in document["tags"]}
    assert told["Job queue"] == "Jobs in order, and whether they start by themselves."
    used = {tag for _, _, each in operations(document) for tag in each.get("tags", [])}
    assert used == set(told)


def test_a_route_that_is_claimed_twice_is_a_bug():
    class Twin:
        @rpc("server.other", "GET", path="/server/job_queue/status", access=Access.READ)
        async def other(self, _call: Call) -> None:
            """Another."""

    registry: Registry = small_registry()
    registry.mount(Twin())
    with pytest.raises(ValueError, match="GET /server/job_queue/status is claimed twice"):
        openapi(registry, VERSION)
