"""Hostile HTTP at the real door: request lines, headers, queries, forms and bodies as bytes."""

import asyncio
import contextlib
import json
import re
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.app import Bridge
from bridge.errors import BadParams, TooDeep
from bridge.http_compat import arguments
from bridge.http_compat.origins import Origins
from tests.fuzz.conftest import Run, bugs
from tests.fuzz.material import HARD, METHODS, PARAMS, TABLE, payloads, texts

pytestmark = pytest.mark.fuzz

PATHS = [
    *sorted({str(TABLE[name].path) for name in METHODS if TABLE[name].path}),
    *("/server/jsonrpc", "/websocket", "/klippysocket", "/", "/api/version", "/server/files/gcodes/a", "/printer/x"),
]  # fmt: skip
HEADERS = [
    *("X-Api-Key", "Authorization", "Origin", "Host", "Referer", "Content-Type", "X-Forwarded-For", "X-Real-IP"),
    *("Forwarded", "Sec-Fetch-Site", "Cookie", "Range", "Expect", "Upgrade", "If-None-Match", "Accept-Encoding"),
    *("Content-Encoding", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Overwrite", "X-Odd"),
]  # fmt: skip
VALUES = [
    *("Bearer ", "Bearer a.b.c", "Digest", 'Digest nonce="', "Basic Og==", "null", "http://127.0.0.1", "[::1", "[bad"),
    *("application/json", "multipart/form-data", "multipart/form-data; boundary=x", "text/plain; charset=none"),
    *("application/x-www-form-urlencoded", "127.0.0.1, ::1", "for=_hidden;by=", 'for="[::1]:1"', "100-continue"),
    *("bytes=0-", "bytes=9-1", "websocket", "gzip", "br", "\xff\xfe", "::ffff:127.0.0.1%x", "a" * 300, ""),
]  # fmt: skip
line = st.one_of(
    st.sampled_from(VALUES), st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=40)
)
hints = st.sampled_from(["", "", ":int", ":bool", ":float", ":json", ":odd", ":"])


@st.composite
def queries(draw: st.DrawFn) -> str:
    parts = draw(st.lists(st.tuples(st.sampled_from(PARAMS), hints, texts), max_size=5))
    safe = draw(st.sampled_from(["", "%&=+;:/?"]))
    return "&".join(
        f"{name}{hint}={quote(value, safe=safe, errors='replace')}" for name, hint, value in parts
    )


@st.composite
def raw_requests(draw: st.DrawFn) -> bytes:
    verb = draw(st.sampled_from(["GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "BREW", ""]))
    path = draw(
        st.one_of(st.sampled_from(PATHS), texts.map(lambda text: "/" + quote(text, errors="replace")))
    )
    body = draw(
        st.one_of(st.just(b""), payloads(), queries().map(lambda query: query.encode("ascii", "replace")))
    )
    length = draw(st.sampled_from([len(body), len(body), len(body), 0, "x", -1]))
    headers = draw(st.lists(st.tuples(st.sampled_from(HEADERS), line), max_size=6))
    head = [f"{verb} {path}?{draw(queries())} HTTP/1.1", "Connection: close", f"Content-Length: {length}"]
    if draw(st.booleans()):
        head.append("Host: localhost")
    head += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join(head).encode("latin-1", "replace") + b"\r\n\r\n" + body


def test_the_door_answers_whatever_comes(
    running: tuple[Bridge, Run], caplog: pytest.LogCaptureFixture
) -> None:
    bridge, run = running
    door = bridge.http
    assert door is not None

    async def talk(payload: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(payload)
        writer.write_eof()
        try:
            async with asyncio.timeout(3):
                return await reader.read(100_000)
        except (TimeoutError, ConnectionError):
            return b""
        finally:
            writer.close()

    @HARD
    @given(payload=raw_requests())
    def fuzz(payload: bytes) -> None:
        caplog.clear()
        answer = run(talk(payload))
        assert bugs(caplog) == []
        if not answer:
            return
        head, _, body = answer.partition(b"\r\n\r\n")
        found = re.match(rb"HTTP/1.1 (\d{3}) ", head)
        assert found, answer[:200]
        status = int(found[1])
        assert status < 500 or status in (503, 504, 507), answer[:500]
        assert b"Traceback" not in body
        if b"application/json" in head and body and b"chunked" not in head:
            assert isinstance(json.loads(body), dict | list)

    fuzz()


def test_arguments_are_taken_apart_or_refused() -> None:
    @HARD
    @given(text=st.one_of(queries(), texts, st.text()))
    def fuzz(text: str) -> None:
        with contextlib.suppress(BadParams, TooDeep):
            assert all(isinstance(name, str) for name in arguments.parse(text))

    fuzz()


def test_an_origin_is_ours_or_it_is_not() -> None:
    ours = Origins(["http://ui.example"], ["printer.example"])

    @HARD
    @given(origin=st.one_of(line, texts), host=st.one_of(line, texts))
    def fuzz(origin: str, host: str) -> None:
        assert ours.allows(origin, host) in (True, False)
        assert ours.knows_host(host) in (True, False)
        assert not ours.allows(f"http://evil.example/{origin}", "localhost")
        assert not ours.knows_host(f"{host}.evil.example")

    fuzz()
