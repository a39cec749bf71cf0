"""JSON-RPC over MQTT: who is answered, where, once."""

import asyncio
import time

from bridge.klippy.frames import encode
from bridge.mqtt.inlet import AT_ONCE, WAITING
from tests.conftest import Running
from tests.klippy.fake_klippy import SILENT, fake_klippy
from tests.wire import Ear, Mosquitto, ear

READY = {"jsonrpc": "2.0", "method": "server.info", "id": 1}


async def test_a_request_is_answered_on_the_shared_topic(bridge: Running, mqtt: Ear) -> None:
    await mqtt.say(bridge.topics.request, READY)
    answer = await mqtt.message(bridge.topics.response)
    assert answer.json["result"]["klippy_state"] == "ready"
    assert answer.json["id"] == 1
    assert not answer.retain


async def test_a_response_topic_is_used_and_the_shared_one_stays_silent(bridge: Running, mqtt: Ear) -> None:
    mine = f"mine/{bridge.name}"
    await mqtt.say(bridge.topics.request, READY, ResponseTopic=mine, CorrelationData=b"\x00seven")
    answer = await mqtt.message(mine)
    assert answer.properties.CorrelationData == b"\x00seven"
    assert answer.json["result"]["klippy_connected"] is True
    assert mqtt.on(bridge.topics.response) == []


async def test_a_client_topic_has_private_answers(bridge: Running, mqtt: Ear) -> None:
    await mqtt.say(f"{bridge.topics.request}/node-red", READY)
    await mqtt.message(bridge.topics.client_response("node-red"))
    assert [m.topic for m in mqtt.on(bridge.topics.response)] == [bridge.topics.client_response("node-red")]


async def test_a_bad_response_topic_is_told_and_nothing_is_executed(
    bridge: Running, mqtt: Ear, klippy
) -> None:
    script = {"jsonrpc": "2.0", "method": "printer.gcode.script", "params": {"script": "M117 no"}, "id": 5}
    bad = [
        bridge.topics.request,
        f"{bridge.topics.request}/x",
        "other/moonraker/api/request",
        bridge.topics.control("pause"),
        "other/control/pause/set",
        f"{bridge.topics.discovery}/status",
        bridge.topics.availability,
        "$share/x",
    ]
    for number, topic in enumerate(bad):
        await mqtt.say(bridge.topics.request, {**script, "id": number}, ResponseTopic=topic)
    answers = await mqtt.until(lambda: (a := mqtt.on(bridge.topics.response)) and len(a) == len(bad) and a)
    assert all(answer.json["error"]["code"] == 400 for answer in answers)
    assert "M117 no" not in klippy.executed


async def test_ten_clients_with_equal_ids_get_their_own_answers(bridge: Running, broker: Mosquitto) -> None:
    async def one(number: int) -> None:
        mine = f"private/{bridge.name}/{number}"
        async with ear(broker.port, mine) as client:
            for identifier in range(30):
                await client.say(
                    bridge.topics.request,
                    {
                        "jsonrpc": "2.0",
                        "method": "server.gcode_store",
                        "params": {"count": number},
                        "id": identifier,
                    },
                    qos=0,
                    ResponseTopic=mine,
                    CorrelationData=b"%d/%d" % (number, identifier),
                )
            await client.until(lambda: len(client.heard) >= 30)
            got = [(m.properties.CorrelationData, m.json["id"]) for m in client.heard]
            assert sorted(got) == sorted((b"%d/%d" % (number, i), i) for i in range(30))

    async with asyncio.TaskGroup() as group:
        for number in range(10):
            group.create_task(one(number))


async def test_a_retained_request_is_never_executed_and_is_cleared(
    start, klippy, broker: Mosquitto, mqtt: Ear
) -> None:
    topic = "retained-poison/moonraker/api/request"
    script = {
        "jsonrpc": "2.0",
        "method": "printer.gcode.script",
        "params": {"script": "M117 poison"},
        "id": 1,
    }
    await mqtt.say(topic, script, retain=True)
    bridge = await start(instance="retained-poison")
    rejected = await mqtt.message(bridge.topics.event("request_rejected"))
    assert "retain" in rejected.json["data"]["reason"]
    await mqtt.message(topic, where=lambda m: not m.payload)
    await mqtt.say(topic, {**script, "id": 2}, retain=True)  # live, but retained
    await mqtt.until(lambda: len(mqtt.on(bridge.topics.event("request_rejected"))) == 2)
    await mqtt.until(lambda: len([m for m in mqtt.on(topic) if not m.payload]) == 2)
    async with ear(broker.port, topic) as late:
        await late.say(topic, {"jsonrpc": "2.0", "method": "server.info", "id": 9})
        await mqtt.message(bridge.topics.response, where=lambda m: m.json["id"] == 9)
        assert [m.json["id"] for m in late.heard if m.payload] == [9]
    assert "M117 poison" not in klippy.executed


async def test_one_qos_1_request_delivered_three_times_runs_once_and_all_are_answered(
    bridge: Running, mqtt: Ear, klippy
) -> None:
    script = {"jsonrpc": "2.0", "method": "printer.gcode.script", "params": {"script": "M117 once"}, "id": 77}
    for _ in range(3):
        await mqtt.say(bridge.topics.request, script, qos=1)
    answers = await mqtt.until(lambda: (a := mqtt.on(bridge.topics.response)) and len(a) == 3 and a)
    assert all(answer.json == {"jsonrpc": "2.0", "result": "ok", "id": 77} for answer in answers)
    assert list(klippy.executed).count("M117 once") == 1


async def test_equal_correlated_requests_run_once(bridge: Running, mqtt: Ear, klippy) -> None:
    script = {"jsonrpc": "2.0", "method": "printer.gcode.script", "params": {"script": "M117 twin"}, "id": 1}
    mine = f"mine/{bridge.name}"
    for _ in range(2):
        await mqtt.say(bridge.topics.request, script, qos=0, ResponseTopic=mine, CorrelationData=b"a")
    await mqtt.until(lambda: len(mqtt.on(mine)) == 2)
    await mqtt.say(bridge.topics.request, script, qos=0, ResponseTopic=mine, CorrelationData=b"b")
    await mqtt.until(lambda: len(mqtt.on(mine)) == 3)
    assert list(klippy.executed).count("M117 twin") == 2


async def test_a_request_that_came_too_late_is_refused_each_time(bridge: Running, mqtt: Ear, klippy) -> None:
    params = {"script": "M117 late", "mqtt_expires": time.time() - 1}
    script = {"jsonrpc": "2.0", "method": "printer.gcode.script", "params": params, "id": 4}
    mine = f"mine/{bridge.name}"
    for _ in range(2):
        await mqtt.say(bridge.topics.request, script, ResponseTopic=mine, CorrelationData=b"late")
    answers = await mqtt.until(lambda: (a := mqtt.on(mine)) and len(a) == 2 and a)
    assert [(a.json["id"], a.json["error"]["code"]) for a in answers] == [(4, 504)] * 2
    assert [a.properties.CorrelationData for a in answers] == [b"late"] * 2
    assert list(klippy.executed) == []


async def test_equal_timestamps_are_repeats_of_one_client_only(bridge: Running, mqtt: Ear, klippy) -> None:
    def script(text: str, identifier: int) -> dict[str, object]:
        params = {"script": text, "mqtt_timestamp": 123456}
        return {"jsonrpc": "2.0", "method": "printer.gcode.script", "params": params, "id": identifier}

    await mqtt.say(f"{bridge.topics.request}/a", script("M117 first", 1))
    await mqtt.message(bridge.topics.client_response("a"))
    await mqtt.say(f"{bridge.topics.request}/a", script("M117 second", 2))
    await mqtt.say(f"{bridge.topics.request}/b", script("M117 other client", 1))
    repeat = await mqtt.message(bridge.topics.client_response("a"), where=lambda m: m.json["id"] == 2)
    assert repeat.json["error"]["code"] == -10000
    assert (await mqtt.message(bridge.topics.client_response("b"))).json["result"] == "ok"
    assert [line for line in klippy.executed if line.startswith("M117")] == [
        "M117 first",
        "M117 other client",
    ]


async def test_reading_is_never_a_repeat(bridge: Running, mqtt: Ear) -> None:
    for _ in range(3):
        await mqtt.say(bridge.topics.request, {**READY, "params": {"mqtt_timestamp": 1}})
    answers = await mqtt.until(lambda: (a := mqtt.on(bridge.topics.response)) and len(a) == 3 and a)
    assert all("result" in answer.json for answer in answers)


async def test_an_expired_request_is_refused(bridge: Running, mqtt: Ear, klippy) -> None:
    for identifier, expires in ((1, time.time() - 1), (2, time.time() + 60), (3, "soon")):
        params = {"script": f"M117 {identifier}", "mqtt_expires": expires}
        await mqtt.say(
            bridge.topics.request,
            {"jsonrpc": "2.0", "method": "printer.gcode.script", "params": params, "id": identifier},
        )
    await mqtt.until(lambda: len(mqtt.on(bridge.topics.response)) == 3)
    answers = {m.json["id"]: m.json for m in mqtt.on(bridge.topics.response)}
    assert answers[1]["error"]["code"] == 504
    assert answers[2]["result"] == "ok"
    assert answers[3]["error"]["code"] == -32602
    assert [line for line in klippy.executed if line.startswith("M117")] == ["M117 2"]


async def test_classes_that_mqtt_does_not_allow_are_forbidden(bridge: Running, mqtt: Ear) -> None:
    await mqtt.say(bridge.topics.request, {"jsonrpc": "2.0", "method": "server.restart", "id": 3})
    answer = await mqtt.message(bridge.topics.response)
    assert answer.json["error"]["code"] == 403
    assert "mqtt.allow" in answer.json["error"]["message"]
    assert not bridge.stop.is_set()


async def test_what_mqtt_does_not_offer_says_what_to_do_instead(bridge: Running, mqtt: Ear) -> None:
    await mqtt.say(
        bridge.topics.request,
        {
            "jsonrpc": "2.0",
            "method": "printer.objects.subscribe",
            "params": {"objects": {"toolhead": None}},
            "id": 4,
        },
    )
    error = (await mqtt.message(bridge.topics.response)).json["error"]
    assert error["code"] == 403
    assert "klipper/state/{object}/{field}" in error["message"]


async def test_garbage_is_answered_or_counted(bridge: Running, mqtt: Ear) -> None:
    for payload, code in (
        (b"{nonsense", -32700),
        (b"\xff\xfe", -32700),
        (b"", -32700),
        (b"[]", -32600),
        (b"7", -32600),
        (b'{"jsonrpc":"2.0","id":1}', -32600),
        (b'{"jsonrpc":"2.0","method":"no.such","id":1}', -32601),
        (b'{"jsonrpc":"2.0","method":"printer.gcode.script","id":1}', -32602),
    ):
        mqtt.forget()
        await mqtt.say(bridge.topics.request, payload)
        answer = await mqtt.message(bridge.topics.response)
        assert answer.json["error"]["code"] == code, payload


async def test_a_failing_notification_is_not_answered_but_told(bridge: Running, mqtt: Ear) -> None:
    await mqtt.say(f"{bridge.topics.request}/n", {"jsonrpc": "2.0", "method": "no.such.method"})
    event = await mqtt.message(bridge.topics.event("request_rejected"))
    assert event.json["data"] == {
        "topic": f"{bridge.topics.request}/n",
        "method": "no.such.method",
        "reason": "Method 'no.such.method' not found",
    }
    assert mqtt.on(bridge.topics.response) == []


async def test_a_batch_is_answered_part_by_part(bridge: Running, mqtt: Ear) -> None:
    batch = [
        READY,
        5,
        {"jsonrpc": "2.0", "method": "nope", "id": "x"},
        {"jsonrpc": "2.0", "method": "server.info"},
    ]
    await mqtt.say(bridge.topics.request, batch)
    answers = (await mqtt.message(bridge.topics.response)).json
    assert [(a["id"], a.get("error", {}).get("code")) for a in answers] == [
        (1, None),
        (None, -32600),
        ("x", -32601),
    ]


async def test_an_answer_too_large_becomes_a_small_error(start, klippy, mqtt: Ear) -> None:
    bridge = await start(mqtt={"max_payload": 2048})
    query = {"objects": {"configfile": None}}
    await mqtt.say(
        bridge.topics.request, {"jsonrpc": "2.0", "method": "printer.objects.query", "params": query, "id": 8}
    )
    answer = (await mqtt.message(bridge.topics.response)).json
    assert answer["id"] == 8
    assert answer["error"]["code"] == 413
    assert "bytes" in answer["error"]["message"]
    await mqtt.say(bridge.topics.request, {**READY, "id": 9})
    assert (await mqtt.message(bridge.topics.response, where=lambda m: m.json["id"] == 9)).json["result"]


async def test_the_broker_s_own_limit_is_kept(tmp_path, start, klippy) -> None:
    small = Mosquitto(tmp_path, "max_packet_size 3000").start()
    try:
        bridge = await start(mqtt={"port": small.port}, homeassistant={"enabled": False})
        async with ear(small.port) as mqtt:
            query = {"objects": {"configfile": None}}
            request = {"jsonrpc": "2.0", "method": "printer.objects.query", "params": query, "id": 8}
            await mqtt.say(bridge.topics.request, request)
            assert (await mqtt.message(bridge.topics.response)).json["error"]["code"] == 413
            await mqtt.say(bridge.topics.request, {**READY, "id": 9})
            await mqtt.message(bridge.topics.response, where=lambda m: m.json["id"] == 9)
            assert bridge.bridge.mqtt.reconnects == 0
    finally:
        small.kill()


async def test_a_quick_request_overtakes_scripts_that_wait(bridge: Running, mqtt: Ear) -> None:
    slow = {"jsonrpc": "2.0", "method": "printer.gcode.script", "params": {"script": "G4 P300000"}, "id": 0}
    for number in range(3):
        await mqtt.say(f"{bridge.topics.request}/slow", {**slow, "id": number})
    await mqtt.say(f"{bridge.topics.request}/quick", READY)
    await mqtt.message(bridge.topics.client_response("quick"))
    assert mqtt.on(bridge.topics.client_response("slow")) == []


async def test_requests_that_wait_behind_g_code_keep_nobody_else_waiting(tmp_path, start, mqtt: Ear) -> None:
    """Klippy answers those about end stops when the script that runs has ended; a hundred of them wait."""
    async with fake_klippy(tmp_path) as fake:
        bridge = await start(homeassistant={"enabled": False})
        fake.answers["query_endstops/status"] = lambda _params: SILENT
        for number in range(100):
            await mqtt.say(
                f"{bridge.topics.request}/slow",
                {"jsonrpc": "2.0", "method": "printer.query_endstops.status", "id": number},
                qos=0,
            )
        await mqtt.say(f"{bridge.topics.request}/quick", READY)
        await mqtt.message(bridge.topics.client_response("quick"))
        assert mqtt.on(bridge.topics.client_response("slow")) == []


async def test_at_most_a_thousand_requests_wait_and_the_next_is_told_so(tmp_path, start, mqtt: Ear) -> None:
    """64 are under way; what they ask of Klippy is not answered until all have come."""
    async with fake_klippy(tmp_path) as fake:
        bridge = await start(homeassistant={"enabled": False})
        fake.answers["gcode/help"] = lambda _params: SILENT
        before = len(fake.requests)

        def asked() -> list[dict[str, object]]:
            return [one for one in fake.requests[before:] if one["method"] == "gcode/help"]

        async def told(count: int) -> dict[object, int | None]:
            """The codes of so many answers, in their order."""
            answers = bridge.topics.client_response("many")
            heard = await mqtt.until(lambda: len(mqtt.on(answers)) >= count and mqtt.on(answers))
            return {one.json["id"]: one.json.get("error", {}).get("code") for one in heard}

        for number in range(AT_ONCE + WAITING + 3):
            request = {"jsonrpc": "2.0", "method": "printer.gcode.help", "id": number}
            await mqtt.say(f"{bridge.topics.request}/many", request, qos=0)
        last = [AT_ONCE + WAITING + number for number in range(3)]
        assert await told(3) == dict.fromkeys(last, 503)
        assert len(asked()) == AT_ONCE
        assert bridge.bridge.inlet.depth == AT_ONCE + WAITING
        mqtt.forget()
        del fake.answers["gcode/help"]
        for one in asked():
            fake.send(encode({"id": one["id"], "result": {}}))
        answered = await told(AT_ONCE + WAITING)
        assert answered == dict.fromkeys(range(AT_ONCE + WAITING))
        assert list(answered) == list(range(AT_ONCE + WAITING))
        assert bridge.bridge.inlet.depth == 0


async def test_scripts_reach_klippy_in_the_order_sent(bridge: Running, mqtt: Ear, klippy) -> None:
    for number in range(40):
        await mqtt.say(
            bridge.topics.request,
            {
                "jsonrpc": "2.0",
                "method": "printer.gcode.script",
                "params": {"script": f"M117 {number}"},
                "id": number,
            },
            qos=1,
        )
    await mqtt.until(lambda: len(mqtt.on(bridge.topics.response)) == 40)
    assert [line for line in klippy.executed if line.startswith("M117")] == [f"M117 {n}" for n in range(40)]


async def test_an_emergency_stop_waits_for_nothing(bridge: Running, mqtt: Ear) -> None:
    slow = {"jsonrpc": "2.0", "method": "printer.gcode.script", "params": {"script": "G4 P500000"}, "id": 1}
    await mqtt.say(f"{bridge.topics.request}/slow", slow)
    await mqtt.say(
        f"{bridge.topics.request}/stop", {"jsonrpc": "2.0", "method": "printer.emergency_stop", "id": 2}
    )
    assert (await mqtt.message(bridge.topics.client_response("stop"))).json["result"] == "ok"
    failed = await mqtt.message(bridge.topics.client_response("slow"))
    assert "Shutdown due to webhooks request" in failed.json["error"]["message"]
    order = [m.topic for m in mqtt.on(bridge.topics.response)]
    assert order == [bridge.topics.client_response("stop"), bridge.topics.client_response("slow")]
