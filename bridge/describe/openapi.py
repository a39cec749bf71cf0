"""The HTTP routes of the registry as an OpenAPI 3.1 document."""

import re
from typing import Any

from bridge.config import Http
from bridge.describe.envelopes import HttpFailure, RpcFailure, RpcRequest, RpcResult
from bridge.describe.model import SCHEMAS, Entry, Json, Parameter, model
from bridge.rpc import Door, Registry

ABOUT = """\
Moonraker's HTTP API as klipper-bridge offers it. An answer is `{"result": …}`, a failure
`{"error": {"code": …, "message": …}}` under the status of the same number.

Arguments come in the query string; those of a POST or PUT in a JSON or form body, too, which counts where
both name the same. They are converted to the types given here. A hint behind the name says the type where
that is not enough: `?seconds:int=120`, `?enabled:bool=true`, `?factor:float=0.5`,
`?value:json=%7B%22a%22%3A1%7D`. A list is `?name=a,b`.

Addresses of `http.trusted` need neither key nor token; all others send the API key as `X-Api-Key`, the
token of a login as `Authorization: Bearer …`, or answer the HTTP Digest challenge with the API key as
their password.
The same methods take JSON-RPC 2.0 at `POST /server/jsonrpc` and at the WebSocket `/websocket`."""

IN_BODY = frozenset({"POST", "PUT", "PATCH"})
_ENVELOPES = {
    "failure": HttpFailure,
    "request": RpcRequest | list[RpcRequest],
    "result": RpcResult,
    "refusal": RpcFailure,
}


def openapi(registry: Registry, version: str) -> Json:
    """Every method that has an HTTP route."""
    found = model(registry, Door.HTTP, _ENVELOPES)
    paths: dict[str, Json] = {}
    for entry in found.entries:
        path = str(entry.route)
        for verb in entry.method.verbs:
            verbs = paths.setdefault(path, {})
            if verb.lower() in verbs:
                raise ValueError(f"{verb} {path} is claimed twice, by {entry.method.name}, too")
            verbs[verb.lower()] = _operation(entry, verb, path, found.definitions)
    paths["/server/jsonrpc"] = {"post": _jsonrpc(found.extra)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "klipper-bridge", "version": version, "description": ABOUT},
        "servers": [_server()],
        "security": [{"apiKey": []}, {"bearer": []}, {"digest": []}, {}],
        "tags": [
            {"name": name, "description": about}
            for name, about in sorted({entry.capability: entry.about for entry in found.entries}.items())
        ],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": found.definitions,
            "responses": {"Error": _answer("Why it failed.", found.extra["failure"])},
            "securitySchemes": {
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "digest": {"type": "http", "scheme": "digest"},
            },
        },
    }


def _server() -> Json:
    default = Http()
    return {
        "url": "http://{host}:{port}",
        "variables": {"host": {"default": default.host}, "port": {"default": str(default.port)}},
    }


def _operation(entry: Entry, verb: str, path: str, definitions: Json) -> Json:
    method = entry.method
    in_path = re.findall(r"\{(\w+)\}", path)
    loose = [parameter for parameter in entry.parameters if parameter.name not in in_path]
    in_body = loose if verb in IN_BODY else []
    described: Json = {
        "operationId": method.name if verb == method.verbs[0] else f"{method.name}.{verb.lower()}",
        "tags": [entry.capability],
        "summary": entry.summary,
        "parameters": [
            *(_path_parameter(name, entry) for name in in_path),
            *(_query_parameter(parameter, definitions) for parameter in loose if parameter not in in_body),
        ],
        "responses": {
            "200": _answer("The result.", _envelope(entry.result)),
            "default": {"$ref": "#/components/responses/Error"},
        },
        "x-access": method.access.value,
    }
    if in_body:
        described["requestBody"] = _body(in_body)
    if entry.details:
        described["description"] = entry.details
    if method.public:
        described["security"] = []
    return described


def _path_parameter(name: str, entry: Entry) -> Json:
    schema = next((p.schema for p in entry.parameters if p.name == name), {"type": "string"})
    described = next((p.description for p in entry.parameters if p.name == name), "")
    return {"name": name, "in": "path", "required": True, "schema": schema} | _said(described)


def _query_parameter(parameter: Parameter, definitions: Json) -> Json:
    """An object goes with the hint `:json`, unless its names are the query's own."""
    described: Json = {"name": parameter.name, "in": "query", "required": parameter.required}
    if parameter.open:
        described |= {"style": "form", "explode": True, "schema": parameter.schema}
    elif _is_object(parameter.schema, definitions):
        described["name"] += ":json"
        described["content"] = {"application/json": {"schema": parameter.schema}}
    elif parameter.is_list:
        described |= {"style": "form", "explode": False, "schema": parameter.schema}
    else:
        described["schema"] = parameter.schema
    return described | _said(parameter.description)


def _is_object(schema: Json, definitions: Json) -> bool:
    """Whether nothing but an object is taken."""
    target = definitions[schema["$ref"].removeprefix(SCHEMAS)] if "$ref" in schema else schema
    options = [option for option in target.get("anyOf", [target]) if option.get("type") != "null"]
    if options == [target]:
        return bool(target.get("type") == "object")
    return all(_is_object(option, definitions) for option in options)


def _body(parameters: list[Parameter]) -> Json:
    schema = {
        "type": "object",
        "properties": {p.name: {**p.schema, **_said(p.description)} for p in parameters},
        "required": [p.name for p in parameters if p.required],
    }
    needed = any(parameter.required for parameter in parameters)
    return {"required": needed, "content": {"application/json": {"schema": schema}}}


def _envelope(result: Json) -> Json:
    return {"type": "object", "properties": {"result": result}, "required": ["result"]}


def _answer(description: str, schema: Json) -> Json:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _said(description: str) -> dict[str, Any]:
    return {"description": description} if description else {}


def _jsonrpc(envelopes: dict[str, Json]) -> Json:
    answer = {"anyOf": [envelopes["result"], envelopes["refusal"]]}
    answers = {"anyOf": [*answer["anyOf"], {"type": "array", "items": answer}]}
    return {
        "operationId": "jsonrpc",
        "summary": "Carry out a JSON-RPC 2.0 request or batch, as every other door does.",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": envelopes["request"]}},
        },
        "responses": {
            "200": _answer("The answers, failures included.", answers),
            "default": {"$ref": "#/components/responses/Error"},
        },
    }
