"""The shapes around every call, for the descriptions: JSON-RPC's and those of the HTTP door."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Identifier = Annotated[float | str | None, Meta(description="given back in the answer")]


class RpcParams(msgspec.Struct):
    """A method's parameters by name; two more are for the MQTT door itself."""

    mqtt_timestamp: Annotated[
        float | str | msgspec.UnsetType,
        Meta(description="over MQTT: a request with one that came before on this topic is refused"),
    ] = msgspec.UNSET
    mqtt_expires: Annotated[
        float | msgspec.UnsetType, Meta(description="over MQTT: Unix seconds; refused when it comes later")
    ] = msgspec.UNSET


class RpcRequest(msgspec.Struct):
    """A JSON-RPC 2.0 request; without an `id` it is carried out and not answered."""

    jsonrpc: Literal["2.0"]
    method: Annotated[str, Meta(description="a name of openrpc.json, or an endpoint of Klippy: printer.…")]
    params: RpcParams | list[Any] | msgspec.UnsetType = msgspec.UNSET
    id: Identifier | msgspec.UnsetType = msgspec.UNSET


class RpcError(msgspec.Struct):
    """Why a call failed."""

    code: Annotated[int, Meta(description="a code of JSON-RPC, else the HTTP status")]
    message: Annotated[str, Meta(description="what happened, why, and what to do")]


class RpcResult(msgspec.Struct):
    """The answer to a request that was carried out."""

    jsonrpc: Literal["2.0"]
    result: Annotated[Any, Meta(description="the result type of the method")]
    id: Identifier


class RpcFailure(msgspec.Struct):
    """The answer to a request that failed."""

    jsonrpc: Literal["2.0"]
    error: RpcError
    id: Identifier


class HttpFailure(msgspec.Struct):
    """The answer of a failed HTTP request."""

    error: RpcError
