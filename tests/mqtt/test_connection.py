"""One loop that never gives up: versions, refusals, passwords, TLS."""

import asyncio
import logging
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.config import Mqtt
from bridge.errors import ConfigError
from bridge.klippy.simulator import Simulator
from bridge.lifecycle import Backoff
from bridge.mqtt.link import MqttLink
from bridge.mqtt.topics import Topics
from tests.conftest import Running, Start
from tests.mqtt.brokers import Proxy, TinyBroker
from tests.mqtt.certificates import Authority
from tests.wire import HOST, Ear, Mosquitto, ear, free_port, until

QUICK = {"homeassistant": {"enabled": False}}


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        r.getMessage()
        for r in caplog.records
        if r.levelno >= logging.WARNING and r.name == "bridge.mqtt.link"
    ]


async def test_mqtt_5_comes_first_and_a_broker_of_3_1_1_alone_gets_everything(
    start: Start, klippy: Simulator
) -> None:
    async with TinyBroker() as tiny:
        bridge = await start(mqtt={"port": tiny.port, "username": "me", "password": "secret"})
        assert tiny.levels == [5, 4]
        first, second = tiny.hellos
        for hello in (first, second):
            assert (hello.clean, hello.keepalive, hello.will_qos, hello.will_retain) == (True, 30, 1, True)
            assert bridge.topics.status.encode() in hello.rest
            assert b'{"server":"offline"}' in hello.rest
            assert hello.rest.endswith(b"\x00\x02me\x00\x06secret")
        assert (
            b"\x18" not in first.rest[: first.rest.index(bridge.topics.status.encode()) - 2][-6:]
        )  # no will delay
        assert bridge.bridge.mqtt.protocol == "3.1.1"
        await until(lambda: bridge.topics.state("extruder", "temperature") in tiny.retained)
        await until(lambda: bridge.topics.device(bridge.bridge.identity.unique) in tiny.retained)
        assert tiny.retained[bridge.topics.availability] == b"online"
        tiny.tell(bridge.topics.control("emergency_stop"), b"PRESS")
        await until(lambda: tiny.retained[bridge.topics.availability] == b"offline")


@pytest.mark.torture
async def test_the_version_that_was_refused_is_not_asked_for_again_at_once(
    start: Start, klippy: Simulator
) -> None:
    async with TinyBroker() as tiny:
        bridge = await start(mqtt={"port": tiny.port}, **QUICK)
        tiny.cut()
        await until(lambda: bridge.bridge.mqtt.reconnects == 1)
        assert tiny.levels == [5, 4, 4]


async def test_mqtt_5_is_tried_again_a_day_later() -> None:
    """The broker may have been updated; its clock is the test's, its link the real one."""
    now = 1000.0
    async with TinyBroker() as tiny:
        link = MqttLink(Mqtt(host=HOST, port=tiny.port), Topics("daily", "ha"), "daily", clock=lambda: now)
        running = asyncio.ensure_future(link.run())
        await until(lambda: link.up)
        assert tiny.levels == [5, 4]
        for passed, levels in ((86_399.0, [5, 4, 4]), (2.0, [5, 4, 4, 5, 4])):
            now += passed
            tiny.cut()
            await until(lambda levels=levels: len(tiny.levels) == len(levels) and link.up)
            assert tiny.levels == levels
        running.cancel()
        await asyncio.wait([running])


async def test_two_immediate_closes_are_a_refusal_of_the_version(start: Start, klippy: Simulator) -> None:
    async with TinyBroker() as tiny:
        tiny.close_5 = True
        bridge = await start(mqtt={"port": tiny.port})
        assert tiny.levels == [5, 5, 4]
        assert bridge.bridge.mqtt.protocol == "3.1.1"


async def test_a_version_that_is_configured_is_kept(start: Start, klippy: Simulator) -> None:
    async with TinyBroker() as tiny:
        bridge = await start(wait=False, mqtt={"port": tiny.port, "protocol": "5"})
        await until(lambda: len(tiny.hellos) >= 2)
        assert set(tiny.levels) == {5}
        assert not bridge.bridge.mqtt.up


async def test_the_wire_of_3_1_1_carries_requests_and_state(
    start: Start, klippy: Simulator, mqtt: Ear
) -> None:
    bridge = await start(mqtt={"protocol": "3.1.1"})
    await mqtt.say(f"{bridge.topics.request}/me", {"jsonrpc": "2.0", "method": "server.info", "id": 1})
    answer = await mqtt.message(bridge.topics.client_response("me"))
    assert answer.json["result"]["klippy_state"] == "ready"
    assert (await mqtt.message(bridge.topics.health)).json["broker"]["protocol"] == "3.1.1"
    bridge.stop.set()
    await mqtt.message(bridge.topics.status, where=lambda m: m.json["server"] == "offline")


async def test_each_new_reason_is_told_once_with_its_remedy(
    start: Start, klippy: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    losses: list[str] = []
    bridge = await start(wait=False, mqtt={"port": free_port()}, **QUICK)
    bridge.bridge.mqtt.lost.connect(losses.append)
    await until(lambda: len(losses) == 2)
    assert all("Connection refused" in reason for reason in losses)
    assert len(warnings(caplog)) == 1
    assert "is the broker running" in warnings(caplog)[0]


async def test_a_name_that_is_not_known_is_told_with_its_remedy(
    start: Start, klippy: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    await start(wait=False, mqtt={"host": "no.such.host.invalid"}, **QUICK)
    await until(lambda: warnings(caplog))
    assert "check mqtt.host" in warnings(caplog)[0]


def test_pauses_grow_to_their_end_with_jitter_and_begin_anew() -> None:
    pauses = Backoff()
    spans = [pauses.pause() for _ in range(10)]
    assert 0.75 <= spans[0] <= 1
    assert 22.5 <= spans[-1] <= 30
    assert all(after <= 30 for after in spans)
    assert len({round(span, 6) for span in spans}) == 10
    pauses.rest(300)
    assert pauses.pause() == 300
    pauses.reset()
    assert pauses.pause() <= 1


async def test_a_wrong_password_that_is_corrected_on_the_broker(
    tmp_path: Path, start: Start, klippy: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text("me:right\n")
    hashed(passwords, "another")
    broker = Mosquitto(tmp_path, "user root", "allow_anonymous false", f"password_file {passwords}").start()
    try:
        bridge = await start(
            wait=False, mqtt={"port": broker.port, "username": "me", "password": "right"}, **QUICK
        )
        await until(lambda: any("check mqtt.username" in text for text in warnings(caplog)))
        hashed(passwords, "right")
        assert broker.process is not None
        broker.process.send_signal(signal.SIGHUP)
        await until(lambda: bridge.bridge.mqtt.up)
        assert not any("right" in record.getMessage() for record in caplog.records)
    finally:
        broker.kill()


def hashed(passwords: Path, password: str) -> None:
    program = shutil.which("mosquitto_passwd") or "/usr/bin/mosquitto_passwd"
    subprocess.run([program, "-b", "-c", str(passwords), "me", password], check=True, capture_output=True)
    passwords.chmod(0o644)


# -- TLS


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is missing")
    return Authority(tmp_path_factory.mktemp("ca"), "our own authority")


Tls = Callable[..., Mosquitto]


@pytest.fixture
def tls(tmp_path: Path, authority: Authority) -> Any:
    running: list[Mosquitto] = []

    def begin(*options: str, host: str = "DNS:localhost,IP:127.0.0.1", days: int = 2) -> Mosquitto:
        cert, key = authority.sign("broker", host=host, days=days)
        key.chmod(0o644)
        one = Mosquitto(
            tmp_path, "user root", f"cafile {authority.cert}", f"certfile {cert}", f"keyfile {key}", *options
        )
        running.append(one.start())
        return one

    yield begin
    for one in running:
        one.kill()


async def test_our_own_authority_is_enough(
    start: Start, klippy: Simulator, tls: Tls, authority: Authority
) -> None:
    broker = tls()
    bridge = await start(mqtt={"port": broker.port, "tls": {"ca": str(authority.cert)}}, **QUICK)
    assert bridge.bridge.mqtt.protocol == "5"


@pytest.mark.parametrize("wrong", ["authority", "host", "date"])
async def test_a_wrong_certificate_is_refused_before_any_password_is_sent(
    wrong: str,
    start: Start,
    klippy: Simulator,
    tls: Tls,
    authority: Authority,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    good = {"host": "DNS:localhost,IP:127.0.0.1", "days": 2}
    broker = tls(**{**good, **{"host": {"host": "DNS:elsewhere"}, "date": {"days": -1}}.get(wrong, {})})
    trusted = Authority(tmp_path, "another") if wrong == "authority" else authority
    options = {"ca": str(trusted.cert)}
    bridge = await start(
        wait=False,
        mqtt={"port": broker.port, "username": "me", "password": "secret", "tls": options},
        **QUICK,
    )
    await until(lambda: warnings(caplog))
    advice = {
        "authority": "name its file in mqtt.tls.ca",
        "host": "mqtt.host must be a name",
        "date": "renew the",
    }
    assert advice[wrong] in warnings(caplog)[0]
    assert not bridge.bridge.mqtt.up
    assert "certificate" in str(bridge.bridge.health.now().last_error)


async def test_the_loud_switch_takes_any_certificate_and_says_so(
    start: Start, klippy: Simulator, tls: Tls, caplog: pytest.LogCaptureFixture
) -> None:
    broker = tls(host="DNS:elsewhere")
    await start(mqtt={"port": broker.port, "tls": {"insecure_skip_verification": True}}, **QUICK)
    assert any("anybody can pose as the broker" in record.getMessage() for record in caplog.records)


async def test_a_client_certificate_opens_a_broker_that_asks_for_one(
    start: Start, klippy: Simulator, tls: Tls, authority: Authority
) -> None:
    broker = tls("require_certificate true")
    cert, key = authority.sign("client")
    options = {"ca": str(authority.cert), "cert": str(cert), "key": str(key)}
    bridge = await start(mqtt={"port": broker.port, "tls": options}, **QUICK)
    assert bridge.bridge.mqtt.up


async def test_without_a_client_certificate_it_stays_shut(
    start: Start, klippy: Simulator, tls: Tls, authority: Authority
) -> None:
    broker = tls("require_certificate true")
    bridge = await start(wait=False, mqtt={"port": broker.port, "tls": {"ca": str(authority.cert)}}, **QUICK)
    await until(lambda: bridge.bridge.mqtt.last_error)
    assert not bridge.bridge.mqtt.up


async def test_a_certificate_that_cannot_be_read_keeps_the_bridge_from_starting(
    start: Start, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"mqtt\.tls"):
        await start(wait=False, mqtt={"tls": {"ca": str(tmp_path / "missing.crt")}})


# -- a broker that hangs up at large messages and does not say why


@pytest.mark.torture
async def test_a_size_that_the_broker_hangs_up_at_is_learnt(
    tmp_path: Path, start: Start, klippy: Simulator
) -> None:
    small = Mosquitto(tmp_path, "max_packet_size 4000").start()
    try:
        bridge = await start(mqtt={"port": small.port, "protocol": "3.1.1"})
        await until(lambda: bridge.bridge.mqtt.reconnects >= 2 and bridge.bridge.mqtt.up)
        async with ear(small.port) as mqtt:
            await mqtt.say(
                f"{bridge.topics.request}/me", {"jsonrpc": "2.0", "method": "server.info", "id": 1}
            )
            await mqtt.message(bridge.topics.client_response("me"))
            assert bridge.bridge.mqtt.reconnects == 2
    finally:
        small.kill()


async def test_the_bridge_is_stopped_while_it_waits_for_a_broker_that_says_nothing(
    start: Start, klippy: Simulator, broker: Mosquitto
) -> None:
    async with Proxy(broker.port) as proxy:
        proxy.hold = True
        bridge: Running = await start(wait=False, mqtt={"port": proxy.port}, **QUICK)
        await until(lambda: bridge.bridge.klippy.ready)
        began = time.monotonic()
        bridge.stop.set()
        await until(lambda: not bridge.bridge.klippy_link.connected)
        assert time.monotonic() - began < 3
