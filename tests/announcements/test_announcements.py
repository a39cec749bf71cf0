"""Announcements: feeds of a stand-in, dismissal and waking, the bridge's own warnings, and restarts."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from bridge.announcements.feeds import parse
from bridge.announcements.reader import Reader
from bridge.errors import ConfigError, Unprocessable
from tests.conftest import Running, Start
from tests.ha_discovery.rendering import render
from tests.ha_discovery.rules import expanded, faults
from tests.power.calls import Refused, availability, call, fetch
from tests.stand_ins import serving
from tests.wire import Ear, ear, until

RSS = b"""<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom"><channel><title>News</title>
<item><title>Firmware &amp; more</title><link>https://x.example/1</link>
<description>&lt;p&gt;Read &lt;b&gt;this&lt;/b&gt;&lt;/p&gt;</description>
<pubDate>Sat, 14 Mar 2026 10:00:00 GMT</pubDate><category>high</category><guid>n/1</guid></item>
<item><title>Old</title><link>javascript:alert(1)</link><pubDate>Fri, 13 Mar 2026 10:00:00 GMT</pubDate>
<guid>n/0</guid></item></channel></rss>"""
ATOM = b"""<feed xmlns="http://www.w3.org/2005/Atom"><title>t</title><entry><title>A</title><id>urn:1</id>
<link href="https://x.example/a"/><updated>2026-03-14T10:00:00Z</updated><summary>s</summary></entry></feed>"""
JSON = b"""{"version": "https://jsonfeed.org/version/1.1", "title": "t", "items": [{"id": "7", "title": "J",
"url": "https://x.example/j", "content_text": "text", "date_published": "2026-03-14T10:00:00+00:00"}]}"""
BOMB = b"""<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>
<rss><channel><item><title>&b;</title><guid>1</guid></item></channel></rss>"""
FIELDS = {
    "entry_id", "url", "title", "description", "priority", "date", "dismissed", "date_dismissed",
    "dismiss_wake", "source", "feed",
}  # fmt: skip
WHEN = 1_773_482_400.0


class Feed:
    """One feed over HTTP."""

    def __init__(self) -> None:
        self.url, self.content, self.status = "", RSS, 200
        self.asked: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        return web.Response(body=self.content, status=self.status, content_type="application/xml")


@pytest.fixture
async def feed() -> AsyncIterator[Feed]:
    one = Feed()
    async with serving(one.answer) as address:
        one.url = f"http://{address}"
        yield one


async def listed(bridge: Running, **params: Any) -> list[dict[str, Any]]:
    return (await call(bridge, "server.announcements.list", **params))["entries"]


async def filled(start: Start, feed: Feed, **more: Any) -> Running:
    bridge = await start(announcements={"feeds": {"news": f"{feed.url}/news.xml"}}, wait=False, **more)
    await until(lambda: feed.asked and len(bridge.bridge.companions.board.entries) >= 2)
    return bridge


def test_rss_atom_and_json_become_the_same_kind_of_entry() -> None:
    first, second = parse(RSS, "news", 5.0)
    assert (first.entry_id, first.title, first.url) == ("news/n/1", "Firmware & more", "https://x.example/1")
    assert (first.description, first.priority, first.date) == ("Read this", "high", WHEN)
    assert (second.url, second.priority) == ("", "normal")
    (atom,), (plain,) = parse(ATOM, "f", 5.0), parse(JSON, "f", 5.0)
    assert (atom.entry_id, atom.url, atom.description, atom.date) == (
        "f/urn:1",
        "https://x.example/a",
        "s",
        WHEN,
    )
    assert (plain.entry_id, plain.url, plain.description, plain.date) == (
        "f/7", "https://x.example/j", "text", WHEN,
    )  # fmt: skip


def test_what_a_feed_holds_is_text_and_no_page() -> None:
    nasty = b'{"items":[{"id":"1","title":"<img src=x onerror=a()>Hi &lt;script&gt;x","summary":"a < b"}]}'
    (one,) = parse(nasty, "f", 5.0)
    assert "<" not in one.title + one.description
    assert one.date == 5.0
    for odd in ("1" * 300, '"0001-01-01"', '"9999-99-99"', '""', "null", "[1]", "true"):
        (one,) = parse(f'{{"items":[{{"id":"1","title":"t","date":{odd}}}]}}'.encode(), "f", 5.0)
        assert abs(one.date) < 1e12
    many = b'{"items":[' + b",".join(b'{"id":"%d","title":"t"}' % n for n in range(500)) + b"]}"
    assert len(parse(many, "f", 5.0)) == 50


def test_a_feed_that_is_deep_is_no_danger() -> None:
    deep = (
        b"<rss><item><title>t</title><guid>1</guid>" + b"<a>" * 100_000 + b"</a>" * 100_000 + b"</item></rss>"
    )
    (one,) = parse(deep, "f", 5.0)
    assert one.title == "t"


@pytest.mark.parametrize(
    "content", [b"", b"no feed", b"<html></html>", BOMB, b"{", b"{}", b"[" * 5000, b"<rss"]
)
def test_what_is_no_feed_is_refused(content: bytes) -> None:
    with pytest.raises(Unprocessable, match="neither RSS, Atom nor JSON"):
        parse(content, "f", 5.0)


async def test_without_a_feed_nobody_is_asked_and_the_list_is_there(start: Start) -> None:
    bridge = await start(wait=False)
    answer = await call(bridge, "server.announcements.list")
    assert answer == {"entries": [], "feeds": ["klipper-bridge"]}
    status, updated = await fetch(bridge, "POST", "/server/announcements/update")
    assert (status, updated["result"]) == (200, {"entries": [], "modified": False})
    assert "announcements" in (await call(bridge, "server.info"))["components"]


async def test_an_entry_is_dismissed_wakes_and_stays_dismissed_over_a_restart(
    start: Start, feed: Feed, mqtt: Ear
) -> None:
    bridge = await filled(start, feed)
    await until(lambda: bridge.bridge.mqtt.up)
    first, second = await listed(bridge)
    assert set(first) == FIELDS
    assert (first["feed"], first["source"], first["dismissed"]) == ("news", "feed", False)
    dismiss = {"entry_id": first["entry_id"], "wake_time": 0.2}
    status, answer = await fetch(bridge, "POST", "/server/announcements/dismiss", json=dismiss)
    assert (status, answer["result"]) == (200, {"entry_id": first["entry_id"]})
    told = await mqtt.message(bridge.topics.event("announcement_dismissed"))
    assert told.json["data"] == {"entry_id": first["entry_id"]}
    woke = await mqtt.message(bridge.topics.event("announcement_wake"))
    assert woke.json["data"] == {"entry_id": first["entry_id"]}
    assert (await listed(bridge))[0]["dismissed"] is False
    await call(bridge, "server.announcements.dismiss", entry_id=second["entry_id"])
    assert [one["entry_id"] for one in await listed(bridge, include_dismissed=False)] == [first["entry_id"]]
    with pytest.raises(Refused) as refused:
        await call(bridge, "server.announcements.dismiss", entry_id="nobody's")
    assert refused.value.code == 404
    await bridge.end()
    feed.status = 500  # what was read before is still known
    again = await filled(start, feed, instance="news2")
    kept = {one["entry_id"]: one for one in await listed(again)}
    assert kept[second["entry_id"]]["dismissed"] is True
    assert kept[second["entry_id"]]["date_dismissed"] > WHEN
    assert kept[first["entry_id"]]["dismissed"] is False


async def test_how_many_wait_and_the_newest_are_a_topic_and_a_sensor(
    start: Start, feed: Feed, mqtt: Ear
) -> None:
    bridge = await filled(start, feed)
    topic = bridge.topics.announcements
    await mqtt.message(topic, where=lambda m: m.json["waiting"] == 2)
    told = mqtt.latest(topic)
    assert told is not None
    assert told.json == {
        "waiting": 2, "title": "Firmware & more", "description": "Read this", "url": "https://x.example/1",
        "priority": "high", "date": WHEN,
    }  # fmt: skip
    async with ear(bridge.bridge.config.mqtt.port, topic) as late:
        assert (await late.message(topic)).retain
    first, second = await listed(bridge)
    mqtt.forget()
    await call(bridge, "server.announcements.dismiss", entry_id=first["entry_id"], wake_time=0.2)
    left = await mqtt.message(topic)
    assert (left.json["waiting"], left.json["title"], left.json["url"]) == (1, "Old", None)
    await mqtt.message(topic, where=lambda m: m.json["waiting"] == 2)  # it woke
    for one in (first, second):
        await call(bridge, "server.announcements.dismiss", entry_id=one["entry_id"])
    nothing = await mqtt.message(topic, where=lambda m: m.json["waiting"] == 0)
    assert set(nothing.json.values()) == {0, None}
    bridge.bridge.companions.board.post("x", "t" * 300, "d" * 5000)
    long = await mqtt.message(topic, where=lambda m: m.json["waiting"] == 1)
    assert len(long.payload) < 2000
    await until(lambda: bridge.bridge.mqtt.up)
    await mqtt.say(f"ha-{bridge.name}/status", "online")
    again = len(mqtt.on(topic))
    await mqtt.until(lambda: len(mqtt.on(topic)) > again, patience=8)
    host = await mqtt.message(bridge.topics.device(f"{bridge.bridge.identity.unique}_host"))
    assert faults(host.json) == []
    parts = expanded(host.json)["components"].values()
    (sensor,) = (one for one in parts if one["name"] == "Announcements")
    assert (sensor["state_topic"], sensor["entity_category"]) == (topic, "diagnostic")
    assert render(sensor["value_template"], long.json) == "1"
    assert sensor["json_attributes_topic"] == topic
    assert availability(expanded(host.json)) == [bridge.topics.status]


async def test_what_was_kept_is_told_at_the_start(start: Start, feed: Feed, mqtt: Ear) -> None:
    before = await filled(start, feed)
    await mqtt.message(
        before.topics.announcements, where=lambda m: m.json["waiting"] == 2
    )  # and written down
    await before.end()
    feed.status = 500
    again = await start(announcements={"feeds": {"news": f"{feed.url}/news.xml"}}, wait=False)
    assert (await mqtt.message(again.topics.announcements)).json["waiting"] == 2


async def test_what_is_new_in_a_feed_is_told(start: Start, feed: Feed, mqtt: Ear) -> None:
    bridge = await filled(start, feed)
    await until(lambda: bridge.bridge.mqtt.up)
    feed.content = RSS.replace(b"n/1", b"n/2").replace(b"Firmware", b"Hardware")
    updated = await call(bridge, "server.announcements.update")
    assert updated["modified"] is True
    await mqtt.message(
        bridge.topics.event("announcement_update"),
        where=lambda m: m.json["data"] == {"entries": updated["entries"]},
    )
    assert (await call(bridge, "server.announcements.update"))["modified"] is False


async def test_a_feed_that_fails_is_told_once_and_hurts_nobody(
    start: Start, feed: Feed, caplog: pytest.LogCaptureFixture
) -> None:
    bridge = await filled(start, feed)
    for content, status in ((b"nonsense", 200), (b"nonsense", 200), (b"x" * 1_100_000, 200)):
        feed.content, feed.status = content, status
        assert (await call(bridge, "server.announcements.update"))["modified"] is False
    assert caplog.text.count("cannot be read: it is neither RSS") == 1
    assert "answers with more than 1048576 bytes" in caplog.text
    assert len(await listed(bridge)) == 2


@pytest.mark.parametrize(
    "content", [b'{"items": [{"id": "1", "title": "\xff"}]}', b'{"x": ' + b"[" * 100_000]
)
async def test_a_feed_that_is_no_json_hurts_nobody(start: Start, feed: Feed, content: bytes) -> None:
    feed.content = content
    bridge = await start(announcements={"feeds": {"news": feed.url}}, wait=False)
    await until(lambda: feed.asked)
    await call(bridge, "server.announcements.update")
    feed.content = RSS
    await call(bridge, "server.announcements.update")
    assert len(await listed(bridge)) == 2


async def test_a_client_s_feed_is_read_from_nowhere_as_long_as_no_address_is_configured(
    start: Start, feed: Feed, caplog: pytest.LogCaptureFixture
) -> None:
    bridge = await filled(start, feed)  # the configured one has its own
    await call(bridge, "server.announcements.post_feed", name="of-a-client")
    asked = len(feed.asked)
    reader = next(one for one in bridge.bridge.companions.parts if isinstance(one, Reader))
    assert [reader._address(name) for name in ("klipper-bridge", "of-a-client", "news")] == [
        None,
        None,
        f"{feed.url}/news.xml",
    ]
    updated = await call(bridge, "server.announcements.update")
    assert {one["feed"] for one in updated["entries"]} == {"news"}
    assert feed.asked[asked:] == ["/news.xml"]
    assert "of-a-client" not in caplog.text


async def test_clients_add_and_remove_feeds(start: Start, feed: Feed) -> None:
    options = {"feeds": {"news": f"{feed.url}/n.xml"}, "address": f"{feed.url}/of/{{name}}.xml"}
    bridge = await start(announcements=options, wait=False)

    async def change(verb: str, name: str) -> Any:
        status, answer = await fetch(bridge, verb, "/server/announcements/feed", params={"name": name})
        return answer["result"] if status == 200 else status

    assert await change("POST", "moonraker-telegram-bot") == {
        "feed": "moonraker-telegram-bot", "action": "added",
    }  # fmt: skip
    assert (await change("POST", "news"))["action"] == "skipped"
    assert await change("POST", "../x") == 400
    assert (await call(bridge, "server.announcements.feeds"))["feeds"] == [
        "klipper-bridge", "news", "moonraker-telegram-bot",
    ]  # fmt: skip
    await call(bridge, "server.announcements.update")
    assert "/of/moonraker-telegram-bot.xml" in feed.asked
    assert len(await listed(bridge)) == 4
    assert (await change("DELETE", "moonraker-telegram-bot"))["action"] == "removed"
    assert (await change("DELETE", "moonraker-telegram-bot"))["action"] == "skipped"
    assert await change("DELETE", "news") == 400
    assert len(await listed(bridge)) == 2


async def test_what_is_wrong_with_the_bridge_is_an_announcement_until_it_is_mended(start: Start) -> None:
    bridge = await start(wait=False)
    bridge.bridge.store.warnings.append("The database was broken; a new one was begun.")
    (one,) = await listed(bridge)
    assert (one["source"], one["feed"], one["priority"]) == ("internal", "klipper-bridge", "high")
    assert one["description"] == "The database was broken; a new one was begun."
    await call(bridge, "server.announcements.dismiss", entry_id=one["entry_id"])
    assert await listed(bridge, include_dismissed=False) == []
    bridge.bridge.store.warnings.clear()
    assert await listed(bridge) == []
    board = bridge.bridge.companions.board
    board.post("update", "klipper-bridge 9.9 is there", "See the change log")
    (one,) = await listed(bridge)
    assert (one["title"], one["priority"]) == ("klipper-bridge 9.9 is there", "normal")
    board.withdraw("update")
    assert await listed(bridge) == []


async def test_a_feed_without_an_address_is_a_mistake_in_the_configuration(start: Start) -> None:
    with pytest.raises(ConfigError, match=r"announcements\.feeds\.x: expected an address"):
        await start(announcements={"feeds": {"x": "file:///etc/passwd"}})
    with pytest.raises(ConfigError, match=r"announcements\.address: expected an address"):
        await start(announcements={"address": "nothing"})
