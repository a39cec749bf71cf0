"""HTTP answers: `{"result": …}`, and `{"error": {"code": …, "message": …}}`."""

from typing import Any

from aiohttp import hdrs
from multidict import CIMultiDict

from bridge.errors import BridgeError
from bridge.http_compat import web
from bridge.rpc import encode

_HEADERS = CIMultiDict(
    {
        hdrs.CONTENT_TYPE: "application/json; charset=UTF-8",
        hdrs.SERVER: "klipper-bridge",
        "X-Content-Type-Options": "nosniff",
    }
)


def raw(payload: bytes, status: int = 200) -> web.Response:
    """JSON that is ready."""
    return web.Response(body=payload, status=status, headers=_HEADERS)


def result(value: Any) -> web.Response:
    """A method's result."""
    return raw(encode({"result": value}))


def failure(error: BridgeError) -> web.Response:
    """An error; its code is the HTTP status."""
    return raw(encode({"error": {"code": error.status, "message": str(error)}}), error.status)


def empty() -> web.Response:
    """Done, and nothing to say."""
    return web.Response(status=204, headers={hdrs.SERVER: "klipper-bridge"})
