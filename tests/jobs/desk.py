"""A client of a running bridge: asks over HTTP, hears notifications on a WebSocket."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp

from tests.wire import PATIENCE, until


class Desk:
    """Knows what it was told, in order: the notification's name and its parameters."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.told: list[tuple[str, list[Any]]] = []
        self.closed = False
        self._session, self._url = session, url

    async def listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            frame = json.loads(message.data)
            self.told.append((frame["method"], frame.get("params", [])))
        self.closed = True

    async def call(self, method: str, **params: Any) -> Any:
        request = {"jsonrpc": "2.0", "method": method, "params": params, "id": 1}
        async with self._session.post(f"{self._url}/server/jsonrpc", json=request) as answer:
            body = await answer.json()
        assert "error" not in body, body
        return body["result"]

    def of(self, method: str) -> list[Any]:
        """The first parameter of all notifications of that name."""
        return [params[0] for name, params in self.told if name == method]

    async def hears(self, method: str, where: Callable[[Any], bool], count: int = 1) -> Any:
        """The notification of that name that fits, now or soon."""

        def found() -> list[Any]:
            return [one for one in self.of(method) if where(one)][count - 1 :]

        return (await until(found))[0]


@contextlib.asynccontextmanager
async def desk(url: str) -> AsyncIterator[Desk]:
    """One client of the bridge at `url`."""
    patient = aiohttp.ClientTimeout(total=PATIENCE)
    async with (
        aiohttp.ClientSession(timeout=patient) as session,
        session.ws_connect(f"{url}/websocket") as socket,
    ):
        one = Desk(session, url)
        listening = asyncio.ensure_future(one.listen(socket))
        try:
            yield one
        finally:
            listening.cancel()
            await asyncio.wait([listening])
