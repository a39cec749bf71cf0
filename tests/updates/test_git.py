"""Git repositories: real ones in a folder, looked at and updated over the API."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from bridge.updates.survey import owner_and_name
from tests.conftest import Running, Start
from tests.power.calls import Refused, call, fetch
from tests.services.programs import SYSTEMCTL, Machine
from tests.updates.workshop import PLAIN, Toy, Upstream, component, git, left_over
from tests.wire import Ear

TODAY = {
    "name", "configured_type", "detected_type", "channel", "channel_invalid", "debug_enabled",
    "need_channel_update", "is_valid", "version", "remote_version", "rollback_version",
    "full_version_string", "remote_hash", "current_hash", "remote_alias", "remote_url", "recovery_url",
    "owner", "branch", "repo_name", "repo_detected", "is_dirty", "corrupt", "pristine", "detached",
    "git_messages", "anomalies", "warnings", "commits_behind", "commits_behind_count", "info_tags",
}  # fmt: skip
CHANNELS = [("stable", "v0.1.0"), ("beta", "v0.2.0-rc2"), ("dev", "v0.2.0-rc2-2")]


@pytest.fixture(autouse=True)
def plain_git(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PLAIN.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    return Upstream(tmp_path)


async def begun(start: Start, upstream: Upstream, **options: Any) -> Running:
    one = {"type": "git_repo", "path": str(upstream.clone), **options}
    return await start(updates={"components": {"klipper": one}}, machine={"provider": "none"}, wait=False)


async def updated(bridge: Running) -> Any:
    return await call(bridge, "machine.update.klipper")


async def test_a_repository_is_looked_at_updated_and_rolled_back(
    start: Start, upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mqtt: Ear
) -> None:
    machine = Machine(tmp_path, monkeypatch)
    machine.program("systemctl", SYSTEMCTL)
    machine.service("klipper")
    one = {"type": "git_repo", "path": str(upstream.clone)}
    bridge = await start(
        updates={"components": {"klipper": one}}, machine={"provider": "systemd"}, wait=False
    )
    first, second = upstream.here, upstream.commit("second\n\nwhy it is so")
    upstream.tag("v0.2.0")
    third = upstream.commit("third")
    before = await component(bridge, "klipper")
    assert set(before) == TODAY
    assert (before["version"], before["commits_behind_count"], before["is_valid"]) == ("v0.1.0", 0, True)
    found = await component(bridge, "klipper", refresh=True)
    assert (found["version"], found["remote_version"]) == ("v0.1.0", "v0.2.0-1")
    assert (found["current_hash"], found["remote_hash"]) == (first, third)
    assert (found["commits_behind_count"], found["branch"], found["remote_alias"]) == (2, "master", "origin")
    newest, older = found["commits_behind"]
    assert (newest["sha"], newest["subject"], newest["tag"]) == (third, "third", None)
    assert (older["sha"], older["author"], older["tag"]) == (second, "Ada", "v0.2.0")
    assert older["message"] == "why it is so"
    assert older["date"].isdigit()
    mqtt.forget()
    assert await updated(bridge) == "ok"
    assert (upstream.here, upstream.clean, machine.calls) == (third, True, ["restart -- klipper.service"])
    topic = bridge.topics.event("update_response")
    await mqtt.message(topic, where=lambda one: one.json["data"]["complete"])
    told = [one.json["data"] for one in mqtt.on(topic)]
    assert [one["complete"] for one in told] == [False] * (len(told) - 1) + [True]
    assert {one["application"] for one in told} == {"klipper"}
    assert len({one["proc_id"] for one in told}) == 1
    assert told[-1]["message"] == "klipper is done"
    refreshed = await mqtt.message(
        bridge.topics.event("update_refreshed"),
        where=lambda one: one.json["data"]["version_info"]["klipper"]["version"] == "v0.2.0-1",
    )
    refreshed = refreshed.json["data"]
    assert refreshed["busy"] is False
    assert refreshed["version_info"]["klipper"]["rollback_version"] == "v0.1.0"
    assert await call(bridge, "machine.update.rollback", name="klipper") == "ok"
    assert (upstream.here, upstream.clean) == (first, True)
    with pytest.raises(Refused, match="No earlier version") as caught:
        await call(bridge, "machine.update.rollback", name="klipper")
    assert caught.value.code == 409
    assert (await component(bridge, "klipper"))["commits_behind_count"] == 2


@pytest.mark.parametrize(
    ("address", "owner", "name"),
    [
        ("https://github.com/Klipper3d/klipper.git", "Klipper3d", "klipper"),
        ("https://me:word@github.com/Klipper3d/klipper", "Klipper3d", "klipper"),
        ("ssh://git@host:22/a/b.git", "a", "b"),
        ("git@github.com:Klipper3d/klipper.git", "Klipper3d", "klipper"),
        ("https://me:word@host/x.git", "?", "x"),
        ("/srv/git/klipper.git", "?", "here"),
        ("", "?", "here"),
    ],
)
def test_whose_a_repository_is_is_read_from_its_address(address: str, owner: str, name: str) -> None:
    assert owner_and_name(address, Path("/x/here")) == (owner, name)


async def test_many_commits_are_cut_at_thirty_and_older_ones_shown_by_their_tags(
    start: Start, upstream: Upstream
) -> None:
    upstream.many(35, {2: "v0.1.5"})
    bridge = await begun(start, upstream)
    found = await component(bridge, "klipper", refresh=True)
    assert found["commits_behind_count"] == 35
    subjects = [one["subject"] for one in found["commits_behind"]]
    assert subjects == [f"number {n}" for n in range(34, 4, -1)] + ["number 2"]


async def test_whatever_a_commit_says_is_only_shown(start: Start, upstream: Upstream) -> None:
    for words in ("\x1e\x1f\x1b[2J", "long " * 40_000, "a\n\n" + "line " * 400_000, "--format=%x00"):
        git(upstream.path, "commit", "--quiet", "--allow-empty", "--file=-", typed=words)
    git(upstream.path, "commit", "--quiet", "--allow-empty", "--message", "x", "--author=A\x1eB <a@b>")
    bridge = await begun(start, upstream)
    found = await component(bridge, "klipper", refresh=True)
    assert found["commits_behind_count"] == 5
    assert len(found["commits_behind"]) >= 2
    assert len(str(found)) < 20_000
    await updated(bridge)
    assert upstream.here == upstream.head


async def test_each_channel_is_followed(start: Start, upstream: Upstream) -> None:
    upstream.many(4, {0: "v0.2.0-rc1", 1: "v0.2.0-rc2"})
    for channel, version in CHANNELS:
        bridge = await begun(start, upstream, channel=channel)
        found = await component(bridge, "klipper", refresh=True)
        assert (found["channel"], found["remote_version"]) == (channel, version)
        await updated(bridge)
        assert (await component(bridge, "klipper"))["version"] == version
        await bridge.end()
    git(upstream.path, "tag", "v0.2.0")  # it is newer than its candidates
    bridge = await begun(start, upstream, channel="beta")
    assert (await component(bridge, "klipper", refresh=True))["remote_version"] == "v0.2.0"


async def test_a_pinned_commit_is_where_it_stays(start: Start, upstream: Upstream) -> None:
    pinned = upstream.commit("pinned")
    upstream.commit("too new")
    bridge = await begun(start, upstream, pinned_commit=pinned[:8])
    await updated(bridge)
    assert upstream.here == pinned
    assert (await component(bridge, "klipper", refresh=True))["commits_behind_count"] == 0
    await bridge.end()
    other = await begun(start, upstream, pinned_commit="0123456789")
    assert "pinned_commit 01234567 is not known" in (await component(other, "klipper"))["anomalies"][0]


async def test_local_changes_are_never_lost_by_an_update(start: Start, upstream: Upstream) -> None:
    upstream.commit("second")
    (upstream.clone / "main.py").write_text("mine\n")
    bridge = await begun(start, upstream)
    found = await component(bridge, "klipper", refresh=True)
    assert (found["is_dirty"], found["pristine"], found["is_valid"]) == (True, False, True)
    assert found["full_version_string"].endswith("-dirty")
    with pytest.raises(Refused, match="local changes"):
        await updated(bridge)
    assert (upstream.clone / "main.py").read_text() == "mine\n"
    assert await call(bridge, "machine.update.recover", name="klipper") == "ok"
    assert (upstream.here, upstream.clean) == (upstream.head, True)


async def test_a_file_of_one_s_own_is_not_overwritten_by_a_new_one(start: Start, upstream: Upstream) -> None:
    old = upstream.here
    upstream.commit("extra", {"extras/led.py": "theirs\n"})
    bridge = await begun(start, upstream)
    folder, exclude = upstream.clone / "extras", upstream.clone / ".git/info/exclude"
    for target, link, ignored in (
        (folder / "led.py", False, False),
        (folder / "led.py", True, False),
        (folder / "led.py", False, True),
        (folder, False, False),
    ):
        target.parent.mkdir(exist_ok=True)
        if link:
            target.symlink_to("/nowhere")
        else:
            target.write_text("mine\n")
        exclude.write_text("extras/\n" * ignored)
        with pytest.raises(Refused, match=r"your file extras.*is in the way"):
            await updated(bridge)
        assert upstream.here == old
        assert target.is_symlink() or target.read_text() == "mine\n"
        target.unlink()
        if folder.is_dir():
            folder.rmdir()
    await updated(bridge)
    assert (folder / "led.py").read_text() == "theirs\n"


async def test_a_file_may_become_a_folder_and_a_folder_a_file(start: Start, upstream: Upstream) -> None:
    upstream.commit("a file and a folder", {"one": "x", "two/three": "y"})
    bridge = await begun(start, upstream)
    await updated(bridge)
    upstream.remove("one")
    upstream.remove("two/three")
    upstream.commit("a folder and a file", {"one/three": "x", "two": "y"})
    await updated(bridge)
    assert ((upstream.clone / "one/three").read_text(), (upstream.clone / "two").read_text()) == ("x", "y")


async def test_what_keeps_it_from_being_updated_is_told_and_mended(
    start: Start, upstream: Upstream, tmp_path: Path
) -> None:
    upstream.commit("second")
    bridge = await begun(start, upstream, origin=str(upstream.path), branch="master")
    git(upstream.clone, "remote", "set-url", "origin", "https://me:s3cret-login@elsewhere.invalid/x.git")
    found = (await call(bridge, "machine.update.status", refresh=True))["version_info"]["klipper"]
    assert found["is_valid"] is False
    assert "s3cret-login" not in str(found)
    assert (found["owner"], found["repo_name"]) == ("?", "x")
    assert found["anomalies"][0].startswith("the remote is https://***@elsewhere.invalid/x.git")
    with pytest.raises(Refused, match=r"the remote is .*; machine.update.recover") as caught:
        await updated(bridge)
    assert "s3cret-login" not in str(caught.value)
    await call(bridge, "machine.update.recover", name="klipper")
    assert (upstream.here, git(upstream.clone, "remote", "get-url", "origin")) == (
        upstream.head,
        str(upstream.path),
    )
    git(upstream.clone, "checkout", "--quiet", "--detach")
    upstream.commit("third")
    found = await component(bridge, "klipper", refresh=True)
    assert (found["detached"], found["is_valid"]) == (True, False)
    with pytest.raises(Refused, match="detached HEAD"):
        await updated(bridge)
    await call(bridge, "machine.update.recover", name="klipper")
    assert (upstream.here, git(upstream.clone, "symbolic-ref", "--short", "HEAD")) == (
        upstream.head,
        "master",
    )
    git(upstream.clone, "checkout", "--quiet", "-b", "mine")
    with pytest.raises(Refused, match="the branch is mine, not master"):
        await updated(bridge)
    git(upstream.clone, "checkout", "--quiet", "master")
    git(upstream.clone, "commit", "--quiet", "--allow-empty", "--message", "mine")
    upstream.commit("fourth")
    with pytest.raises(Refused, match="commits of its own"):
        await updated(bridge)
    (upstream.clone / "note.txt").write_text("untracked")
    await call(bridge, "machine.update.recover", name="klipper")
    assert (upstream.here, upstream.clean) == (upstream.head, True)


async def test_a_damaged_repository_is_cloned_anew(start: Start, upstream: Upstream) -> None:
    upstream.commit("second")
    environment = upstream.clone / "env"
    environment.mkdir()
    (environment / "mine").write_text("kept")
    for pack in upstream.clone.glob(".git/objects/*/*"):
        pack.unlink()
    bridge = await begun(start, upstream, virtualenv=str(environment))
    found = await component(bridge, "klipper")
    assert (found["corrupt"], found["is_valid"]) == (True, False)
    assert found["git_messages"]
    with pytest.raises(Refused, match="damaged; recover with hard=true"):
        await updated(bridge)
    with pytest.raises(Refused, match="damaged; recover with hard=true"):
        await call(bridge, "machine.update.recover", name="klipper")
    assert await call(bridge, "machine.update.recover", name="klipper", hard=True) == "ok"
    found = await component(bridge, "klipper")
    assert (found["corrupt"], found["is_valid"], upstream.here) == (False, True, upstream.head)
    assert (environment / "mine").read_text() == "kept"
    assert [one for one in left_over(upstream.clone.parent) if "klipper" in one] == []


async def test_a_repository_that_is_not_there_is_told_and_cloned(start: Start, upstream: Upstream) -> None:
    shutil.rmtree(upstream.clone)
    bridge = await begun(start, upstream)
    assert (await component(bridge, "klipper"))["anomalies"] == [
        "there is no git repository in the folder 'klipper'"
    ]
    for params, words in (({}, "recover with hard=true"), ({"hard": True}, "set its option `origin`")):
        with pytest.raises(Refused, match=words):
            await call(bridge, "machine.update.recover", name="klipper", **params)
    await bridge.end()
    bridge = await begun(start, upstream, origin=str(upstream.path))
    await call(bridge, "machine.update.recover", name="klipper", hard=True)
    assert (await component(bridge, "klipper"))["is_valid"] is True


async def test_a_remote_that_is_away_changes_nothing(start: Start, upstream: Upstream) -> None:
    upstream.path.rename(upstream.path.with_name("away"))
    bridge = await begun(start, upstream)
    found = await component(bridge, "klipper", refresh=True)
    assert (found["is_valid"], found["version"]) == (True, "v0.1.0")
    assert "could not be asked" in found["warnings"][0]
    with pytest.raises(Refused, match="git fetch"):
        await updated(bridge)


async def test_requirements_come_with_the_commit_and_go_with_it(
    start: Start, upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = Toy(tmp_path)
    toy.publish("2.0", "3.0")
    monkeypatch.setenv("TOY_INDEX", str(toy.index))
    upstream.commit("wants two", {"needs.txt": "toy==2.0\n"})
    bridge = await begun(start, upstream, virtualenv=str(toy.path), requirements="needs.txt")
    await updated(bridge)
    assert (upstream.here, toy.version) == (upstream.head, "2.0")
    calls = len(toy.calls)
    upstream.commit("wants nothing new")
    await updated(bridge)
    assert len(toy.calls) == calls
    old = upstream.here
    upstream.commit("wants what nobody has", {"needs.txt": "toy==9.9\n"})
    with pytest.raises(Refused, match="stays as it was: pip: ERROR: No matching") as caught:
        await updated(bridge)
    assert "s3cret-login" not in str(caught.value)
    assert (upstream.here, upstream.clean, toy.version) == (old, True, "2.0")
    upstream.commit("wants three", {"needs.txt": "toy==3.0\n"})
    await updated(bridge)
    assert (upstream.here, toy.version) == (upstream.head, "3.0")
    assert [one for one in left_over(tmp_path) if "toy" in one] == []
    upstream.commit("wants two again", {"needs.txt": "toy==2.0\n"})
    (toy.path / ".made-for").mkdir()  # where a file is written
    with pytest.raises(Refused, match="stays as it was: Is a directory") as caught:
        await updated(bridge)
    assert str(tmp_path) not in str(caught.value)


async def test_a_new_bridge_of_a_repository_that_does_not_start_is_taken_back(
    start: Start, upstream: Upstream
) -> None:
    first = {".gitignore": "__pycache__/\n", "bridge/__init__.py": "", "bridge/app.py": "version = 1\n"}
    upstream.commit("as it was", first)
    git(upstream.clone, "pull", "--quiet")
    old = upstream.here
    one = {"type": "git_repo", "path": str(upstream.clone)}
    bridge = await start(
        updates={"components": {"klipper-bridge": one}}, machine={"provider": "none"}, wait=False
    )
    upstream.commit("broken", {"bridge/app.py": "import no_such_thing\n"})
    with pytest.raises(Refused, match=r"does not start: .*No module named 'no_such_thing'") as caught:
        await call(bridge, "machine.update.moonraker")
    assert str(upstream.clone) not in str(caught.value)
    assert (upstream.here, upstream.clean) == (old, True)
    upstream.commit("mended", {"bridge/app.py": "version = 2\n"})
    assert await call(bridge, "machine.update.moonraker") == "ok"
    assert (upstream.here, upstream.clean) == (upstream.head, True)


async def test_submodules_go_with_the_commit(
    start: Start, upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("COUNT", "1"), ("KEY_0", "protocol.file.allow"), ("VALUE_0", "always")):
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)  # a folder in place of a host
    part = Upstream(tmp_path, "part", {"inside.py": "one\n"})
    git(upstream.path, "submodule", "--quiet", "add", str(part.path), "lib/part")
    upstream.commit("with a part", {})
    bridge = await begun(start, upstream)
    inside = upstream.clone / "lib/part/inside.py"
    await updated(bridge)
    assert (inside.read_text(), upstream.clean) == ("one\n", True)
    part.commit("two", {"inside.py": "two\n"})
    git(upstream.path / "lib/part", "pull", "--quiet")
    upstream.commit("with a newer part")
    await updated(bridge)
    assert (inside.read_text(), upstream.clean) == ("two\n", True)
    await call(bridge, "machine.update.rollback", name="klipper")
    assert (inside.read_text(), upstream.clean) == ("one\n", True)
    inside.write_text("mine\n")
    assert (await component(bridge, "klipper", refresh=True))["is_dirty"]
    with pytest.raises(Refused, match="local changes"):
        await updated(bridge)


async def test_no_hook_of_a_repository_is_run_and_no_name_is_an_option(
    start: Start, upstream: Upstream, tmp_path: Path
) -> None:
    proof = tmp_path / "run"
    for name in ("post-merge", "post-checkout", "reference-transaction"):
        hook = upstream.clone / ".git/hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch {proof}\n")
        hook.chmod(0o755)
    upstream.commit("second")
    bridge = await begun(start, upstream)
    await updated(bridge)
    assert upstream.here == upstream.head
    assert not proof.exists()
    for name in ("--upload-pack=touch x", "-x", "nobody", ""):
        with pytest.raises(Refused, match="not among what is kept"):
            await call(bridge, "machine.update.client", name=name)
    assert (await fetch(bridge, "GET", "/machine/update/client?name=klipper"))[0] == 405
    assert (await fetch(bridge, "POST", "/machine/update/client?name=klipper"))[0] == 200
    assert os.environ["GIT_CONFIG_NOSYSTEM"] == "1"
