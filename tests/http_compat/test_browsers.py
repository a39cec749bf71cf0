"""What a web page that somebody visits sends behind the back of that somebody: nothing of it moves the printer."""

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.app import describe_registry
from bridge.errors import ConfigError
from bridge.http_compat.origins import Origins
from bridge.rpc import Access
from tests.http_compat.house import UNTRUSTED, House, house

SCRIPT = "/sample/script"
FORM = {"script": "G28"}
RPC = '{"jsonrpc": "2.0", "method": "sample.script", "params": {"script": "G28"}, "id": 1}'
EVIL, REBOUND = "http://evil.example", "evil.example:7125"
CROSS = {"Sec-Fetch-Site": "cross-site"}


def text(kind: str) -> dict[str, str]:
    return {"Content-Type": kind}


# what a browser sends, for which page
ATTACKS: dict[str, tuple[str, str, dict[str, str], Any]] = {
    "form POST": ("POST", SCRIPT, {"Origin": EVIL}, FORM),
    "form POST, no Origin": ("POST", SCRIPT, {"Referer": f"{EVIL}/"}, FORM),
    "form POST, no referrer": ("POST", SCRIPT, CROSS, FORM),
    "form POST, privacy": ("POST", SCRIPT, {"Origin": "null", **CROSS}, FORM),
    "form POST, query": ("POST", f"{SCRIPT}?script=G28", {"Origin": EVIL}, None),
    "form POST, query, no Origin": ("POST", f"{SCRIPT}?script=G28", CROSS, None),
    "form as text": ("POST", "/server/jsonrpc", {"Referer": EVIL, **text("text/plain")}, RPC),
    "form as multipart": ("POST", SCRIPT, {**CROSS, **text("multipart/form-data; boundary=x")}, "--x--"),
    "img GET": ("GET", f"{SCRIPT}?script=G28", {**CROSS, "Sec-Fetch-Dest": "image"}, None),
    "img GET, old": ("GET", f"{SCRIPT}?script=G28", {"Referer": EVIL}, None),
    "HEAD": ("HEAD", f"{SCRIPT}?script=G28", CROSS, None),
    "fetch no-cors": ("POST", "/server/jsonrpc", {"Origin": EVIL, **text("text/plain")}, RPC),
    "fetch no-cors, form": ("POST", "/server/jsonrpc", {"Origin": EVIL, **text("application/x-www-form-urlencoded")}, RPC),
    "fetch cors": ("POST", SCRIPT, {"Origin": EVIL, **text("application/json")}, '{"script": "G28"}'),
    "beacon": ("POST", SCRIPT, {"Origin": EVIL, "Sec-Fetch-Mode": "no-cors", **CROSS}, FORM),
    "neighbour": ("POST", SCRIPT, {"Sec-Fetch-Site": "same-site"}, FORM),
    "rebinding": ("POST", SCRIPT, {"Origin": f"http://{REBOUND}", "Host": REBOUND, **text("application/json")}, '{"script": "G28"}'),
    "rebinding, dot": ("POST", SCRIPT, {"Origin": "http://evil.example.", "Host": "evil.example."}, FORM),
    "rebinding, no Origin": ("POST", SCRIPT, {"Host": REBOUND, **text("application/json")}, '{"script": "G28"}'),
    "rebinding GET": ("GET", "/sample/raw", {"Host": REBOUND}, None),
    "rebinding, a URL as Host": ("GET", "/sample/raw", {"Host": "http://evil.example"}, None),
    "rebinding, user part": ("GET", "/sample/raw", {"Host": "localhost@evil.example"}, None),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
async def test_an_attack_moves_nothing(bare: House, name: str) -> None:
    verb, path, headers, data = ATTACKS[name]
    status, _, answer = await bare.fetch(verb, path, headers=headers, data=data)
    assert status in (403, 405)
    assert "Access-Control-Allow-Origin" not in answer or status == 405
    assert not bare.fake.methods("gcode/script")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": f"http://{REBOUND}", "Host": REBOUND},
        {"Host": REBOUND},
        {"Origin": "http://127.0.0.1.evil.example"},
    ],
)
@pytest.mark.parametrize("path", ["/websocket", "/klippysocket"])
async def test_a_foreign_page_opens_no_websocket(bare: House, headers: dict[str, str], path: str) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await bare.session.ws_connect(bare.url + path, headers=headers)
    assert refused.value.status == 403


# what slicers, scripts and our own pages send, and what it needs
FRIENDS: dict[str, tuple[dict[str, str], Any]] = {
    "curl": ({}, FORM),
    "curl, JSON": (text("application/json"), '{"script": "G28"}'),
    "curl, text": (text("text/plain"), '{"script": "G28"}'),
    "slicer": ({"User-Agent": "PrusaSlicer/2.9", "X-Api-Key": ""}, FORM),
    "own page": ({"Origin": "http://127.0.0.1:8080"}, FORM),
    "own page, no Origin": ({"Sec-Fetch-Site": "same-origin", "Referer": "http://127.0.0.1/"}, FORM),
    "typed by hand": ({"Sec-Fetch-Site": "none"}, FORM),
    "JSON of a page that strips its Origin": ({"Referer": EVIL, **text("application/json")}, '{"script": "G28"}'),
    "a key": ({"Referer": EVIL, "X-Api-Key": "right"}, FORM),
    "a name of the network": ({"Host": "printer.local:7125", "Origin": "http://printer.local"}, FORM),
    "an address": ({"Host": "192.168.1.7"}, FORM),
    "IPv6": ({"Host": "[fd00::7]:7125"}, FORM),
    "one word": ({"Host": "printer"}, FORM),
    "fritz": ({"Host": "printer.fritz.box"}, FORM),
    "home.arpa": ({"Host": "printer.home.arpa"}, FORM),
    "internal": ({"Host": "printer.internal"}, FORM),
    "lan": ({"Host": "PRINTER.LAN"}, FORM),
    "configured": ({"Host": "printer.example:443", "Origin": "https://printer.example"}, FORM),
    "configured, below": ({"Host": "a.printers.example"}, FORM),
}  # fmt: skip


@pytest.mark.parametrize("name", FRIENDS)
async def test_what_is_no_attack_works(tmp_path: Path, name: str) -> None:
    headers, data = FRIENDS[name]
    options = {"api_key": "right", "hosts": ["Printer.example", "*.printers.example"]}
    async with house(tmp_path, **options) as one:
        one.fake.scripts_end.set()
        status, body, _ = await one.fetch("POST", SCRIPT, headers=headers, data=data)
        assert (status, body) == (200, {"result": "ok"})


async def test_the_refusal_of_a_host_names_the_option(bare: House) -> None:
    _, body, _ = await bare.fetch("GET", "/sample/raw", headers={"Host": REBOUND})
    assert "http.hosts" in body["error"]["message"]
    assert REBOUND in body["error"]["message"]


async def test_a_foreign_page_with_a_key_is_a_foreign_page(tmp_path: Path) -> None:
    async with house(tmp_path, **UNTRUSTED) as one:
        headers = {"Origin": EVIL, "X-Api-Key": "right"}
        assert (await one.fetch("POST", SCRIPT, headers=headers, json=FORM))[0] == 403
        assert not one.fake.methods("gcode/script")


@pytest.mark.parametrize("name", ["", "a b", "http://x", "x:80", "/", "a/b"])
def test_a_host_that_is_no_name_is_a_mistake(name: str) -> None:
    with pytest.raises(ConfigError, match=r"http\.hosts: expected a host's name"):
        Origins([], [name])


# methods whose class is not READ, and that GET offers all the same: they only look
LOOKS = {
    "access.get_api_key", "access.get_user", "access.oneshot_token", "access.users.list",
    "server.database.get_item", "server.database.list",
}  # fmt: skip


def test_nothing_changes_by_get() -> None:
    table = describe_registry().methods.values()
    assert {m.name for m in table if "GET" in m.verbs and m.access is not Access.READ} <= LOOKS
    actions = ("post", "delete", "start", "set", "add", "remove", "reset", "restart", "move", "copy")
    reads = [m.name.rpartition(".")[2] for m in table if "GET" in m.verbs]
    assert [name for name in reads if name.startswith(actions)] == []


async def test_a_method_of_klippy_s_own_that_acts_is_not_offered_by_get(bare: House) -> None:
    assert (await bare.fetch("GET", "/printer/does/things"))[0] == 405
    assert (await bare.fetch("POST", "/printer/does/things"))[0] == 200
