"""The flow for Node-RED: it loads, its wires lead somewhere, its topics are ours, and its functions do what they say."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bridge.app import describe_registry
from bridge.klippy.simulator import Simulator
from bridge.mqtt.topics import Topics, matches
from tests.conftest import Start
from tests.ha_discovery.rendering import payloads_of
from tests.mqtt.watching import settled
from tests.wire import Ear

FLOW = json.loads((Path(__file__).parent.parent.parent / "config" / "node-red" / "printer.json").read_text())
NODES = {node["id"]: node for node in FLOW}
KINDS = {"tab", "mqtt-broker", "comment", "mqtt in", "mqtt out", "function", "inject", "debug"}
TOPICS = Topics("voron")


def test_every_node_is_of_the_core_and_every_wire_leads_to_one():
    assert len(NODES) == len(FLOW)
    assert {node["type"] for node in FLOW} == KINDS
    for node in FLOW:
        assert all(target in NODES for wire in node.get("wires", ()) for target in wire), node["id"]
        assert node.get("z", "tab") == "tab"
        assert node.get("broker", "broker") == "broker" or node["type"] == "mqtt-broker"


def test_no_node_but_the_last_leads_nowhere_and_none_is_unreached():
    reached = {target for node in FLOW for wire in node.get("wires", ()) for target in wire}
    begins = {"mqtt in", "inject", "tab", "mqtt-broker", "comment"}
    assert {node["id"] for node in FLOW if node["type"] not in begins} == reached


def test_nothing_is_published_with_retain():
    assert {node["retain"] for node in FLOW if node["type"] == "mqtt out"} == {"false"}


def test_every_topic_is_one_of_the_bridge():
    told = (TOPICS.job_current, TOPICS.queue, TOPICS.all_events, TOPICS.state("print_stats", "state"),
            TOPICS.client_response("nodered"))  # fmt: skip
    taken = (f"{TOPICS.request}/+", TOPICS.all_controls)
    for node in FLOW:
        if node["type"] == "mqtt in":
            assert node["topic"] in told
        if node["type"] == "mqtt out":
            assert any(matches(pattern, node["topic"]) for pattern in taken)


def run(name: str, messages: list[Any]) -> list[Any]:
    """What the function node gives for each message; it keeps its context between them."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: the functions of the flow cannot be run")
    code = NODES[name]["func"]
    program = f"""
    const kept = {{}}; const context = {{get: k => kept[k], set: (k, v) => {{ kept[k] = v; }}}};
    const said = []; const node = {{status: () => {{}}, error: text => said.push(text)}};
    const f = new Function("msg", "context", "node", {json.dumps(code)});
    const out = {json.dumps(messages)}.map(msg => f(msg, context, node));
    console.log(JSON.stringify({{out, said}}));
    """
    done = subprocess.run([node, "-e", program], capture_output=True, check=True, text=True, timeout=8)
    found = json.loads(done.stdout)
    return found["out"] if not found["said"] else [*found["out"], found["said"]]


def test_the_status_is_one_line():
    idle, busy, odd = run("line", [{"payload": one} for one in payloads_of("voron/job/current")])
    assert idle["payload"] == "idle"
    assert busy["payload"].endswith("12.5 %, 0 min left (printing)")
    assert odd["payload"] == "a.gcode: ? %, ? min left (paused)"


def test_the_next_job_starts_only_when_somebody_says_so_and_nothing_prints():
    queue, state, clear = "voron/queue", "voron/klipper/state/print_stats/state", {"payload": True}
    jobs = [{"topic": queue, "payload": {"jobs": ["a"]}}, {"topic": queue, "payload": {"jobs": []}}]
    idle = {"topic": state, "payload": {"value": "complete"}}
    busy = {"topic": state, "payload": {"value": "printing"}}
    unknown = {"topic": state, "payload": {"value": None}}
    assert run("next", [clear, jobs[0], clear, idle, clear])[-1] == {"payload": "PRESS"}
    assert run("next", [clear, jobs[0], clear, busy, clear, unknown]) == [None] * 6
    assert run("next", [idle, jobs[0], jobs[1], clear]) == [None] * 4


def test_the_end_of_a_print_is_told_once():
    done = {"boot": "b", "seq": 1, "event": "print_complete", "data": {"file": "a.gcode"}}
    other = {"boot": "b", "seq": 2, "event": "gcode_response", "data": "ok"}
    failed = {"boot": "b", "seq": 3, "event": "print_error", "data": {"file": "b.gcode"}}
    found = run("ended", [{"payload": one} for one in (done, done, other, failed)])
    assert [one and one["payload"] for one in found] == [
        "a.gcode is complete",
        None,
        None,
        "b.gcode has failed",
    ]


async def test_the_request_is_answered_and_the_answer_understood(
    start: Start, klippy: Simulator, mqtt: Ear
) -> None:
    bridge = await start(instance="voron-red")
    await settled(mqtt, bridge)
    [asked] = run("request", [{"payload": 1}])
    assert asked["payload"]["method"] in describe_registry().methods
    await mqtt.say(f"{bridge.topics.request}/nodered", asked["payload"])
    answer = (await mqtt.message(bridge.topics.client_response("nodered"))).json
    [understood] = run("answer", [{"payload": answer}])
    assert understood["payload"]["extruder"].keys() == {"temperature", "target"}
    refused = run("answer", [{"payload": {"error": {"message": "no", "code": 403}}}])
    assert refused == [None, ["no (code 403)"]]
    await mqtt.say(bridge.topics.control("queue_start"), "PRESS")
    await mqtt.message(bridge.topics.control("queue_start"))
    assert mqtt.on(bridge.topics.event("control_rejected")) == []
