"""Calls by JSON-RPC over HTTP, whose errors are raised."""

from typing import Any

import aiohttp

from tests.conftest import Running
from tests.ha_discovery.rules import expanded, faults
from tests.wire import Ear


class Refused(Exception):
    """The error of an answer."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.code = error["code"]


async def call(bridge: Running, method: str, **params: Any) -> Any:
    async with aiohttp.ClientSession() as session:
        request = {"jsonrpc": "2.0", "method": method, "params": params, "id": 1}
        async with session.post(f"{bridge.bridge.http.url}/server/jsonrpc", json=request) as answer:
            body = await answer.json()
    if "error" in body:
        raise Refused(body["error"])
    return body["result"]


async def fetch(bridge: Running, verb: str, path: str, **options: Any) -> tuple[int, Any]:
    url = f"{bridge.bridge.http.url}{path}"
    async with aiohttp.ClientSession() as session, session.request(verb, url, **options) as answer:
        return answer.status, await answer.json()


async def power(bridge: Running, device: str = "plug") -> str:
    return (await call(bridge, "machine.device_power.get_device", device=device))[device]


async def switch(bridge: Running, action: str, device: str = "plug") -> str:
    answer = await call(bridge, "machine.device_power.post_device", device=device, action=action)
    return answer[device]


async def entities(bridge: Running, mqtt: Ear, name: str) -> dict[str, dict[str, Any]]:
    """What Home Assistant gets, by the entities' names, as soon as one of that name is there; without a fault."""
    topic = bridge.topics.device(bridge.bridge.identity.unique)

    def has_it(message: Any) -> bool:
        return any(one.get("name") == name for one in message.json["cmps"].values())

    message = (await mqtt.message(topic, where=has_it)).json
    found = faults(message)
    assert found == [], found
    return {one["name"]: one for one in expanded(message)["components"].values() if one.get("name")}


def availability(entity: dict[str, Any]) -> list[str]:
    return [one["topic"] for one in entity["availability"]]
