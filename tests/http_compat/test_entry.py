"""Who gets in and who is counted, in the whole bridge."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from bridge.auth.users import User, new_session
from tests.auth.people import CHEAP
from tests.conftest import Running, Start
from tests.http_compat.house import Ws
from tests.wire import Ear

WHO = {"client_name": "ui", "version": "1", "type": "web", "url": "http://ui.example"}
STRANGE = {"trusted": [], "api_key": "s3cret-key", "max_body": 1024}


@pytest.fixture
async def bridge(start: Start) -> Running:
    return await start(http=STRANGE, wait=False)


@asynccontextmanager
async def socket(bridge: Running) -> AsyncIterator[Ws]:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{bridge.bridge.http.url}/websocket") as response,
    ):
        yield Ws(response)


async def proof(bridge: Running, way: str) -> dict[str, Any]:
    if way == "api_key":
        return {"api_key": "s3cret-key"}
    ann = User("ann", CHEAP, 1.0, new_session())
    await bridge.bridge.accounts.users.add(ann)
    return {"access_token": bridge.bridge.accounts.tokens.issue(ann, "auth")}


@pytest.mark.parametrize(("way", "user"), [("api_key", "_API_KEY_USER_"), ("access_token", "ann")])
async def test_a_websocket_identifies_itself(bridge: Running, way: str, user: str) -> None:
    right = await proof(bridge, way)
    async with socket(bridge) as ws:
        for wrong in ({}, {way: "wrong"}, {way: ""}):
            assert (await ws.refused("server.connection.identify", {**WHO, **wrong}))["code"] == 401
            assert (await ws.refused("server.info"))["code"] == 401
        await ws.call("server.connection.identify", {**WHO, **right})
        assert "components" in await ws.call("server.info")
        assert (await ws.call("access.get_user"))["username"] == user


async def test_who_is_refused_is_counted_in_the_health(bridge: Running, mqtt: Ear) -> None:
    before = (await mqtt.message(bridge.topics.health)).json["counters"]
    assert (before["unauthorized"], before["failed_logins"], before["overloads"]) == (0, 0, 0)
    url = bridge.bridge.http.url
    async with aiohttp.ClientSession() as session:
        for headers in ({}, {"X-Api-Key": "wrong"}):
            assert (await session.get(f"{url}/server/info", headers=headers)).status == 401
        right = {"X-Api-Key": "s3cret-key"}
        for _ in range(3):
            answer = await session.post(f"{url}/server/jsonrpc", data=b" " * 2000, headers=right)
            assert answer.status == 413
    bridge.bridge.health.publish()
    counted = {"unauthorized": 2, "failed_logins": 1, "overloads": 3}
    await mqtt.message(bridge.topics.health, where=lambda m: counted.items() <= m.json["counters"].items())
