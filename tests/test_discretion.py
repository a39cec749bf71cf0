"""Secrets are planted everywhere, everything is asked, and whatever comes out is searched for them."""

import json
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.config import Discretion, convert, secrets_of
from bridge.klippy.simulator import Simulator
from bridge.klippy.simulator.printer import RemoteCall
from bridge.logs import Masking
from bridge.rpc import Access
from tests.conftest import Running, Start
from tests.wire import Ear, until

BROKER, KEY, PASSWORD = "s3cret-broker", "s3cret-api-key", "s3cret-password"
SERVICE, FEED, STRIP, SUDO = "s3cret-service", "s3cret-feed", "s3cret-strip", "s3cret-sudo"
GITHUB = "s3cret-github"
PLUG, HUB, SPOOLMAN = "s3cret-plug", "s3cret-hub", "s3cret-spoolman"
FAILURES = (
    "'phone' could not deliver",
    "feed 'news'",
    "light strip 'lights'",
    "power device plug",
    "power device hub",
    "Spoolman",
)
TRACES = re.compile(r"Traceback|File \"|site-packages|\.py\b|line \d+, in ")


class Planted:
    """A bridge full of secrets, and everything that it has said."""

    def __init__(self, bridge: Running, session: aiohttp.ClientSession) -> None:
        self.bridge, self.said = bridge, dict[str, str]()
        self._session, self._numbers = session, iter(range(10_000))
        assert bridge.bridge.http is not None
        self.url = bridge.bridge.http.url

    async def fetch(self, verb: str, path: str, **options: Any) -> str:
        async with self._session.request(verb, self.url + path, **options) as response:
            text = await response.text()
            shown = f"{response.status} {sorted(response.headers.items())} {text}"
            self.said[f"{next(self._numbers)} {verb} {path}"] = shown
            return text

    async def call(self, method: str, params: Any = None, **options: Any) -> Any:
        body = {"jsonrpc": "2.0", "method": method, "id": 1} | ({} if params is None else {"params": params})
        return json.loads(await self.fetch("POST", "/server/jsonrpc", json=body, **options))


@asynccontextmanager
async def planted(start: Start) -> AsyncIterator[Planted]:
    bridge = await start(
        mqtt={"username": "printer", "password": BROKER},
        http={"api_key": KEY, "proxies": ["127.0.0.1"]},
        logging={"level": "debug"},
        notifiers={"phone": {"url": f"json://127.0.0.1:1/{SERVICE}", "retry": 0.01}},
        announcements={"feeds": {"news": f"http://me:{FEED}@127.0.0.1:1/x.xml"}},
        wled={"lights": {"type": "http", "address": f"http://me:{STRIP}@127.0.0.1:1"}},
        power={
            "plug": {"type": "http", "preset": "tasmota", "address": "127.0.0.1:1", "password": PLUG},
            "hub": {
                "type": "http",
                "preset": "homeassistant",
                "address": "127.0.0.1:1",
                "device": "a.b",
                "token": HUB,
            },
        },
        spoolman={"server": f"http://me:{SPOOLMAN}@127.0.0.1:1"},
        machine={"provider": "none", "sudo_password": SUDO},
        updates={
            "api": "http://127.0.0.1:1",
            "token": GITHUB,
            "components": {"ui": {"type": "web", "path": "/nowhere/ui", "repo": "a/b"}},
            "refresh_interval": 1,
        },
    )
    async with aiohttp.ClientSession() as session:
        yield Planted(bridge, session)


async def test_nothing_that_comes_out_holds_a_secret(
    start: Start, klippy: Simulator, mqtt: Ear, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with planted(start) as house:
        accounts = house.bridge.bridge.accounts
        user = await accounts.create("ann", PASSWORD)
        token, refresh = accounts.tokens.issue(user, "auth"), accounts.tokens.issue(user, "refresh")
        kept = (
            (tmp_path / "data/bridge/users.json").read_text(),
            (tmp_path / "data/bridge/token.key").read_bytes(),
        )
        await everything_that_looks(house)
        await whatever_goes_wrong(house, token, refresh)
        await over_mqtt(house, mqtt, token)
        house.bridge.bridge.health.publish()
        await mqtt.message(house.bridge.topics.health)
        klippy.printer.called.emit(RemoteCall("notify", {"name": "phone", "message": "hello"}))
        for text in FAILURES:
            await until(lambda text=text: text in caplog.text)
        secrets = [
            BROKER,
            KEY,
            PASSWORD,
            SERVICE,
            FEED,
            STRIP,
            PLUG,
            HUB,
            SPOOLMAN,
            SUDO,
            GITHUB,
            token,
            refresh,
            user.password,
            user.session,
            kept[1].hex(),
        ]
        topics = (house.bridge.topics.request, f"{house.bridge.topics.request}/red")
        heard = {
            f"{m.topic} #{n}": m.payload.decode("latin-1")
            for n, m in enumerate(mqtt.heard)
            if m.topic not in topics
        }
        everything = {**house.said, **heard, "log": caplog.text}
        assert len(house.said) > 60
        assert len(heard) > 60
        leaks = [
            (where, secret) for where, text in everything.items() for secret in secrets if secret in text
        ]
        assert leaks == []
        answers = {where: text for where, text in house.said.items() if '"error"' in text}
        assert len(answers) > 20
        assert [(where, text) for where, text in answers.items() if TRACES.search(text)] == []
        assert [where for where, text in answers.items() if str(tmp_path) in text] == []


async def everything_that_looks(house: Planted) -> None:
    methods = house.bridge.bridge.registry.methods.values()
    for method in methods:
        if method.access is Access.READ and not any(p.required for p in method.schema.params.values()):
            await house.call(method.name)
    sections = (await house.call("server.config"))["result"]["config"]
    assert {"power plug", "power hub", "spoolman", "job_queue", "wled lights"} <= set(sections)
    for name in (
        "server.database.list",
        "access.users.list",
        "access.info",
        "access.get_user",
    ):
        assert "result" in await house.call(name)
    for namespace in ("moonraker", "history", "gcode_metadata"):
        await house.call("server.database.get_item", {"namespace": namespace})


async def whatever_goes_wrong(house: Planted, token: str, refresh: str) -> None:
    wrong = {"username": "ann", "password": PASSWORD + "!"}
    await house.fetch("POST", "/access/login", json=wrong)
    await house.fetch("POST", "/access/login", json={**wrong, "source": "ldap", "password": PASSWORD})
    await house.fetch("POST", "/access/user", json={"username": "ann", "password": PASSWORD})
    await house.fetch("POST", "/access/user", json={"username": "", "password": PASSWORD})
    await house.fetch("POST", "/access/refresh_jwt", json={"refresh_token": token})
    await house.fetch("GET", f"/server/info?access_token={token}&token={KEY}&api_key={KEY}")
    await house.fetch("GET", f"/nothing/here?access_token={token}")
    await house.fetch("GET", f"/server/gcode_store?count:int={1}&password:int={PASSWORD}")
    await house.fetch("GET", f"/server/gcode_store?access_token:int={token}")
    for headers in (
        {"X-Api-Key": KEY + "!"},
        {"Authorization": f"Bearer {refresh}"},
        {"Authorization": f"Digest username=ann, response={KEY}"},
        {"Authorization": f"Basic {PASSWORD}"},
        {"Cookie": f"a={token}"},
        {"Origin": f"http://{PASSWORD[:0]}evil.example"},
    ):
        for forwarded in ({}, {"X-Forwarded-For": "203.0.113.9"}):
            await house.fetch("GET", "/server/info", headers=headers | forwarded)
    secret = {"token": token, "password": PASSWORD, "api_key": KEY, "access_token": token}
    for name in (
        "server.info",
        "printer.info",
        "server.gcode_store",
        "no.such.method",
    ):
        await house.call(name, secret)
    for params in ([PASSWORD] * 9, PASSWORD, {"count": PASSWORD}, {"namespace": 7, "password": PASSWORD}):
        await house.call("server.gcode_store", params)
        await house.call("server.database.get_item", params)
    await house.fetch("POST", "/server/jsonrpc", data='{"password": "' + PASSWORD)
    await house.call("server.mqtt.publish", {"topic": "a/#", "payload": "x", "password": PASSWORD})
    async with house._session.ws_connect(f"{house.url}/websocket?token={KEY}&access_token={token}") as ws:
        for params in ({"api_key": KEY + "!"}, {"access_token": refresh}):
            named = {"client_name": "x", "version": "1", "type": "other", "url": "x", **params}
            await ws.send_json(
                {"jsonrpc": "2.0", "method": "server.connection.identify", "params": named, "id": 1}
            )
            house.said[f"websocket {params.keys()}"] = (await ws.receive()).data


async def over_mqtt(house: Planted, mqtt: Ear, token: str) -> None:
    topics, answers = house.bridge.topics, house.bridge.topics.client_response("red")
    bad = [
        {"method": "server.database.list", "params": {"token": token}},
        {"method": "server.database.list", "params": {"token": PASSWORD}},
        {"method": "no.such", "params": {"token": token, "password": PASSWORD}},
        {"method": "server.gcode_store", "params": {"count": PASSWORD, "token": KEY}},
        {"method": "server.info", "params": {"token": token, "mqtt_expires": 1}},
        {"method": "server.info", "params": {"token": [token], "mqtt_expires": PASSWORD}},
        {"method": "access.login", "params": {"username": "ann", "password": PASSWORD}},
        {"method": 7, "params": {"token": token}},
    ]
    for number, message in enumerate(bad):
        await mqtt.say(f"{topics.request}/red", {"jsonrpc": "2.0", "id": number, **message})
        await mqtt.say(f"{topics.request}/red", {"jsonrpc": "2.0", **message})
    await mqtt.say(f"{topics.request}/red", '{"token": "' + token)
    await mqtt.say(topics.control("pause"), '{"state": ')
    await until(lambda: len([m for m in mqtt.heard if m.topic == answers]) == len(bad) + 2)


def test_what_the_configuration_holds_is_masked_in_every_line_of_the_log() -> None:
    config = convert(
        {"mqtt": {"username": "u", "password": BROKER, "tls": {}}, "http": {"api_key": KEY}}, "x"
    )
    formatter = Masking("%(message)s", Discretion(config))
    record = logging.makeLogRecord({"msg": f"{BROKER} and {KEY}"})
    assert formatter.format(record) == "*** and ***"


def test_a_login_inside_an_address_and_every_header_are_secrets_too() -> None:
    address = "http://me:s3cret-login@spools.example/api"
    headers = {"X-Auth": "s3cret-header"}
    options = {"spoolman": {"server": address}, "headers": headers, "url": "http://plain.example/a@b"}
    shown = Discretion(options).plain(options)
    assert shown == {
        "spoolman": {"server": "http://***@spools.example/api"},
        "headers": {"X-Auth": "***"},
        "url": "http://plain.example/a@b",
    }
    assert secrets_of({"a": address, "headers": headers}) == {
        "me:s3cret-login",
        "me%3As3cret-login",
        "s3cret-login",
        "s3cret-header",
    }
