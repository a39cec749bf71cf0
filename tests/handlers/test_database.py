"""server.database.*: the same answers over HTTP and WebSocket, what the web UIs do with it, and what is refused."""

import contextlib
import json
import logging
import random
import sqlite3

import pytest

from tests.conftest import Running
from tests.handlers.calling import ITEM, Failed, doors
from tests.wire import Ear, until

RESERVED = ("gcode_metadata", "history", "moonraker")


@pytest.fixture
async def plain(start):
    """A bridge without Klippy: the database needs none."""
    return await start(wait=False)


@pytest.fixture
async def calls(plain):
    async with doors(plain) as both:
        yield both


def refused(code, *words):
    return (code, words)


def at(key):
    return {"namespace": "n", "key": key}


STEPS = [
    # method, params, the value answered or the refusal
    ("get_item", {"namespace": "n"}, refused(404, "'n' not found")),
    ("get_item", {"namespace": "n", "key": "a"}, refused(404, "'a'", "'n' not found")),
    ("delete_item", at("a"), refused(404, "not found")),
    ("post_item", at("a.b.c") | {"value": 1}, 1),
    ("get_item", at("a.b.c"), 1),
    ("get_item", at(["a", "b"]), {"c": 1}),
    ("get_item", at(None), {"a": {"b": {"c": 1}}}),
    ("post_item", at("a.b.c") | {"value": {"x": [1, None, "ü"]}}, {"x": [1, None, "ü"]}),
    ("post_item", at(["a.b", "c d/e"]) | {"value": False}, False),
    ("get_item", at(["a.b", "c d/e"]), False),
    ("get_item", at("a.b.c d/e"), refused(404)),
    ("get_item", at(["a.b.c"]), refused(404)),
    # null is a value; on the way to one it becomes an object
    ("post_item", at("nothing") | {"value": None}, None),
    ("get_item", at("nothing"), None),
    ("post_item", at("nothing.really") | {"value": None}, None),
    ("get_item", at("nothing"), {"really": None}),
    ("get_item", at("nothing.really"), None),
    ("delete_item", at("nothing.really"), None),
    ("get_item", at("nothing"), refused(404)),
    # what is no object has nothing below it, and is not lost
    ("post_item", at("text") | {"value": "t"}, "t"),
    ("post_item", at("text.more") | {"value": 1}, refused(400, "'text'", "no object")),
    ("get_item", at("text"), "t"),
    ("get_item", at("text.more"), refused(404)),
    ("delete_item", at("text.more"), refused(404)),
    ("post_item", at("row") | {"value": [1, 2]}, [1, 2]),
    ("get_item", at("row.0"), refused(404)),
    ("post_item", at("row.0") | {"value": 1}, refused(400)),
    # an emptied object stays, but not at the top
    ("post_item", at("x.y.z") | {"value": 1}, 1),
    ("post_item", at("x.w") | {"value": 2}, 2),
    ("delete_item", at("x.y.z"), 1),
    ("get_item", at("x"), {"y": {}, "w": 2}),
    ("delete_item", at("x"), {"y": {}, "w": 2}),
    ("delete_item", at("x"), refused(404)),
    ("post_item", at("e") | {"value": {}}, {}),
    ("get_item", at("e"), {}),
    # names
    *[("post_item", at(key) | {"value": 1}, refused(400)) for key in ("", ".", "a.", ".a", "a..b", [], [""], ["a", ""], [1], 5, {}, None)],
    *[("get_item", at(key), refused(400)) for key in ("a..b", [], ["a", ""])],
    *[("post_item", {"namespace": name, "key": "k", "value": 1}, refused(400)) for name in ("", "x" * 256, "a\nb", 5, None)],
    ("post_item", at("k" * 1025) | {"value": 1}, refused(400)),
    ("post_item", at(".".join("k" * 65)) | {"value": 1}, refused(400, "64")),
    ("post_item", {"namespace": "n", "key": "k"}, refused(400, "'value'")),
    ("post_item", {"namespace": "n", "value": 1}, refused(400, "'key'")),
    ("delete_item", {"namespace": "n"}, refused(400, "'key'")),
    ("post_item", at("deep") | {"value": json.loads("[" * 65 + "1" + "]" * 65)}, refused(400, "nested")),
    # reserved ones
    *[("post_item", {"namespace": name, "key": "k", "value": 1}, refused(403, name)) for name in RESERVED],
    *[("delete_item", {"namespace": name, "key": "k"}, refused(403, name)) for name in RESERVED],
    *[("get_item", {"namespace": name, "key": "no such"}, refused(404)) for name in RESERVED],
    ("get_item", {"namespace": "moonraker", "key": "file_manager.metadata_version"}, 3),
    ("get_item", {"namespace": "history"}, {}),
]  # fmt: skip


@pytest.mark.parametrize("door", ["http", "websocket"])
async def test_items_are_kept_found_and_removed(calls, door) -> None:
    call = calls[door == "websocket"]
    for number, (method, params, expected) in enumerate(STEPS):
        step = f"step {number}: {method} {str(params)[:100]}"
        if isinstance(expected, tuple):
            code, words = expected
            with pytest.raises(Failed) as refusal:
                await call(method, **params)
            assert refusal.value.code == code, step
            assert all(word in refusal.value.message for word in words), f"{step}: {refusal.value.message}"
        else:
            answer = await call(method, **params)
            assert answer == {
                "namespace": params["namespace"],
                "key": params.get("key"),
                "value": expected,
            }, step
    assert (await call("list"))["namespaces"] == ["gcode_metadata", "history", "moonraker", "n"]
    for key in list((await call("get_item", namespace="n"))["value"]):
        await call("delete_item", namespace="n", key=[key])
    assert (await call("list"))["namespaces"] == list(RESERVED)


async def test_a_query_gives_strings_unless_it_says_otherwise(calls) -> None:
    http, _ = calls
    for query, value in (
        ("namespace=q&key=k&value=5", "5"),
        ("namespace=q&key=k&value:int=5", 5),
        ("namespace=q&key:json=[%22k%22]&value:json=%7B%22a%22%3Anull%7D", {"a": None}),
    ):
        assert (await http.fetch("POST", f"{ITEM}?{query}"))["value"] == value
        assert (await http.fetch("GET", f"{ITEM}?namespace=q&key=k"))["value"] == value
    assert (await http.fetch("DELETE", f"{ITEM}?namespace=q&key=k.a"))["value"] is None


async def test_fluidd_plants_its_tree_on_the_first_visit_and_saves_a_setting(calls) -> None:
    _, ws = calls
    with pytest.raises(Failed) as refusal:
        await ws("get_item", namespace="fluidd")
    assert refusal.value.code == 404
    assert "not found" in refusal.value.message
    roots = {
        "uiSettings": {"general": {"instanceName": "fluidd"}, "dashboard": {"tempPresets": []}},
        "macros": {"stored": [], "categories": [], "expanded": [0]},
        "console": {"commandHistory": [], "consoleFilters": []},
        "charts": {"selectedLegends": {}},
        "cameras": {"cameras": [], "activeCamera": "all"},
        "layout": {"layouts": {}},
        "timelapse": None,
    }
    for key, value in roots.items():
        await ws("post_item", namespace="fluidd", key=key, value=value)
    assert (await ws("get_item", namespace="fluidd"))["value"] == roots
    await ws("post_item", namespace="fluidd", key="uiSettings.general.instanceName", value="Voron 1")
    await ws("post_item", namespace="fluidd", key="uiSettings.general.hideTempWaits", value=True)
    await ws("post_item", namespace="fluidd", key="console.commandHistory", value=["G28"])
    found = (await ws("get_item", namespace="fluidd"))["value"]
    assert found["uiSettings"] == {
        "general": {"instanceName": "Voron 1", "hideTempWaits": True},
        "dashboard": {"tempPresets": []},
    }
    assert found["console"] == {"commandHistory": ["G28"], "consoleFilters": []}
    assert "fluidd" in (await ws("list"))["namespaces"]


async def test_mainsail_begins_with_the_list_and_saves_by_http(calls) -> None:
    http, ws = calls
    assert "mainsail" not in (await ws("list", root="config"))["namespaces"]
    assert (await http.fetch("GET", "/server/database/list?root=config"))["backups"] == []
    entry = {"namespace": "mainsail", "key": "initVersion", "value": "2.18.2"}
    assert await http.fetch("POST", ITEM, json=entry) == entry
    await ws("post_item", namespace="mainsail", key="uiSettings.navigationStyle", value="iconsOnly")
    await ws(
        "post_item", namespace="mainsail", key=["miscellaneous", "entries", "a.b"], value={"name": "LED"}
    )
    assert "mainsail" in (await ws("list", root="config"))["namespaces"]
    assert (await http.fetch("GET", f"{ITEM}?namespace=mainsail"))["value"] == {
        "initVersion": "2.18.2",
        "uiSettings": {"navigationStyle": "iconsOnly"},
        "miscellaneous": {"entries": {"a.b": {"name": "LED"}}},
    }
    # KlipperScreen
    led = await http.fetch("GET", f"{ITEM}?namespace=mainsail&key=miscellaneous.entries")
    assert led["value"] == {"a.b": {"name": "LED"}}


async def test_reserved_namespaces_show_what_the_bridge_keeps(plain: Running, calls) -> None:
    _, ws = calls
    gcodes = plain.bridge.shelf.gcodes
    (gcodes / "a.b.gcode").write_text("; generated by PrusaSlicer 2.9.0 on 2026-01-01\nG28\n")
    assert await plain.bridge.library.metadata("a.b.gcode") is not None
    row = await plain.bridge.store.table("history").insert({"filename": "a.b.gcode", "status": "completed"})
    found = (await ws("get_item", namespace="gcode_metadata", key=["a.b.gcode", "slicer"]))["value"]
    assert found == "PrusaSlicer"
    assert list((await ws("get_item", namespace="gcode_metadata"))["value"]) == ["a.b.gcode"]
    job = (await ws("get_item", namespace="history", key=f"{row:06X}.filename"))["value"]
    assert job == "a.b.gcode"
    assert list((await ws("get_item", namespace="history"))["value"]) == [f"{row:06X}"]
    assert (await ws("get_item", namespace="moonraker", key="instance_id"))[
        "value"
    ] == plain.bridge.identity.unique


async def test_a_backup_brings_back_what_was(calls) -> None:
    http, ws = calls
    await ws("post_item", namespace="kept", key="a", value=1)
    path = (await http("post_backup", filename="mine.db"))["backup_path"]
    assert path.endswith("/bridge/backups/mine.db")
    dated = (await ws("post_backup"))["backup_path"].rpartition("/")[2]
    assert dated.startswith("sqldb-backup-2")
    assert (await ws("list"))["backups"] == ["mine.db", dated]
    await ws("delete_item", namespace="kept", key="a")
    await ws("post_item", namespace="late", key="a", value=2)
    answer = await http("restore", filename="mine.db")
    assert answer["restored_namespaces"] == ["kept"]
    assert "namespaces" in answer["restored_tables"]
    assert (await ws("get_item", namespace="kept"))["value"] == {"a": 1}
    assert "late" not in (await ws("list"))["namespaces"]
    await ws("post_item", namespace="late", key="a", value=3)
    assert await http("delete_backup", filename="mine.db") == {"backup_path": path}
    assert (await ws("list"))["backups"] == [dated]
    sizes = await ws("compact")
    assert 0 < sizes["new_size"] <= sizes["previous_size"]


@pytest.mark.parametrize("method", ["post_backup", "restore", "delete_backup"])
async def test_a_backup_has_a_plain_name(plain: Running, calls, method) -> None:
    http, _ = calls
    outside = plain.bridge.backups.parent / "x.db"
    sqlite3.connect(outside).close()
    for name in (
        "",
        ".",
        "..",
        "../x.db",
        "/x.db",
        "a/b.db",
        "a/",
        ".hidden",
        "x.db.new",
        "a\\b",
        "a\nb",
        "x" * 252,
    ):
        with pytest.raises(Failed) as refusal:
            await http(method, filename=name)
        assert refusal.value.code == 400, name
    assert outside.exists()
    assert not plain.bridge.backups.exists()
    if method != "post_backup":
        with pytest.raises(Failed) as refusal:
            await http(method, filename="none.db")
        assert refusal.value.code == 404


async def test_what_is_no_backup_is_not_restored(plain: Running, calls) -> None:
    http, ws = calls
    await ws("post_item", namespace="kept", key="a", value=1)
    await ws("post_backup", filename="cut.db")
    cut = plain.bridge.backups / "cut.db"
    cut.write_bytes(cut.read_bytes()[:5000])
    (plain.bridge.backups / "text.db").write_text("hello")
    with contextlib.closing(sqlite3.connect(plain.bridge.backups / "foreign.db")) as foreign:
        foreign.execute("CREATE TABLE t_namespaces (id, doc, crc)")
    for name in ("cut.db", "text.db", "foreign.db"):
        with pytest.raises(Failed, match="cannot be restored") as refusal:
            await http("restore", filename=name)
        assert refusal.value.code == 400
    assert (await ws("get_item", namespace="kept"))["value"] == {"a": 1}


async def test_nothing_is_restored_during_a_print(bridge: Running, klippy) -> None:
    (bridge.bridge.shelf.gcodes / "long.gcode").write_text("G4 P600000\n" * 50)
    async with doors(bridge) as (_, ws):
        await ws("post_backup", filename="mine.db")
        await ws("printer.print.start", filename="long.gcode")
        await until(lambda: bridge.bridge.jobs.active)
        with pytest.raises(Failed, match="print is in progress") as refusal:
            await ws("restore", filename="mine.db")
        assert refusal.value.code == 409


async def test_mqtt_may_only_when_it_is_allowed(start, klippy, tmp_path, mqtt: Ear) -> None:
    closed = await start()
    opened = await start(mqtt={"allow": ["read", "files"]}, data=str(tmp_path / "other"))
    calls = [
        ("get_item", {"namespace": "moonraker"}),
        ("list", {}),
        ("post_item", {"namespace": "n", "key": "a.b", "value": None}),
        ("delete_item", {"namespace": "n", "key": "a.b"}),
    ]
    for running, codes in ((closed, [403] * 4), (opened, [None] * 4)):
        for number, (name, params) in enumerate(calls):
            request = {"jsonrpc": "2.0", "method": f"server.database.{name}", "params": params, "id": number}
            await mqtt.say(running.topics.request, request)
        answers = await mqtt.until(
            lambda topic=running.topics.response: (a := mqtt.on(topic)) and len(a) == 4 and a
        )
        found = {answer.json["id"]: answer.json for answer in answers}
        assert [found[number].get("error", {}).get("code") for number in range(4)] == codes
    assert found[0]["result"]["value"]["instance_id"] == opened.bridge.identity.unique


def cut(path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 + 100])


def empty(path) -> None:
    path.write_bytes(b"")


def scribble(path) -> None:
    noise, raw = random.Random(3), bytearray(path.read_bytes())
    for _ in range(200):
        raw[noise.randrange(len(raw))] = noise.randrange(256)
    path.write_bytes(bytes(raw))


def overwrite_head(path) -> None:
    path.write_bytes(b"hello, I am no database" + path.read_bytes()[23:])


@pytest.mark.parametrize("accident", [cut, empty, scribble, overwrite_head])
async def test_a_broken_database_is_set_aside_and_told(start, tmp_path, caplog, accident) -> None:
    first = await start(wait=False)
    async with doors(first) as (_, ws):
        for number in range(30):
            await ws("post_item", namespace="n", key=f"k{number}", value="x" * 1000)
    await first.end()
    path = tmp_path / "data" / "bridge" / "bridge.db"
    accident(path)
    with caplog.at_level(logging.WARNING):
        again = await start(wait=False)
    async with doors(again) as (_, ws):
        warnings = (await ws("server.info"))["warnings"]
        assert any("bridge.db" in text and ".broken-" in text for text in warnings), warnings
        assert all(text in caplog.text for text in warnings)
        assert (await ws("list"))["namespaces"] == list(RESERVED)
        await ws("post_item", namespace="n", key="k", value=1)
    assert [other for other in path.parent.iterdir() if ".broken-" in other.name]
