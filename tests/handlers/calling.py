"""Callers of server.database.*: the same call over HTTP and over a WebSocket."""

import contextlib
import itertools
import json

import aiohttp

ITEM = "/server/database/item"
ROUTES = {
    "list": ("GET", "/server/database/list"),
    "get_item": ("GET", ITEM),
    "post_item": ("POST", ITEM),
    "delete_item": ("DELETE", ITEM),
    "compact": ("POST", "/server/database/compact"),
    "post_backup": ("POST", "/server/database/backup"),
    "delete_backup": ("DELETE", "/server/database/backup"),
    "restore": ("POST", "/server/database/restore"),
}


class Failed(Exception):
    """An error that was answered: its code and message."""

    def __init__(self, code, message):
        super().__init__(code, message)
        self.code = 400 if code == -32602 else code
        self.message = message


class Http:
    """Calls by HTTP: what changes with a JSON body, the rest with a query."""

    def __init__(self, session, url):
        self._session, self._url = session, url

    async def __call__(self, name, **params):
        verb, path = ROUTES[name]
        if verb == "POST":
            return await self.fetch(verb, path, json=params)
        query = {}
        for key, value in params.items():
            if value is not None:
                query[key if isinstance(value, str) else f"{key}:json"] = (
                    value if isinstance(value, str) else json.dumps(value)
                )
        return await self.fetch(verb, path, params=query)

    async def fetch(self, verb, path, **options):
        async with self._session.request(verb, self._url + path, **options) as response:
            answer = await response.json()
        if "error" in answer:
            assert response.status == answer["error"]["code"]
            raise Failed(response.status, answer["error"]["message"])
        return answer["result"]


class Ws:
    """Calls by one WebSocket."""

    def __init__(self, socket):
        self._socket, self._ids = socket, itertools.count(1)

    async def __call__(self, name, **params):
        method = name if "." in name else f"server.database.{name}"
        number = next(self._ids)
        await self._socket.send_json({"jsonrpc": "2.0", "method": method, "params": params, "id": number})
        answer = {}
        while answer.get("id") != number:
            answer = await self._socket.receive_json(timeout=5)
        if "error" in answer:
            raise Failed(answer["error"]["code"], answer["error"]["message"])
        return answer["result"]


@contextlib.asynccontextmanager
async def doors(running):
    """HTTP and a WebSocket of a bridge."""
    url = running.bridge.http.url
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}/websocket") as socket:
        yield Http(session, url), Ws(socket)
