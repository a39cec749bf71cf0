"""The passthrough to Klippy's own socket."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from bridge.http_compat import klippysocket
from tests.http_compat.house import UNTRUSTED, House, house
from tests.wire import until

PATH = "/klippysocket"


async def test_requests_and_answers_pass_as_they_are(bare: House) -> None:
    async with bare.socket(PATH) as ws:
        await ws.response.send_str('{"id": "mine", "method": "objects/list", "params": {}}')
        await ws.response.send_bytes(b'{"id": 2, "method": "info"}\x03')
        assert await ws.hear() == {"id": "mine", "result": {"objects": list(bare.fake.status)}}
        assert (await ws.hear())["result"]["state"] == "ready"
        assert b"\x03\x03" not in bare.fake.received
        assert {"id": "mine", "method": "objects/list", "params": {}} in bare.fake.requests


async def test_each_client_has_a_subscription_of_its_own(bare: House) -> None:
    before = bare.fake.connections
    async with bare.socket(PATH) as one, bare.socket(PATH) as two:
        for number, ws in enumerate((one, two)):
            template = {"method": f"mine_{number}"}
            params = {"objects": {"fan": None}, "response_template": template}
            await ws.response.send_json({"id": 1, "method": "objects/subscribe", "params": params})
            assert (await ws.hear())["result"]["status"] == {"fan": {"speed": 0.0}}
        bare.fake.push(fan={"speed": 0.2})
        for number, ws in enumerate((one, two)):
            message = await ws.hear()
            assert message["method"] == f"mine_{number}"
            assert message["params"]["status"] == {"fan": {"speed": 0.2}}
    await until(lambda: bare.fake.connections == before)


async def test_a_large_frame_passes_in_one_piece(bare: House) -> None:
    bare.fake.status["big"] = {"text": "ü" * 1_000_000}
    async with bare.session.ws_connect(bare.url + PATH, max_msg_size=0) as response:
        await response.send_json({"id": 1, "method": "objects/query", "params": {"objects": {"big": None}}})
        assert (await response.receive_json())["result"]["status"]["big"] == bare.fake.status["big"]


async def test_it_closes_when_klippy_hangs_up(bare: House) -> None:
    async with bare.socket(PATH) as ws:
        bare.fake.hang_up()
        message = await ws.response.receive()
        assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)


async def test_klippys_side_closes_when_the_client_is_gone(bare: House) -> None:
    before = bare.fake.connections
    response = await bare.session.ws_connect(bare.url + PATH)
    await until(lambda: bare.fake.connections == before + 1)
    await response.close()
    await until(lambda: bare.fake.connections == before)


async def test_without_klippy_it_is_503_before_the_upgrade(bare: House) -> None:
    await bare.fake.stop()
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await bare.session.ws_connect(bare.url + PATH)
    assert refused.value.status == 503


async def test_a_stranger_is_refused_before_the_upgrade(tmp_path: Path) -> None:
    async with house(tmp_path, **UNTRUSTED) as one:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await one.session.ws_connect(one.url + PATH)
        assert refused.value.status == 401
        async with one.socket(PATH, headers={"X-Api-Key": "right"}) as ws:
            await ws.response.send_json({"id": 1, "method": "info"})
            assert (await ws.hear())["id"] == 1


async def test_there_is_a_bound_to_them(bare: House) -> None:
    open_ = [await bare.session.ws_connect(bare.url + PATH) for _ in range(klippysocket.MAX_CONNECTIONS)]
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await bare.session.ws_connect(bare.url + PATH)
    assert refused.value.status == 503
    await asyncio.gather(*(response.close() for response in open_))
    async with asyncio.timeout(5):
        while True:
            try:
                response = await bare.session.ws_connect(bare.url + PATH)
            except aiohttp.WSServerHandshakeError:
                continue
            await response.close()
            break


async def test_a_peer_that_never_ends_a_frame_is_hung_up_on(tmp_path: Path) -> None:
    path = tmp_path / "endless.sock"

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        try:
            while True:
                writer.write(b"x" * 4_000_000)
                await writer.drain()
        except ConnectionError:
            writer.close()

    async with (
        await asyncio.start_unix_server(endless, str(path)),
        house(tmp_path, passthrough=path) as one,
        one.session.ws_connect(one.url + PATH) as response,
    ):
        await response.send_str("{}")
        message = await response.receive()
        assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
