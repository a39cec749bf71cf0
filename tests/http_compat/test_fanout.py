"""Status to subscribers: what they asked for, all of it, and no slow one in the way of the others."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bridge.http_compat.fanout import Fanout
from bridge.http_compat.pipe import Limits, Status
from tests.http_compat.house import House, Ws, house
from tests.http_compat.raw import RawSocket
from tests.wire import until

UPDATE = "notify_status_update"


async def subscribe(ws: Ws, **objects: list[str] | None) -> dict[str, Any]:
    answer = await ws.call("sample.subscribe", {"objects": objects})
    return answer["status"]


async def test_a_subscription_begins_with_all_that_is_known(bare: House) -> None:
    async with bare.socket() as ws:
        status = await subscribe(ws, extruder=None, fan=["speed"], nothing=None)
        assert status == {
            "extruder": {"temperature": 20.0, "target": 0.0},
            "fan": {"speed": 0.0},
            "nothing": {},
        }


async def test_only_changes_that_were_asked_for_arrive(bare: House) -> None:
    async with bare.socket() as ws:
        await subscribe(ws, extruder=["temperature"], fan=None)
        bare.fake.push(toolhead={"position": [1, 1, 1, 1]}, extruder={"target": 200.0})
        bare.fake.push(extruder={"temperature": 21.0, "target": 201.0}, fan={"speed": 0.5})
        message = await ws.notified(UPDATE)
        assert message == {
            "jsonrpc": "2.0",
            "method": UPDATE,
            "params": [
                {"extruder": {"temperature": 21.0}, "fan": {"speed": 0.5}},
                bare.fake.eventtime,
            ],
        }


async def test_equal_subscriptions_get_equal_bytes(bare: House) -> None:
    async with bare.socket() as one, bare.socket() as two, bare.socket() as three:
        await subscribe(one, extruder=None, fan=["speed"])
        await subscribe(two, fan=["speed"], extruder=None)
        await subscribe(three, fan=None)
        for speed in (0.1, 0.2, 0.3):
            bare.fake.push(extruder={"temperature": 20 + speed}, fan={"speed": speed})
            first, second = (await one.response.receive()).data, (await two.response.receive()).data
            assert first == second
            assert f'"speed":{speed}' in first
            assert (await three.hear())["params"][0] == {"fan": {"speed": speed}}


async def test_a_new_subscription_replaces_the_old_one(bare: House) -> None:
    async with bare.socket() as ws:
        await subscribe(ws, extruder=None)
        await subscribe(ws, fan=None)
        bare.fake.push(extruder={"temperature": 30.0})
        bare.fake.push(fan={"speed": 1.0})
        assert (await ws.notified(UPDATE))["params"][0] == {"fan": {"speed": 1.0}}


async def test_an_empty_subscription_cancels(bare: House) -> None:
    async with bare.socket() as ws:
        await subscribe(ws, fan=None)
        assert await subscribe(ws) == {}
        bare.fake.push(fan={"speed": 1.0})
        await until(lambda: bare.cache.get("fan", "speed") == 1.0)
        await ws.call("sample.raw")
        assert ws.heard == []


async def test_a_subscription_over_http_is_for_the_websocket_it_names(bare: House) -> None:
    async with bare.socket() as ws:
        identifier = await ws.call("sample.id")
        path = f"/sample/subscribe?connection_id={identifier}&fan&extruder=target"
        status, body, _ = await bare.fetch("POST", path)
        assert (status, body["result"]["status"]) == (
            200,
            {"fan": {"speed": 0.0}, "extruder": {"target": 0.0}},
        )
        bare.fake.push(fan={"speed": 0.7})
        assert (await ws.notified(UPDATE))["params"][0] == {"fan": {"speed": 0.7}}
        status, body, _ = await bare.fetch("POST", f"/sample/subscribe?connection_id={identifier}")
        assert (status, body["result"]["status"]) == (200, {})
    await until(lambda: bare.sockets.count == 0)
    assert (await bare.fetch("POST", path))[0] == 404


async def test_an_update_right_behind_klippys_answer_is_in_the_answer_or_comes_after_it(bare: House) -> None:
    async with bare.socket() as ws, bare.socket() as other:
        await subscribe(other, extruder=["temperature"])
        for round_ in range(20):
            bare.fake.push_after_subscribe = [{"fan": {"speed": 10 * round_ + step}} for step in (1, 2, 3)]
            name = f"new_{round_}"  # not covered by what is subscribed: Klippy is asked anew
            status = await subscribe(ws, fan=None, **{name: None})
            latest = 10 * round_ + 4
            bare.fake.push(fan={"speed": latest})
            seen = [status["fan"]["speed"]]
            while seen[-1] != latest:
                message = ws.heard.pop(0) if ws.heard else await ws.notified(UPDATE)
                if "fan" in message["params"][0]:
                    seen.append(message["params"][0]["fan"]["speed"])
            assert [value for value in seen if value > seen[0]] == list(range(int(seen[0]) + 1, latest + 1))


async def test_a_subscription_without_klippy_is_refused_and_leaves_nothing_behind(bare: House) -> None:
    async with bare.socket() as ws:
        await bare.fake.stop()
        await until(lambda: not bare.link.connected)
        assert (await ws.refused("sample.subscribe", {"objects": {"fan": None}}))["code"] == 503
        await bare.fake.start()
        await until(lambda: bare.klippy.ready)
        bare.fake.push(fan={"speed": 0.9})
        await ws.call("sample.raw")
        assert ws.heard == []
        assert not any(
            "fan" in request["params"]["objects"] for request in bare.fake.methods("objects/subscribe")
        )


async def test_a_subscription_that_klippy_refuses_leaves_the_one_before_it(bare: House) -> None:
    async with bare.socket() as ws:
        await subscribe(ws, fan=["speed"])
        bare.fake.refused = "toolhead"
        assert (await ws.refused("sample.subscribe", {"objects": {"toolhead": None}}))["code"] == 400
        bare.fake.push(fan={"speed": 0.6})
        assert (await ws.notified(UPDATE))["params"][0] == {"fan": {"speed": 0.6}}
        await bare.cache.resubscribe()
        assert "toolhead" not in bare.fake.methods("objects/subscribe")[-1]["params"]["objects"]


async def test_subscriptions_end_with_klippy_and_begin_anew_when_asked(bare: House) -> None:
    async with bare.socket() as ws:
        await subscribe(ws, fan=None)
        bare.fake.hang_up()
        await until(lambda: not bare.klippy.ready)
        await until(lambda: bare.klippy.ready)
        bare.fake.push(fan={"speed": 0.3})
        await ws.call("sample.raw")
        assert ws.heard == []
        assert (await subscribe(ws, fan=None))["fan"] == {"speed": 0.3}
        bare.fake.push(fan={"speed": 0.4})
        assert (await ws.notified(UPDATE))["params"][0] == {"fan": {"speed": 0.4}}


async def test_a_client_that_is_gone_is_forgotten(bare: House) -> None:
    async with bare.socket() as ws:
        await subscribe(ws, fan=None)
        await ws.say("sample.subscribe", {"objects": {"toolhead": None}})
    await until(lambda: bare.sockets.count == 0)
    bare.fake.requests.clear()
    await bare.cache.resubscribe()
    asked = bare.fake.methods("objects/subscribe")[-1]["params"]["objects"]
    assert not {"fan", "toolhead"} & set(asked)


async def test_a_slow_reader_gets_the_newest_status_and_the_others_everything(tmp_path: Path) -> None:
    padding = "x" * 100_000
    async with house(tmp_path, limits=Limits(behind=1000, lost=10**9)) as one, one.socket() as quick:
        slow = await RawSocket.begin(one)
        await slow.subscribe("fan", "extruder")
        await subscribe(quick, fan=["speed"])
        one.fake.push(extruder={"target": 77.0})
        for number in range(1, 201):
            one.fake.push(fan={"speed": number, "padding": f"{number}{padding}"})
            assert (await quick.notified(UPDATE))["params"][0] == {"fan": {"speed": number}}
        heard: list[dict[str, Any]] = []
        while not heard or heard[-1].get("fan", {}).get("speed") != 200:
            heard.append((await slow.hear())["params"][0])
        speeds = [status["fan"]["speed"] for status in heard if "fan" in status]
        assert speeds == sorted(speeds)
        assert len(speeds) < 150  # many were folded into one
        assert {"extruder": {"target": 77.0}} in heard
        one.fake.push(fan={"speed": 201})
        assert (await slow.hear())["params"][0] == {"fan": {"speed": 201}}
        slow.close()


async def test_what_was_late_for_a_slow_reader_is_dropped_by_its_next_subscription(tmp_path: Path) -> None:
    padding = "x" * 100_000
    async with house(tmp_path, limits=Limits(behind=1000, lost=10**9)) as one, one.socket() as quick:
        slow = await RawSocket.begin(one)
        await slow.subscribe("fan", "extruder")
        await subscribe(quick, fan=["speed"])
        for number in range(1, 201):
            one.fake.push(fan={"speed": number, "padding": f"{number}{padding}"})
            await quick.notified(UPDATE)
        slow.ask({"method": "sample.subscribe", "params": {"objects": {"toolhead": None}}, "id": "new"})
        await until(
            lambda: any(
                "toolhead" in asked["params"]["objects"] for asked in one.fake.methods("objects/subscribe")
            )
        )
        while (await slow.hear()).get("id") != "new":
            pass
        one.fake.push(toolhead={"position": [9, 9, 9, 9]})
        assert (await slow.hear())["params"][0] == {"toolhead": {"position": [9, 9, 9, 9]}}
        slow.close()


async def test_a_reader_that_never_catches_up_is_cut_and_the_others_feel_nothing(tmp_path: Path) -> None:
    limits = Limits(behind=10_000, lost=100_000)
    async with house(tmp_path, limits=limits) as one, one.socket() as quick:
        slow = await RawSocket.begin(one)
        await slow.subscribe("fan")
        assert one.sockets.count == 2
        for number in range(10_000):
            one.sample.changed.emit({"number": number, "padding": "x" * 100_000})
            assert (await quick.notified("notify_sample_changed"))["params"][0]["number"] == number
            if one.sockets.count == 1:
                break
        assert one.sockets.count == 1
        assert await quick.call("sample.raw")
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await slow.to_the_end()
        slow.close()


class Recorder:
    """A subscriber that keeps what it is told."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.told: list[tuple[Status, float]] = []

    def send_status(self, frame: bytes, status: Status, eventtime: float) -> None:
        self.frames.append(frame)
        self.told.append((status, eventtime))


async def test_equal_subscriptions_are_encoded_once(bare: House) -> None:
    fanout = Fanout(bare.cache)
    one, two, other = Recorder(), Recorder(), Recorder()
    await fanout.subscribe(one, {"fan": ["speed", "rpm"], "extruder": None})
    await fanout.subscribe(two, {"extruder": None, "fan": ["rpm", "speed"]})
    await fanout.subscribe(other, {"fan": None})
    bare.fake.push(fan={"speed": 0.5})
    await until(lambda: one.frames and two.frames and other.frames)
    assert one.frames[0] is two.frames[0]
    assert one.frames[0] is not other.frames[0]
    assert other.told == [({"fan": {"speed": 0.5}}, bare.fake.eventtime)]


async def test_a_cancellation_wins_over_a_subscription_that_still_waits(bare: House) -> None:
    async with bare.socket() as ws:
        bare.fake.answers.clear()
        first = await ws.say("sample.subscribe", {"objects": {"toolhead": None}})
        await until(
            lambda: any(
                "toolhead" in asked["params"]["objects"] for asked in bare.fake.methods("objects/subscribe")
            )
        )
        assert await subscribe(ws) == {}
        bare.fake.answers.set()
        assert (await ws.hear())["id"] == first
        bare.fake.push(toolhead={"position": [1, 2, 3, 4]})
        await until(lambda: bare.cache.get("toolhead", "position") == [1, 2, 3, 4])
        await ws.call("sample.raw")
        assert ws.heard == []
