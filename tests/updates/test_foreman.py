"""All kinds together: what is refused, what is told, what Home Assistant shows, and who looks when."""

import asyncio
import json
import os
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bridge.app import build
from bridge.config import convert
from bridge.errors import ConfigError
from bridge.klippy.simulator import Simulator, write_sample
from tests.conftest import Running, Start
from tests.ha_discovery.rendering import render
from tests.ha_discovery.rules import expanded, faults
from tests.power.calls import Refused, availability, call
from tests.services.programs import SUDO, SYSTEMCTL, Machine
from tests.updates.test_packages import APT, DPKG
from tests.updates.workshop import ReleaseHost, component, release_host, zipped
from tests.wire import Ear, until


@pytest.fixture
async def host() -> AsyncIterator[ReleaseHost]:
    async with release_host() as one:
        for name in ("v1", "v2"):
            one.release(name, zipped({".version": name}))
        yield one


def installed(tmp_path: Path, name: str = "fluidd", version: str = "v1") -> dict[str, Any]:
    folder = tmp_path / "www" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".version").write_text(version)
    return {"type": "web", "path": str(folder), "repo": f"o/{name}"}


def version(tmp_path: Path, name: str = "fluidd") -> str:
    return (tmp_path / "www" / name / ".version").read_text()


async def begun(start: Start, host: ReleaseHost, tmp_path: Path, *names: str, **more: Any) -> Running:
    components = {name: installed(tmp_path, name) for name in names or ("fluidd",)}
    updates = {"components": components, "api": host.url, **more.pop("updates", {})}
    return await start(updates=updates, wait=False, **more)


async def test_nothing_is_there_and_nothing_is_asked_without_configuration(
    start: Start, host: ReleaseHost, mqtt: Ear
) -> None:
    bridge = await start(updates={"api": host.url, "refresh_interval": 0.001}, wait=False)
    info = await call(bridge, "server.info")
    assert "update_manager" not in info["components"]
    assert (await call(bridge, "machine.update.status", refresh=True))["version_info"] == {}
    with pytest.raises(Refused, match="Nothing is named in `updates`"):
        await call(bridge, "machine.update.full")
    for method in ("klipper", "moonraker", "system"):
        with pytest.raises(Refused, match="not among what is kept up to date"):
            await call(bridge, f"machine.update.{method}")
    assert host.asked == []
    assert not (bridge.bridge.folders.own / "updates").exists()


async def test_nothing_is_updated_while_a_job_prints(
    klippy: Simulator, start: Start, host: ReleaseHost, tmp_path: Path, mqtt: Ear
) -> None:
    write_sample(tmp_path / "data/gcodes/job.gcode", size=80, layers=60)
    bridge = await (await begun(start, host, tmp_path, mqtt={"allow": ["read", "control", "admin"]})).ready()
    await call(bridge, "printer.print.start", filename="job.gcode")
    await until(lambda: bridge.bridge.tracker.current is not None)
    for method, params in (
        ("machine.update.full", {}),
        ("machine.update.upgrade", {}),
        ("machine.update.client", {"name": "fluidd"}),
        ("machine.update.recover", {"name": "fluidd"}),
        ("machine.update.rollback", {"name": "fluidd"}),
        ("machine.update.refresh", {}),
    ):
        with pytest.raises(Refused, match="while a job is printing or paused") as caught:
            await call(bridge, method, **params)
        assert caught.value.code == 409
    for key in ("update_fluidd", "update_refresh"):
        await mqtt.say(bridge.topics.control(key), "PRESS")
        rejected = await mqtt.message(
            bridge.topics.event("control_rejected"), where=lambda m, k=key: m.json["data"]["control"] == k
        )
        assert "while a job is printing" in rejected.json["data"]["reason"]
    told = await call(bridge, "machine.update.status", refresh=True)  # ignored, and answered at once
    assert told["version_info"]["fluidd"]["remote_version"] == "?"
    assert (host.asked, version(tmp_path)) == ([], "v1")


async def test_a_full_update_that_a_job_cuts_short_tells_its_end(
    klippy: Simulator, start: Start, host: ReleaseHost, tmp_path: Path, mqtt: Ear
) -> None:
    write_sample(tmp_path / "data/gcodes/job.gcode", size=80, layers=60)
    go_on = asyncio.Event()

    async def serve(_request: web.Request, content: bytes) -> web.Response:
        await go_on.wait()
        return web.Response(body=content)

    host.serve = serve
    bridge = await (await begun(start, host, tmp_path, "fluidd", "klipper")).ready()
    asked = asyncio.ensure_future(call(bridge, "machine.update.full"))
    await until(lambda: any(one.path.startswith("/files/") for one in host.asked))
    await call(bridge, "printer.print.start", filename="job.gcode")
    await until(lambda: bridge.bridge.tracker.current is not None)
    go_on.set()
    with pytest.raises(Refused, match="while a job is printing"):
        await asked
    topic = bridge.topics.event("update_response")
    last = await mqtt.message(topic, where=lambda one: one.json["data"]["complete"])
    assert last.json["data"]["application"] == "klipper"
    assert [version(tmp_path, name) for name in ("fluidd", "klipper")] == ["v2", "v1"]


async def test_a_full_update_goes_in_order_and_tells_its_end_once(
    start: Start, host: ReleaseHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mqtt: Ear
) -> None:
    machine = Machine(tmp_path, monkeypatch)
    machine.program("systemctl", SYSTEMCTL)
    machine.service("klipper")
    renewed: list[str] = []
    bridge = await begun(
        start,
        host,
        tmp_path,
        *("klipper-bridge", "klipper", "broken", "fluidd"),
        machine={"provider": "systemd"},
    )
    bridge.bridge.below.desk._renew = lambda: renewed.append(version(tmp_path, "klipper-bridge"))
    (tmp_path / "www/broken").rename(tmp_path / "www/away")
    (tmp_path / "www/broken").write_text("a file")
    with pytest.raises(Refused, match="broken"):
        await call(bridge, "machine.update.full")
    topic = bridge.topics.event("update_response")
    await mqtt.message(topic, where=lambda one: one.json["data"]["complete"])
    told = [one.json["data"] for one in mqtt.on(topic)]
    assert list(dict.fromkeys(one["application"] for one in told)) == [
        *("broken", "fluidd", "klipper", "klipper-bridge"),
    ]
    assert [one["complete"] for one in told] == [False] * (len(told) - 1) + [True]
    assert any(one["message"].startswith("Error: ") for one in told if one["application"] == "broken")
    assert [version(tmp_path, name) for name in ("fluidd", "klipper", "klipper-bridge")] == ["v2"] * 3
    assert (machine.calls, renewed) == (["restart -- klipper.service"], ["v2"])


async def test_a_full_update_begins_with_the_system(
    start: Start, host: ReleaseHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mqtt: Ear
) -> None:
    machine = Machine(tmp_path, monkeypatch)
    for name, script in (("sudo", SUDO), ("dpkg", DPKG), ("apt-get", APT)):
        machine.program(name, script)
    names = ("klipper", "fluidd")
    bridge = await begun(start, host, tmp_path, *names, updates={"system": True})
    (machine.state / "no-apt").touch()  # what fails first keeps nobody else from his turn
    with pytest.raises(Refused, match="Could not get lock"):
        await call(bridge, "machine.update.full")
    topic = bridge.topics.event("update_response")
    await mqtt.message(topic, where=lambda one: one.json["data"]["complete"])
    told = [one.json["data"]["application"] for one in mqtt.on(topic)]
    assert list(dict.fromkeys(told)) == ["system", "fluidd", "klipper"]
    assert [version(tmp_path, name) for name in names] == ["v2", "v2"]
    (machine.state / "no-apt").unlink()
    assert await call(bridge, "machine.update.full") == "ok"
    assert (machine.state / "upgraded").exists()


async def test_no_service_is_restarted_for_an_update_when_a_job_has_begun_meanwhile(
    klippy: Simulator,
    start: Start,
    host: ReleaseHost,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mqtt: Ear,
) -> None:
    write_sample(tmp_path / "data/gcodes/job.gcode", size=80, layers=60)
    machine = Machine(tmp_path, monkeypatch)
    machine.program("systemctl", SYSTEMCTL)
    machine.service("crowsnest")
    go_on = asyncio.Event()

    async def serve(_request: web.Request, content: bytes) -> web.Response:
        await go_on.wait()
        return web.Response(body=content)

    host.serve = serve
    one = {**installed(tmp_path), "services": ["crowsnest"]}
    bridge = await start(
        updates={"components": {"fluidd": one}, "api": host.url}, machine={"provider": "systemd"}
    )
    asked = asyncio.ensure_future(call(bridge, "machine.update.client", name="fluidd"))
    await until(lambda: any(one.path.startswith("/files/") for one in host.asked))
    await call(bridge, "printer.print.start", filename="job.gcode")
    await until(lambda: bridge.bridge.tracker.current is not None)
    go_on.set()
    assert await asked == "ok"
    topic = bridge.topics.event("update_response")
    await mqtt.message(topic, where=lambda one: one.json["data"]["complete"])
    words = [one.json["data"]["message"] for one in mqtt.on(topic)]
    assert "A job is printing: restart crowsnest when it has ended, to use what is new" in words
    assert (version(tmp_path), machine.calls) == ("v2", [])


async def test_home_assistant_shows_it_and_its_button_begins_it(
    klippy: Simulator, start: Start, host: ReleaseHost, tmp_path: Path, mqtt: Ear
) -> None:
    bridge = await begun(start, host, tmp_path, mqtt={"allow": ["read", "control", "admin"]})
    await bridge.ready()
    device = await mqtt.message(bridge.topics.device(f"{bridge.bridge.identity.unique}_host"))
    assert faults(device.json) == []
    (found,) = (one for one in expanded(device.json)["components"].values() if one["platform"] == "update")
    assert found["name"] == "Fluidd"
    rendered = render(found["value_template"], {"installed_version": None, "title": "x"})
    assert json.loads(rendered) == {"title": "x"}
    topic = bridge.topics.update("fluidd")
    assert (found["platform"], found["state_topic"]) == ("update", topic)
    assert found["command_topic"] == bridge.topics.control("update_fluidd")
    assert availability(expanded(device.json)) == [bridge.topics.status]
    first = await mqtt.message(topic)
    assert (first.json["installed_version"], first.json["latest_version"], first.retain) == (
        "v1",
        "v1",
        False,
    )
    await call(bridge, "machine.update.refresh")
    await mqtt.message(topic, where=lambda one: one.json["latest_version"] == "v2")
    await mqtt.say(found["command_topic"], found["payload_install"])
    await mqtt.message(topic, where=lambda one: one.json["in_progress"])
    await mqtt.message(topic, where=lambda one: one.json["installed_version"] == "v2")
    assert version(tmp_path) == "v2"
    printer = await mqtt.message(bridge.topics.device(bridge.bridge.identity.unique))
    assert [one for one in printer.json["cmps"].values() if found["command_topic"] in one.values()] == []


async def test_without_the_right_an_update_is_shown_and_has_no_button(
    start: Start, host: ReleaseHost, tmp_path: Path, mqtt: Ear
) -> None:
    bridge = await begun(start, host, tmp_path)
    device = await mqtt.message(bridge.topics.device(f"{bridge.bridge.identity.unique}_host"))
    assert faults(device.json) == []
    (found,) = (one for one in expanded(device.json)["components"].values() if one["platform"] == "update")
    assert found["state_topic"] == bridge.topics.update("fluidd")
    assert "command_topic" not in found
    assert b"update_refresh" not in device.payload


async def test_a_button_looks_for_what_is_new_one_look_at_a_time(
    start: Start, host: ReleaseHost, tmp_path: Path, mqtt: Ear
) -> None:
    go_on = asyncio.Event()

    async def serve(_request: web.Request, content: bytes) -> web.Response:
        await go_on.wait()
        return web.Response(body=content)

    bridge = await begun(start, host, tmp_path, mqtt={"allow": ["read", "control", "admin"]})
    device = await mqtt.message(bridge.topics.device(f"{bridge.bridge.identity.unique}_host"))
    (button,) = (
        one for one in expanded(device.json)["components"].values() if one["name"] == "Check for updates"
    )
    assert (button["platform"], button["entity_category"]) == ("button", "diagnostic")
    await component(bridge, "fluidd")  # the first look, at what is here, is over
    host.talks.clear()
    topic, rejected = bridge.topics.update("fluidd"), bridge.topics.event("control_rejected")
    for _ in range(3):
        await call(bridge, "printer.control.set", control="update_refresh")
    await mqtt.say(button["command_topic"], "PRESS")
    await mqtt.say(bridge.topics.control("nobody"), "PRESS")
    assert (await mqtt.message(rejected)).json["data"]["control"] == "nobody"  # the one before was taken
    host.talks.set()
    await mqtt.message(topic, where=lambda one: one.json["latest_version"] == "v2")
    await until(lambda: bridge.bridge.below.upkeep.foreman.at_work is None)
    assert host.questions == 1
    mqtt.forget()
    host.serve = serve
    await call(bridge, "printer.control.set", control="update_fluidd")
    await until(lambda: bridge.bridge.below.upkeep.foreman.busy)
    await mqtt.say(button["command_topic"], "PRESS")
    assert "Wait for the end of 'fluidd'" in (await mqtt.message(rejected)).json["data"]["reason"]
    go_on.set()
    await mqtt.message(topic, where=lambda one: one.json["installed_version"] == "v2")
    await mqtt.say(button["command_topic"], "PRESS")
    await until(lambda: host.questions >= 2)


async def test_buttons_wait_for_their_turn(
    start: Start, host: ReleaseHost, tmp_path: Path, mqtt: Ear
) -> None:
    go_on, names = asyncio.Event(), ("fluidd", "mainsail", "last")

    async def serve(_request: web.Request, content: bytes) -> web.Response:
        await go_on.wait()
        return web.Response(body=content)

    host.serve = serve
    bridge = await begun(start, host, tmp_path, *names, mqtt={"allow": ["read", "control", "admin"]})
    await component(bridge, "last")
    await until(lambda: bridge.bridge.mqtt.up)
    for name in (*names, "mainsail"):
        await mqtt.say(bridge.topics.control(f"update_{name}"), "PRESS")
    rejected = await mqtt.message(bridge.topics.event("control_rejected"))
    assert "mainsail is being updated, or waits" in rejected.json["data"]["reason"]
    await mqtt.message(bridge.topics.update("last"), where=lambda one: one.json["in_progress"])
    assert [version(tmp_path, name) for name in names] == ["v1"] * 3
    go_on.set()
    for name in names:
        await mqtt.message(
            bridge.topics.update(name),
            where=lambda one: one.json["installed_version"] == "v2" and not one.json["in_progress"],
        )
    topic = bridge.topics.event("update_response")
    told = [one.json["data"]["application"] for one in mqtt.on(topic) if one.json["data"]["complete"]]
    assert told == list(names)


async def test_new_versions_are_announced_until_they_are_installed(
    start: Start, host: ReleaseHost, tmp_path: Path
) -> None:
    bridge = await begun(start, host, tmp_path)
    await component(bridge, "fluidd", refresh=True)

    async def entries() -> list[dict[str, Any]]:
        return (await call(bridge, "server.announcements.list"))["entries"]

    (entry,) = await entries()
    assert (entry["title"], entry["url"]) == ("New: fluidd v2", "https://releases.example/v2")
    assert entry["description"] == "fluidd: v1 → v2"
    await call(bridge, "server.announcements.dismiss", entry_id=entry["entry_id"])
    await component(bridge, "fluidd", refresh=True)
    assert [one["dismissed"] for one in await entries()] == [True]
    host.release("v3", zipped({".version": "v3"}))
    await component(bridge, "fluidd", refresh=True)
    assert [(one["title"], one["dismissed"]) for one in await entries()] == [("New: fluidd v3", False)]
    await call(bridge, "machine.update.client", name="fluidd")
    assert await entries() == []


async def test_it_looks_by_itself_no_more_often_than_it_is_told_to(
    start: Start, host: ReleaseHost, tmp_path: Path
) -> None:
    hour = time.localtime().tm_hour
    updates = {"refresh_interval": 24, "refresh_window": [hour, (hour + 1) % 24]}
    bridge = await begun(start, host, tmp_path, updates=updates)
    await until(lambda: host.questions == 1 and bridge.bridge.below.upkeep.foreman.at_work is None)
    assert (await component(bridge, "fluidd"))["remote_version"] == "v2"
    await bridge.end()
    memory = bridge.bridge.folders.own / "updates/memory.json"

    async def again(looked: float, window: list[int]) -> int:
        memory.write_text(json.dumps({**json.loads(memory.read_text()), "looked": looked}))
        before = host.questions
        one = await begun(start, host, tmp_path, updates={**updates, "refresh_window": window})
        assert (await component(one, "fluidd"))["remote_version"] == "v2"  # as it was remembered
        foreman = one.bridge.below.upkeep.foreman
        await until(lambda: foreman.at_work is None)
        due = foreman._is_due()
        await one.end()
        assert due is False
        return host.questions - before

    now, here, elsewhere = time.time(), updates["refresh_window"], [(hour + 12) % 24, (hour + 13) % 24]
    assert await again(now, here) == 0  # another start is no reason
    assert await again(now - 90_000, elsewhere) == 0
    assert await again(now - 90_000, here) == 1
    assert await again(now + 3_600, here) == 0  # this clock was set back
    assert await again(now + 400 * 86_400, here) == 1  # that one was wrong for good


MISTAKES: list[tuple[dict[str, dict[str, Any]], str]] = [
    ({"system": {"type": "web"}}, "cannot be a component's name"),
    ({"--upgrade": {"type": "python", "virtualenv": "/x"}}, "updates.components"),
    ({"a/b": {"type": "web"}}, "updates.components"),
    ({"a": {"type": "web", "repo": "../../x"}}, "updates.components.a.repo"),
    ({"a": {"type": "git_repo", "origin": "--upload-pack=x"}}, "updates.components.a.origin"),
    ({"a": {"type": "git_repo", "branch": "-f"}}, "updates.components.a.branch"),
    ({"a": {"type": "git_repo", "pinned_commit": "HEAD"}}, "updates.components.a.pinned_commit"),
    ({"a": {"type": "python", "virtualenv": "/x", "project": "-e"}}, "updates.components.a.project"),
    ({"a": {"type": "web", "asset": "-o"}}, "updates.components.a.asset"),
    ({"a": {"type": "zip", "requirements": "-r"}}, "updates.components.a.requirements"),
    ({"a": {"type": "web", "persistent_files": ["../x"]}}, "updates.components.a.persistent_files"),
    ({"a": {"type": "git_repo", "services": ["a; reboot"]}}, "updates.components.a.services"),
    ({"a": {"type": "git_repo", "services": ["cups"]}}, "services: 'cups' is not named in machine.services"),
    ({"a": {"type": "rpm"}}, "updates.components.a"),
    *(
        (
            {"a": {"type": kind, "channel": "dev", **more}},
            r"updates.components.a.channel: expected .*, got 'dev'",
        )
        for kind, more in (("web", {}), ("zip", {}), ("python", {"virtualenv": "/x"}))
    ),
]


def test_a_mistake_in_the_configuration_names_its_path(tmp_path: Path) -> None:
    for components, words in MISTAKES:
        whole = {name: {"path": "/x", "repo": "o/r", **one} for name, one in components.items()}
        for one in whole.values():
            if one["type"] in ("git_repo", "python"):
                del one["repo"]
            if one["type"] == "python":
                del one["path"]
        raw = {"instance": "x", "data": str(tmp_path), "updates": {"components": whole}}
        with pytest.raises(ConfigError, match=words):
            build(convert(raw, "test.yaml"), config_name="test.yaml", restart=lambda: None)


def test_an_address_that_is_none_is_told(tmp_path: Path) -> None:
    raw = {"instance": "x", "data": str(tmp_path), "updates": {"api": "http://[::1"}}
    with pytest.raises(ConfigError, match=r"updates\.api: expected an address such as https"):
        build(convert(raw, "test.yaml"), config_name="test.yaml", restart=lambda: None)


async def test_a_disk_that_takes_its_time_keeps_nobody_else_waiting(
    start: Start, host: ReleaseHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bridge = await begun(start, host, tmp_path)
    await component(bridge, "fluidd")
    at_once, slow = os.fsync, threading.Event()

    def after_a_while(descriptor: int) -> None:
        slow.set()
        time.sleep(0.6)
        at_once(descriptor)

    monkeypatch.setattr(os, "fsync", after_a_while)
    longest = 0.0
    asked = asyncio.ensure_future(call(bridge, "machine.update.refresh"))
    while not asked.done():
        begin = time.monotonic()
        await asyncio.sleep(0.01)
        longest = max(longest, time.monotonic() - begin)
    await asked
    assert slow.is_set()
    assert longest < 0.4
