"""Secrets in the midst of options: in queries, in bodies, and whatever came by `!secret`."""

import logging
import time
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from bridge.config import Discretion, convert, hidden, parse, secrets_of
from bridge.config.options import Config
from bridge.config.yaml_file import Secret
from bridge.errors import ConfigError
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
    plain = Discretion(house).plain(house)
    assert plain["announcements"]["feeds"] == {"news": "http://feeds.example/x.xml?access_token=***"}
    lamp = plain["power"]["lamp"]
    assert lamp["on_url"] == "http://lamp.example/on?user=me&password=***"
    assert lamp["on_body"] == '{"user": "me", "password": "***"}'
    assert lamp["off_body"] == "state=off&api_key=***"


def test_what_came_by_secret_is_shown_nowhere_whatever_it_is(house: Config) -> None:
    plain = Discretion(house).plain(house)
    assert (plain["mqtt"]["host"], plain["mqtt"]["username"]) == ("***", "***")
    assert plain["webcams"]["cameras"]["a"]["stream_url"] == "***"
    assert plain["power"]["lamp"]["off_url"] == "***"
    assert plain["power"]["several"]["object_name"] == "***"
    assert plain["instance"] == "home"  # what is written in the file itself is shown


def test_a_short_text_is_hidden_alone_and_a_long_one_within_others(house: Config) -> None:
    discretion = Discretion(house)
    assert discretion.plain("ann") == "***"
    assert discretion.plain("/home/anna at broker.example") == "/home/anna at ***"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://cam/x?action=stream", "http://cam/x?action=stream"),
        ("http://cam/x?pwd=a&usr=b#c", "http://cam/x?pwd=***&usr=b#c"),
        ("http://cam/x?a=b&X-Amz-Signature=c;d=e", "http://cam/x?a=b&X-Amz-Signature=***;d=e"),
        ("http://me:p@ss@cam/x@y", "http://***@cam/x@y"),
        ('["http://a.example/x", "b@c.example"]', '["http://a.example/x", "b@c.example"]'),
        ("http://me:p@ss@cam/x?a=b", "http://***@cam/x?a=b"),
        ("http://me:geh#eim1@cam/x", "http://***@cam/x"),
        ("http://me:geh?eim1@cam/x", "http://***@cam/x"),
        ('http://me:geh"eim1@cam/x', "http://***@cam/x"),
        ("http://me:geh<ei>m1@cam/x", "http://***@cam/x"),
        ("http://cam/x?a=b?token=c&d=e", "http://cam/x?a=b?token=***&d=e"),
        ("http://cam/x?apikey=a&userPass=b&x[auth]=c", "http://cam/x?apikey=***&userPass=***&x[auth]=***"),
        ("http://cam/x?author=a&keyframe=1&monkey=b&pinned=c&passage=d&s", None),
        ("http://cam/x?Author=a&KEYFRAME=1&hotkey=b&design=c", None),
        ("error: key=abc", None),
        ("SET_PIN PIN=caselight VALUE=1", None),
        ("TOKEN=abc", "TOKEN=***"),
        ('{"password": "cut o', '{"password": "***'),
        ('{"author": "a", "monkey": "b"}', None),
        ('{"keys": 3, "accessToken" : "abc"}', '{"keys": 3, "accessToken" : "***"}'),
    ],
)
def test_what_is_a_secret_in_a_text(text: str, shown: str | None) -> None:
    assert hidden(text) == (text if shown is None else shown)
    assert Discretion({"url": text})(text) == (text if shown is None else shown)


WIDE = 300_000
HEADS = (
    "?key", "?" + "key" * 33, "?pin=", "?a=", '"key', '"key"' + " " * 41, '"key":"\\', "://a", "://a:b", "&",
    "?" + "a" * WIDE, '"key"' + " " * WIDE, "?" + "pin-" * WIDE,
)  # fmt: skip


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head[:20])
def test_no_text_keeps_it_busy(head: str) -> None:
    text = (head * (WIDE // len(head) + 1))[:WIDE]  # what was quadratic took minutes for this
    begun = time.process_time()
    hidden(text)
    assert time.process_time() - begun < 2


def test_what_a_g_code_does_with_a_pin_is_no_secret() -> None:
    config = convert(
        {
            "job_queue": {"job_transition_gcode": "PIN=caselight ;TOKEN=x"},
            "power": {"relay": {"type": "gpio", "pin": "gpiochip0/gpio17"}},
            "mqtt": {"state": {"objects": {"output_pin light": ["value"], "gcode_button key": ["state"]}}},
        },
        "x",
    )
    plain = Discretion(config).plain(config)
    assert plain["job_queue"]["job_transition_gcode"] == "PIN=caselight ;TOKEN=x"
    assert plain["power"]["relay"]["pin"] == "gpiochip0/gpio17"
    assert plain["mqtt"]["state"]["objects"]["gcode_button key"] == ["state"]
    assert secrets_of(config) == set()


def test_one_list_of_names_says_what_is_a_secret_wherever_it_stands() -> None:
    data = {"pwd": "a1", "token": {"a": "x1", "b": ["y1", 7, {"c": "z1"}]}, "on": {"auth": True, "pin": 12}}
    hides = Discretion({})
    assert hides.plain(data) == {
        "pwd": "***",
        "token": {"a": "***", "b": ["***", "***", {"c": "***"}]},
        "on": {"auth": True, "pin": "***"},
    }
    assert secrets_of({"token": {"a": ["hidden-1"]}, "userPwd": "hidden-2"}) == {"hidden-1", "hidden-2"}


def test_a_short_text_that_came_by_secret_garbles_no_log() -> None:
    raw = {"mqtt": {"username": Secret("mqtt"), "password": Secret("abcd"), "host": Secret("klipper")}}
    formatter = Masking("%(name)s: %(message)s", Discretion(convert(raw, "x")))
    record = {"name": "bridge.abcd", "msg": "klipper-bridge speaks mqtt with abcd"}
    assert (
        formatter.format(logging.makeLogRecord(record)) == "bridge.abcd: klipper-bridge speaks mqtt with ***"
    )
    cached = logging.makeLogRecord({"msg": "it failed", "exc_text": "of another formatter: abcd"})
    assert formatter.format(cached).endswith("it failed\nof another formatter: ***")
    waiting = logging.makeLogRecord({"msg": "who?", "stack_info": "call(abcd)"})
    assert formatter.format(waiting).endswith("who?\ncall(***)")


def test_a_mistake_shows_no_secret_of_an_address() -> None:
    with pytest.raises(ConfigError) as caught:
        convert({"http": {"port": "http://me:s3cret@h/?token=s3cret"}}, "x")
    assert str(caught.value).endswith("got 'http://***@h/?token=***'")


def test_the_log_knows_every_spelling_of_a_secret(house: Config) -> None:
    password = "pass 'wört/&\"ü"
    config = convert({"mqtt": {"username": "u", "password": password}}, "x")
    formatter = Masking("%(message)s", Discretion(config))
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
