"""A camera that speaks HTTP."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from aiohttp import web

from tests.stand_ins import serving

PICTURE = b"\xff\xd8\xff\xe0" + b"picture" * 100 + b"\xff\xd9"


class Camera:
    """Counts its pictures; can be broken in several ways."""

    def __init__(self) -> None:
        self.url = ""
        self.asked = 0
        self.logins: list[str | None] = []
        self.picture, self.kind, self.status = PICTURE, "image/jpeg", 200
        self.hangs = False

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        self.logins.append(request.headers.get("Authorization"))
        if self.hangs:
            await asyncio.sleep(30)
        return web.Response(body=self.picture, content_type=self.kind, status=self.status)


@contextlib.asynccontextmanager
async def camera() -> AsyncIterator[Camera]:
    one = Camera()
    async with serving(one._answer, path="/webcam/") as address:
        one.url = f"http://{address}"
        yield one
