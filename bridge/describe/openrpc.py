"""The registry as an OpenRPC 1.3 document; the method rpc.discover answers with it."""

from bridge.describe.model import Entry, Json, NoticeEntry, Parameter, failures, first_line, model
from bridge.rpc import Registry

ABOUT = (
    "The methods of klipper-bridge. Every door takes them as JSON-RPC 2.0; `x-doors` says which, "
    "`x-access` which class of caller may call."
)


def openrpc(registry: Registry, version: str) -> Json:
    """Every method of the registry, and its notifications as `x-notifications`."""
    found = model(registry)
    return {
        "openrpc": "1.3.2",
        "info": {"title": "klipper-bridge", "version": version, "description": ABOUT},
        "methods": [_method(entry) for entry in found.entries],
        "components": {
            "schemas": found.definitions,
            "errors": {
                error.__name__: {"code": error().rpc_code, "message": first_line(error)}
                for error in failures()
            },
        },
        "x-notifications": [_notification(notice) for notice in found.notices],
    }


def _method(entry: Entry) -> Json:
    method = entry.method
    described: Json = {
        "name": method.name,
        "summary": entry.summary,
        "tags": [{"name": entry.capability}],
        "paramStructure": "either",
        "params": [_parameter(parameter) for parameter in entry.parameters],
        "result": {"name": "result", "schema": entry.result},
        "x-access": method.access.value,
        "x-doors": sorted(door.value for door in method.doors),
    }
    if entry.details:
        described["description"] = entry.details
    if method.elsewhere:
        described["x-elsewhere"] = method.elsewhere
    return described


def _parameter(parameter: Parameter) -> Json:
    described: Json = {"name": parameter.name, "required": parameter.required, "schema": parameter.schema}
    if parameter.description:
        described["description"] = parameter.description
    if parameter.open:
        described["x-open"] = True  # its names may stand beside the other parameters
    return described


def _notification(notice: NoticeEntry) -> Json:
    params = [] if notice.schema is None else [{"name": "value", "required": True, "schema": notice.schema}]
    return {"name": notice.name, "summary": notice.summary, "params": params}
