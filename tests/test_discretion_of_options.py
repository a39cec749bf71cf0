"""Secrets in the midst of options: in queries, in bodies, and whatever came by `!secret`."""

import logging
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from bridge.config import convert, hidden, masked, parse, secrets_of
from bridge.config.options import Config
from bridge.config.yaml_file import Secret
from bridge.logs import Masking
from tests.conftest import Start
from tests.power.calls import Refused, call
from tests.power.vendors import garbling
from tests.wire import Ear, until

HOUSE = """
instance: home
mqtt: {host: !secret host, username: !secret user, password: plain-password}
webcams: {cameras: {a: {stream_url: !secret camera}}}
announcements: {feeds: {news: "http://feeds.example/x.xml?access_token=s3cret-feed"}}
power:
  lamp:
    type: http
    on_url: "http://lamp.example/on?user=me&password=s3cret-on"
    off_url: !secret hook
    status_url: "http://me:s3cret@lo/gin@lamp.example/state"
    method: POST
    on_body: '{"user": "me", "password": "s3cret-\\"body"}'
    off_body: "state=off&api_key=s3cret-form"
  several: !secret several
"""
SECRETS = """
host: broker.example
user: ann
camera: rtsp://camera.example/4711-abcdef
hook: http://home.example/api/webhook/abcdef
several: {type: klipper_device, object_name: output_pin hidden-pin}
"""


@pytest.fixture
def house(tmp_path: Path) -> Config:
    (tmp_path / "secrets.yaml").write_text(SECRETS)
    return parse(HOUSE, tmp_path / "bridge.yaml")


def test_what_the_configuration_shows_holds_no_secret_in_a_query_or_a_body(house: Config) -> None:
    plain = masked(house)
    assert plain["announcements"]["feeds"] == {"news": "http://feeds.example/x.xml?access_token=***"}
    lamp = plain["power"]["lamp"]
    assert lamp["on_url"] == "http://lamp.example/on?user=me&password=***"
    assert lamp["on_body"] == '{"user": "me", "password": "***"}'
    assert lamp["off_body"] == "state=off&api_key=***"


def test_what_came_by_secret_is_shown_nowhere_whatever_it_is(house: Config) -> None:
    plain = masked(house)
    assert (plain["mqtt"]["host"], plain["mqtt"]["username"]) == ("***", "***")
    assert plain["webcams"]["cameras"]["a"]["stream_url"] == "***"
    assert plain["power"]["lamp"]["off_url"] == "***"
    assert plain["power"]["several"]["object_name"] == "***"
    assert plain["instance"] == "home"  # what is written in the file itself is shown


def test_a_short_text_is_hidden_alone_and_a_long_one_within_others() -> None:
    known = {"ann", "broker.example"}
    assert hidden("ann", known) == "***"
    assert hidden("/home/anna at broker.example", known) == "/home/anna at ***"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://cam/x?action=stream", "http://cam/x?action=stream"),
        ("http://cam/x?pwd=a&usr=b#c", "http://cam/x?pwd=***&usr=b#c"),
        ("http://cam/x?a=b&X-Amz-Signature=c;d=e", "http://cam/x?a=b&X-Amz-Signature=***;d=e"),
        ("http://me:p@ss@cam/x@y", "http://***@cam/x@y"),
        ('["http://a.example/x", "b@c.example"]', '["http://a.example/x", "b@c.example"]'),
        ("TOKEN=abc", "TOKEN=***"),
        ('{"keys": 3, "accessToken" : "abc"}', '{"keys": 3, "accessToken" : "***"}'),
    ],
)
def test_what_is_a_secret_in_a_text(text: str, shown: str) -> None:
    assert hidden(text) == shown


def test_the_log_knows_every_spelling_of_a_secret(house: Config) -> None:
    password = "pass 'wört/&\"ü"
    config = convert({"mqtt": {"username": "u", "password": password}}, "x")
    formatter = Masking("%(message)s", secrets_of(config))
    for spelled in (password, quote(password), quote(password, safe=""), quote_plus(password)):
        assert formatter.format(logging.makeLogRecord({"msg": f"<{spelled}>"})) == "<***>"
    known = secrets_of(house)
    assert {"s3cret-on", "s3cret-form", "s3cret-feed", "broker.example", "plain-password"} <= known
    assert {'s3cret-\\"body', "http://home.example/api/webhook/abcdef", "output_pin hidden-pin"} <= known
    assert "me" not in known


async def test_a_camera_s_secrets_reach_browsers_and_never_the_broker(start: Start, mqtt: Ear) -> None:
    whole = "http://camera.example/4711-abcdef"
    cameras = {
        "query": {"stream_url": "/webcam/?action=stream&pwd=s3cret-pwd", "snapshot_url": "/x?token=s3cret"},
        "whole": {"stream_url": Secret(whole), "snapshot_url": Secret(whole)},
        "plain": {"stream_url": "/webcam/", "snapshot_url": "/plain"},
    }
    bridge = await start(
        webcams={"base_url": Secret("http://base.example"), "homeassistant": "url",
                 "public_url": "http://printer.local", "cameras": cameras},
        wait=False,
    )  # fmt: skip
    urls = [one["stream_url"] for one in (await call(bridge, "server.webcams.list"))["webcams"]]
    assert urls == [cameras["query"]["stream_url"], whole, "/webcam/"]
    config = str(await call(bridge, "server.config"))
    assert [one for one in ("s3cret", "4711", "base.example") if one in config] == []
    await until(lambda: bridge.bridge.mqtt.up)
    for method, params in (("list", {}), ("get_item", {"name": "whole"}), ("test", {"name": "query"})):
        request = {"jsonrpc": "2.0", "method": f"server.webcams.{method}", "params": params, "id": method}
        await mqtt.say(bridge.topics.request, request)
        await mqtt.message(bridge.topics.response, where=lambda m, method=method: m.json["id"] == method)
    await call(bridge, "server.webcams.post_item", name="b", stream_url="/b?key=s3cret")
    event = await mqtt.message(bridge.topics.event("webcams_changed"))
    assert len(event.json["data"]["webcams"]) == 4
    pictures = {m.topic: m.payload for m in mqtt.heard if m.topic.endswith("/url") and m.payload}
    assert pictures == {bridge.topics.webcam_url("plain"): b"http://printer.local/plain"}
    for secret in (b"s3cret", b"4711", b"base.example"):
        assert [m for m in mqtt.heard if secret in m.payload] == []


async def test_spoolman_s_address_is_no_part_of_its_errors(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    async with garbling() as port:
        bridge = await start(spoolman={"server": f"http://me:s3cret@127.0.0.1:{port}"}, wait=False)
        asked = {"request_method": "GET", "path": "/v1/x", "query": "token=s3cret-query"}
        with pytest.raises(Refused) as caught:
            await call(bridge, "server.spoolman.proxy", **asked)
    assert str(caught.value) == "Spoolman cannot be reached: its answer is no HTTP"
    assert [r for r in caplog.records if "s3cret" in r.getMessage()] == []
