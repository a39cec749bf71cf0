"""A root that is read-only, a user without a name or a right, no systemd: what containers are."""

import asyncio
import contextlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.klippy.simulator import Simulator
from bridge.mqtt.topics import Topics
from tests.power.calls import Refused
from tests.programs import Program, configuration
from tests.wire import HOST, Ear, Mosquitto, free_port, until

USER = 10001
SPARE = ("/srv", "/media")  # folders that lend their names for a moment
CUBE = b"G28\nM117 hello\nG1 X10 Y10 F6000\n"


def _why_not() -> str:
    """Why this machine cannot make such a root; empty when it can."""
    if os.getuid() != 0:
        return "only root makes a mount namespace"
    for name in ("unshare", "setpriv", "mount"):
        if shutil.which(name) is None:
            return f"there is no {name}"
    tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True, check=False)
    return tried.stderr.strip()


if reason := _why_not():
    pytest.skip(reason, allow_module_level=True)


def _hidden(path: Path) -> Path | None:
    """The uppermost folder above that others may not enter."""
    return next((one for one in reversed(path.parents) if not one.stat().st_mode & 0o001), None)


def _root(data: Path, *words: str, small: Path | None = None) -> list[str]:
    """A command inside of a root where `data` alone can be written to, as a user whom nobody knows."""
    shown = (Path(sys.base_prefix), data)
    lines = [
        f"mount --bind {shlex.quote(str(path))} {spare}" for path, spare in zip(shown, SPARE, strict=True)
    ]
    hidden = {one for path in shown if (one := _hidden(path)) is not None}
    lines += [f"mount -t tmpfs -o mode=755 tmpfs {one}" for one in hidden]
    lines += [
        f"mkdir -p {path} && mount --move {spare} {path}" for path, spare in zip(shown, SPARE, strict=True)
    ]
    lines += [f"mount -o remount,ro {one}" for one in hidden]
    if small is not None:
        lines.append(f"mount -t tmpfs -o size=20m,mode=777 tmpfs {small}")
    become = f"setpriv --reuid {USER} --regid {USER} --clear-groups --inh-caps=-all --bounding-set=-all"
    lines += [
        "mount -t tmpfs -o ro tmpfs /run",  # no systemd, whatever this machine has
        "mount -o remount,bind,ro /",
        "! touch /tmp/x 2>/dev/null",
        f"exec {become} --no-new-privs env -i PATH=/usr/bin:/bin {sys.executable} -m bridge {shlex.join(words)}",
    ]
    return ["unshare", "--mount", "--propagation", "private", "sh", "-e", "-c", "\n".join(lines)]


class Container:
    """The bridge in such a root, and what it answers over HTTP."""

    def __init__(self, program: Program, port: int) -> None:
        self.program, self._url = program, f"http://{HOST}:{port}"

    async def call(self, method: str, **params: Any) -> Any:
        request = {"jsonrpc": "2.0", "method": method, "params": params, "id": 1}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self._url}/server/jsonrpc", json=request) as answer,
        ):
            body = await answer.json()
        if "error" in body:
            raise Refused(body["error"])
        return body["result"]

    async def upload(self, name: str, content: bytes) -> int:
        form = aiohttp.FormData()
        form.add_field("file", content, filename=name)
        form.add_field("print", "true")
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self._url}/server/files/upload", data=form) as answer,
        ):
            return answer.status


@pytest.fixture
def house(tmp_path: Path, broker: Mosquitto) -> Path:
    """A data folder of that user's, with its configuration."""
    data = tmp_path / "data"
    for name in ("gcodes", "comms"):
        (data / name).mkdir(parents=True)
    path = configuration(
        tmp_path,
        instance="box",
        klippy={"socket": str(data / "comms/klippy.sock")},
        mqtt={"host": HOST, "port": broker.port},
        http={"port": free_port()},
        homeassistant={"prefix": "ha-box"},
    )
    path.rename(data / "bridge.yaml")
    _give(data)
    return data


def _give(data: Path) -> None:
    for path in (data, *data.rglob("*")):
        os.chown(path, USER, USER)


@pytest.fixture
async def printer(house: Path) -> AsyncIterator[Simulator]:
    async with Simulator(house / "comms/klippy.sock", house / "gcodes", speed=100.0, noise=0.0) as one:
        (house / "comms/klippy.sock").chmod(0o666)
        yield one


@contextlib.asynccontextmanager
async def inside(house: Path, *words: str, small: Path | None = None) -> AsyncIterator[Program]:
    program = Program(
        await asyncio.create_subprocess_exec(
            *_root(house, *words, small=small),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd="/",
        )
    )
    try:
        yield program
    finally:
        await program.kill()


def port_of(house: Path) -> int:
    text = (house / "bridge.yaml").read_text()
    return int(text.partition("http:")[2].partition("port: ")[2].split()[0])


async def test_it_lives_prints_and_says_what_it_cannot_do(house: Path, printer: Simulator, mqtt: Ear) -> None:
    topics = Topics("box", "ha-box")
    async with inside(house, "run", "-c", str(house / "bridge.yaml")) as program:
        await mqtt.message(topics.availability, where=lambda m: m.payload == b"online")
        box = Container(program, port_of(house))
        system = (await box.call("machine.system_info"))["system_info"]
        assert (system["provider"], system["available_services"]) == ("none", ["moonraker"])
        assert (await box.call("machine.sudo.info", check_access=True))["sudo_access"] is False
        assert (await box.call("machine.sudo.info"))["linux_user"] == str(USER)
        for method, params, code, words in _refused():
            with pytest.raises(Refused, match=words) as caught:
                await box.call(method, **params)
            assert caught.value.code == code
        for name in ("usb", "serial", "video"):
            await box.call(f"machine.peripherals.{name}")
        assert (await box.call("machine.proc_stats"))["moonraker_stats"]
        assert await box.upload("cube.gcode", CUBE) == 201
        await mqtt.message(topics.event("print_complete"))
        await _renewed(box, mqtt, topics)
        assert await program.end() == 0
    told = [line for line in program.err if " ERROR " in line or "Traceback" in line]
    assert told == []


def _refused() -> Iterator[tuple[str, dict[str, str], int, str]]:
    nobody = "neither systemd nor supervisord"
    yield "machine.shutdown", {}, 409, nobody
    yield "machine.reboot", {}, 409, nobody
    yield "machine.services.restart", {"service": "klipper"}, 409, nobody
    yield "machine.services.restart", {"service": "ssh"}, 403, "not among the services"
    yield "machine.services.stop", {"service": "moonraker"}, 400, "does not stop itself"


async def _renewed(box: Container, mqtt: Ear, topics: Topics) -> None:
    """A restart answers first; then the same process begins anew."""
    mqtt.forget()
    assert await box.call("machine.services.restart", service="moonraker") == "ok"
    await mqtt.message(topics.status, where=lambda m: m.json == {"server": "offline"})
    await mqtt.message(topics.availability, where=lambda m: m.payload == b"online")
    assert box.program.process.returncode is None
    await until(lambda: sum("starts as 'box'" in line for line in box.program.err) == 2)
    assert (await box.call("server.info"))["klippy_state"] == "ready"


async def test_the_doctor_is_content(house: Path, printer: Simulator) -> None:
    async with inside(house, "doctor", "-c", str(house / "bridge.yaml")) as doctor:
        code = await doctor.code(within=20)
    assert (code, doctor.err) == (0, []), doctor.out
    assert any("nobody runs services here" in line for line in doctor.out)


async def examined(house: Path, small: Path | None = None) -> list[str]:
    async with inside(house, "doctor", "-c", str(house / "bridge.yaml"), small=small) as doctor:
        assert await doctor.code(within=20) == 1
    assert not any("Traceback" in line for line in doctor.err)
    return [line for line in doctor.out if line.startswith("WRONG")]


@pytest.mark.torture
async def test_the_doctor_sees_rights_that_are_missing(house: Path, printer: Simulator) -> None:
    (house / "comms/klippy.sock").chmod(0o600)
    os.chown(house / "comms/klippy.sock", 0, 0)
    (klippy,) = await examined(house)
    assert "no permission; let this user read and write the socket" in klippy
    (house / "comms/klippy.sock").chmod(0o666)
    (house / "bridge/bridge.db").touch(0o644)  # as a bridge that root ran would leave it
    (disk,) = await examined(house)
    assert "bridge.db: no right to write; somebody else has run the bridge (root?). sudo chown" in disk
    for path in (house, house / "bridge", house / "logs", house / "gcodes", house / "config"):
        os.chown(path, 0, 0)
        path.chmod(0o755)
    (house / "config").rmdir()
    told = await examined(house)
    assert f"{house} cannot be written to: Permission denied" in told[0]


@pytest.mark.torture
async def test_the_doctor_sees_a_disk_that_is_full(house: Path) -> None:
    path = house / "bridge.yaml"
    path.write_text(path.read_text().replace(f"data: {house}", f"data: {house}/disk"))
    (house / "disk").mkdir()
    told = await examined(house, small=house / "disk")
    assert "WRONG disk: 20 MiB of 20 MiB are free; delete old G-code files, timelapses or logs" in told
