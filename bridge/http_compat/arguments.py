"""Arguments out of a request: the query with its type hints, forms, JSON bodies; the body wins."""

import asyncio
import math
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import hdrs

from bridge.decoding import decode
from bridge.errors import BadParams, BadRequest, ParseError, TooDeep, TooLarge
from bridge.http_compat import web
from bridge.rpc import printable

MAX_FIELDS = 1000  # of one query or form
BODY_TIMEOUT = 30.0  # seconds a body may take to arrive
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

_WORDS = {
    "true": True,
    "1": True,
    "yes": True,
    "on": True,
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}


def _bool(text: str) -> bool:
    return _WORDS[text.strip().lower()]


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


_SECRET = re.compile("password|token|key", re.IGNORECASE)  # names whose values no message shows
_HINTS: dict[str, tuple[Callable[[str], Any], str]] = {
    "int": (int, "a whole number"),
    "bool": (_bool, "true or false"),
    "float": (_float, "a number"),
    "json": (decode, "JSON"),
}


def parse(text: str) -> dict[str, Any]:
    """A query or a form: `name:hint=value` converted, a bare name empty, the last of equals wins."""
    if not text:
        return {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise BadParams(f"A request holds at most {MAX_FIELDS} arguments") from error
    return dict(_hinted(key, value) for key, value in pairs)


def _hinted(key: str, value: str) -> tuple[str, Any]:
    name, colon, hint = key.rpartition(":")
    if not colon or hint not in _HINTS:
        return key, value
    convert, expected = _HINTS[hint]
    try:
        return name, convert(value)
    except TooDeep:
        raise
    except (ValueError, KeyError, ParseError) as error:
        shown = "***" if _SECRET.search(name) else printable(value)
        raise BadParams(f"Argument '{printable(name)}': expected {expected}, got '{shown}'") from error


async def collect(request: web.BaseRequest, query: str, limit: int) -> dict[str, Any]:
    """All arguments of a request."""
    given = parse(query)
    if request.can_read_body:
        given |= await _from_body(request, limit)
    return given


async def _from_body(request: web.BaseRequest, limit: int) -> dict[str, Any]:
    kind = request.headers.get(hdrs.CONTENT_TYPE, "").partition(";")[0].strip().lower()
    if kind == MULTIPART:
        return await _multipart(request, limit)
    payload = await body(request, limit)
    start = payload.lstrip()[:1]
    if not start:
        return {}
    if kind == FORM and start != b"{":  # `curl -d` says it is a form, whatever it is
        return parse(payload.decode(errors="replace"))
    if kind.endswith("json") or start == b"{":
        found = decode(payload)
        if not isinstance(found, dict):
            raise BadParams("Expected a JSON object as the body, its keys being the arguments")
        return found
    raise BadRequest("The body is neither JSON nor a form; say which by its Content-Type")


async def body(request: web.BaseRequest, limit: int) -> bytes:
    """The whole body, at most `limit` bytes of it."""
    await _announce(request, limit)
    content, chunks = request.content, bytearray()
    try:
        async with asyncio.timeout(None if content.is_eof() else BODY_TIMEOUT):
            while not content.at_eof():
                chunks += await content.readany()
                if len(chunks) > limit:
                    raise _too_large(limit)
    except TimeoutError as error:
        raise BadRequest(f"The body did not arrive within {BODY_TIMEOUT:g} s") from error
    except web.RequestPayloadError as error:
        raise BadRequest("The body cannot be read; it broke off or is not encoded as it says") from error
    return bytes(chunks)


async def _multipart(request: web.BaseRequest, limit: int) -> dict[str, Any]:
    """The text fields of a multipart form; files are the business of uploads."""
    await _announce(request, limit)
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            fields = await request.post()
    except TimeoutError as error:
        raise BadRequest(f"The body did not arrive within {BODY_TIMEOUT:g} s") from error
    except web.HTTPRequestEntityTooLarge as error:
        raise _too_large(min(limit, request.client_max_size)) from error
    except (ValueError, web.RequestPayloadError) as error:
        raise BadRequest("The body is not the multipart form it says it is") from error
    return dict(_hinted(key, value) for key, value in fields.items() if isinstance(value, str))


async def _announce(request: web.BaseRequest, limit: int) -> None:
    """Refuse by the announced size; else tell a client that waits for it to go on."""
    if (request.content_length or 0) > limit:
        raise _too_large(limit)
    if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer itself has not begun


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is larger than {limit} bytes (http.max_body)")
