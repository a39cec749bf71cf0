"""WLED's JSON, over HTTP and behind a pseudo-terminal."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from tests.stand_ins import FarEnd, serving


class Wled:
    """One strip, as version 0.14 answers."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {
            "on": False, "bri": 128, "ps": -1,
            "seg": [{"id": 0, "col": [[255, 160, 0], [0, 0, 0], [0, 0, 0]], "fx": 0, "sx": 128, "ix": 128}],
        }  # fmt: skip
        self.messages: list[dict[str, Any]] = []

    def take(self, message: dict[str, Any]) -> None:
        self.messages.append(message)
        if message.get("on") == "t":
            self.state["on"] = not self.state["on"]
        elif "on" in message:
            self.state["on"] = message["on"]
        for name in ("bri", "ps"):
            self.state[name] = message.get(name, self.state[name])
        segment = message.get("seg", {})
        self.state["seg"][0].update({name: value for name, value in segment.items() if name != "i"})


class HttpWled(Wled):
    """In the network."""

    def __init__(self) -> None:
        super().__init__()
        self.address, self.status, self.hangs = "", 200, False
        self.raw = b""  # what it answers in place of its state

    async def answer(self, request: web.Request) -> web.Response:
        if self.hangs:
            await asyncio.sleep(30)
        if request.method == "POST":
            self.take(await request.json())
        if self.raw:
            return web.Response(body=self.raw)
        return web.json_response(self.state, status=self.status)


@contextlib.asynccontextmanager
async def http_wled() -> AsyncIterator[HttpWled]:
    one = HttpWled()
    async with serving(one.answer, path="/json/state") as address:
        one.address = address
        yield one


class SerialWled(Wled, FarEnd):
    """At a cable."""

    def __init__(self) -> None:
        Wled.__init__(self)
        FarEnd.__init__(self)
        self.silent = False

    def hear(self) -> None:
        *lines, self.heard = self.heard.split(b"\n")
        for line in lines:
            self.take(json.loads(line))
            if not self.silent:
                answer = json.dumps({"state": self.state, "info": {"ver": "0.14.0"}}).encode()
                self.say(b"Ada\r\n" + answer[:40])
                self.say(answer[40:] + b"\r\n")
