"""Notifiers by apprise to an HTTP stand-in: events, macros, texts, pictures, and services that fail."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from bridge.errors import ConfigError
from bridge.klippy.simulator import Simulator, write_sample
from bridge.notifiers.service import Service
from tests.conftest import Running, Start
from tests.filing import PRUSA
from tests.power.calls import call
from tests.stand_ins import serving
from tests.webcams.camera import PICTURE, camera
from tests.wire import Ear, until

SECRET = "tok3n-of-the-service"


class Post:
    """A service that takes JSON."""

    def __init__(self) -> None:
        self.url, self.status = "", 200
        self.letters: list[dict[str, Any]] = []
        self.tries = 0

    async def take(self, request: web.Request) -> web.Response:
        self.tries += 1
        if self.status == 200:
            self.letters.append(await request.json())
        return web.Response(status=self.status)

    @property
    def titles(self) -> list[str]:
        return [one["title"] for one in self.letters]


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    one = Post()
    async with serving(one.take) as address:
        one.url = f"json://{address}/{SECRET}"
        yield one


async def print_some(bridge: Running, tmp_path, name: str = "a.gcode") -> None:
    write_sample(tmp_path / "data" / "gcodes" / name, size=20, layers=2)
    await call(bridge, "printer.print.start", filename=name)


async def test_a_print_is_told_from_its_start_to_its_end(
    klippy: Simulator, start: Start, post: Post, tmp_path
) -> None:
    bridge = await start(
        notifiers={
            "phone": {"url": post.url},
            "ends": {
                "url": post.url,
                "events": ["complete"],
                "title": "{{ notifier }}: {{ event }}",
                "body": "{{ file }} {{ job.filament_used > 1 }} {{ metadata.slicer }} {{ job.nothing }}|",
            },
        },
        homeassistant={"name": "Voron"},
    )
    await print_some(bridge, tmp_path)
    await until(lambda: "Voron is finished" in post.titles and "ends: complete" in post.titles)
    phone = [title for title in post.titles if title.startswith("Voron")]
    assert phone == ["Voron prints", "Voron is finished"]  # in order; each notifier goes its own way
    letters = {one["title"]: one for one in post.letters}
    assert len(post.letters) == 3
    assert letters["Voron prints"]["message"].startswith("a.gcode")
    assert letters["Voron is finished"]["message"].startswith("a.gcode took ")
    assert letters["ends: complete"]["message"].startswith("a.gcode True ")


async def test_pauses_cancels_and_shutdowns_are_told_and_a_restart_tells_nothing(
    klippy: Simulator, start: Start, post: Post, tmp_path
) -> None:
    bridge = await start(notifiers={"phone": {"url": post.url, "title": "{{ event }}"}})
    write_sample(tmp_path / "data" / "gcodes" / "b.gcode", size=80, layers=60)
    await call(bridge, "printer.print.start", filename="b.gcode")
    for method, event in (("pause", "paused"), ("resume", "resumed"), ("cancel", "cancelled")):
        await call(bridge, f"printer.print.{method}")
        await until(lambda event=event: event in post.titles)
    klippy.shut_down("Lost communication with MCU")
    await until(lambda: "klippy_shutdown" in post.titles)
    assert post.titles == ["started", "paused", "resumed", "cancelled", "klippy_shutdown"]
    assert "Lost communication" in post.letters[-1]["message"]
    again = await start(
        notifiers={"phone": {"url": post.url}}, instance="again", wait=False, data=str(tmp_path / "x")
    )
    await until(lambda: again.bridge.klippy.info.state.value == "shutdown")
    assert len(post.letters) == 5


async def test_what_stops_a_print_is_told(klippy: Simulator, start: Start, post: Post, tmp_path) -> None:
    wanted = ["error", "filament_runout", "klippy_disconnect"]
    bridge = await start(notifiers={"phone": {"url": post.url, "events": wanted, "title": "{{ event }}"}})
    broken = tmp_path / "data" / "gcodes" / "broken.gcode"
    broken.write_text("G28\nBREAK\n")
    await call(bridge, "printer.print.start", filename="broken.gcode")
    await until(lambda: "error" in post.titles)
    assert post.letters[-1]["message"].startswith("broken.gcode: ")
    assert "broken on purpose" in post.letters[-1]["message"]
    write_sample(tmp_path / "data" / "gcodes" / "b.gcode", size=200, layers=200, heat=False)
    await call(bridge, "printer.print.start", filename="b.gcode")
    await until(lambda: bridge.bridge.tracker.current is not None)
    klippy.set_filament(present=False)
    await until(lambda: "filament_runout" in post.titles)
    spool = "filament_switch_sensor spool sees no filament; b.gcode waits"
    assert post.letters[-1]["message"] == spool
    await klippy.stop()
    await until(lambda: "klippy_disconnect" in post.titles)
    assert post.letters[-1]["message"].startswith("b.gcode")
    assert post.titles == wanted


async def test_a_macro_tells_any_notifier_something(
    klippy: Simulator, start: Start, post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    from bridge.klippy.simulator.printer import RemoteCall  # noqa: PLC0415 - the simulator's own word

    bridge = await start(notifiers={"phone": {"url": post.url, "events": ["error"]}})
    klippy.printer.called.emit(RemoteCall("notify", {"name": "phone", "message": "Clear the {{ bed }}"}))
    await until(lambda: post.letters)
    assert post.letters[0]["message"] == "Clear the {{ bed }}"
    assert post.letters[0]["title"] == bridge.name
    klippy.printer.called.emit(RemoteCall("notify", {"name": "nobody"}))
    await until(lambda: "names no notifier: nobody" in caplog.text)


async def test_a_picture_of_the_file_or_of_a_camera_goes_with_it(
    klippy: Simulator, start: Start, post: Post, tmp_path
) -> None:
    async with camera() as lens:
        bridge = await start(
            webcams={"base_url": lens.url, "cameras": {"bed": {"snapshot_url": "/webcam/"}}},
            notifiers={
                "a": {"url": post.url, "attach": "webcam", "title": "webcam", "events": ["started"]},
                "b": {"url": post.url, "attach": "webcam:gone", "title": "gone", "events": ["started"]},
                "c": {"url": post.url, "attach": "thumbnail", "title": "thumb", "events": ["started"]},
            },
        )
        gcode = tmp_path / "data" / "gcodes" / "c.gcode"
        gcode.write_bytes(PRUSA.read_bytes())
        await call(bridge, "printer.print.start", filename="c.gcode")
        await until(lambda: len(post.letters) == 3)
    found = {one["title"]: one["attachments"] for one in post.letters}
    assert base64.b64decode(found["webcam"][0]["base64"]) == PICTURE
    assert found["webcam"][0]["filename"] == "webcam.jpg"
    assert found["gone"] == []
    assert base64.b64decode(found["thumb"][0]["base64"]).startswith(b"\x89PNG")


async def test_a_service_that_fails_is_tried_three_times_told_once_and_hurts_nobody(
    klippy: Simulator, start: Start, post: Post, caplog: pytest.LogCaptureFixture, tmp_path
) -> None:
    post.status = 500
    other = {"url": post.url, "retry": 0.01}
    bridge = await start(notifiers={"phone": other, "odd": {"url": "nosuch://x", "retry": 0.01}})
    for name in ("a.gcode", "b.gcode"):
        await print_some(bridge, tmp_path, name)
        await until(lambda: bridge.bridge.tracker.current is not None)
        await until(lambda: bridge.bridge.tracker.current is None)
    await until(lambda: post.tries == 12)
    await until(lambda: "'odd' could not deliver" in caplog.text)
    assert caplog.text.count("notifier 'phone' could not deliver a message: Failed to send JSON") == 1
    assert "'odd' could not deliver a message: its url is none that apprise knows" in caplog.text
    post.status = 200
    await print_some(bridge, tmp_path, "c.gcode")
    await until(lambda: len(post.letters) == 2)


async def test_the_address_of_a_service_never_comes_out(
    klippy: Simulator, start: Start, post: Post, mqtt: Ear, caplog: pytest.LogCaptureFixture, tmp_path
) -> None:
    bridge = await start(notifiers={"phone": {"url": post.url, "attach": "thumbnail"}})
    listed = await call(bridge, "server.notifiers.list")
    assert listed == {
        "notifiers": [
            {
                "name": "phone", "url": "json://***", "events": ["*"], "body": None, "title": None,
                "attach": "thumbnail",
            }
        ]
    }  # fmt: skip
    await print_some(bridge, tmp_path)
    await until(lambda: len(post.letters) == 2)
    config = await call(bridge, "server.config")
    assert config["config"]["bridge"]["notifiers"]["phone"]["url"] == "***"
    assert config["config"]["notifier phone"]["url"] == "***"
    assert SECRET not in str(config) + caplog.text
    assert not [one for one in mqtt.heard if SECRET.encode() in one.payload]
    assert "notifier" in (await call(bridge, "server.info"))["components"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"title": "{{ x"}, r"notifiers\.phone\.title: not a template"),
        ({"body": "{% for x in y %}{% endfor %}"}, r"notifiers\.phone\.body: loops"),
        ({"events": ["exploded"]}, "events"),
        ({"attach": "/etc/passwd"}, "attach"),
    ],
)
async def test_a_mistake_in_the_configuration_names_its_path(
    options: dict[str, Any], message: str, start: Start
) -> None:
    with pytest.raises(ConfigError, match=message):
        await start(notifiers={"phone": {"url": "json://x", **options}})


def test_no_part_of_a_secret_is_in_a_reason() -> None:
    """apprise reads %40 as @; and one secret may begin as another does."""
    service = Service("json://ada:p%40ssword-one@127.0.0.1/tokens/tokens-of-many/tokens-of-many-more", "text")
    for secret in ("p%40ssword-one", "p@ssword-one", "tokens-of-many", "tokens-of-many-more"):
        assert service._shown(f"no {secret} here") == "no *** here"
