"""Web UIs and applications from zip files of releases: a stand-in of GitHub, good, slow, broken and hostile."""

import asyncio
import contextlib
import hashlib
import json
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bridge.errors import Unprocessable
from bridge.updates.bundle import unpack
from tests.conftest import Running, Start
from tests.power.calls import Refused, call
from tests.updates.workshop import ReleaseHost, Toy, component, left_over, release_host, zipped
from tests.wire import Ear, until

TODAY = {
    "name", "configured_type", "channel", "channel_invalid", "debug_enabled", "need_channel_update", "owner",
    "repo_name", "last_error", "version", "remote_version", "rollback_version", "is_valid", "pristine",
    "anomalies", "warnings", "info_tags", "detected_type",
}  # fmt: skip
MEGABYTE = b"\0" * (1 << 20)


@pytest.fixture
async def host() -> AsyncIterator[ReleaseHost]:
    async with release_host() as one:
        yield one


def ui(version: str, **files: str) -> bytes:
    told = json.dumps({"project_name": "fluidd", "project_owner": "fluidd-core", "version": version})
    return zipped({"release_info.json": told, "index.html": f"<p>{version}", **files})


async def begun(
    start: Start, host: ReleaseHost, tmp_path: Path, *, token: Any = None, **options: Any
) -> Running:
    one = {"type": "web", "path": str(tmp_path / "www/fluidd"), "repo": "fluidd-core/fluidd", **options}
    updates = {"components": {"fluidd": one}, "api": host.url, "token": token}
    return await start(updates=updates, wait=False)


async def updated(bridge: Running) -> Any:
    return await call(bridge, "machine.update.client", name="fluidd")


async def test_a_web_ui_is_installed_updated_and_rolled_back(
    start: Start, host: ReleaseHost, tmp_path: Path, mqtt: Ear
) -> None:
    folder = tmp_path / "www/fluidd"
    host.release("v1.0.0", ui("v1.0.0", **{"old.js": "x", "config.json": "theirs"}))
    bridge = await begun(start, host, tmp_path, persistent_files=["config.json", "themes"])
    first = await component(bridge, "fluidd")
    assert set(first) == TODAY
    assert (first["is_valid"], first["version"], first["remote_version"]) == (False, "?", "?")
    assert host.asked == []
    assert await updated(bridge) == "ok"
    assert (folder / "index.html").read_text() == "<p>v1.0.0"
    (folder / "config.json").write_text("mine")
    (folder / "themes").mkdir()
    (folder / "themes/dark.css").write_text("black")
    host.release("v1.1.0", ui("v1.1.0", **{"config.json": "theirs"}))
    found = (await call(bridge, "machine.update.refresh", name="fluidd"))["version_info"]["fluidd"]
    assert (found["version"], found["remote_version"], found["is_valid"]) == ("v1.0.0", "v1.1.0", True)
    assert (found["owner"], found["repo_name"], found["configured_type"]) == ("fluidd-core", "fluidd", "web")
    mqtt.forget()
    await updated(bridge)
    assert {path.name for path in folder.iterdir()} == {
        "release_info.json",
        "index.html",
        "config.json",
        "themes",
    }
    assert (folder / "config.json").read_text() == "mine"
    assert (folder / "themes/dark.css").read_text() == "black"
    assert folder.stat().st_mode & 0o777 == 0o755
    topic = bridge.topics.event("update_response")
    await mqtt.message(topic, where=lambda one: one.json["data"]["complete"])
    words = [one.json["data"]["message"] for one in mqtt.on(topic)]
    assert words[0] == "Downloading ui.zip of v1.1.0"
    assert "Its checksum is right" in words
    found = await component(bridge, "fluidd")
    assert (found["version"], found["rollback_version"]) == ("v1.1.0", "v1.0.0")
    (folder / "config.json").write_text("mine, and newer")
    await call(bridge, "machine.update.rollback", name="fluidd")
    assert (folder / "index.html").read_text() == "<p>v1.0.0"
    assert (folder / "config.json").read_text() == "mine, and newer"
    await call(bridge, "machine.update.recover", name="fluidd")
    assert (folder / "index.html").read_text() == "<p>v1.1.0"
    downloads = sum(one.path.startswith("/files/") for one in host.asked)
    await updated(bridge)  # up to date
    assert sum(one.path.startswith("/files/") for one in host.asked) == downloads
    assert left_over(folder.parent) == []


async def test_limits_are_told_and_an_answer_that_has_not_changed_is_not_sent_again(
    start: Start, host: ReleaseHost, tmp_path: Path
) -> None:
    host.release("v1.0.0", ui("v1.0.0"))
    bridge = await begun(start, host, tmp_path, token="s3cret-token")
    fresh = await call(bridge, "machine.update.status")
    names = ("github_rate_limit", "github_requests_remaining", "github_limit_reset_time")
    assert [fresh[name] for name in names] == [None, None, None]
    told = await call(bridge, "machine.update.status", refresh=True)
    assert (told["github_rate_limit"], told["github_requests_remaining"]) == (60, 59)
    assert told["github_limit_reset_time"] > 1_700_000_000
    await call(bridge, "machine.update.refresh")
    assert host.asked[0].headers["Authorization"] == "Bearer s3cret-token"
    assert host.asked[1].headers["If-None-Match"]
    await updated(bridge)
    download = next(one for one in host.asked if one.path.startswith("/files/"))
    assert "Authorization" not in download.headers
    assert "s3cret-token" not in json.dumps(await call(bridge, "server.config"))


@pytest.mark.parametrize(("status", "headers"), [(403, {}), (429, {}), (403, {"Retry-After": "60"})])
async def test_whoever_has_been_asked_too_often_is_left_alone(
    start: Start, host: ReleaseHost, tmp_path: Path, status: int, headers: dict[str, str]
) -> None:
    host.status, host.headers = status, headers
    host.remaining = 5 if headers else 1
    bridge = await begun(start, host, tmp_path)
    for _ in range(3):
        found = await component(bridge, "fluidd", refresh=True)
        assert "asked too often" in found["last_error"]
        with pytest.raises(Refused, match=r"updates\.token raises its limit") as caught:
            await updated(bridge)
        assert caught.value.code == 429
    assert host.questions == (6 if status == 429 and not headers and host.remaining > 0 else 1)


def digest(text: str) -> Any:
    return lambda made: made["assets"][0].update(digest=text)


def beside(text: str) -> Any:
    def change(made: dict[str, Any]) -> None:
        made["assets"][0]["digest"] = None
        address = made["assets"][0]["browser_download_url"]
        made["assets"].append(
            {"name": "ui.zip.sha256", "browser_download_url": f"{address}.sha256", "size": 0}
        )

    change.text = text  # type: ignore[attr-defined]
    return change


NEW = ui("v2.0.0")
RIGHT = hashlib.sha256(NEW).hexdigest()
BAD = [
    ("its digest is another", NEW, digest("sha256:" + "0" * 64), "not what its checksum says"),
    ("its digest is of a kind nobody knows", NEW, digest("md5:1"), "not what its checksum says"),
    ("the file beside says another", NEW, beside("0" * 64 + "  ui.zip"), "not what its checksum says"),
    ("the file beside says nothing", NEW, beside("<html>"), "not what its checksum says"),
    ("its size is another", NEW, lambda made: made["assets"][0].update(size=7), "has not the size"),
    ("it is no zip", b"hello", None, "no good zip file"),
    ("it is cut", NEW[:-30], None, "no good zip file"),
    ("it is damaged inside", NEW[:40] + b"\xff" * 20 + NEW[60:], None, "no good zip file"),
    ("it is empty", zipped({}), None, "empty zip file"),
    ("it leads upwards", zipped({"../../evil": "x"}), None, "leads elsewhere"),
    ("it leads to the root", zipped({"/tmp/evil": "x"}), None, "leads elsewhere"),
    ("it leads away with backslashes", zipped({"..\\evil": "x"}), None, "leads elsewhere"),
    ("it has a link", zipped({"a": "x"}, links={"out": "/etc"}), None, "has a link"),
    ("a file is a folder, too", zipped({"a": "x", "a/b": "y"}), None, "stays as it was"),
    ("a name is too long", zipped({"x" * 300: "y"}), None, "stays as it was"),
    ("two files", NEW, lambda made: made["assets"].append(made["assets"][0] | {"name": "b.zip"}), "set the option `asset`"),
    ("no file", NEW, lambda made: made["assets"].clear(), "has no file"),
    ("the file is gone", NEW, lambda made: made["assets"][0].update(browser_download_url="{url}/files/x"), "answers 404"),
    ("the address is none", NEW, lambda made: made["assets"][0].update(browser_download_url="file:///etc/passwd"), "was not downloaded"),
]  # fmt: skip


async def test_a_download_that_is_not_as_it_should_be_changes_nothing(
    start: Start, host: ReleaseHost, tmp_path: Path
) -> None:
    folder = tmp_path / "www/fluidd"
    host.release("v1.0.0", ui("v1.0.0"))
    bridge = await begun(start, host, tmp_path)
    await updated(bridge)
    for number, (what, content, change, words) in enumerate(BAD):
        made = host.release(f"v2.0.{number}", content)
        if change is not None:
            change(made)
            host.files[f"v2.0.{number}/ui.zip.sha256"] = getattr(change, "text", "").encode()
        for asset in made["assets"]:
            asset["browser_download_url"] = asset["browser_download_url"].replace("{url}", host.url)
        with pytest.raises(Refused, match=words) as caught:
            await updated(bridge)
        assert str(tmp_path) not in str(caught.value), what
        assert (folder / "index.html").read_text() == "<p>v1.0.0", what
        assert left_over(folder.parent) == [], what
        assert not (tmp_path / "evil").exists()
    odd = zipped({"release_info.json": "[" * 60_000, ".version": "v2.9\x1b[2J\n", "index.html": "odd"})
    host.release("v2.9", odd)
    await updated(bridge)
    assert (await component(bridge, "fluidd"))["version"] == "v2.9[2J"
    beside(f"{RIGHT.upper()} *ui.zip")(made := host.release("v3.0.0", NEW))
    host.files["v3.0.0/ui.zip.sha256"] = f"{RIGHT.upper()} *ui.zip\n".encode()
    assert len(made["assets"]) == 2
    await updated(bridge)
    assert (folder / "index.html").read_text() == "<p>v2.0.0"


def test_a_bomb_does_not_go_off(tmp_path: Path) -> None:
    file, made = tmp_path / "bomb.zip", tmp_path / "made"
    made.mkdir()
    content = bytearray(zipped({"big": MEGABYTE}))
    for at in (content.find(b"PK\x01\x02") + 24, content.find(b"PK\x03\x04") + 22):
        content[at : at + 4] = (0xF000_0000).to_bytes(4, "little")  # it says 4 GB
    file.write_bytes(bytes(content))
    with pytest.raises(Unprocessable, match="more than anybody needs"):
        unpack(file, tmp_path, made, [])
    content = bytearray(zipped({"big": MEGABYTE}))
    for at in (content.find(b"PK\x01\x02") + 24, content.find(b"PK\x03\x04") + 22):
        content[at : at + 4] = (1000).to_bytes(4, "little")  # it says 1000 bytes, and has a million
    file.write_bytes(bytes(content))
    with pytest.raises(Unprocessable, match="no good zip file"):
        unpack(file, tmp_path, made, [])
    assert sum(path.stat().st_size for path in made.rglob("*")) <= 1000


async def test_a_file_that_cannot_be_kept_is_told_without_a_path(
    start: Start, host: ReleaseHost, tmp_path: Path
) -> None:
    folder = tmp_path / "www/fluidd"
    (folder / "themes").mkdir(parents=True)
    (folder / ".version").write_text("v1")
    os.mkfifo(folder / "themes/pipe")
    host.release("v2", ui("v2"))
    bridge = await begun(start, host, tmp_path, persistent_files=["themes"])
    with pytest.raises(Refused, match="fluidd stays as it was") as caught:
        await updated(bridge)
    assert str(tmp_path) not in str(caught.value)
    assert ((folder / ".version").read_text(), left_over(tmp_path / "www")) == ("v1", [])


async def test_an_end_of_the_bridge_does_not_clear_away_what_is_being_put_in_place(
    start: Start, host: ReleaseHost, tmp_path: Path
) -> None:
    folder, old = tmp_path / "www/fluidd", tmp_path / "www/.fluidd.previous"
    old.mkdir(parents=True)
    folder.mkdir()
    (folder / ".version").write_text("v1")
    for number in range(1000):
        (old / str(number)).touch()
    names = [f"{number}.js" for number in range(3000)]
    host.release("v2", ui("v2", **dict.fromkeys(names, "")))
    bridge = await begun(start, host, tmp_path)
    await component(bridge, "fluidd")
    before = old.stat().st_mtime_ns
    asked = asyncio.ensure_future(updated(bridge))
    await until(lambda: not old.exists() or old.stat().st_mtime_ns != before)  # it goes for the one to come
    await bridge.end()
    with contextlib.suppress(Refused, OSError, aiohttp.ClientError):
        await asked
    await until(lambda: all(one.name != "blocking call" for one in threading.enumerate()))
    if (folder / "release_info.json").exists() or not (folder / ".version").exists():
        assert [name for name in names if not (folder / name).exists()] == []


ANSWERS = [
    b"<html>",
    b"{}",
    b"[]",
    b'{"tag_name": 5}',
    b'{"tag_name": ""}',
    b'{"tag_name": "--force"}',
    b'{"tag_name": "v1\\n\\u001b[2J"}',
    b'{"tag_name": "' + b"x" * 5000 + b'"}',
    b'{"tag_name": "v1", "assets": [{"name": "a.zip", "browser_download_url": "x", "size": -1}]}',
    b"[" * 100_000,
    b'{"author": ' + b"[" * 100_000,
    b'{"author": "\xff"}',
    b" " * 4_100_000,
]


async def test_no_answer_of_the_host_does_any_harm(start: Start, host: ReleaseHost, tmp_path: Path) -> None:
    bridge = await begun(start, host, tmp_path)
    for host.body in ANSWERS:
        found = await component(bridge, "fluidd", refresh=True)
        assert found["last_error"], host.body[:50]
        assert (found["remote_version"], found["warnings"]) == ("?", [found["last_error"]])
        with pytest.raises(Refused):
            await updated(bridge)
    host.body = b""
    host.headers = {"X-RateLimit-Limit": "9" * 400, "X-RateLimit-Reset": "soon"}
    host.release("v1.0.0", ui("v1.0.0"), html_url="javascript:alert(1)")
    await component(bridge, "fluidd", refresh=True)
    assert bridge.bridge.below.upkeep.foreman.components["fluidd"].versions.link is None
    for host.status, words in ((404, "knows no release"), (500, "answers 500"), (301, "answers 301")):
        assert words in (await component(bridge, "fluidd", refresh=True))["last_error"]


async def test_a_slow_download_tells_how_far_it_is_and_nobody_else_is_kept_waiting(
    start: Start, host: ReleaseHost, tmp_path: Path, mqtt: Ear
) -> None:
    go_on = asyncio.Event()

    async def serve(request: web.Request, content: bytes) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(content[: len(content) // 2])
        await go_on.wait()
        await answer.write(content[len(content) // 2 :])
        return answer

    host.serve = serve
    host.release("v1.0.0", ui("v1.0.0"))
    bridge = await begun(start, host, tmp_path)
    task = asyncio.ensure_future(updated(bridge))
    topic = bridge.topics.update("fluidd")
    shown = await mqtt.message(topic, where=lambda one: one.json["update_percentage"] is not None)
    assert shown.json["in_progress"] is True
    assert 40 <= shown.json["update_percentage"] <= 60
    told = await call(bridge, "machine.update.status", refresh=True)
    assert told["busy"] is True
    for method, params in (
        ("machine.update.client", {"name": "fluidd"}),
        ("machine.update.full", {}),
        ("machine.update.rollback", {"name": "fluidd"}),
        ("machine.update.recover", {"name": "fluidd"}),
        ("machine.update.refresh", {}),
    ):
        with pytest.raises(Refused, match="one thing is done at a time") as caught:
            await call(bridge, method, **params)
        assert caught.value.code == 409
    task.cancel()  # whoever asked hangs up; the update goes on
    go_on.set()
    done = await mqtt.message(topic, where=lambda one: one.json["installed_version"] == "v1.0.0")
    await until(lambda: not bridge.bridge.below.upkeep.foreman.busy)
    last = mqtt.latest(topic) or done
    assert last.json == {
        "installed_version": "v1.0.0",
        "latest_version": "v1.0.0",
        "title": "fluidd",
        "release_url": "https://releases.example/v1.0.0",
        "in_progress": False,
        "update_percentage": None,
    }


@pytest.mark.parametrize(("channel", "version"), [("stable", "v1.0.0"), ("beta", "v1.1.0-rc1")])
async def test_pre_releases_come_where_they_are_wanted_and_drafts_never(
    start: Start, host: ReleaseHost, tmp_path: Path, channel: str, version: str
) -> None:
    host.release("v1.0.0", zipped({"app.py": "1"}))
    host.release("v1.1.0-rc1", zipped({"app.py": "2"}), prerelease=True)
    host.release("v9", zipped({"app.py": "3"}), draft=True)
    bridge = await begun(start, host, tmp_path, channel=channel)
    await updated(bridge)
    assert (await component(bridge, "fluidd"))["version"] == version  # as the bridge has written it


async def test_an_application_and_its_environment_change_together(
    start: Start, host: ReleaseHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = Toy(tmp_path)
    toy.publish("2.0")
    monkeypatch.setenv("TOY_INDEX", str(toy.index))
    folder = tmp_path / "www/fluidd"
    host.release("1.0", zipped({"app.py": "1", "needs.txt": "toy==1.0"}))
    options = {"type": "zip", "virtualenv": str(toy.path), "requirements": "needs.txt"}
    bridge = await begun(start, host, tmp_path, **options)
    await updated(bridge)
    assert ((folder / "app.py").read_text(), toy.version) == ("1", "1.0")
    host.release("2.0", zipped({"app.py": "2", "needs.txt": "toy==2.0"}))
    await updated(bridge)
    assert ((folder / "app.py").read_text(), toy.version) == ("2", "2.0")
    host.release("3.0", zipped({"app.py": "3", "needs.txt": "toy==3.0"}))
    with pytest.raises(Refused, match="No matching distribution") as caught:
        await updated(bridge)
    assert "s3cret-login" not in str(caught.value)
    assert ((folder / "app.py").read_text(), toy.version) == ("2", "2.0")
    await call(bridge, "machine.update.rollback", name="fluidd")
    assert ((folder / "app.py").read_text(), toy.version) == ("1", "1.0")
    assert left_over(folder.parent) == left_over(tmp_path) == []
