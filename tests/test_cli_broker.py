"""purge, rediscover and acl: what they do on a real broker."""

import asyncio
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from bridge.__main__ import main
from bridge.klippy.simulator import Simulator
from bridge.mqtt.acl import acl
from bridge.mqtt.topics import Topics
from tests.conftest import Start
from tests.mqtt.watching import settled
from tests.programs import configuration
from tests.wire import HOST, Ear, Mosquitto, ear, until

EXAMPLE = Path(__file__).parent.parent / "config" / "mosquitto" / "acl.example"


async def command(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = await asyncio.to_thread(main, [str(argument) for argument in arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def configured(tmp_path: Path, broker: Mosquitto, name: str, **more: Any) -> Path:
    return configuration(
        tmp_path, instance=name, data=str(tmp_path / "data"), mqtt={"host": HOST, "port": broker.port},
        homeassistant={"prefix": f"ha-{name}"}, **more,
    )  # fmt: skip


async def test_purge_leaves_nothing_of_ours_and_all_of_others(
    tmp_path: Path,
    start: Start,
    klippy: Simulator,
    broker: Mosquitto,
    capsys: pytest.CaptureFixture[str],
    mqtt: Ear,
) -> None:
    foreign = ("purged/garden/light", "purged2/klipper/info", "ha-purged/device/other/config")
    for topic in foreign:
        await mqtt.say(topic, "theirs", retain=True)
    bridge = await start(instance="purged")
    await mqtt.message(bridge.topics.device(f"{bridge.bridge.identity.unique}_host"))
    await settled(mqtt, bridge)
    path = configured(tmp_path, broker, "purged")
    code, _, err = await command(capsys, "purge", "-c", path)
    assert code == 1
    assert "is running; stop it first" in err
    bridge.stop.set()
    await mqtt.message(bridge.topics.status, where=lambda m: m.json["server"] == "offline")
    code, out, _ = await command(capsys, "purge", "-c", path)
    assert code == 0
    assert int(out.split()[1]) > 50
    async with ear(broker.port, "purged/#", "purged2/#", "ha-purged/#") as late:
        await mqtt.say("purged/end", "")
        await late.message("purged/end")
        assert sorted(m.topic for m in late.heard if m.retain) == sorted(foreign)
    assert (await command(capsys, "purge", "-c", path))[1].startswith("cleared 0 ")
    for topic in foreign:
        await mqtt.say(topic, "", retain=True)


async def test_rediscover_has_the_bridge_say_it_all_again(
    tmp_path: Path,
    start: Start,
    klippy: Simulator,
    broker: Mosquitto,
    capsys: pytest.CaptureFixture[str],
    mqtt: Ear,
) -> None:
    bridge = await start(instance="again")
    await settled(mqtt, bridge)
    device = bridge.topics.device(bridge.bridge.identity.unique)
    await mqtt.say(device, b"", retain=True)
    code, out, _ = await command(capsys, "rediscover", "-c", configured(tmp_path, broker, "again"))
    assert (code, json.loads(out)) == (0, {"control": "rediscover", "value": "PRESS"})
    await mqtt.message(device, where=lambda m: m.payload)
    assert list(klippy.executed) == []


async def test_acl_has_the_topics_of_plugs_and_sensors(
    tmp_path: Path, broker: Mosquitto, capsys: pytest.CaptureFixture[str]
) -> None:
    path = configured(
        tmp_path,
        broker,
        "mine",
        power={
            "printer": {"type": "mqtt", "preset": "tasmota", "device": "plug"},
            "lamp": {
                "type": "mqtt",
                "command_topic": "lamp/set",
                "state_topic": "lamp",
                "query_topic": "lamp/get",
            },
        },
        sensors={"meter": {"topic": "tele/plug/SENSOR", "values": {"power": {"template": "{{ value }}"}}}},
    )
    _, out, _ = await command(capsys, "acl", "-c", path)
    rules = out.splitlines()
    for topic in ("stat/plug/POWER", "lamp", "tele/plug/SENSOR"):
        assert f"topic read {topic}" in rules
    for topic in ("cmnd/plug/POWER", "lamp/set", "lamp/get"):
        assert f"topic write {topic}" in rules


async def test_acl_prints_the_rules_of_this_instance(
    tmp_path: Path, broker: Mosquitto, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = await command(capsys, "acl", "-c", configured(tmp_path, broker, "mine"))
    unique = (tmp_path / "data" / "bridge" / "id").read_text().strip()
    assert code == 0
    assert f"topic readwrite ha-mine/device/{unique}_host/config" in out
    assert "user printer\n" in out


def test_the_example_is_what_the_command_prints() -> None:
    printed = acl(Topics("voron"), "0123456789abcdef", "printer")
    assert EXAMPLE.read_text() == printed


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker that keeps to the example; a user's name is enough to be that user."""
    rules = tmp_path / "rules"
    rules.write_text(acl(Topics("voron"), "0123456789abcdef", "printer"))
    rules.chmod(0o700)
    one = Mosquitto(tmp_path, f"acl_file {rules}", "user root").start()
    yield one
    one.kill()


ALLOWED = [
    ("printer", "display", "voron/klipper/state/extruder/temperature"),
    ("printer", "homeassistant", "homeassistant/device/0123456789abcdef/config"),
    ("printer", "homeassistant", "homeassistant/device/0123456789abcdef_host/config"),
    ("printer", "nodered", "voron/event/print_complete"),
    ("printer", "nodered", "voron/moonraker/api/response/nodered"),
    ("printer", "homeassistant", "voron/job/thumbnail"),
    ("printer", "display", "voron/queue"),
    ("printer", "display", "voron/controls"),
    ("printer", "homeassistant", "voron/control/light_x/state"),
    ("homeassistant", "printer", "voron/control/extruder_target/set"),
    ("homeassistant", "printer", "homeassistant/status"),
    ("nodered", "printer", "voron/moonraker/api/request/nodered"),
    ("nodered", "printer", "voron/control/pause/set"),
]
REFUSED = [
    ("display", "printer", "voron/control/pause/set"),
    ("display", "printer", "voron/moonraker/api/request/display"),
    ("homeassistant", "printer", "voron/moonraker/api/request"),
    ("homeassistant", "display", "voron/klipper/availability"),
    ("nodered", "printer", "voron/moonraker/api/request"),
    ("nodered", "homeassistant", "homeassistant/device/0123456789abcdef/config"),
    ("printer", "display", "voron/moonraker/api/response/nodered"),
    ("printer", "homeassistant", "voron/moonraker/api/response"),
    ("printer", "homeassistant", "homeassistant/device/other/config"),
    ("printer", "printer", "garden/light/set"),
]


async def arrives(broker: Mosquitto, sender: str, receiver: str, topic: str) -> bool:
    """Whether a message of the one on `topic` reaches the other."""
    end = f"voron/klipper/{uuid.uuid4().hex}"
    async with (
        aiomqtt.Client(HOST, broker.port, username=sender) as one,
        aiomqtt.Client(HOST, broker.port, username=receiver) as other,
        aiomqtt.Client(HOST, broker.port, username="printer") as bridge,
    ):
        await other.subscribe(topic, qos=1)
        await other.subscribe(end, qos=1)
        await one.publish(topic, "x", qos=1)
        await bridge.publish(end, "", qos=1)
        async for message in other.messages:
            return str(message.topic) != end
    return False


async def test_the_rules_let_through_what_is_needed_and_nothing_else(strict: Mosquitto) -> None:
    async def through(pairs: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
        found = await asyncio.gather(*(arrives(strict, *pair) for pair in pairs))
        return [pair for pair, good in zip(pairs, found, strict=True) if good]

    assert await through(ALLOWED) == ALLOWED
    assert await through(REFUSED) == []


async def test_the_bridge_can_live_by_its_rules(tmp_path: Path, start: Start, klippy: Simulator) -> None:
    folder = tmp_path / "data" / "bridge"
    folder.mkdir(parents=True)
    (folder / "id").write_text("00000000000000aa\n")
    rules = tmp_path / "rules"
    rules.write_text(acl(Topics("ruled", "ha-ruled"), "00000000000000aa", "printer"))
    rules.chmod(0o700)
    broker = Mosquitto(tmp_path, f"acl_file {rules}", "user root").start()
    try:
        mqtt = {"port": broker.port, "username": "printer", "password": "x"}
        bridge = await start(instance="ruled", mqtt=mqtt)
        async with aiomqtt.Client(HOST, broker.port, username="homeassistant") as home:
            await home.subscribe("#", qos=1)
            wanted = {
                bridge.topics.device("00000000000000aa"),
                bridge.topics.device("00000000000000aa_host"),
                bridge.topics.state("extruder", "temperature"),
                bridge.topics.job_current,
                bridge.topics.host_stats,
                bridge.topics.health,
                bridge.topics.control_state("light_status"),
            }
            async for message in home.messages:
                wanted.discard(str(message.topic))
                if not wanted:
                    break
            await home.publish(bridge.topics.control("pin_relay"), "ON", qos=1)
            await until(lambda: "SET_PIN PIN=relay VALUE=1" in klippy.executed)
    finally:
        broker.kill()
