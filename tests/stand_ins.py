"""What stands in for devices and services of others: an HTTP server, and the far end of a serial cable."""

import asyncio
import contextlib
import os
import tty
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from aiohttp import web

from tests.wire import HOST

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@contextlib.asynccontextmanager
async def serving(answer: Answer, *, path: str = "/{path:.*}") -> AsyncIterator[str]:
    """An HTTP server that answers so; its host and port."""
    app = web.Application()
    app.router.add_route("*", path, answer)
    runner = web.AppRunner(app, shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    try:
        yield f"{HOST}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class FarEnd:
    """A device at the far end of a serial cable."""

    def __init__(self) -> None:
        self.far, self._near = os.openpty()
        tty.setraw(self._near)
        self.port = os.ttyname(self._near)
        self.heard = b""

    def hear(self) -> None:
        """Take what has come in `heard`, and answer with `say`."""
        raise NotImplementedError

    def say(self, answer: bytes) -> None:
        os.write(self.far, answer)

    def fall_silent(self) -> None:
        """Hear no more; the cable stays in."""
        asyncio.get_running_loop().remove_reader(self.far)

    def unplug(self) -> None:
        os.close(self.far)
        os.close(self._near)

    def live(self) -> None:
        self.heard += os.read(self.far, 4096)
        self.hear()


Device = TypeVar("Device", bound=FarEnd)


@contextlib.asynccontextmanager
async def cable(one: Device) -> AsyncIterator[Device]:
    """The device is plugged in, and lives."""
    asyncio.get_running_loop().add_reader(one.far, one.live)
    try:
        yield one
    finally:
        one.fall_silent()
        with contextlib.suppress(OSError):
            one.unplug()
