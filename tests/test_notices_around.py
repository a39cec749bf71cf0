"""What clients on a WebSocket are told of cameras, announcements and spools, in the shapes that UIs read."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.conftest import Running, Start
from tests.http_compat.house import Ws
from tests.power.calls import call
from tests.spoolman.stand_in import spoolman
from tests.wire import until


@asynccontextmanager
async def listening(bridge: Running) -> AsyncIterator[Ws]:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{bridge.bridge.http.url}/websocket") as response,
    ):
        yield Ws(response)


async def told(ws: Ws, method: str) -> Any:
    (params,) = (await ws.notified(method))["params"]
    return params


async def test_cameras_that_come_and_go_are_told(start: Start) -> None:
    bridge = await start(wait=False)
    async with listening(bridge) as ws:
        added = await call(
            bridge, "server.webcams.post_item", name="a", stream_url="http://me:pw@cam/?token=x"
        )
        assert await told(ws, "notify_webcams_changed") == {
            "webcams": [added["webcam"]]
        }  # a UI needs it whole
        await call(bridge, "server.webcams.delete_item", name="a")
        assert await told(ws, "notify_webcams_changed") == {"webcams": []}


async def test_the_bridge_s_own_announcements_are_told_seen_and_told_again(start: Start) -> None:
    bridge = await start(wait=False)
    async with listening(bridge) as ws:
        board = bridge.bridge.companions.board
        board.post("update", "klipper-bridge 9.9 is there", "See the change log")
        (entry,) = (await told(ws, "notify_announcement_update"))["entries"]
        assert (entry["title"], entry["feed"], entry["dismissed"]) == (
            "klipper-bridge 9.9 is there",
            "klipper-bridge",
            False,
        )
        seen = {"entry_id": entry["entry_id"]}
        await call(bridge, "server.announcements.dismiss", **seen, wake_time=0.05)
        assert await told(ws, "notify_announcement_dismissed") == seen
        assert await told(ws, "notify_announcement_wake") == seen
        board.withdraw("update")
        assert await told(ws, "notify_announcement_update") == {"entries": []}


async def test_the_spool_in_use_and_spoolman_s_absence_are_told(start: Start) -> None:
    async with spoolman() as keeper:
        bridge = await start(spoolman={"server": keeper.url, "sync_rate": 0.1}, wait=False)
        spools = bridge.bridge.surroundings.spools
        await until(lambda: spools.connected)
        async with listening(bridge) as ws:
            await call(bridge, "server.spoolman.post_spool_id", spool_id=2)
            assert await told(ws, "notify_active_spool_set") == {"spool_id": 2}
            await keeper.stop()
            spools._soon.set()  # the next look is half a minute away
            assert await told(ws, "notify_spoolman_status_changed") == {"spoolman_connected": False}
            await keeper.start()
            assert await told(ws, "notify_spoolman_status_changed") == {"spoolman_connected": True}
