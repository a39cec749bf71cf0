"""How much one caller may ask for: sizes, depths, times and connections, each with its answer and its count."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.decoding import MAX_DEPTH, decode
from bridge.errors import ParseError, TooDeep
from bridge.http_compat.arguments import BODY_TIMEOUT
from bridge.http_compat.pipe import Limits
from bridge.http_compat.wire import FIRST, MAX_HEADERS, MAX_LINE
from tests.http_compat.house import House, house
from tests.http_compat.test_app import talk
from tests.wire import until

GET = b"GET /sample/raw HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


# -- depth


def test_json_has_a_depth() -> None:
    assert decode(nested(MAX_DEPTH)) is not None
    objects = '{"a":' * MAX_DEPTH + "1" + "}" * MAX_DEPTH
    assert decode(objects.encode()) is not None
    assert len(decode(f"[{','.join([nested(5)] * 1000)}]")) == 1000  # wide is not deep
    for deep in (nested(MAX_DEPTH + 1), '{"a":' + objects + "}", nested(100_000), "[" * 3_000_000):
        with pytest.raises(ParseError):
            decode(deep)
    with pytest.raises(TooDeep, match=f"deeper than {MAX_DEPTH}"):
        decode(nested(MAX_DEPTH + 1))
    assert decode('"' + "[{" * 500 + '"') == "[{" * 500  # brackets in a text are no depth


async def test_deep_json_is_413_at_every_way_in(bare: House) -> None:
    deep = nested(MAX_DEPTH + 1)
    for path, data in (("/sample/echo", f'{{"value": {deep}}}'), ("/sample/echo?value:json=" + deep, None)):
        status, body, _ = await bare.fetch("POST", path, data=data)
        assert (status, "deeper" in body["error"]["message"]) == (413, True)
    status, body, _ = await bare.fetch("POST", "/server/jsonrpc", data=deep)
    assert (status, body["error"]["code"]) == (200, -32700)
    async with bare.socket() as ws:
        await ws.response.send_str(deep)
        assert (await ws.hear())["error"]["code"] == -32700
        assert await ws.call("sample.raw")
    assert bare.door.overloads == 3


# -- size


async def test_a_large_body_is_413_and_counted(tmp_path: Path) -> None:
    async with house(tmp_path, max_body=1024) as one:
        assert (await one.fetch("POST", "/sample/echo", data=b"{" + b" " * 2000))[0] == 413
        assert one.door.overloads == 1


@pytest.mark.parametrize(
    "large",
    [
        b"X-Large: " + b"x" * (MAX_LINE + 10) + b"\r\n",
        b"X" * (MAX_LINE + 10) + b": x\r\n",
        b"".join(b"X-%d: x\r\n" % number for number in range(MAX_HEADERS + 5)),
    ],
    ids=["value", "name", "number"],
)
async def test_large_headers_are_431_and_counted(bare: House, large: bytes) -> None:
    reply = await talk(bare, GET + large + b"\r\n")
    head, _, body = reply.partition(b"\r\n\r\n")
    assert b" 431 " in head.splitlines()[0]
    assert json.loads(body)["error"]["code"] == 431
    assert bare.door.overloads == 1
    assert await bare.get("/sample/raw")


async def test_a_long_request_line_is_431(bare: House) -> None:
    reply = await talk(bare, b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n")
    assert b" 431 " in reply.splitlines()[0]


async def test_headers_as_large_as_they_may_be_are_taken(bare: House) -> None:
    reply = await talk(bare, GET + b"X-Large: " + b"x" * (MAX_LINE - 100) + b"\r\n\r\n")
    assert b" 200 " in reply.splitlines()[0]


# -- number


@contextlib.asynccontextmanager
async def connected(one: House, number: int) -> AsyncIterator[list[tuple[Any, Any]]]:
    """Connections that are open and served."""
    lines = []
    for _ in range(number):
        reader, writer = await asyncio.open_connection("127.0.0.1", one.door.port)
        writer.write(b"GET /sample/raw HTTP/1.1\r\nHost: localhost\r\n\r\n")
        lines.append((reader, writer))
        await reader.readuntil(b"\r\n")
    yield lines
    for _, writer in lines:
        writer.close()


async def test_too_many_connections_of_one_address_are_429(tmp_path: Path) -> None:
    async with house(tmp_path, max_connections_per_address=3) as one:
        async with connected(one, 3):
            reply = await talk(one, GET + b"\r\n")
            assert b" 429 " in reply.splitlines()[0]
            assert b"http.max_connections_per_address" in reply
            assert one.door.overloads == 1
        await until(lambda: not one.door._server.open)
        reply = await talk(one, GET + b"\r\n")
        assert b" 200 " in reply.splitlines()[0]


async def test_a_proxy_speaks_for_many(tmp_path: Path) -> None:
    options: dict[str, Any] = {"max_connections_per_address": 1, "proxies": ["127.0.0.1"]}
    async with house(tmp_path, **options) as one, connected(one, 4) as lines:
        assert len(lines) == 4
        assert one.door.overloads == 0


async def test_a_connection_too_many_that_says_nothing_is_closed_soon(tmp_path: Path) -> None:
    async with house(tmp_path, max_connections_per_address=1) as one, connected(one, 1):
        reader, writer = await asyncio.open_connection("127.0.0.1", one.door.port)
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()


async def test_requests_in_flight_on_one_websocket_are_bounded_and_counted(tmp_path: Path) -> None:
    async with house(tmp_path, limits=Limits(in_flight=2)) as one, one.socket() as ws:
        for _ in range(2):
            await ws.say("sample.wait")
        assert (await ws.refused("sample.raw"))["code"] == 429
        assert one.door.overloads == 1
        one.sample.gate.set()
        await ws.hear()
        await ws.hear()
        assert await ws.call("sample.raw")


# -- what every answer says


@pytest.mark.parametrize(
    ("verb", "path"),
    [("GET", "/sample/raw"), ("GET", "/nothing"), ("OPTIONS", "/sample/raw"), ("PUT", "/sample/raw")],
)
async def test_no_answer_is_guessed_at_by_a_browser(bare: House, verb: str, path: str) -> None:
    _, _, headers = await bare.fetch(verb, path)
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.torture
@pytest.mark.parametrize("drip", [b"", b"X"], ids=["silence", "a byte a second"])
async def test_a_first_request_that_does_not_come_is_not_waited_for(bare: House, drip: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", bare.door.port)
    begun = asyncio.get_running_loop().time()
    with contextlib.closing(writer):
        end = asyncio.ensure_future(reader.read())
        writer.write(b"GET /server/info HTTP/1.1\r\nHost: localhost\r\nX-Slow: " if drip else b"")
        while not end.done():
            await asyncio.wait({end}, timeout=1)
            with contextlib.suppress(OSError):
                writer.write(drip)
    assert not end.exception()
    assert FIRST - 1 < asyncio.get_running_loop().time() - begun < FIRST + 5
    assert (await bare.fetch("GET", "/sample/raw"))[0] == 200


@pytest.mark.torture
@pytest.mark.parametrize("path", ["/sample/echo", "/server/jsonrpc"])
@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x"])
async def test_a_body_that_does_not_come_is_not_waited_for(bare: House, path: str, kind: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", bare.door.port)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: 9\r\n\r\n{{"
    with contextlib.closing(writer):
        writer.write(head.encode())
        begun = asyncio.get_running_loop().time()
        async with asyncio.timeout(BODY_TIMEOUT + 5):
            reply = await reader.readuntil(b"did not arrive within 30 s")
    assert b" 400 " in reply.splitlines()[0]
    assert asyncio.get_running_loop().time() - begun > BODY_TIMEOUT - 1
    assert (await bare.fetch("GET", "/sample/raw"))[0] == 200
