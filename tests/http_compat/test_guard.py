"""Who may ask: addresses, keys, proxies, and the pages that browsers speak for."""

import socket
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.auth.addresses import parse
from bridge.errors import ConfigError
from bridge.http_compat.origins import Origins, own_names
from tests.http_compat.house import UNTRUSTED, House, house
from tests.wire import until

KEY = {"X-Api-Key": "right"}
WRONG = {"X-Api-Key": "wrong"}
HERE = ["127.0.0.0/8"]

# configuration, headers, status, what the error says
WHO: list[tuple[dict[str, Any], dict[str, str], int, str]] = [
    ({}, {}, 200, ""),
    ({"api_key": "right"}, KEY, 200, ""),
    ({"api_key": "right"}, WRONG, 200, ""),  # slicers send dummies: the address is trusted all the same
    ({"api_key": "right"}, {"X-Api-Key": ""}, 200, ""),
    (UNTRUSTED, {}, 401, "no API key was sent"),
    (UNTRUSTED, {"X-Api-Key": ""}, 401, "no API key was sent"),
    (UNTRUSTED, WRONG, 401, "the API key is wrong"),
    (UNTRUSTED, {"x-api-key": "right"}, 200, ""),
    ({"trusted": []}, KEY, 401, "the API key is wrong"),  # no key is configured
    ({}, {"X-Forwarded-For": "127.0.0.1"}, 401, "http.proxies"),
    ({}, {"X-Real-IP": "127.0.0.1"}, 401, "http.proxies"),
    ({}, {"Forwarded": "for=127.0.0.1"}, 401, "http.proxies"),
    ({"api_key": "right"}, {"X-Forwarded-For": "8.8.8.8", **KEY}, 200, ""),
    ({"proxies": HERE, "trusted": ["10.0.0.0/8"]}, {"X-Forwarded-For": "10.1.2.3"}, 200, ""),
    ({"proxies": HERE, "trusted": ["10.0.0.0/8"]}, {"X-Real-IP": "10.1.2.3"}, 200, ""),
    ({"proxies": HERE, "trusted": ["10.0.0.0/8"]}, {"Forwarded": "for=10.1.2.3;proto=http"}, 200, ""),
    ({"proxies": HERE, "trusted": ["10.0.0.0/8"]}, {"Forwarded": "nonsense"}, 401, "not trusted"),
    (
        {"proxies": HERE, "trusted": ["10.0.0.0/8"]},
        {"X-Forwarded-For": "10.1.2.3, 8.8.8.8"},
        401,
        "not trusted",
    ),
    ({"proxies": HERE, "trusted": ["10.0.0.0/8"]}, {"X-Forwarded-For": "8.8.8.8, ::ffff:10.1.2.3"}, 200, ""),
    ({"proxies": HERE}, {"X-Forwarded-For": "8.8.8.8"}, 401, "not trusted"),
    ({}, {"Host": "evil.example"}, 403, "evil.example"),
    ({"api_key": "right"}, {"Host": "evil.example", **KEY}, 200, ""),
    ({"api_key": "right"}, {"Host": "evil.example", **WRONG}, 403, "evil.example"),
    ({"cors_origins": ["https://ui.example"]}, {"Host": "ui.example:443"}, 200, ""),
    ({}, {"Host": "[bad"}, 403, "[bad"),
    ({}, {"Host": "printer.local"}, 200, ""),
    ({}, {"Host": "PRINTER:7125"}, 200, ""),
    ({}, {"Host": "[::1]:7125"}, 200, ""),
    ({}, {"Host": "192.168.1.7"}, 200, ""),
]


@pytest.mark.parametrize(("options", "headers", "expected", "told"), WHO)
async def test_each_row_of_who_may_call(
    tmp_path: Path, options: dict[str, Any], headers: dict[str, str], expected: int, told: str
) -> None:
    async with house(tmp_path, **options) as one:
        status, body, _ = await one.fetch("GET", "/sample/raw", headers=headers)
        assert status == expected
        assert told in (body["error"]["message"] if expected != 200 else "")
        reached = await one.fetch("POST", "/sample/stop", headers=headers)
        assert reached[0] == expected


async def test_what_one_request_proves_says_nothing_of_the_next(bare: House) -> None:
    proxied = {"X-Forwarded-For": "127.0.0.1"}
    for headers, expected in ({}, 200), (proxied, 401), ({}, 200), (proxied, 401):
        assert (await bare.fetch("GET", "/sample/raw", headers=headers))[0] == expected


FOREIGN = [
    "http://evil.example",
    "https://evil.example:7125",
    "null",
    "http://127.0.0.1.evil.example",
    "x",
    "",
]


@pytest.mark.parametrize("origin", FOREIGN)
async def test_a_page_of_another_origin_reaches_nothing(bare: House, origin: str) -> None:
    headers = {"Origin": origin}
    form = {"script": "G28"}
    for verb, options in (("GET", {}), ("POST", {"data": form}), ("POST", {"data": "x"}), ("OPTIONS", {})):
        status, body, answer = await bare.fetch(verb, "/sample/script", headers=headers, **options)
        assert (status, body["error"]["code"]) == (403, 403)
        assert "Access-Control-Allow-Origin" not in answer
    for path in ("/websocket", "/klippysocket"):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await bare.session.ws_connect(bare.url + path, headers=headers)
        assert refused.value.status == 403
    assert not bare.fake.methods("gcode/script")


async def test_pages_of_the_same_host_name_may_call_on_any_port(bare: House) -> None:
    for origin in ("http://127.0.0.1", "http://127.0.0.1:8080", "https://127.0.0.1:1"):
        status, _, headers = await bare.fetch("GET", "/sample/raw", headers={"Origin": origin})
        assert (status, headers["Access-Control-Allow-Origin"], headers["Vary"]) == (200, origin, "Origin")
        async with bare.socket(headers={"Origin": origin}) as ws:
            assert await ws.call("sample.raw")


async def test_configured_origins_may_call_and_read_errors_too(tmp_path: Path) -> None:
    async with house(tmp_path, cors_origins=["*.local", "http://*.my.net", "https://ui.example"]) as one:
        for origin in ("http://a.local", "https://b.a.local:81", "http://x.my.net", "https://ui.example"):
            for path in ("/sample/raw", "/nothing", "/sample/fail?kind=conflict"):
                _, _, headers = await one.fetch("GET", path, headers={"Origin": origin})
                assert headers["Access-Control-Allow-Origin"] == origin
            async with one.socket(headers={"Origin": origin}) as ws:
                assert await ws.call("sample.raw")
        assert (await one.fetch("GET", "/sample/raw", headers={"Origin": "https://x.my.net"}))[0] == 403


async def test_a_preflight_is_answered_before_anybody_is_known(tmp_path: Path) -> None:
    async with house(tmp_path, **UNTRUSTED, cors_origins=["https://ui.example"]) as one:
        asked = {
            "Origin": "https://ui.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "x-api-key",
        }
        status, body, headers = await one.fetch("OPTIONS", "/sample/item", headers=asked)
        assert (status, body) == (204, None)
        assert headers["Access-Control-Allow-Origin"] == "https://ui.example"
        assert "X-Api-Key" in headers["Access-Control-Allow-Headers"]
        assert "DELETE" in headers["Access-Control-Allow-Methods"]
        assert headers["Allow"] == "DELETE, GET, HEAD, OPTIONS, POST"
        answered = {"Origin": "https://ui.example", **KEY}
        assert (await one.fetch("POST", "/sample/item?key=k", headers=answered))[0] == 200


def test_this_machine_knows_itself_by_its_own_names_alone(tmp_path: Path) -> None:
    me = socket.gethostname().lower()
    hosts = tmp_path / "hosts"
    hosts.write_text(
        f"127.0.0.1 localhost\n127.0.1.1\t{me.upper()}.Example.ORG {me} # {me} other.example\n"
        f"192.168.1.9 nas.example.org nas\n\nbad\n"
    )
    assert own_names(hosts) == {me, f"{me}.example.org"}
    assert own_names(tmp_path / "none") == {me}


async def test_a_name_of_this_machine_may_have_dots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "Printer.Example.ORG")  # what the kernel says
    async with house(tmp_path) as one:
        for host, expected in (("printer.example.org:7125", 200), ("other.example.org", 403)):
            assert (await one.fetch("GET", "/sample/raw", headers={"Host": host}))[0] == expected


async def test_a_host_s_name_in_trusted_lets_its_addresses_in(tmp_path: Path) -> None:
    async with house(tmp_path, trusted=["localhost"]) as one:
        await until(lambda: parse("127.0.0.1") in one.guard._trust)
        assert (await one.fetch("GET", "/sample/raw"))[0] == 200


# pattern, origin, whether it matches
PATTERNS = [
    ("http://ui.example", "http://ui.example", True),
    ("http://ui.example/", "http://ui.example", True),
    ("http://UI.example", "HTTP://ui.EXAMPLE", True),
    ("http://ui.example", "http://ui.example:8080", True),
    ("http://ui.example:80", "http://ui.example:8080", False),
    ("http://ui.example:*", "http://ui.example:8080", True),
    ("http://ui.example", "https://ui.example", False),
    ("ui.example", "https://ui.example", True),
    ("*://ui.example", "https://ui.example", True),
    ("*.local", "http://printer.local", True),
    ("*.local", "http://local", False),
    ("*.local", "http://printer.local.evil.example", False),
    ("*.local", "http://evil.example/x.local", False),
    ("*.local", "http://evil.example:80@x.local", False),
    ("http://*.my.net", "http://a.b.my.net", True),
    ("http://*.my.net", "http://my.net", False),
    ("http://*.my.net", "http://aXmyYnet", False),
    ("http://192.168.1.*", "http://192.168.1.20:81", True),
    ("*", "https://anything.example", True),
    ("[::1]", "http://[::1]:80", True),
    ("*.local", "http://[bad", False),
]


@pytest.mark.parametrize(("pattern", "origin", "expected"), PATTERNS)
def test_a_pattern_matches_whole_origins(pattern: str, origin: str, expected: bool) -> None:
    assert Origins([pattern]).allows(origin, "other") is expected


@pytest.mark.parametrize("pattern", ["", "http://", "http://a.example/path", "a b", "ftp:/x"])
def test_a_pattern_that_is_none_is_a_mistake_in_the_configuration(pattern: str) -> None:
    with pytest.raises(ConfigError, match=r"http\.cors_origins"):
        Origins([pattern])


async def test_a_stranger_may_open_a_websocket_but_calls_nothing(tmp_path: Path) -> None:
    async with house(tmp_path, **UNTRUSTED) as one, one.socket() as ws, one.socket(headers=KEY) as other:
        assert (await ws.refused("sample.raw"))["code"] == 401
        assert (await ws.refused("sample.script", {"script": "G28"}))["code"] == 401
        assert await other.call("sample.raw")
        one.sample.ended.emit(None)
        assert (await other.notified("notify_sample_ended"))["method"] == "notify_sample_ended"
        assert (await ws.refused("sample.raw"))["code"] == 401
        assert ws.heard == []


async def test_a_right_key_in_identify_opens_a_websocket(tmp_path: Path) -> None:
    async with house(tmp_path, **UNTRUSTED) as one, one.socket() as ws:
        assert (await ws.refused("sample.identify", {"name": "ui"}))["code"] == 401
        refused = await ws.refused("sample.identify", {"name": "ui", "api_key": "wrong"})
        assert (refused["code"], "the API key is wrong" in refused["message"]) == (401, True)
        identifier = await ws.call("sample.identify", {"name": "ui", "api_key": "right"})
        assert await ws.call("sample.id") == identifier
        assert await ws.call("sample.whisper") == "websocket"
        assert ws.heard == [{"jsonrpc": "2.0", "method": "notify_whisper", "params": ["_API_KEY_USER_"]}]
        one.sample.ended.emit(None)
        assert await ws.notified("notify_sample_ended") == {"jsonrpc": "2.0", "method": "notify_sample_ended"}
