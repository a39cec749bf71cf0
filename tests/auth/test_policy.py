"""mqtt.allow, mqtt.deny and mqtt.clients: each method of the table with each class."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from bridge.app import describe_registry
from bridge.auth.policy import MqttPolicy
from bridge.config import Mqtt
from bridge.mqtt.inlet import MqttClient
from bridge.rpc import Access, Door, Method, Registry

CLASSES = ("read", "control", "files", "admin")
METHODS = sorted(describe_registry().methods.values(), key=lambda method: method.name)


def policy(**options: Any) -> MqttPolicy:
    vouched = {"good": "ann"}
    return MqttPolicy(msgspec.convert(options, Mqtt), vouched.get)


async def noted(registry: Registry, name: str, client: MqttClient) -> dict[str, Any]:
    payload = msgspec.json.encode({"jsonrpc": "2.0", "method": name, "id": 1})
    return msgspec.json.decode(await registry.dispatch(payload, client) or b"")


@pytest.mark.parametrize("method", METHODS, ids=[method.name for method in METHODS])
async def test_each_method_with_each_class(method: Method) -> None:
    """The table's own methods, each with a handler that only notes that it was reached."""
    reached: list[str] = []

    async def handler(_call: Any) -> str:
        reached.append(method.name)
        return "ok"

    registry = Registry()
    registry.add(replace(method, handler=handler, public=False))
    offered = Door.MQTT in method.doors
    for name in CLASSES:
        client = MqttClient("x", policy(allow=[name]).permit())
        answer = await noted(registry, method.name, client)
        if offered and Access(name) is method.access:
            assert answer["result"] == "ok"
        else:
            assert answer["error"]["code"] == 403
    assert reached == [method.name] * offered
    await noted(registry, method.name, MqttClient("x", policy(allow=[]).permit()))
    await noted(registry, method.name, MqttClient("x", policy(deny=["*"]).permit().with_token("good")))
    assert reached == [method.name] * offered


def test_no_public_method_is_offered_over_mqtt() -> None:
    """What asks for no class must have no way in where a class is all that is asked for."""
    assert [one.name for one in METHODS if one.public and Door.MQTT in one.doors] == []


def test_nobody_gets_access_methods_over_mqtt() -> None:
    assert {one.name for one in METHODS if one.name.startswith("access.") and Door.MQTT in one.doors} == set()


# options, client, token, access, method, whether it may
CASES: list[tuple[dict[str, Any], str | None, str | None, str, str, bool]] = [
    ({}, None, None, "read", "server.info", True),
    ({}, None, None, "control", "printer.gcode.script", True),
    ({}, None, None, "files", "server.files.list", False),
    ({}, None, None, "admin", "machine.reboot", False),
    ({"allow": ["read", "server.files.*"]}, None, None, "files", "server.files.list", True),
    ({"allow": ["read", "server.files.*"]}, None, None, "files", "server.database.list", False),
    ({"allow": ["server.files.list"]}, None, None, "files", "server.files.list_more", False),
    ({"allow": ["*"]}, None, None, "admin", "machine.reboot", True),
    ({"deny": ["printer.gcode.script"]}, None, None, "control", "printer.gcode.script", False),
    ({"deny": ["printer.gcode.script"]}, None, None, "control", "printer.print.pause", True),
    ({"deny": ["printer.gcode.script"]}, None, "good", "control", "printer.gcode.script", False),
    ({"deny": ["control"]}, None, None, "control", "printer.print.pause", False),
    ({}, None, "good", "admin", "machine.reboot", True),
    ({}, None, "bad", "admin", "machine.reboot", False),
    ({}, None, "bad", "read", "server.info", True),
    ({"clients": {"red": {"allow": ["read"]}}}, "red", None, "control", "printer.print.pause", False),
    ({"clients": {"red": {"allow": ["read"]}}}, "blue", None, "control", "printer.print.pause", True),
    ({"clients": {"red": {"allow": ["read"]}}}, None, None, "control", "printer.print.pause", True),
    ({"clients": {"red": {"allow": ["files"]}}}, "red", None, "files", "server.files.list", True),
    ({"clients": {"red": {"allow": ["files"]}}}, "red", None, "read", "server.info", False),
    ({"clients": {"red": {"deny": ["printer.*"]}}}, "red", None, "control", "printer.print.pause", False),
    ({"clients": {"red": {"deny": ["printer.*"]}}}, "red", None, "read", "server.info", True),
    ({"clients": {"red": {"deny": ["printer.*"]}}}, "red", "good", "control", "printer.print.pause", False),
    ({"clients": {"red": {"allow": ["*"]}}, "deny": ["a.b"]}, "red", None, "read", "a.b", False),
]


@pytest.mark.parametrize(("options", "client", "token", "access", "method", "may"), CASES)
def test_who_may_what(
    options: dict[str, Any], client: str | None, token: str | None, access: str, method: str, may: bool
) -> None:
    permit = policy(**options).permit(client)
    permit = permit.with_token(token) if token else permit
    for _ in range(2):  # the second time from memory
        assert (permit.refuse(Access(access), method) is None) is may


def test_a_refusal_names_the_option_and_never_the_token() -> None:
    def told(client: str | None = None, token: str | None = None, **options: Any) -> str:
        permit = policy(**options).permit(client)
        return str((permit.with_token(token) if token else permit).refuse(Access.FILES, "a.b"))

    assert told() == "a.b is of class 'files', which mqtt.allow does not let in over MQTT"
    assert told(deny=["a.*"]) == "a.b is of class 'files', which mqtt.deny keeps out over MQTT"
    red = {"red": {"allow": ["read"]}}
    assert "which mqtt.clients.red.allow does not let in" in told("red", clients=red)
    assert "which mqtt.clients.red.deny keeps out" in told("red", clients={"red": {"deny": ["files"]}})
    assert told(token="s3cret").endswith("over MQTT; the `token` in its params is not valid")


def test_a_pattern_that_fits_nothing_is_found() -> None:
    methods = {method.name: method.access for method in METHODS}
    rules = policy(
        allow=["read", "server.flies.*"], deny=["machine.*"], clients={"a": {"deny": ["nothing.at_all"]}}
    )
    assert rules.unused(methods) == ["server.flies.*", "nothing.at_all"]
