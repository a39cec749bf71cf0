"""kill -9 in the middle of each kind: what was there works, and the next update goes through."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiohttp import web

from bridge.outgoing import Outgoing
from bridge.updates import swap
from bridge.updates.environment import Environment
from bridge.updates.memory import Memory
from tests.services.programs import SUDO, Machine
from tests.updates.test_packages import APT, DPKG, packagekit
from tests.updates.victim import Victim, component, stalled
from tests.updates.workshop import PLAIN, ReleaseHost, Toy, Upstream, git, left_over, release_host, zipped
from tests.wire import until

STALL = """#!/bin/sh
touch "$STATE/stalled"
while [ -e "$STATE/hold" ]; do sleep 0.1; done
cat
"""


def quiet(_line: str) -> None:
    """Nobody listens."""


@pytest.fixture
async def host() -> AsyncIterator[ReleaseHost]:
    async with release_host() as one:
        yield one


@pytest.fixture
async def outgoing() -> AsyncIterator[Outgoing]:
    one = Outgoing()
    await one.open()
    yield one
    await one.close()


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    for name, value in {**PLAIN, "STATE": str(folder)}.items():
        monkeypatch.setenv(name, value)
    return folder


@pytest.fixture
def upstream(tmp_path: Path, state: Path) -> Upstream:
    """One whose files that end in .slow stall while they are written."""
    one = Upstream(tmp_path, "one", {**{f"src/{n}.py": f"old {n}\n" for n in range(40)}, "gone.py": "x\n"})
    script = tmp_path / "stall"
    script.write_text(STALL)
    script.chmod(0o755)
    git(one.clone, "config", "filter.stall.smudge", str(script))
    (one.clone / ".git/info/attributes").write_text("*.slow filter=stall\n")
    (one.path / "gone.py").unlink()
    fresh = {f"src/{n}.py": f"new {n}\n" for n in range(40)}
    one.commit("more", {**fresh, **{f"added/{n}.py": "a\n" for n in range(40)}, "main.slow": "s\n"})
    return one


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and ".git" not in path.parts
    }


@pytest.mark.parametrize("all_of_it", [True, pytest.param(False, marks=pytest.mark.torture)])
async def test_git_goes_back_to_where_it_was(
    upstream: Upstream, state: Path, tmp_path: Path, outgoing: Outgoing, all_of_it: bool
) -> None:
    settings = {"type": "git_repo", "path": str(upstream.clone)}
    old, before = upstream.here, contents(upstream.clone)
    (state / "hold").touch()
    victim = Victim(settings, tmp_path)
    await victim.begin()
    await stalled(victim, state / "stalled")
    await victim.kill(all_of_it=all_of_it)
    assert contents(upstream.clone) != before  # it was in the middle of it
    one = component(settings, tmp_path, outgoing)
    healing = asyncio.ensure_future(one.heal())
    if not all_of_it:  # git has outlived the bridge, and holds its lock: it is waited for
        done, _ = await asyncio.wait((healing,), timeout=0.3)
        assert not done
    (state / "hold").unlink()
    await healing
    assert (upstream.here, contents(upstream.clone)) == (old, before)
    assert git(upstream.clone, "status", "--porcelain") == ""
    assert await one.update(quiet)
    assert (upstream.here, upstream.clean) == (upstream.head, True)


async def test_a_recovery_that_was_cut_short_comes_to_its_end(
    upstream: Upstream, state: Path, tmp_path: Path, outgoing: Outgoing
) -> None:
    settings = {"type": "git_repo", "path": str(upstream.clone)}
    one = component(settings, tmp_path, outgoing)
    (state / "hold").touch()
    recovering = asyncio.ensure_future(one.recover(quiet, hard=False))
    await until((state / "stalled").exists)
    recovering.cancel()  # its git is ended with it
    await asyncio.wait((recovering,))
    (state / "hold").unlink()
    await component(settings, tmp_path, outgoing).heal()
    assert (upstream.here, upstream.clean) == (upstream.head, True)


async def test_a_download_that_was_cut_short_leaves_nothing(
    host: ReleaseHost, tmp_path: Path, outgoing: Outgoing
) -> None:
    folder, waits = tmp_path / "www/ui", asyncio.Event()
    settings = {"type": "web", "path": str(folder), "repo": "o/ui"}
    host.release("v1", zipped({".version": "v1"}))
    one = component(settings, tmp_path, outgoing, host.url)
    await one.update(quiet)

    async def serve(request: web.Request, content: bytes) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(content[:20])
        waits.set()
        await asyncio.Event().wait()
        return answer

    host.serve = serve
    host.release("v2", zipped({".version": "v2"}))
    victim = Victim(settings, tmp_path, host.url)
    await victim.begin()
    async with asyncio.timeout(20):
        await waits.wait()
    await victim.kill(all_of_it=True)
    host.serve = None
    one = component(settings, tmp_path, outgoing, host.url)
    await one.heal()
    assert ((folder / ".version").read_text(), left_over(folder.parent)) == ("v1", [])
    await one.update(quiet)
    assert (folder / ".version").read_text() == "v2"


@pytest.mark.parametrize(
    ("moment", "healed"),
    [
        ("open middle.js", "v1"),  # while it is unpacked
        # when it is whole, and nothing is in its place yet
        pytest.param("os.rename .new-", "v1", marks=pytest.mark.torture),
        # before the two are exchanged
        pytest.param("ctypes.dlsym renameat2", "v1", marks=pytest.mark.torture),
        ("os.rename .previous", "v2"),  # after that
        # before the last trace of it goes
        pytest.param("os.remove .being-put-in-place", "v2", marks=pytest.mark.torture),
    ],
)
async def test_a_web_ui_is_the_old_one_or_the_new_one_whenever_the_bridge_is_killed(
    moment: str, healed: str, host: ReleaseHost, tmp_path: Path, outgoing: Outgoing
) -> None:
    folder = tmp_path / "www/ui"
    settings = {"type": "web", "path": str(folder), "repo": "o/ui", "persistent_files": ["mine.json"]}

    def files(version: str) -> dict[str, str | bytes]:
        return {".version": version, "a.js": version, "middle.js": version, "z.js": version}

    host.release("v1", zipped(files("v1")))
    one = component(settings, tmp_path, outgoing, host.url)
    await one.update(quiet)
    (folder / "mine.json").write_text("kept")
    host.release("v2", zipped(files("v2")))
    victim = Victim(settings, tmp_path, host.url, moment=moment)
    await victim.begin()
    assert await victim.died()
    assert contents(folder).keys() >= files("v1").keys()  # a web server finds a whole one, healed or not
    one = component(settings, tmp_path, outgoing, host.url)
    await one.heal()
    assert contents(folder) == {**files(healed), "mine.json": "kept"}
    kept = swap.previous(folder) / ".version"  # to which a rollback would lead
    assert (kept.read_text() if kept.exists() else None) == ("v1" if healed == "v2" else None)
    assert left_over(folder.parent) == []
    await one.update(quiet)
    assert contents(folder) == {**files("v2"), "mine.json": "kept"}


@pytest.fixture
def stalling(upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Upstream:
    """A damaged clone; also one that is made anew stalls at files that end in .slow."""
    (tmp_path / "attributes").write_text("*.slow filter=stall\n")
    options = {"filter.stall.smudge": tmp_path / "stall", "core.attributesFile": tmp_path / "attributes"}
    monkeypatch.setenv("GIT_CONFIG_COUNT", str(len(options)))
    for number, (key, value) in enumerate(options.items()):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", key)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", str(value))
    for one in upstream.clone.glob(".git/objects/*/*"):
        one.unlink()
    return upstream


def _is_git_at(process: psutil.Process, folder: Path) -> bool:
    try:
        return "git" in process.name() and str(folder) in " ".join(process.cmdline())
    except psutil.Error:
        return False


@pytest.mark.parametrize(
    ("moment", "is_new"),
    [
        ("", False),
        pytest.param("its git goes on", False, marks=pytest.mark.torture),
        pytest.param("ctypes.dlsym renameat2", False, marks=pytest.mark.torture),
        pytest.param("os.rename .previous", True, marks=pytest.mark.torture),
    ],
)
async def test_a_repository_that_is_cloned_anew_stays_as_it_was_until_the_new_one_is_whole(
    moment: str, is_new: bool, stalling: Upstream, state: Path, tmp_path: Path, outgoing: Outgoing
) -> None:
    settings = {"type": "git_repo", "path": str(stalling.clone)}
    before = contents(stalling.clone)
    victim = Victim(settings, tmp_path, verb="recover", moment=moment)
    one = component(settings, tmp_path, outgoing)
    if moment.startswith(("os.", "ctypes.")):
        await victim.begin()
        assert await victim.died()
        await one.heal()
    else:  # in the middle of git's own work
        (state / "hold").touch()
        await victim.begin()
        await stalled(victim, state / "stalled")
        await victim.kill(all_of_it=not moment)
        await one.heal()
        (state / "hold").unlink()
        await until(lambda: not any(_is_git_at(each, tmp_path) for each in psutil.process_iter()))
    assert (contents(stalling.clone) == before) is not is_new
    assert left_over(tmp_path) == []
    await one.recover(quiet, hard=True)
    assert (stalling.here, stalling.clean) == (stalling.head, True)


async def test_pip_that_was_cut_short_has_touched_nothing(
    tmp_path: Path, outgoing: Outgoing, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = Toy(tmp_path)
    toy.publish("2.0")
    monkeypatch.setenv("TOY_INDEX", str(toy.index))
    settings = {"type": "python", "virtualenv": str(toy.path)}
    (toy.index / "stall").touch()
    victim = Victim(settings, tmp_path)
    await victim.begin()
    await stalled(victim, toy.index / "stalled")
    await victim.kill(all_of_it=True)
    (toy.index / "stall").unlink()
    assert toy.version == "1.0"
    one = component(settings, tmp_path, outgoing)
    await one.heal()
    assert (toy.version, left_over(tmp_path)) == ("1.0", [])
    assert await one.update(quiet)
    assert toy.version == "2.0"


async def test_apt_goes_on_when_the_bridge_is_killed(
    tmp_path: Path, outgoing: Outgoing, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path, monkeypatch)
    for name, script in (("sudo", SUDO), ("dpkg", DPKG), ("apt-get", APT)):
        machine.program(name, script)
    (machine.state / "hold").touch()
    victim = Victim({"type": "system"}, tmp_path)
    await victim.begin()
    await until(lambda: any("confold" in one for one in machine.calls))
    await victim.kill(all_of_it=False)
    (machine.state / "hold").unlink()
    await until((machine.state / "upgraded").exists)
    assert "Unpacking" in (tmp_path / "apt.log").read_text()


@pytest.mark.parametrize("all_of_it", [pytest.param(True, marks=pytest.mark.torture), False])
async def test_packagekit_goes_on_or_is_begun_again_when_the_bridge_is_killed(
    tmp_path: Path, outgoing: Outgoing, monkeypatch: pytest.MonkeyPatch, all_of_it: bool
) -> None:
    machine = packagekit(tmp_path, monkeypatch)
    (machine.state / "hold").touch()
    victim = Victim({"type": "system"}, tmp_path)
    await victim.begin()
    await until(lambda: any(one.endswith(" update") for one in machine.calls))
    await victim.kill(all_of_it=all_of_it)
    (machine.state / "hold").unlink()
    if not all_of_it:
        await until((machine.state / "upgraded").exists)
    before = len(machine.calls)
    one = component({"type": "system"}, tmp_path, outgoing)
    await one.heal()
    await one.update(quiet)
    assert machine.calls[before] == "pkcon --plain repair"
    assert (machine.state / "upgraded").exists()
    assert one.status["package_count"] == 0


async def test_an_environment_whose_release_did_not_come_goes_back(
    host: ReleaseHost, tmp_path: Path, outgoing: Outgoing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the two exchanges, which is too short a time to be met."""
    toy = Toy(tmp_path)
    toy.publish("2.0")
    monkeypatch.setenv("TOY_INDEX", str(toy.index))
    folder = tmp_path / "www/app"
    settings = {
        "type": "zip", "path": str(folder), "repo": "o/app", "virtualenv": str(toy.path), "requirements": "r",
    }  # fmt: skip
    host.release("1", zipped({"r": "toy==1.0"}))
    await component(settings, tmp_path, outgoing, host.url).update(quiet)
    memory = Memory(tmp_path / "memory/file.json")
    memory.load()
    await memory.note("toy", begun="2 x")
    await Environment(str(toy.path)).install("toy==2.0", say=quiet, label="2 x")
    assert toy.version == "2.0"
    for _ in range(2):
        await component(settings, tmp_path, outgoing, host.url).heal()
        assert toy.version == "1.0"
    host.release("2", zipped({"r": "toy==2.0"}))
    await component(settings, tmp_path, outgoing, host.url).update(quiet)
    assert toy.version == "2.0"
    swap.exchange(folder, swap.previous(folder))  # a rollback, and its first half alone
    for _ in range(2):
        await component(settings, tmp_path, outgoing, host.url).heal()
        assert ((folder / "r").read_text(), toy.version) == ("toy==1.0", "1.0")


@pytest.mark.torture
@pytest.mark.timeout(280)
async def test_a_hundred_kills_at_any_moment_leave_one_or_the_other(
    upstream: Upstream, host: ReleaseHost, tmp_path: Path, outgoing: Outgoing, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = Toy(tmp_path)
    toy.publish("2.0")
    monkeypatch.setenv("TOY_INDEX", str(toy.index))
    old, folder = upstream.here, tmp_path / "www/app"
    before = contents(upstream.clone)
    files = {f"f{n}": random.randbytes(5000) for n in range(200)}
    for version in ("1", "2"):
        host.release(version, zipped({**files, "r": f"toy=={version}.0", "v": version}))
    newest, oldest = host.releases
    repository = {"type": "git_repo", "path": str(upstream.clone)}
    site = {
        "type": "zip", "path": str(folder), "repo": "o/app", "virtualenv": str(toy.path), "requirements": "r",
    }  # fmt: skip
    seen: set[Any] = set()
    for number in range(50):
        host.releases = [oldest]
        one = component(site, tmp_path, outgoing, host.url)
        await one.recover(quiet, hard=False)
        host.releases = [newest, oldest]
        git(upstream.clone, "reset", "--quiet", "--hard", old)
        for settings, longest in ((repository, 0.3), (site, 0.9)):
            victim = Victim(settings, tmp_path, host.url)
            await victim.begin()
            await asyncio.sleep(random.uniform(0, longest))  # a kill comes when it comes
            await victim.kill(all_of_it=number % 2 == 0)
            one = component(settings, tmp_path, outgoing, host.url)
            await one.heal()
            if settings is repository:
                assert git(upstream.clone, "status", "--porcelain") == ""
                assert upstream.here == upstream.head or (upstream.here, contents(upstream.clone)) == (
                    old,
                    before,
                )
                seen.add(upstream.here)
            else:
                state = ((folder / "v").read_text(), toy.version)
                assert state in {("1", "1.0"), ("2", "2.0")}
                assert len(list(folder.glob("f*"))) == 200
                seen.add(state)
            await one.update(quiet)
        assert (upstream.here, (folder / "v").read_text(), toy.version) == (upstream.head, "2", "2.0")
    assert len(seen) == 4, seen
    assert os.listdir(folder.parent)  # noqa: PTH208
