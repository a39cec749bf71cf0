"""Twenty times each way in which a broker can fail: the bridge is always back, and nothing is left behind."""

import asyncio
import contextlib
import gc
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Running, Start
from tests.klippy.fake_klippy import FakeKlippy, fake_klippy
from tests.mqtt.brokers import Proxy, TinyBroker
from tests.wire import HOST, Mosquitto, ear, until

pytestmark = pytest.mark.torture

HEALTHY = 35.0  # seconds from a healthy broker to the state on it
NAME = "broker.test"


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[FakeKlippy]:
    async with fake_klippy(tmp_path) as one:
        yield one


class Resolver:
    """The name server of this machine: knows NAME, but for when it fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.failing: set[int] = set()
        self._real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self._answer)

    def _answer(self, host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        if host == NAME and port in self.failing:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return self._real(HOST if host == NAME else host, port, *arguments, **options)


@dataclass
class Patient:
    """A bridge, its own broker, and the way between the two."""

    folder: Path
    broker: Mosquitto
    proxy: Proxy
    resolver: Resolver
    running: Running

    @property
    def mqtt(self) -> Any:
        return self.running.bridge.mqtt

    async def down(self) -> None:
        await until(lambda: not self.mqtt.up, patience=20)

    def password(self, password: str) -> None:
        """The broker knows another password now, and has noticed."""
        program = shutil.which("mosquitto_passwd") or "/usr/bin/mosquitto_passwd"
        file = self.folder / "passwords"
        subprocess.run([program, "-b", "-c", str(file), "me", password], check=True, capture_output=True)
        file.chmod(0o644)
        if self.broker.process is not None:
            self.broker.process.send_signal(signal.SIGHUP)


async def killed(patient: Patient) -> None:
    patient.broker.kill()
    await patient.down()
    patient.broker.start()


async def half_open(patient: Patient) -> None:
    patient.proxy.hold = True
    patient.proxy.cut()
    await patient.down()
    await until(lambda: patient.proxy.held)
    patient.proxy.hold = False  # who was accepted stays without an answer


async def reset(patient: Patient) -> None:
    patient.proxy.cut(reset=True)
    await patient.down()


async def nameless(patient: Patient) -> None:
    patient.resolver.failing.add(patient.proxy.port)
    patient.proxy.cut(reset=True)
    await until(lambda: "name resolution" in str(patient.mqtt.last_error), patience=20)
    patient.resolver.failing.discard(patient.proxy.port)


async def locked_out(patient: Patient) -> None:
    patient.password("another")
    patient.proxy.cut(reset=True)
    await until(lambda: "refused the connection" in str(patient.mqtt.last_error), patience=20)
    patient.password("right")


async def frozen(patient: Patient) -> None:
    assert patient.broker.process is not None
    patient.broker.process.send_signal(signal.SIGSTOP)
    try:
        await patient.down()
        await until(lambda: patient.mqtt._backoff._next, patience=15)
    finally:
        patient.broker.process.send_signal(signal.SIGCONT)


Hurt = Callable[[Patient], Awaitable[None]]
KINDS: dict[str, tuple[Hurt, int, int]] = {  # how, bridges, times each
    "killed": (killed, 5, 4),
    "half open": (half_open, 10, 2),
    "reset": (reset, 5, 4),
    "no name": (nameless, 10, 2),
    "password": (locked_out, 10, 2),
    "frozen": (frozen, 10, 2),
}


@contextlib.asynccontextmanager
async def patients(
    number: int, folder: Path, start: Start, resolver: Resolver
) -> AsyncIterator[list[Patient]]:
    async with contextlib.AsyncExitStack() as stack:
        yield list(
            await asyncio.gather(
                *(_patient(n, folder / f"p{n}", start, resolver, stack) for n in range(number))
            )
        )


async def _patient(
    number: int, folder: Path, start: Start, resolver: Resolver, stack: contextlib.AsyncExitStack
) -> Patient:
    folder.mkdir()
    (folder / "passwords").touch()
    broker = Mosquitto(folder, "user root", "allow_anonymous false", f"password_file {folder / 'passwords'}")
    proxy = await stack.enter_async_context(Proxy(broker.port))
    options = {"host": NAME, "port": proxy.port, "username": "me", "password": "right", "keepalive": 5}
    home = {"enabled": number % 2 == 0}
    running = await start(wait=False, data=str(folder / "data"), mqtt=options, homeassistant=home)
    one = Patient(folder, broker, proxy, resolver, running)
    one.password("right")
    stack.callback(broker.kill)
    broker.start()
    return one


async def true_again(patient: Patient, since: float, *, within: float = HEALTHY) -> None:
    """The whole truth is on the broker, said after `since`."""
    topics = patient.running.topics
    state = topics.state("extruder", "temperature")
    async with asyncio.timeout(within), ear(patient.broker.port, username="me", password="right") as mqtt:
        await mqtt.message(state, where=lambda m: m.json["time"] >= since, patience=within)
        await mqtt.message(topics.availability, where=lambda m: m.payload == b"online", patience=within)
        await mqtt.message(topics.status, where=lambda m: m.json["server"] == "online", patience=within)
        if patient.running.bridge.config.homeassistant.enabled:
            await mqtt.message(topics.device(patient.running.bridge.identity.unique), patience=within)


def burden() -> tuple[int, int]:
    """What this process holds: file descriptors and tasks."""
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir())), len(asyncio.all_tasks())


@pytest.mark.timeout(150)
@pytest.mark.parametrize("kind", list(KINDS))
async def test_the_whole_truth_is_back_each_time_and_nothing_grows(
    kind: str, tmp_path: Path, start: Start, fake: FakeKlippy, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurt, number, times = KINDS[kind]
    resolver = Resolver(monkeypatch)

    async def suffer(patient: Patient) -> None:
        for _ in range(times):
            await hurt(patient)
            await true_again(patient, time.time())

    async with patients(number, tmp_path, start, resolver) as all_of_them:
        for patient in all_of_them:
            await true_again(patient, 0)
        room = {patient.mqtt.room("x") for patient in all_of_them}
        began = burden()
        async with asyncio.TaskGroup() as group:
            for patient in all_of_them:
                group.create_task(suffer(patient))
        assert {patient.mqtt.room("x") for patient in all_of_them} == room  # and nothing odd was learnt
        assert all(patient.mqtt.reconnects >= times for patient in all_of_them)
        assert {patient.mqtt.protocol for patient in all_of_them} == {"5"}  # after time-outs, too
        await until(lambda: all(now <= before for now, before in zip(burden(), began, strict=True)))


@pytest.mark.timeout(60)
async def test_a_broker_that_only_closes_is_told_of_once(
    start: Start, fake: FakeKlippy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with TinyBroker() as tiny:
        tiny.close_all = True
        await start(wait=False, mqtt={"port": tiny.port})
        await until(lambda: len(tiny.hellos) >= 6, patience=40)
    told = [r.getMessage() for r in caplog.records if r.name == "bridge.mqtt.link"]
    assert len(told) == len(set(told))
    assert set(tiny.levels) == {4, 5}


@pytest.mark.timeout(60)
async def test_of_two_with_one_id_one_stays_and_one_says_why_it_left(
    tmp_path: Path, start: Start, fake: FakeKlippy, broker: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    first = await start(instance="original")
    shutil.copytree(
        tmp_path / "data" / "bridge",
        tmp_path / "copy" / "bridge",
        ignore=shutil.ignore_patterns("*.lock", "*.new"),
    )
    second = await start(instance="copy", wait=False, data=str(tmp_path / "copy"))
    await until(
        lambda: any("is this a copied SD card?" in r.getMessage() for r in caplog.records), patience=40
    )
    loser, winner = (first, second) if "copied" in str(first.bridge.mqtt.last_error) else (second, first)
    assert "copied SD card" in str(loser.bridge.health.now().last_error)
    await until(lambda: winner.bridge.mqtt.up, patience=35)
    with pytest.raises(AssertionError):
        await until(lambda: not winner.bridge.mqtt.up or loser.bridge.mqtt.up, patience=6)
