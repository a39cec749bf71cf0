"""A program that connects as an agent by WebSocket, as the companions of phone apps do."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from tests.conftest import Running
from tests.wire import PATIENCE


class Agent:
    """Answers what it is asked by its `answers`; a method that is not among them gets none."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.answers: dict[str, Any] = {}
        self.heard: list[dict[str, Any]] = []
        self._news = asyncio.Event()
        self._ids = 0

    async def listen(self) -> None:
        async for message in self.ws:
            one = message.json()
            self.heard.append(one)
            self._news.set()
            if "id" in one and "method" in one and one["method"] in self.answers:
                await self.ws.send_json({"jsonrpc": "2.0", "id": one["id"], **self.answers[one["method"]]})

    async def hear(self, fits: Any) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE):
            while True:
                for one in self.heard:
                    if fits(one):
                        return one
                self._news.clear()
                await self._news.wait()

    async def told(self, method: str, fits: Any = lambda _one: True) -> dict[str, Any]:
        return await self.hear(lambda one: one.get("method") == method and fits(one))

    async def call(self, method: str, /, **params: Any) -> Any:
        self._ids += 1
        number = f"mine-{self._ids}"
        await self.ws.send_json({"jsonrpc": "2.0", "method": method, "params": params, "id": number})
        answer = await self.hear(lambda one: one.get("id") == number)
        return answer.get("result", answer.get("error"))

    async def identify(self, name: str = "companion", kind: str = "agent") -> Any:
        return await self.call(
            "server.connection.identify", client_name=name, version="1.0", type=kind, url="http://x"
        )


@contextlib.asynccontextmanager
async def agent(bridge: Running) -> AsyncIterator[Agent]:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{bridge.bridge.http.url}/websocket") as ws,
    ):
        one = Agent(ws)
        listening = asyncio.ensure_future(one.listen())
        try:
            yield one
        finally:
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening
