import re
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from bridge.describe.asyncapi import asyncapi
from bridge.mqtt import payloads
from bridge.mqtt.topics import Topics
from tests.describe.sample import VERSION, QueueStatus, resolve, small_registry


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return asyncapi(small_registry(), VERSION)


def accepts(document, channel, message, value):
    payload = document["channels"][channel]["messages"][message]["payload"]
    validator = Draft202012Validator({**payload, "components": document["components"]})
    return validator.is_valid(value)


def binding(document, name):
    return document["operations"][name]["bindings"]["mqtt"]


def test_every_topic_name_of_the_bridge_is_described(document):
    topics = Topics("{instance}", discovery="{prefix}")
    expected = {
        topics.request,
        topics.response,
        topics.client_response("{client}"),
        topics.status,
        topics.availability,
        topics.klippy_info,
        topics.state("{object}", "{field}"),
        topics.combined,
        topics.health,
        topics.controls,
        topics.control("{key}"),
        topics.device("{unique}"),
        topics.birth,
        *(topics.event(name) for name in payloads.EVENTS),
    }
    assert expected <= {channel["address"] for channel in document["channels"].values()}


def test_addresses_are_unique_and_have_exactly_their_parameters(document):
    addresses = [channel["address"] for channel in document["channels"].values()]
    assert len(set(addresses)) == len(addresses)
    used = set()
    for channel in document["channels"].values():
        names = re.findall(r"\{(\w+)\}", channel["address"])
        assert list(channel["parameters"]) == names
        used |= set(names)
    assert used == set(document["components"]["parameters"])


def test_every_operation_takes_the_messages_of_its_channel(document):
    assert document["operations"].keys() == document["channels"].keys()
    for name, operation in document["operations"].items():
        channel = resolve(document, operation["channel"]["$ref"])
        assert channel is document["channels"][name]
        found = [resolve(document, message["$ref"]) for message in operation["messages"]]
        assert found == list(channel["messages"].values())


def test_requests_and_controls_are_received_and_all_else_is_sent(document):
    received = {name for name, each in document["operations"].items() if each["action"] == "receive"}
    assert received == {"request", "client_request", "control", "birth"}
    assert all(binding(document, name)["qos"] == 1 for name in document["operations"])


def test_state_is_retained_and_answers_events_and_deltas_are_not(document):
    retained = {name for name in document["operations"] if binding(document, name).get("retain")}
    assert retained == {
        "status",
        "availability",
        "klippy_info",
        "state",
        "health",
        "controls",
        "control_state",
        "job_current",
        "job_last",
        "job_thumbnail",
        "job_totals",
        "queue",
        "host_stats",
        "update",
        "power",
        "sensor",
        "spool",
        "webcam_url",
        "announcements",
        "device",
    }


def test_a_request_is_answered_on_its_channel(document):
    for request, response in (("request", "response"), ("client_request", "client_response")):
        reply = document["operations"][request]["reply"]
        assert reply["channel"] == {"$ref": f"#/channels/{response}"}
        assert all(resolve(document, message["$ref"]) for message in reply["messages"])


def test_every_notification_is_an_event_but_status_and_process_statistics(document):
    events = {name for name in document["channels"] if name.startswith("event_")}
    assert {"event_job_queue_changed", "event_klippy_ready", "event_active_spool_set"} <= events
    assert {"event_print_started", "event_filament_runout", "event_request_rejected"} <= events
    assert "event_proc_stat_update" not in events


@pytest.mark.parametrize(
    ("event", "data"),
    [
        ("job_queue_changed", QueueStatus("ready", [])),
        ("klippy_ready", payloads.Nothing()),
        ("print_error", payloads.PrintEvent("a.gcode", 1.0, 2.0, 3.0, "Move out of range")),
        ("klippy_shutdown", payloads.KlippyShutdown("MCU shutdown")),
        ("control_rejected", payloads.ControlRejected("fan_speed", "x", "not a number")),
    ],
)
def test_an_event_fits_the_schema_of_its_topic_alone(document, event, data):
    published = msgspec.json.decode(msgspec.json.encode(payloads.Event(1.5, "b00t", 7, event, data)))
    assert accepts(document, f"event_{event}", "event", published)
    assert not accepts(document, f"event_{event}", "event", {**published, "event": "another"})
    assert not accepts(document, f"event_{event}", "event", {**published, "data": "text"})


@pytest.mark.parametrize(
    ("channel", "message", "good", "bad"),
    [
        ("request", "request", {"jsonrpc": "2.0", "method": "printer.info", "id": 1}, {"method": "x"}),
        ("request", "batch", [{"jsonrpc": "2.0", "method": "x", "params": []}], [1]),
        ("response", "result", {"jsonrpc": "2.0", "result": None, "id": "a"}, {"result": None}),
        (
            "response",
            "failure",
            {"jsonrpc": "2.0", "error": {"code": 404, "message": "no"}, "id": None},
            {"jsonrpc": "2.0", "error": "no", "id": 1},
        ),
        ("status", "status", {"server": "offline"}, {"server": "away"}),
        ("availability", "availability", "online", "ready"),
        ("birth", "birth", "online", "ready"),
        ("control", "value", "210", 210),
        ("control", "light", {"state": "ON", "color": {"r": 255, "g": 0, "b": 0}}, {"brightness": 256}),
        ("state", "value", {"eventtime": 1.5, "time": 2.5, "value": None}, {"value": 1}),
        ("combined", "delta", {"eventtime": 1.5, "status": {"fan": {"speed": 1}}}, {"status": {"fan": 1}}),
        (
            "klippy_info",
            "info",
            {"state": "ready", "message": "", "version": None},
            {"state": "printing", "message": "", "version": None},
        ),
        (
            "controls",
            "list",
            [{"key": "fan_speed", "kind": "number", "name": "Fan", "min": 0, "max": 100}],
            [{"key": "fan_speed", "kind": "knob", "name": "Fan"}],
        ),
    ],
)
def test_a_topic_takes_what_it_should(document, channel, message, good, bad):
    assert accepts(document, channel, message, good)
    assert not accepts(document, channel, message, bad)


def test_plain_text_is_declared_as_such(document):
    kinds = {
        (name, message): each["contentType"]
        for name, channel in document["channels"].items()
        for message, each in channel["messages"].items()
    }
    text = {place for place, kind in kinds.items() if kind == "text/plain"}
    assert text == {
        ("availability", "availability"),
        ("birth", "birth"),
        ("control", "value"),
        ("webcam_url", "url"),
    }


def test_the_last_will_is_what_the_link_leaves(document):
    will = document["servers"]["broker"]["bindings"]["mqtt"]["lastWill"]
    assert will["topic"] == "{instance}/moonraker/status"
    assert will["message"].encode() == msgspec.json.encode(payloads.Status("offline"))
    assert will["retain"] is True
