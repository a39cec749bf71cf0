"""Cameras of the configuration and of clients, tested, kept, told, and shown over MQTT."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from bridge.config.yaml_file import Secret
from bridge.errors import ConfigError
from bridge.klippy.simulator import Simulator, write_sample
from tests.conftest import Running, Start
from tests.power.calls import Refused, availability, call, entities, fetch
from tests.webcams.camera import PICTURE, Camera, camera
from tests.wire import Ear, until

RELATIVE = {"stream_url": "/webcam/?action=stream", "snapshot_url": "/webcam/?action=snapshot"}
FIELDS = {
    "name", "location", "service", "enabled", "icon", "target_fps", "target_fps_idle", "stream_url",
    "snapshot_url", "flip_horizontal", "flip_vertical", "rotation", "aspect_ratio", "extra_data",
    "source", "uid",
}  # fmt: skip


@pytest.fixture
async def lens() -> AsyncIterator[Camera]:
    async with camera() as one:
        yield one


async def names(bridge: Running) -> list[str]:
    return [one["name"] for one in (await call(bridge, "server.webcams.list"))["webcams"]]


async def test_a_configured_camera_is_listed_and_nobody_changes_it(start: Start) -> None:
    bridge = await start(webcams={"cameras": {"bed": RELATIVE}}, wait=False)
    (one,) = (await call(bridge, "server.webcams.list"))["webcams"]
    assert set(one) == FIELDS
    assert (one["name"], one["source"], one["stream_url"]) == ("bed", "config", "/webcam/?action=stream")
    assert (await call(bridge, "server.webcams.get_item", uid=one["uid"]))["webcam"] == one
    for method, params in (
        ("post_item", {"name": "bed", "stream_url": "/other/"}),
        ("post_item", {"uid": one["uid"], "rotation": 90}),
        ("delete_item", {"uid": one["uid"]}),
    ):
        with pytest.raises(Refused, match="in the bridge's configuration"):
            await call(bridge, f"server.webcams.{method}", **params)
    assert (await call(bridge, "server.webcams.list"))["webcams"] == [one]
    assert "webcam" in (await call(bridge, "server.info"))["components"]


async def test_a_client_s_camera_is_told_and_outlives_a_restart(start: Start, mqtt: Ear) -> None:
    bridge = await start(wait=False)
    await until(lambda: bridge.bridge.mqtt.up)
    status, answer = await fetch(bridge, "POST", "/server/webcams/item", json={"name": "nozzle", **RELATIVE})
    one = answer["result"]["webcam"]
    assert status == 200
    assert (one["source"], one["target_fps"], one["aspect_ratio"]) == ("database", 15, "4:3")
    told = await mqtt.message(bridge.topics.event("webcams_changed"))
    assert told.json["data"] == {"webcams": [one]}
    changed = await call(bridge, "server.webcams.post_item", uid=one["uid"], name="Düse 1", rotation=180)
    assert changed["webcam"] == {**one, "name": "Düse 1", "rotation": 180}
    by_name = await call(bridge, "server.webcams.post_item", name="Düse 1", enabled=False)
    assert by_name["webcam"] == {**changed["webcam"], "enabled": False}
    await bridge.end()
    again = await start(wait=False, instance="cams2")
    assert await call(again, "server.webcams.get_item", name="Düse 1") == by_name
    status, gone = await fetch(again, "DELETE", f"/server/webcams/item?uid={one['uid']}")
    assert (status, gone["result"]) == (200, by_name)
    assert await names(again) == []
    with pytest.raises(Refused) as refused:
        await call(again, "server.webcams.get_item", uid=one["uid"])
    assert refused.value.code == 404


async def test_a_camera_comes_in_a_query_string_as_well(start: Start) -> None:
    bridge = await start(wait=False)
    fields = {"name": "a", "stream_url": "/x", "rotation": "90", "enabled": "false", "target_fps": "20"}
    status, answer = await fetch(
        bridge, "POST", "/server/webcams/item", params={**fields, "aspect_ratio": ""}
    )
    one = answer["result"]["webcam"]
    assert (status, one["rotation"], one["enabled"], one["target_fps"]) == (200, 90, False, 20)
    assert one["aspect_ratio"] == "4:3"
    status, answer = await fetch(bridge, "GET", "/server/webcams/item", params={"name": "a"})
    assert (status, answer["result"]["webcam"]) == (200, one)
    assert (await fetch(bridge, "DELETE", "/server/webcams/item", params={"name": "a"}))[0] == 200
    assert await names(bridge) == []


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"stream_url": "/x"}, "Missing argument 'name'"),
        ({"name": "a"}, "Missing argument 'stream_url'"),
        ({"name": "a\nb", "stream_url": "/x"}, "no control characters"),
        ({"name": "a", "stream_url": "javascript:alert(1)"}, "expected an address"),
        ({"name": "a", "stream_url": "/x", "extra_data": {"a": "x" * 10_000}}, "larger than 10000 bytes"),
        ({"name": "a", "stream_url": "file:///etc/passwd"}, "expected an address"),
        ({"name": "a", "stream_url": "/x", "rotation": 45}, "rotation"),
        ({"name": "a", "stream_url": "/x", "aspect_ratio": "wide"}, "aspect_ratio"),
        ({"uid": "nobody", "name": "a"}, "There is no webcam 'nobody'"),
    ],
)
async def test_what_is_no_camera_is_refused(fields: dict[str, Any], message: str, start: Start) -> None:
    bridge = await start(wait=False)
    with pytest.raises(Refused, match=message):
        await call(bridge, "server.webcams.post_item", **fields)
    assert await names(bridge) == []


async def test_two_cameras_do_not_share_a_name(start: Start) -> None:
    bridge = await start(wait=False)
    await call(bridge, "server.webcams.post_item", name="a", stream_url="/a")
    two = await call(bridge, "server.webcams.post_item", name="b", stream_url="/b")
    with pytest.raises(Refused, match="another webcam 'a'"):
        await call(bridge, "server.webcams.post_item", uid=two["webcam"]["uid"], name="a")
    assert await names(bridge) == ["a", "b"]


async def test_what_old_web_uis_write_into_the_database_is_a_camera(start: Start, mqtt: Ear) -> None:
    bridge = await start(wait=False)
    await until(lambda: bridge.bridge.mqtt.up)
    old = {
        "name": "Old", "icon": "mdi-printer-3d", "service": "mjpegstreamer-adaptive", "targetFps": 20,
        "urlStream": "/webcam/?action=stream", "urlSnapshot": "/webcam/?action=snapshot", "flipX": True,
        "flipY": False, "somethingElse": 7,
    }  # fmt: skip
    await call(bridge, "server.database.post_item", namespace="webcams", key="u-1", value=old)
    await mqtt.message(bridge.topics.event("webcams_changed"))
    (one,) = (await call(bridge, "server.webcams.list"))["webcams"]
    assert (one["uid"], one["name"], one["target_fps"], one["flip_horizontal"]) == ("u-1", "Old", 20, True)
    await call(bridge, "server.database.post_item", namespace="webcams", key="u-2", value="nonsense")
    await call(bridge, "server.webcams.post_item", uid="u-1", flip_vertical=True)
    kept = (await call(bridge, "server.database.get_item", namespace="webcams", key="u-1"))["value"]
    assert (kept["urlStream"], kept["flipY"]) == ("/webcam/?action=stream", True)
    await call(bridge, "server.database.delete_item", namespace="webcams", key="u-1")
    await mqtt.message(bridge.topics.event("webcams_changed"), where=lambda m: not m.json["data"]["webcams"])
    assert await names(bridge) == []


async def test_a_camera_is_tested_with_its_addresses_in_full(start: Start, lens: Camera) -> None:
    bridge = await start(webcams={"base_url": lens.url, "timeout": 0.3}, wait=False)
    await call(bridge, "server.webcams.post_item", name="a", **RELATIVE)

    async def test(name: str = "a") -> Any:
        return await call(bridge, "server.webcams.test", name=name)

    assert await test() == {
        "name": "a",
        "snapshot_reachable": True,
        "snapshot_url": f"{lens.url}/webcam/?action=snapshot",
        "stream_url": f"{lens.url}/webcam/?action=stream",
    }
    lens.kind = "text/html"
    assert (await test())["snapshot_reachable"] is False
    lens.kind, lens.status = "image/jpeg", 503
    assert (await test())["snapshot_reachable"] is False
    lens.status, lens.hangs = 200, True
    assert (await test())["snapshot_reachable"] is False
    await call(bridge, "server.webcams.post_item", name="b", stream_url="rtsp://camera/1")
    assert (await test("b"))["stream_url"] == "rtsp://camera/1"


async def print_some(bridge: Running, tmp_path) -> None:
    write_sample(tmp_path / "data" / "gcodes" / "a.gcode", size=20, layers=2)
    await call(bridge, "printer.print.start", filename="a.gcode")


async def test_pictures_go_out_while_a_job_runs_and_are_not_retained(
    klippy: Simulator, start: Start, lens: Camera, mqtt: Ear, tmp_path
) -> None:
    bridge = await start(webcams={"base_url": lens.url, "interval": 1, "cameras": {"my cam/1": RELATIVE}})
    found = await entities(bridge, mqtt, "My cam/1 camera")
    entity = found["My cam/1 camera"]
    assert entity["platform"] == "camera"
    assert (
        entity["topic"]
        == bridge.topics.webcam_snapshot("my cam/1")
        == f"{bridge.name}/webcam/my cam%2F1/snapshot"
    )
    assert availability(entity) == [bridge.topics.status]
    assert lens.asked == 0
    await print_some(bridge, tmp_path)
    told = await mqtt.message(entity["topic"])
    assert (told.payload, told.retain) == (PICTURE, False)
    await until(lambda: bridge.bridge.tracker.current is None)
    await until(lambda: lens.asked >= 2)  # how it ended


async def test_a_picture_that_is_too_large_or_missing_is_not_published_and_hurts_nobody(
    klippy: Simulator, start: Start, lens: Camera, mqtt: Ear, tmp_path, caplog: pytest.LogCaptureFixture
) -> None:
    lens.picture = b"x" * 2000
    cameras = {"large": RELATIVE, "gone": {"snapshot_url": "http://127.0.0.1:1/x"}}
    bridge = await start(webcams={"base_url": lens.url, "max_bytes": 1024, "cameras": cameras})
    await print_some(bridge, tmp_path)
    await until(lambda: bridge.bridge.tracker.current is not None)
    await until(lambda: bridge.bridge.tracker.current is None)
    await until(
        lambda: "'large' shows nothing over MQTT: 127.0.0.1 answers with more than 1024" in caplog.text
    )
    assert (
        caplog.text.count("'gone' shows nothing over MQTT: 127.0.0.1 cannot be reached: Connection refused")
        == 1
    )
    assert not [one for one in mqtt.heard if "/webcam/" in one.topic]


async def test_home_assistant_may_fetch_the_pictures_itself(start: Start, mqtt: Ear) -> None:
    cameras = {"bed": RELATIVE, "secret": {"snapshot_url": "http://me:s3cret@camera/x.jpg"}}
    bridge = await start(
        webcams={"homeassistant": "url", "public_url": "http://printer.local", "cameras": cameras}, wait=False
    )
    found = await entities(bridge, mqtt, "Bed camera")
    assert "Secret camera" not in found
    assert found["Bed camera"]["platform"] == "image"
    told = await mqtt.message(found["Bed camera"]["url_topic"])
    assert (told.payload, told.topic) == (
        b"http://printer.local/webcam/?action=snapshot",
        bridge.topics.webcam_url("bed"),
    )


async def test_the_login_of_a_camera_reaches_browsers_and_never_the_broker(
    klippy: Simulator, start: Start, lens: Camera, mqtt: Ear, tmp_path
) -> None:
    url = lens.url.replace("://", "://me:s3cret@") + "/webcam/"
    cameras = {"a": {"stream_url": url, "snapshot_url": url}}
    bridge = await start(webcams={"cameras": cameras})
    assert (await call(bridge, "server.webcams.list"))["webcams"][0]["stream_url"] == url
    assert "s3cret" not in str(await call(bridge, "server.config"))
    await mqtt.say(bridge.topics.request, {"jsonrpc": "2.0", "method": "server.webcams.list", "id": 1})
    shown = await mqtt.message(bridge.topics.response)
    assert shown.json["result"]["webcams"][0]["stream_url"] == url.replace("me:s3cret", "***")
    await call(bridge, "server.webcams.post_item", name="b", stream_url="/b")
    await mqtt.message(bridge.topics.event("webcams_changed"))
    await print_some(bridge, tmp_path)
    await mqtt.message(bridge.topics.webcam_snapshot("a"))
    assert lens.logins[0] == aiohttp.encode_basic_auth("me", "s3cret")
    assert not [one for one in mqtt.heard if b"s3cret" in one.payload]


@pytest.mark.parametrize(
    ("webcams", "message"),
    [
        (
            {"cameras": {"a": {}}},
            "webcams.cameras.a.stream_url: a camera has the address of a stream or of a picture",
        ),
        ({"cameras": {"a": {"stream_url": "ftp://x"}}}, "webcams.cameras.a.stream_url: expected an address"),
        (
            {"cameras": {"a": {"stream_url": "/x", "extra_data": {"a": "x" * 4000, "b": ["x" * 3000] * 2}}}},
            "webcams.cameras.a.extra_data: larger than 10000 bytes",
        ),
        ({"base_url": "http://[::1"}, "webcams.base_url: expected an address such as http"),
        ({"public_url": "printer.local"}, "webcams.public_url: expected an address such as http"),
    ],
)
async def test_a_mistake_in_the_configuration_names_its_path(
    webcams: Any, message: str, start: Start
) -> None:
    with pytest.raises(ConfigError, match=message):
        await start(webcams=webcams)


async def test_only_a_camera_s_own_secrets_keep_it_from_home_assistant(
    start: Start, mqtt: Ear, caplog: pytest.LogCaptureFixture
) -> None:
    cameras = {
        "frames": {"snapshot_url": "/webcam/?action=snapshot&keyframe=1"},
        "own": {"snapshot_url": Secret("http://camera.example/4711")},
        "login": {"snapshot_url": "http://me:s3cret@camera/x.jpg"},
    }
    bridge = await start(
        mqtt={"host": Secret("127.0.0.1")},
        webcams={"homeassistant": "url", "public_url": "http://127.0.0.1", "cameras": cameras},
        wait=False,
    )
    found = await entities(bridge, mqtt, "Frames camera")
    assert {"Own camera", "Login camera"}.isdisjoint(found)
    told = await mqtt.message(bridge.topics.webcam_url("frames"))
    assert told.payload == b"http://127.0.0.1/webcam/?action=snapshot&keyframe=1"
    await call(bridge, "server.webcams.post_item", name="b", stream_url="/b")  # all is told anew
    said = sorted(r.getMessage() for r in caplog.records if "not shown in Home Assistant" in r.getMessage())
    assert said == [
        "webcam 'login' is not shown in Home Assistant: its address holds a login, a token or the like",
        "webcam 'own' is not shown in Home Assistant: its snapshot_url came by !secret",
    ]


async def test_a_camera_without_an_address_for_others_is_told(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    await start(webcams={"homeassistant": "url", "cameras": {"bed": RELATIVE}}, wait=False)
    await until(lambda: "'bed' is not shown in Home Assistant: its snapshot_url is relative" in caplog.text)
    assert "webcams.public_url" in caplog.text
