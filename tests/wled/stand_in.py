"""WLED's JSON, over HTTP and behind a pseudo-terminal."""

import asyncio
import contextlib
import json
import os
import tty
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from tests.wire import HOST


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
    app = web.Application()
    app.router.add_route("*", "/json/state", one.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    one.address = f"{HOST}:{runner.addresses[0][1]}"
    try:
        yield one
    finally:
        await runner.cleanup()


class SerialWled(Wled):
    """The far end of a cable."""

    def __init__(self) -> None:
        super().__init__()
        self.far, self._near = os.openpty()
        tty.setraw(self._near)
        self.port = os.ttyname(self._near)
        self.heard = b""
        self.silent = False

    def live(self) -> None:
        self.heard += os.read(self.far, 4096)
        *lines, self.heard = self.heard.split(b"\n")
        for line in lines:
            self.take(json.loads(line))
            if not self.silent:
                answer = json.dumps({"state": self.state, "info": {"ver": "0.14.0"}}).encode()
                os.write(self.far, b"Ada\r\n" + answer[:40])
                os.write(self.far, answer[40:] + b"\r\n")

    def unplug(self) -> None:
        os.close(self.far)
        os.close(self._near)


@contextlib.asynccontextmanager
async def serial_wled() -> AsyncIterator[SerialWled]:
    one = SerialWled()
    loop = asyncio.get_running_loop()
    loop.add_reader(one.far, one.live)
    try:
        yield one
    finally:
        loop.remove_reader(one.far)
        with contextlib.suppress(OSError):
            one.unplug()
