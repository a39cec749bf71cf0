"""Requests and answers over HTTP, down to what is no HTTP at all."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.config import Http
from bridge.errors import ConfigError
from tests.http_compat.house import UNTRUSTED, House, house
from tests.http_compat.sample import ERRORS
from tests.wire import until


async def talk(one: House, *parts: bytes) -> bytes:
    """Raw bytes there, and all that comes back until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", one.door.port)
    for part in parts:
        writer.write(part)
        await writer.drain()
    try:
        async with asyncio.timeout(5):
            return await reader.read()
    finally:
        writer.close()


async def test_a_result_is_the_first_key_and_json(bare: House) -> None:
    async with bare.session.get(f"{bare.url}/sample/raw") as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "application/json; charset=UTF-8"
        assert "aiohttp" not in response.headers["Server"]
        assert await response.read() == b'{"result":{"a":[1,2],"spliced": true}}'


async def test_each_verb_of_a_path_is_a_method(bare: House) -> None:
    for verb in ("GET", "POST", "DELETE"):
        status, body, _ = await bare.fetch(verb, "/sample/item?key=k")
        assert (status, body) == (200, {"result": {"verb": verb.lower(), "key": "k"}})


async def test_head_is_get_without_the_body(bare: House) -> None:
    async with bare.session.head(f"{bare.url}/sample/raw") as response:
        assert response.status == 200
        assert int(response.headers["Content-Length"]) == len(b'{"result":{"a":[1,2],"spliced": true}}')
        assert await response.read() == b""


async def test_nan_is_null_and_a_lone_surrogate_does_no_harm(bare: House) -> None:
    assert await bare.get("/sample/odd") == {"nan": None, "name": "a�b"}


@pytest.mark.parametrize("kind", list(ERRORS))
async def test_an_error_has_its_http_status_as_code(bare: House, kind: str) -> None:
    status, body, _ = await bare.fetch("GET", f"/sample/fail?kind={kind}")
    assert status == ERRORS[kind].status
    assert body == {"error": {"code": ERRORS[kind].status, "message": str(ERRORS[kind])}}


@pytest.mark.parametrize("path", ["/sample/fail?kind=bug", "/sample/unwritable"])
async def test_a_bug_is_logged_and_told_without_its_trace(
    bare: House, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    status, body, _ = await bare.fetch("GET", path)
    assert status == 500
    assert "/home/pi" not in json.dumps(body)
    assert "object at" not in json.dumps(body)
    assert any(record.exc_info for record in caplog.records)


async def test_an_unwritable_result_is_answered_over_a_websocket_too(bare: House) -> None:
    async with bare.socket() as ws:
        assert (await ws.refused("sample.unwritable"))["code"] == -32603
        assert await ws.call("sample.raw")


async def test_an_unknown_path_is_404(bare: House) -> None:
    for path in (
        "/",
        "/nothing",
        "/sample",
        "/sample/echo/more",
        "/printer/unknown",
        "/..%2f..%2fetc/passwd",
    ):
        status, body, _ = await bare.fetch("GET", path)
        assert (status, body["error"]["code"]) == (404, 404), path
    status, body, _ = await bare.fetch("GET", "/")
    assert (status, "web UI" in body["error"]["message"]) == (404, True)


async def test_a_wrong_verb_is_405_and_says_which_are_right(bare: House) -> None:
    status, body, headers = await bare.fetch("PUT", "/sample/item?key=k")
    assert (status, body["error"]["code"]) == (405, 405)
    assert headers["Allow"] == "DELETE, GET, HEAD, OPTIONS, POST"
    status, _, headers = await bare.fetch("GET", "/sample/stop")
    assert (status, headers["Allow"]) == (405, "OPTIONS, POST")


async def test_a_trailing_slash_and_percent_signs_are_forgiven(bare: House) -> None:
    assert await bare.get("/sample/raw/") == await bare.get("/sample/raw")
    reply = await talk(bare, b"GET /s%61mple/raw HTTP/1.0\r\n\r\n")
    assert reply.startswith(b"HTTP/1.0 200")


async def test_the_absolute_form_of_a_target_is_understood(bare: House) -> None:
    reply = await talk(bare, b"GET http://x/sample/echo?text=y HTTP/1.0\r\n\r\n")
    assert reply.endswith(b'{"result":{"text":"y"}}')


async def test_what_klippy_offers_at_run_time_is_found_below_printer(bare: House) -> None:
    assert await bare.get("/printer/looks/only?a=1,2") == {"endpoint": "printer.looks.only", "a": "1,2"}
    status, body, _ = await bare.fetch("POST", "/printer/does/things", json={"params": {"x": 1}})
    assert (status, body) == (200, {"result": {"endpoint": "printer.does.things", "x": 1}})
    status, _, headers = await bare.fetch("GET", "/printer/does/things")
    assert (status, headers["Allow"]) == (405, "OPTIONS, POST")


async def test_json_rpc_goes_over_http_too(bare: House) -> None:
    request = {"jsonrpc": "2.0", "method": "sample.echo", "params": {"text": "x"}, "id": 0}
    status, body, _ = await bare.fetch("POST", "/server/jsonrpc", json=request)
    assert (status, body) == (200, {"jsonrpc": "2.0", "result": {"text": "x"}, "id": 0})
    status, body, _ = await bare.fetch("POST", "/server/jsonrpc", json=[request, 3])
    assert [part.get("error", {}).get("code") for part in body] == [None, -32600]
    status, body, _ = await bare.fetch("POST", "/server/jsonrpc", data=b"{")
    assert (status, body["error"]["code"]) == (200, -32700)
    status, body, _ = await bare.fetch(
        "POST", "/server/jsonrpc", json={"jsonrpc": "2.0", "method": "sample.raw"}
    )
    assert (status, body) == (204, None)


async def test_a_method_of_another_door_has_no_path(bare: House) -> None:
    request = {"jsonrpc": "2.0", "method": "sample.id", "id": 1}
    _, body, _ = await bare.fetch("POST", "/server/jsonrpc", json=request)
    assert body["error"]["code"] == 403
    assert (await bare.fetch("GET", "/sample/id"))[0] == 404


async def test_a_body_over_the_limit_is_413(tmp_path: Path) -> None:
    async with house(tmp_path, max_body=2000) as one:
        status, body, _ = await one.fetch("POST", "/sample/echo", json={"text": "x" * 3000})
        assert (status, body["error"]["code"]) == (413, 413)
        assert "http.max_body" in body["error"]["message"]

        async def endless() -> Any:
            for _ in range(100):
                yield b"x" * 1000
                await asyncio.sleep(0)

        for path in ("/sample/echo", "/server/jsonrpc"):
            with_chunks = one.session.post(one.url + path, data=endless())
            async with with_chunks as response:
                assert response.status == 413
        form = aiohttp.FormData()
        form.add_field("text", "x" * 3000)
        assert (await one.fetch("POST", "/sample/echo", data=form, expect100=True))[0] == 413
        announced = b"POST /sample/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2001\r\n\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", one.door.port)
        writer.write(announced)  # and not one byte of it
        assert b" 413 " in await asyncio.wait_for(reader.readline(), 5)
        writer.close()
        status, body, _ = await one.fetch("POST", "/sample/echo", json={"text": "x" * 1500})
        assert status == 200


async def test_a_client_that_waits_for_100_continue_is_told_to_go_on(bare: House) -> None:
    status, body, _ = await bare.fetch("POST", "/sample/echo", json={"text": "x"}, expect100=True)
    assert (status, body) == (200, {"result": {"text": "x"}})


NO_HTTP = [
    b"\x16\x03\x01\x02\x00garbage\r\n\r\n",
    b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
    b"POST /sample/echo HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n",
]


@pytest.mark.parametrize("payload", NO_HTTP)
async def test_what_is_no_http_gets_json_and_the_server_lives(bare: House, payload: bytes) -> None:
    reply = await talk(bare, payload)
    head, _, body = reply.partition(b"\r\n\r\n")
    assert b" 400 " in head.splitlines()[0]
    assert json.loads(body)["error"]["code"] == 400
    assert await bare.get("/sample/raw")


async def test_a_client_that_leaves_in_mid_body_is_no_error(
    bare: House, caplog: pytest.LogCaptureFixture
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", bare.door.port)
    writer.write(b"POST /sample/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()
    await bare.get("/sample/raw")
    writer.transport.abort()
    await until(writer.transport.is_closing)
    assert await bare.get("/sample/raw")
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_script_goes_on_when_its_client_has_gone(bare: House) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", bare.door.port)
    writer.write(b"POST /sample/script?script=G28 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await until(lambda: bare.fake.methods("gcode/script"))
    writer.transport.abort()
    wait = asyncio.ensure_future(bare.fetch("POST", "/sample/wait?name=whole"))
    await bare.get("/sample/raw")
    wait.cancel()
    await asyncio.gather(wait, return_exceptions=True)
    bare.sample.gate.set()
    await until(lambda: bare.sample.finished == ["whole"])
    bare.fake.scripts_end.set()
    assert await bare.get("/sample/raw")


async def test_no_more_connections_than_configured(tmp_path: Path) -> None:
    async with house(tmp_path, max_connections=3) as one:
        async with one.socket(), one.socket(), one.socket():
            reply = await talk(one, b"GET /sample/raw HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert reply.startswith(b"HTTP/1.1 503")
            assert b"http.max_connections" in reply
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await one.session.ws_connect(f"{one.url}/websocket")
            assert refused.value.status == 503
        await until(lambda: one.sockets.count == 0)
        assert await one.get("/sample/raw")


async def test_a_port_that_is_taken_is_one_clear_error(bare: House, tmp_path: Path) -> None:
    other = House(Http(port=bare.door.port), tmp_path / "other.sock", None)
    with pytest.raises(ConfigError) as error:
        await other.door.open()
    await other.door.close()
    await other.session.close()
    assert str(error.value).startswith("http.port: cannot listen on 127.0.0.1 port")
    assert "something else listens there" in str(error.value)


async def test_the_url_names_the_port_that_was_found(bare: House) -> None:
    assert bare.door.port > 0
    assert bare.url == f"http://127.0.0.1:{bare.door.port}"


async def test_the_door_closes_in_time_with_everything_open(tmp_path: Path) -> None:
    async with house(tmp_path) as one, one.socket() as ws, one.socket("/klippysocket"):
        await ws.say("sample.wait")
        pending = asyncio.ensure_future(one.fetch("POST", "/sample/wait"))
        await one.get("/sample/raw")
        async with asyncio.timeout(4):
            await one.door.close()
        assert (await ws.response.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
        pending.cancel()
        await asyncio.gather(pending, return_exceptions=True)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:7125"),
        ("0.0.0.0", "http://127.0.0.1:7125"),
        ("::", "http://[::1]:7125"),
        ("fe80::1", "http://[fe80::1]:7125"),
        ("printer.local", "http://printer.local:7125"),
    ],
)
async def test_the_url_is_one_that_works_on_this_machine(tmp_path: Path, host: str, url: str) -> None:
    one = House(Http(host=host), tmp_path / "none.sock", None)
    assert one.url == url
    await one.session.close()


async def test_a_method_with_a_path_of_its_own_is_not_below_printer(bare: House) -> None:
    assert await bare.get("/sample/elsewhere") == "here"
    assert (await bare.fetch("GET", "/printer/sampled"))[0] == 404


async def test_strangers_get_401_and_a_reason(tmp_path: Path) -> None:
    async with house(tmp_path, **UNTRUSTED) as one:
        for verb, path in (("GET", "/sample/raw"), ("POST", "/server/jsonrpc"), ("POST", "/sample/stop")):
            status, body, _ = await one.fetch(verb, path)
            assert (status, body["error"]["code"]) == (401, 401)
            assert "no API key was sent" in body["error"]["message"]
