"""Who may call what over MQTT, on the wire: classes, patterns, single clients, tokens, and what is told of it."""

import logging

import pytest

from bridge.app import describe_registry
from bridge.errors import Forbidden
from bridge.klippy.simulator import Simulator
from bridge.mqtt.denials import Denials
from bridge.rpc import Access, Door
from tests.conftest import Running, Start
from tests.wire import Ear

QUICK = {"homeassistant": {"enabled": False}}
TABLE = describe_registry().methods


def call(method: str, identifier: object = 1, **params: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "method": method, "params": params, "id": identifier}


async def ask(mqtt: Ear, bridge: Running, message: object, client: str = "") -> dict:
    """A request and its answer."""
    topic, answers = bridge.topics.request, bridge.topics.response
    if client:
        topic, answers = f"{topic}/{client}", bridge.topics.client_response(client)
    before = len([m for m in mqtt.heard if m.topic == answers])
    await mqtt.say(topic, message)
    return (
        await mqtt.until(
            lambda: (a := [m for m in mqtt.heard if m.topic == answers]) and len(a) > before and a
        )
    )[-1].json


async def test_by_default_nothing_of_files_and_admin_can_be_called(bridge: Running, mqtt: Ear) -> None:
    """Every such method of the table, in one batch; the bridge outlives it, unchanged."""
    names = [m.name for m in TABLE.values() if m.access in (Access.FILES, Access.ADMIN)]
    assert len(names) > 20
    answers = await ask(mqtt, bridge, [call(name, name) for name in names])
    assert {answer["id"]: answer["error"]["code"] for answer in answers} == dict.fromkeys(names, 403)
    assert not bridge.stop.is_set()
    offered = [name for name in names if Door.MQTT in TABLE[name].doors]
    assert bridge.bridge.inlet.denials.count == len(offered)


async def test_nothing_is_executed_where_nothing_is_allowed(
    start: Start, klippy: Simulator, mqtt: Ear
) -> None:
    bridge = await start(mqtt={"allow": []}, **QUICK)
    names = [m.name for m in TABLE.values() if m.name != "printer.control.set"]
    answers = await ask(mqtt, bridge, [call(name, name, script="M117 no") for name in names])
    assert {answer["error"]["code"] for answer in answers} == {403}
    await mqtt.say(bridge.topics.control("emergency_stop"), "PRESS")
    refused = await mqtt.message(bridge.topics.event("control_rejected"))
    assert "mqtt.allow" in refused.json["data"]["reason"]
    assert list(klippy.executed) == []
    assert bridge.bridge.klippy.ready


async def test_a_denial_is_answered_counted_told_and_logged(
    bridge: Running, mqtt: Ear, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3):
        answer = await ask(mqtt, bridge, call("server.database.list", number), "red")
        assert answer["error"]["code"] == 403
    await mqtt.say(
        bridge.topics.request, {"jsonrpc": "2.0", "method": "server.database.list"}
    )  # no id, no answer
    told = await mqtt.until(
        lambda: (e := mqtt.on(bridge.topics.event("request_rejected"))) and len(e) == 4 and e
    )
    assert told[0].json["data"] == {
        "topic": f"{bridge.topics.request}/red",
        "method": "server.database.list",
        "reason": answer["error"]["message"],
    }
    assert told[3].json["data"]["topic"] == bridge.topics.request
    health = bridge.bridge.health.now()
    assert (health.counters.denied, health.counters.rejected) == (4, 4)
    lines = [r.getMessage() for r in caplog.records if r.name == "bridge.mqtt.denials"]
    assert [line.partition(": ")[0] for line in lines] == [
        "refused over MQTT to client 'red'",
        "refused over MQTT to a client of the shared topic",
    ]


def test_a_client_is_logged_once_a_minute_with_what_was_not_said(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    denials = Denials(clock=lambda: now)
    for seconds in (0.0, 1.0, 59.0, 61.0, 62.0, 130.0):
        now = seconds
        denials.note("red", "a.b", Forbidden("no"))
    assert [r.getMessage() for r in caplog.records] == [
        "refused over MQTT to client 'red': no",
        "refused over MQTT to client 'red': no (2 more since the last such line)",
        "refused over MQTT to client 'red': no (1 more since the last such line)",
    ]
    for number in range(5000):
        denials.note(f"client\n{number}", "a.b", Forbidden("no"))
    assert len(denials._said) <= 1000
    assert "\n" not in caplog.records[-1].getMessage()


async def test_patterns_and_clients_have_rules_of_their_own(
    start: Start, klippy: Simulator, mqtt: Ear
) -> None:
    rules = {
        "allow": ["read", "control", "server.database.list"],
        "deny": ["printer.gcode.script"],
        "clients": {"display": {"allow": ["read"]}, "red/1": {"deny": ["server.info"]}},
    }
    bridge = await start(mqtt=rules, **QUICK)
    assert "result" in await ask(mqtt, bridge, call("server.database.list"))
    denied = await ask(mqtt, bridge, call("printer.gcode.script", script="M117 no"))
    assert "mqtt.deny" in denied["error"]["message"]
    denied = await ask(mqtt, bridge, call("printer.print.pause"), "display")
    assert "mqtt.clients.display.allow" in denied["error"]["message"]
    assert "result" in await ask(mqtt, bridge, call("server.info"), "display")
    denied = await ask(mqtt, bridge, call("server.info"), "red%2F1")  # the name as a level of the topic
    assert "mqtt.clients.red/1.deny" in denied["error"]["message"]
    assert not [line for line in klippy.executed if line.startswith("M117")]


async def test_a_token_in_the_params_raises_the_class_and_is_never_seen_again(
    bridge: Running, mqtt: Ear, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    accounts = bridge.bridge.accounts
    ann = await accounts.create("ann", "sesame")
    token, key = accounts.tokens.issue(ann, "auth"), bridge.bridge.key.value
    topic = bridge.topics.request
    for secret in (token, key):
        answer = await ask(mqtt, bridge, call("server.database.list", token=secret))
        assert "result" in answer
    for wrong in ("wrong", accounts.tokens.issue(ann, "refresh"), "", 7, None):
        answer = await ask(mqtt, bridge, call("server.database.list", token=wrong))
        assert answer["error"]["code"] == 403
    assert "result" in await ask(mqtt, bridge, call("server.info", token="wrong"))
    assert "error" in await ask(mqtt, bridge, call("server.database.list"))  # it counts for its message alone
    assert (await ask(mqtt, bridge, call("access.users.list", token=key)))["error"]["code"] == 403
    mixed = [call("server.database.list", 1, token=key), call("server.info", 2)]
    assert all("result" in part for part in await ask(mqtt, bridge, mixed))
    await accounts.log_out("ann")
    assert "error" in await ask(mqtt, bridge, call("server.database.list", "later", token=token))
    said = [m for m in mqtt.heard if m.topic != topic]
    for secret in (token, key, "sesame"):
        assert not [m.topic for m in said if secret.encode() in m.payload]
        assert secret not in caplog.text


async def test_a_token_reaches_neither_a_method_nor_klippy(
    bridge: Running, mqtt: Ear, klippy: Simulator
) -> None:
    key = bridge.bridge.key.value
    answer = await ask(
        mqtt, bridge, call("printer.objects.query", objects={"extruder": ["target"]}, token=key)
    )
    assert set(answer["result"]["status"]) == {"extruder"}
    answer = await ask(mqtt, bridge, call("printer.objects.query", extruder=None, token=key))
    assert set(answer["result"]["status"]) == {"extruder"}


async def test_deep_json_ends_nothing(bridge: Running, mqtt: Ear) -> None:
    deep = b'{"a":' * 700
    for topic in (bridge.topics.request, bridge.topics.control("pause"), bridge.topics.control("light_x")):
        await mqtt.say(topic, deep)
        await mqtt.say(topic, deep + b"1" + b"}" * 700)
    await mqtt.until(lambda: len(mqtt.on(bridge.topics.event("control_rejected"))) == 4)
    assert "result" in await ask(mqtt, bridge, call("server.info", 99), "after")
