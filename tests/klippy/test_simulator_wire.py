"""Frames, order, subscriptions, remote methods and faults on the simulator's socket."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from bridge.klippy.frames import ETX
from bridge.klippy.simulator import Timing
from tests.klippy.simulator_client import Client, machine

SLOW_TICK = Timing(tick=0.5, refused=0.05, startup=0.05)


@pytest.mark.parametrize(
    "frame",
    [
        b'{"method": "gcode/script", "params": {"script": "M117 heard"}}',
        b'{"id": null, "method": "gcode/script", "params": {"script": "M117 heard"}}',
    ],
)
async def test_a_request_without_an_id_is_carried_out_and_not_answered(tmp_path: Path, frame: bytes) -> None:
    async with machine(tmp_path) as (_, client):
        client.write(frame + ETX)
        await client.result("info")

        assert (await client.query("display_status"))["message"] == "heard"
        assert [m["id"] for m in client.messages] == [1, 2]


@pytest.mark.parametrize(
    "frame",
    [
        b"not json",
        b"[" * 100_000,
        b'{"id": 1, "method": "info"',
        b"\xff\xfe",
        b'[{"id": 1, "method": "info"}]',
        b'{"id": 1}',
        b'{"id": 1, "method": 5}',
        b'{"id": 1, "method": "info", "params": []}',
        b'{"id": 1, "method": "info", "params": null}',
        b"",
        b"  \n ",
    ],
)
async def test_what_is_no_request_gets_no_answer_and_the_connection_stays(
    tmp_path: Path, frame: bytes
) -> None:
    async with machine(tmp_path) as (_, client):
        client.write(frame + ETX)
        client.write(b' {"id": 7.5, "method": "info"} ' + ETX)

        await client.answer(7.5)

        assert len(client.messages) == 1


async def test_an_id_of_any_kind_comes_back_as_it_was(tmp_path: Path) -> None:
    async with machine(tmp_path) as (_, client):
        for number in (0, "x", {"a": [1]}, -2.5, False):
            client.write(json.dumps({"id": number, "method": "objects/list"}).encode() + ETX)
            assert "result" in await client.answer(number)


async def test_frames_may_be_split_or_share_a_packet(tmp_path: Path) -> None:
    async with machine(tmp_path) as (_, client):
        client.write(b'{"id": 1, "meth')
        await asyncio.sleep(0)
        client.write(b'od": "info"}' + ETX + b'{"id": 2, "method": "info"}' + ETX)

        await client.answer(1)
        await client.answer(2)


@pytest.mark.parametrize(
    ("method", "params", "message"),
    [
        ("nosuch/method", None, "webhooks: No registered callback for path 'nosuch/method'"),
        ("gcode/script", {}, "Missing Argument [script]"),
        ("gcode/script", {"script": 5}, "Invalid Argument Type [script]"),
        ("objects/query", {}, "Missing Argument [objects]"),
        ("objects/query", {"objects": []}, "Invalid Argument Type [objects]"),
        ("objects/query", {"objects": {"toolhead": "position"}}, "Invalid argument"),
        ("objects/subscribe", {"objects": {"toolhead": [1]}}, "Invalid argument"),
        (
            "objects/subscribe",
            {"objects": {}, "response_template": 1},
            "Invalid Argument Type [response_template]",
        ),
        ("register_remote_method", {"remote_method": "x"}, "Missing Argument [response_template]"),
        ("info", {"client_info": 3}, "Invalid Argument Type [client_info]"),
    ],
)
async def test_errors_have_klippys_texts(tmp_path: Path, method: str, params: object, message: str) -> None:
    async with machine(tmp_path) as (_, client):
        assert await client.error(method, params) == message


async def test_unknown_objects_and_fields_are_no_error(tmp_path: Path) -> None:
    async with machine(tmp_path) as (_, client):
        answer = await client.result(
            "objects/query", {"objects": {"nosuch": None, "toolhead": ["nosuch"], "fan": []}}
        )

    assert answer["status"] == {"nosuch": {}, "toolhead": {"nosuch": None}, "fan": {}}


async def test_scripts_share_a_mutex_that_queries_do_not_wait_for(tmp_path: Path) -> None:
    async with machine(tmp_path) as (simulator, client):
        long = client.send("gcode/script", {"script": "G4 P20000\nM400"})
        pause = client.send("pause_resume/pause")
        short = client.send("gcode/script", {"script": "M105"})
        query = client.send("objects/query", {"objects": {"webhooks": None}})
        info = client.send("info")

        await client.answer(short)

        order = [m["id"] for m in client.messages]
        assert set(order[:2]) == {query, info}
        assert order[2:] == [long, pause, short]
        assert list(simulator.executed) == ["G4 P20000", "M400", "PAUSE", "M105"]


async def test_an_emergency_stop_overtakes_a_running_script(tmp_path: Path) -> None:
    async with machine(tmp_path, speed=1.0) as (_, client):
        await client.listen()
        script = client.send("gcode/script", {"script": "G4 P60000\nM400"})
        started = time.monotonic()

        assert await client.result("emergency_stop") == {}

        assert time.monotonic() - started < 5  # of a minute
        stopped = await client.answer(script)
        assert stopped["error"]["message"].startswith("Shutdown due to webhooks request\n")
        assert client.lines[0] == "// Klipper state: Shutdown"


async def test_output_comes_before_the_answer_and_to_every_listener(tmp_path: Path) -> None:
    async with machine(tmp_path) as (_, client), Client(client.path) as other, Client(client.path) as deaf:
        await client.listen()
        await other.listen()
        await deaf.result("info")

        await client.script('RESPOND MSG="höflich"')

        assert client.messages[-2] == {"method": "output", "params": {"response": "echo: höflich"}}
        await other.until(lambda: other.lines == ["echo: höflich"])
        await deaf.result("info")
        assert deaf.lines == []


async def test_an_update_holds_only_what_changed(tmp_path: Path) -> None:
    async with machine(tmp_path) as (_, client):
        first = await client.subscribe(
            {"fan": None, "output_pin relay": None, "heater_bed": ["target"], "nosuch": None}
        )
        await client.script("SET_PIN PIN=relay VALUE=1")
        await client.until(client.updates)
        await client.script("M106 S255\nM140 S50")
        await client.until(lambda: len(client.updates()) > 1)

    assert first == {
        "fan": {"speed": 0.0, "rpm": None},
        "output_pin relay": {"value": 0.0},
        "heater_bed": {"target": 0.0},
        "nosuch": {},
    }
    assert client.updates() == [
        {"output_pin relay": {"value": 1.0}},
        {"fan": {"speed": 1.0}, "heater_bed": {"target": 50.0}},
    ]


async def test_a_new_subscription_replaces_the_old_one_of_its_connection_alone(tmp_path: Path) -> None:
    async with machine(tmp_path) as (_, client), Client(client.path) as other:
        await client.subscribe({"fan": None}, method="old")
        await other.subscribe({"fan": None}, method="theirs")
        await client.subscribe({"output_pin relay": None}, method="new")
        await client.script("M106\nSET_PIN PIN=relay VALUE=1")
        await client.until(lambda: client.updates("new"))
        await other.until(lambda: other.updates("theirs"))

        assert client.updates("old") == []
        assert client.updates("new") == [{"output_pin relay": {"value": 1.0}}]

        await client.subscribe({})
        await client.script("SET_PIN PIN=relay VALUE=0\nM107")
        await other.until(lambda: len(other.updates("theirs")) == 2)
        assert len(client.updates("new")) == 1


async def test_a_template_is_copied_and_its_params_are_replaced(tmp_path: Path) -> None:
    async with machine(tmp_path) as (_, client):
        template = {"key": 123, "params": "gone"}
        await client.result("objects/subscribe", {"objects": {"fan": None}, "response_template": template})
        await client.script("M106")
        update = await client.until(lambda: next((m for m in client.messages if m.get("key") == 123), None))

    assert update["params"]["status"] == {"fan": {"speed": 1.0}}
    assert isinstance(update["params"]["eventtime"], float)


async def test_queries_wait_for_the_tick_once_a_subscription_runs(tmp_path: Path) -> None:
    async with machine(tmp_path, timing=SLOW_TICK) as (_, client):
        started = time.monotonic()
        await client.query("fan")
        assert time.monotonic() - started < SLOW_TICK.tick / 2

        await client.subscribe({"toolhead": None})
        numbers = [client.send("objects/query", {"objects": {"fan": None}}) for _ in range(3)]
        await client.result("info")
        assert not {m["id"] for m in client.messages if "id" in m} & set(numbers)
        answers = [await client.answer(number) for number in numbers]

    assert len({answer["result"]["eventtime"] for answer in answers}) == 1


async def test_a_macro_reaches_everybody_who_registered_its_method(tmp_path: Path) -> None:
    async with machine(tmp_path) as (_, client), Client(client.path) as other, Client(client.path) as deaf:
        for who in (client, other):
            params = {"remote_method": "paging", "response_template": {"method": "paged"}}
            assert await who.result("register_remote_method", params) == {}
        await client.script("CALL_OUT METHOD=paging NOTE=hello")

        for who in (client, other):
            call = await who.until(
                lambda who=who: next((m for m in who.messages if m.get("method") == "paged"), None)
            )
            assert call["params"] == {"note": "hello", "n": 3}
        await deaf.result("info")
        assert len(deaf.messages) == 1


async def test_macros_publish_and_pass_any_parameters_on(tmp_path: Path) -> None:
    async with machine(tmp_path) as (_, client):
        for method in ("publish_mqtt_topic", "set_device_power"):
            await client.result(
                "register_remote_method", {"remote_method": method, "response_template": {"method": method}}
            )
        await client.script(
            "PUBLISH TOPIC=a/b PAYLOAD=5\nCALL_OUT METHOD=set_device_power DEVICE=psu STATE=on"
        )
        await client.script("CALL_OUT METHOD=nobody_registered_this")

    calls = {m["method"]: m["params"] for m in client.messages if "method" in m}
    assert calls["publish_mqtt_topic"] == {"topic": "a/b", "payload": "5", "qos": 0, "retain": False}
    assert calls["set_device_power"] == {"device": "psu", "state": "on"}


async def test_a_delay_holds_answers_back(tmp_path: Path) -> None:
    async with machine(tmp_path) as (simulator, client):
        simulator.faults.delay = 0.1
        started = time.monotonic()
        await client.result("info")

        assert time.monotonic() - started >= 0.1


async def test_silence_answers_nothing_but_carries_out(tmp_path: Path) -> None:
    async with machine(tmp_path) as (_, client):
        await client.result("simulator/fault", {"silence": True})
        lost = client.send("gcode/script", {"script": "M117 heard"})
        executed = await client.result("simulator/executed", {"clear": True})
        await client.result("simulator/fault", {"silence": False})
        await client.result("info")

        assert executed == {"lines": ["M117 heard"]}
        assert lost not in [m.get("id") for m in client.messages]
        assert await client.result("simulator/executed") == {"lines": []}


async def test_garbage_comes_before_the_next_frames_and_then_no_more(tmp_path: Path) -> None:
    async with machine(tmp_path) as (_, client):
        await client.result("simulator/fault", {"garbage": "{nonsense\x03", "garbage_frames": 2})
        for _ in range(3):
            await client.result("info")

    assert client.raw.count(b"{nonsense") == 2


async def test_connections_can_be_dropped_hung_and_cut_off_instead_of_answered(tmp_path: Path) -> None:
    async with machine(tmp_path) as (simulator, client):
        async with Client(client.path) as victim:
            await victim.result("info")
            await client.result("simulator/fault", {"close": True, "hang_connect": True})
            await victim.until(lambda: victim.closed)
        async with Client(client.path) as hung:
            hung.send("info")
            await client.result("info")
            assert hung.messages == []
        simulator.faults.hang_connect = False
        simulator.faults.drop = True
        async with Client(client.path) as cut:
            number = cut.send("gcode/script", {"script": "M117 last words"})
            await cut.until(lambda: cut.closed)
            assert number not in [m.get("id") for m in cut.messages]
        assert simulator.executed[-1] == "M117 last words"


async def test_steering_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    async with machine(tmp_path) as (_, client):
        assert "nosuch" in await client.error("simulator/fault", {"nosuch": 1})
        assert "simulator/nosuch" in await client.error("simulator/nosuch")
        assert await client.error("simulator/fault", {"delay": "x"}) == "Invalid Argument Type [delay]"


async def test_a_client_that_does_not_read_is_dropped(tmp_path: Path) -> None:
    timing = Timing(tick=0.02, patience=0.05)
    async with machine(tmp_path, timing=timing) as (simulator, client):
        _, writer = await asyncio.open_unix_connection(str(client.path), limit=1024)
        await client.hold(lambda: simulator.clients == 2)
        writer.write(
            b'{"id": 1, "method": "objects/query", "params": {"objects": {"configfile": null}}}\x03' * 100
        )

        await client.hold(lambda: simulator.clients == 1)

        assert (await client.result("info"))["state"] == "ready"
        writer.close()
