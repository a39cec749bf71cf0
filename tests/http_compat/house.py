"""The HTTP door over a small table and a small Klippy, and clients for it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from bridge.access import Guard
from bridge.auth.accounts import Accounts
from bridge.auth.api_key import ApiKey
from bridge.auth.passwords import Passwords
from bridge.auth.throttle import Throttle
from bridge.auth.tokens import Tokens
from bridge.auth.users import Users
from bridge.config import Http
from bridge.handlers.auth import Auth
from bridge.http_compat.app import HttpDoor
from bridge.http_compat.pipe import Limits
from bridge.http_compat.sockets import Sockets
from bridge.klippy.commands import Commands
from bridge.klippy.link import KlippyLink
from bridge.klippy.state import Klippy
from bridge.klippy.status import StatusCache
from bridge.lifecycle import serve
from bridge.rpc import Registry
from tests.http_compat.fake_klippy import FakeKlippy
from tests.http_compat.sample import Sample, offered

UNTRUSTED: dict[str, Any] = {"trusted": [], "api_key": "right"}


class House:
    def __init__(
        self, http: Http, path: Path, limits: Limits | None, passthrough: Path | None = None
    ) -> None:
        self.link = KlippyLink(path, timeout=2.0)
        self.cache = StatusCache(self.link)
        self.klippy = Klippy(self.link, self.cache, version="test")
        self.registry = Registry()
        self.sockets = Sockets(self.registry, self.cache, self.klippy.changed, limits)
        self.sample = Sample(self.sockets, self.cache, Commands(self.link))
        self.registry.mount(self.sample)
        self.registry.fallback = offered
        users, throttle = Users(path.with_name("users.json")), Throttle()
        tokens = Tokens(path.with_name("token.key"), users)
        self.key = ApiKey(http.api_key, path.with_name("api_key"))
        self.accounts = Accounts(users, Passwords(), tokens, throttle)
        self.guard = Guard(http, key=self.key, users=users, tokens=tokens, throttle=throttle)
        self.registry.mount(Auth(self.accounts, self.guard, self.key))
        self.door = HttpDoor(http, self.registry, self.guard, self.sockets, passthrough or path)
        self.fake = FakeKlippy(path)
        self.session = aiohttp.ClientSession()

    @property
    def url(self) -> str:
        return self.door.url

    async def fetch(self, verb: str, path: str, **options: Any) -> tuple[int, Any, Any]:
        """Status, decoded body and headers."""
        async with self.session.request(verb, self.url + path, **options) as response:
            text = await response.text()
            return response.status, json.loads(text) if text else None, response.headers

    async def get(self, path: str, **options: Any) -> Any:
        status, body, _ = await self.fetch("GET", path, **options)
        assert status == 200, body
        return body["result"]

    @contextlib.asynccontextmanager
    async def socket(self, path: str = "/websocket", **options: Any) -> AsyncIterator["Ws"]:
        async with self.session.ws_connect(self.url + path, **options) as response:
            yield Ws(response)


class Ws:
    """A JSON-RPC client of a WebSocket that keeps what it hears."""

    def __init__(self, response: aiohttp.ClientWebSocketResponse) -> None:
        self.response = response
        self.heard: list[dict[str, Any]] = []
        self._ids = 0

    async def hear(self) -> Any:
        """The next message."""
        async with asyncio.timeout(5):
            return await self.response.receive_json()

    async def notified(self, method: str) -> dict[str, Any]:
        """The next notification of that name."""
        while True:
            message = await self.hear()
            if message.get("method") == method:
                return message

    async def say(self, method: str, params: Any = None, *, identifier: Any = None) -> Any:
        """Send a request and return its id."""
        self._ids += 1
        identifier = self._ids if identifier is None else identifier
        message = {"jsonrpc": "2.0", "method": method, "id": identifier}
        await self.response.send_json(message if params is None else {**message, "params": params})
        return identifier

    async def ask(self, method: str, params: Any = None) -> dict[str, Any]:
        """The answer to a request; what else comes is kept in `heard`."""
        identifier = await self.say(method, params)
        while True:
            message = await self.hear()
            if message.get("id") == identifier:
                return message
            self.heard.append(message)

    async def call(self, method: str, params: Any = None) -> Any:
        """The result of a request."""
        answer = await self.ask(method, params)
        assert "result" in answer, answer
        return answer["result"]

    async def refused(self, method: str, params: Any = None) -> dict[str, Any]:
        """The error of a request."""
        answer = await self.ask(method, params)
        assert "error" in answer, answer
        return answer["error"]


@contextlib.asynccontextmanager
async def house(
    folder: Path, *, limits: Limits | None = None, passthrough: Path | None = None, **options: Any
) -> AsyncIterator[House]:
    """Everything runs, and Klippy is ready."""
    one = House(Http(port=0, **options), folder / "klippy.sock", limits, passthrough)
    await one.fake.start()
    stop, opened, ready = asyncio.Event(), asyncio.Event(), asyncio.Event()
    disconnect = one.klippy.changed.connect(lambda _info: ready.set() if one.klippy.ready else None)
    task = asyncio.ensure_future(serve([one.guard, one.klippy, one.door], opened.set, stop))
    try:
        async with asyncio.timeout(5):
            await opened.wait()
            await ready.wait()
        disconnect()
        yield one
    finally:
        await one.session.close()
        stop.set()
        async with asyncio.timeout(8):
            await task
        await one.fake.stop()
