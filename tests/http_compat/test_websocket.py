"""JSON-RPC over a WebSocket: requests, batches, garbage, bounds."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from bridge.http_compat.pipe import Limits
from tests.http_compat.house import House, house
from tests.http_compat.raw import RawSocket
from tests.wire import until


async def test_requests_are_answered_with_their_ids(bare: House) -> None:
    async with bare.socket() as ws:
        for identifier in (0, 7, "a", 1.5):
            await ws.say("sample.echo", {"text": "x"}, identifier=identifier)
            assert await ws.hear() == {"jsonrpc": "2.0", "result": {"text": "x"}, "id": identifier}


async def test_a_binary_frame_is_as_good_as_a_text_frame(bare: House) -> None:
    async with bare.socket() as ws:
        await ws.response.send_bytes(b'{"jsonrpc":"2.0","method":"sample.raw","id":null}')
        message = await ws.response.receive()
        assert message.type is aiohttp.WSMsgType.TEXT
        assert message.json() == {"jsonrpc": "2.0", "result": {"a": [1, 2], "spliced": True}, "id": None}


GARBAGE: list[tuple[str, int]] = [
    ("", -32700),
    ("{", -32700),
    ("[]", -32600),
    ("3", -32600),
    ('{"method":"sample.raw","id":1}', -32600),
    ('{"jsonrpc":"2.0","method":"sample.unknown","id":1}', -32601),
    ('{"jsonrpc":"2.0","method":"sample.echo","params":{"count":"x"},"id":1}', -32602),
    ('{"jsonrpc":"2.0","method":"sample.fail","params":{"kind":"conflict"},"id":1}', 409),
    ('{"jsonrpc":"2.0","method":"sample.fail","params":{"kind":"bug"},"id":1}', -32603),
]


@pytest.mark.parametrize(("text", "code"), GARBAGE)
async def test_garbage_is_answered_and_the_connection_lives(bare: House, text: str, code: int) -> None:
    async with bare.socket() as ws:
        await ws.response.send_str(text)
        assert (await ws.hear())["error"]["code"] == code
        assert await ws.call("sample.raw")


async def test_a_batch_is_answered_as_a_batch(bare: House) -> None:
    async with bare.socket() as ws:
        good = {"jsonrpc": "2.0", "method": "sample.raw", "id": 1}
        await ws.response.send_json(
            [
                good,
                3,
                {**good, "method": "sample.nothing", "id": 2},
                {"jsonrpc": "2.0", "method": "sample.raw"},
            ]
        )
        answers = await ws.hear()
        assert [(part["id"], part.get("error", {}).get("code")) for part in answers] == [
            (1, None),
            (None, -32600),
            (2, -32601),
        ]


async def test_a_notification_is_never_answered(bare: House) -> None:
    async with bare.socket() as ws:
        for method in ("sample.raw", "sample.nothing", "sample.fail"):
            await ws.response.send_json({"jsonrpc": "2.0", "method": method})
        assert (await ws.ask("sample.raw"))["id"] == 1
        assert ws.heard == []


async def test_a_slow_request_holds_up_no_other(bare: House) -> None:
    async with bare.socket() as ws:
        slow = await ws.say("sample.wait", {"name": "slow"})
        assert await ws.call("sample.raw")
        bare.sample.gate.set()
        assert await ws.hear() == {"jsonrpc": "2.0", "result": "slow", "id": slow}


async def test_scripts_reach_klippy_in_their_order(bare: House) -> None:
    async with bare.socket() as ws:
        for number in range(50):
            await ws.say("sample.script", {"script": f"M117 {number}"})
        await until(lambda: len(bare.fake.methods("gcode/script")) == 50)
        scripts = [request["params"]["script"] for request in bare.fake.methods("gcode/script")]
        assert scripts == [f"M117 {number}" for number in range(50)]
        bare.fake.scripts_end.set()
        answers = [(await ws.hear())["id"] for _ in range(50)]
        assert sorted(answers) == list(range(1, 51))


async def test_too_many_requests_are_answered_busy_but_an_urgent_one_passes(tmp_path: Path) -> None:
    async with house(tmp_path, limits=Limits(in_flight=3)) as one, one.socket() as ws, one.socket() as other:
        for _ in range(3):
            await ws.say("sample.wait")
        refused = await ws.refused("sample.raw")
        assert (refused["code"], "3 requests" in refused["message"]) == (429, True)
        await ws.response.send_json(
            [
                {"jsonrpc": "2.0", "method": "sample.raw", "id": "x"},
                {"jsonrpc": "2.0", "method": "sample.raw"},
            ]
        )
        assert (await ws.hear())["id"] == "x"
        assert await ws.call("sample.stop") == "ok"
        assert await other.call("sample.raw")
        one.sample.gate.set()
        await until(lambda: len(one.sample.finished) == 3)
        assert [(await ws.hear())["result"] for _ in range(3)] == ["", "", ""]
        assert await ws.call("sample.raw")


async def test_what_a_client_began_is_finished_when_it_is_gone(bare: House) -> None:
    async with bare.socket() as ws:
        await ws.say("sample.wait", {"name": "whole"})
        await ws.call("sample.raw")
    await until(lambda: bare.sockets.count == 0)
    bare.sample.gate.set()
    await until(lambda: bare.sample.finished == ["whole"])


async def test_every_client_hears_of_news_in_the_same_bytes(bare: House) -> None:
    async with bare.socket() as one, bare.socket() as two:
        await one.call("sample.raw")
        await two.call("sample.raw")
        bare.sample.changed.emit({"a": 1})
        bare.sample.ended.emit(None)
        for ws in (one, two):
            assert (await ws.response.receive()).data == (
                '{"jsonrpc":"2.0","method":"notify_sample_changed","params":[{"a":1}]}'
            )
            assert (await ws.response.receive()).data == '{"jsonrpc":"2.0","method":"notify_sample_ended"}'


async def test_what_goes_out_keeps_its_order(bare: House) -> None:
    raw = await RawSocket.begin(bare)
    raw.ask(
        {"method": "sample.raw", "id": 1},
        {"method": "sample.whisper", "id": 2},
        {"method": "sample.raw", "id": 3},
    )
    heard = [await raw.hear() for _ in range(4)]
    assert [message.get("id") or message["method"] for message in heard] == [1, "notify_whisper", 2, 3]
    raw.close()


async def test_ids_are_positive_different_and_found(bare: House) -> None:
    async with bare.socket() as one, bare.socket() as two:
        ids = {await one.call("sample.id"), await two.call("sample.id")}
        assert len(ids) == 2
        assert all(0 < identifier < 2**31 for identifier in ids)
        assert await one.call("sample.count") == 2
        assert {bare.sockets.find(identifier).id for identifier in ids} == ids
    await until(lambda: bare.sockets.count == 0)


async def test_a_frame_over_the_limit_ends_the_connection_alone(tmp_path: Path) -> None:
    async with house(tmp_path, max_body=2000) as one, one.socket() as ws, one.socket() as other:
        await ws.response.send_str("x" * 3000)
        message = await ws.response.receive()
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, aiohttp.WSCloseCode.MESSAGE_TOO_BIG)
        assert await other.call("sample.raw")
        await until(lambda: one.sockets.count == 1)


async def test_invalid_utf_8_ends_the_connection_as_the_protocol_says(bare: House) -> None:
    async with bare.socket() as ws:
        await ws.response.send_frame(b'"\xff"', aiohttp.WSMsgType.TEXT)
        message = await ws.response.receive()
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, aiohttp.WSCloseCode.INVALID_TEXT)
    await until(lambda: bare.sockets.count == 0)


async def test_a_large_answer_arrives_whole(bare: House) -> None:
    async with bare.socket() as ws:
        for size in (100, 125, 126, 65_000, 65_535, 70_000, 1_000_000):
            assert await ws.call("sample.echo", {"text": "x" * size}) == {"text": "x" * size}


async def test_a_request_without_an_upgrade_is_told_what_to_do(bare: House) -> None:
    for path in ("/websocket", "/klippysocket"):
        status, body, _ = await bare.fetch("GET", path)
        assert (status, "upgrade" in body["error"]["message"]) == (400, True)


async def test_pings_are_answered(bare: House) -> None:
    async with bare.session.ws_connect(f"{bare.url}/websocket", autoping=False) as response:
        await response.ping(b"you?")
        message = await response.receive()
        assert (message.type, message.data) == (aiohttp.WSMsgType.PONG, b"you?")


async def test_a_silent_client_is_asked_and_then_ended(tmp_path: Path) -> None:
    async with house(tmp_path, limits=Limits(silence=0.15)) as one:
        url = f"{one.url}/websocket"
        dead = await one.session.ws_connect(url, autoping=False)
        alive = await one.session.ws_connect(url, autoping=False)

        async def answer_pings() -> None:
            for _ in range(3):
                assert (await alive.receive()).type is aiohttp.WSMsgType.PING
                await alive.pong()

        answering = asyncio.ensure_future(answer_pings())
        assert (await dead.receive()).type is aiohttp.WSMsgType.PING
        assert (await dead.receive()).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
        await answering
        assert one.sockets.count == 1
        await asyncio.gather(dead.close(), alive.close())
