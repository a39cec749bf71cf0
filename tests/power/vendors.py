"""Stand-ins that answer as the vendors' own devices and hubs do."""

import asyncio
import base64
import contextlib
import hashlib
import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiohttp import web

from tests.stand_ins import serving
from tests.wire import HOST

USER, PASSWORD, TOKEN = "admin", "geh eim&", "tok-en"


class Vendor:
    """One plug; `answer` is its maker's."""

    def __init__(self, answer: Callable[["Vendor", web.Request, str], Any]) -> None:
        self.is_on = False
        self.broken = False
        self.port = 0
        self.asked: list[str] = []
        self._answer = answer

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path_qs}")
        if self.broken:
            return web.Response(status=500)
        return web.json_response(self._answer(self, request, (await request.read()).decode()))


@contextlib.asynccontextmanager
async def vendor(answer: Callable[[Vendor, web.Request, str], Any]) -> AsyncIterator[Vendor]:
    one = Vendor(answer)
    async with serving(one.handle) as address:
        one.port = int(address.rpartition(":")[2])
        yield one


def _basic(request: web.Request) -> None:
    wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    if request.headers.get("Authorization") != wanted:
        raise web.HTTPUnauthorized(headers={"WWW-Authenticate": 'Basic realm="plug"'})


def _bearer(request: web.Request) -> None:
    if request.headers.get("Authorization") != f"Bearer {TOKEN}":
        raise web.HTTPUnauthorized


def _digest(request: web.Request) -> None:
    """RFC 7616 with SHA-256, as Shelly's second generation has it."""
    given = dict(re.findall(r'(\w+)="?([^",]+)"?', request.headers.get("Authorization", "")))

    def hashed(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()

    if given:
        first, second = hashed(f"{USER}:shelly:{PASSWORD}"), hashed(f"{request.method}:{request.path_qs}")
        parts = (first, given["nonce"], given["nc"], given["cnonce"], given["qop"], second)
        if given["response"] == hashed(":".join(parts)):
            return
    challenge = 'Digest qop="auth", realm="shelly", nonce="60dc2c69", algorithm=SHA-256'
    raise web.HTTPUnauthorized(headers={"WWW-Authenticate": challenge})


def tasmota(plug: Vendor, request: web.Request, _body: str) -> Any:
    if (request.query.get("user"), request.query.get("password")) != (USER, PASSWORD):
        return {"WARNING": "Need user=<username>&password=<password>"}
    word = request.query["cmnd"].partition(" ")[2]
    plug.is_on = {"on": True, "off": False}.get(word, plug.is_on)
    return {"POWER": "ON" if plug.is_on else "OFF"}


def shelly_gen1(plug: Vendor, request: web.Request, _body: str) -> Any:
    _basic(request)
    assert request.path == "/relay/0"
    plug.is_on = {"on": True, "off": False}.get(request.query.get("turn", ""), plug.is_on)
    return {"ison": plug.is_on, "has_timer": False, "timer_started": 0, "source": "http"}


def shelly_gen2(plug: Vendor, request: web.Request, _body: str) -> Any:
    _digest(request)
    was = plug.is_on
    if request.path == "/rpc/Switch.Set":
        plug.is_on = request.query["on"] == "true"
        return {"was_on": was}
    return {"id": 0, "source": "HTTP_in", "output": was, "apower": 0.0, "voltage": 231.2}


def homeassistant(plug: Vendor, request: web.Request, body: str) -> Any:
    _bearer(request)
    if request.method == "POST":
        assert json.loads(body) == {"entity_id": "switch.plug"}
        plug.is_on = request.path.endswith("turn_on")
        return []
    return {"entity_id": "switch.plug", "state": "on" if plug.is_on else "off", "attributes": {}}


def homeseer(plug: Vendor, request: web.Request, _body: str) -> Any:
    assert request.query["ref"] == "switch.plug"
    if "label" in request.query:
        plug.is_on = request.query["label"] == "On"
    return {"Name": "HomeSeer Devices", "Devices": [{"ref": 1, "status": "On" if plug.is_on else "Off"}]}


def loxone(plug: Vendor, request: web.Request, _body: str) -> Any:
    _basic(request)
    last = request.path.rpartition("/")[2]
    plug.is_on = {"On": True, "Off": False}.get(last, plug.is_on)
    return {"LL": {"control": request.path[1:], "value": str(int(plug.is_on)), "Code": "200"}}


def domoticz(plug: Vendor, request: web.Request, _body: str) -> Any:
    _basic(request)
    if request.query["param"] == "switchlight":
        plug.is_on = request.query["switchcmd"] == "On"
        return {"status": "OK", "title": "SwitchLight"}
    return {"result": [{"Name": "Plug", "Status": "On" if plug.is_on else "Off"}], "status": "OK"}


def hue(plug: Vendor, request: web.Request, body: str) -> Any:
    if f"/api/{TOKEN}/" not in request.path:
        return [{"error": {"type": 1, "description": "unauthorized user"}}]
    if request.method == "PUT":
        plug.is_on = json.loads(body)["on"]
        return [{"success": {"/lights/3/state/on": plug.is_on}}]
    state = {"any_on": plug.is_on, "all_on": plug.is_on} if "/groups/" in request.path else {"on": plug.is_on}
    return {"state": state, "type": "On/Off plug-in unit"}


def smartthings(plug: Vendor, request: web.Request, body: str) -> Any:
    _bearer(request)
    if request.method == "POST":
        plug.is_on = json.loads(body)["commands"][0]["command"] == "on"
        return {"results": [{"id": "1", "status": "ACCEPTED"}]}
    return {"switch": {"value": "on" if plug.is_on else "off", "timestamp": "2024-01-01T00:00:00.000Z"}}


def generic(plug: Vendor, request: web.Request, body: str) -> Any:
    if request.headers.get("X-Key") != TOKEN:
        raise web.HTTPForbidden
    if request.method == "POST":
        plug.is_on = body == "an"
    return {"relay": {"mode": "an" if plug.is_on else "aus"}}


def repeating(_plug: Vendor, request: web.Request, _body: str) -> Any:
    """A page for people that names what was asked for, as it was asked and as it is meant."""
    said = f"No such page: {request.raw_path} {request.path_qs} {dict(request.query)} {dict(request.headers)}"
    raise web.HTTPOk(text=said)


def circling(_plug: Vendor, request: web.Request, _body: str) -> Any:
    raise web.HTTPFound(request.raw_path)


@contextlib.asynccontextmanager
async def garbling() -> AsyncIterator[int]:
    """Something on a port that repeats what it hears, and knows nothing of HTTP; the port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"?? " + await reader.readline())
        writer.close()

    server = await asyncio.start_server(serve, HOST, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
