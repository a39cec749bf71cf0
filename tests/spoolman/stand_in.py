"""A Spoolman that keeps its spools in memory and answers as version 1 of its API does."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from tests.wire import HOST, free_port


class Spoolman:
    """Started and stopped at will on one port; its spools outlive it."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self.used: dict[int, float] = {1: 0.0, 2: 0.0}  # mm
        self.reports: list[tuple[int, float]] = []
        self.broken = False
        self.raw = b""  # what it answers to a spool in place of it
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/api/v1/health", self._health)
        app.router.add_get("/api/v1/spool", self._list)
        app.router.add_get("/api/v1/spool/{id}", self._get)
        app.router.add_put("/api/v1/spool/{id}/use", self._use)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, self.port).start()

    async def stop(self) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    def spool(self, number: int) -> dict[str, Any]:
        used = self.used[number]
        return {
            "id": number,
            "registered": "2026-01-01T00:00:00Z",
            "filament": {
                "id": 7,
                "name": "PolyTerra Charcoal",
                "vendor": {"id": 1, "name": "Polymaker"},
                "material": "PLA",
                "density": 1.24,
                "diameter": 1.75,
                "color_hex": "33333D",
            },
            "remaining_weight": 1000 - used * 0.002983,
            "used_weight": used * 0.002983,
            "remaining_length": 335_000 - used,
            "used_length": used,
            "archived": False,
        }

    def _found(self, request: web.Request) -> int:
        number = int(request.match_info["id"])
        if self.broken:
            raise web.HTTPInternalServerError(
                text='{"message":"database is locked"}', content_type="application/json"
            )
        if number not in self.used:
            text = f'{{"message":"No spool with ID {number} found."}}'
            raise web.HTTPNotFound(text=text, content_type="application/json")
        return number

    async def _health(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "healthy"})

    async def _list(self, request: web.Request) -> web.Response:
        limit = int(request.query.get("limit", 10))
        return web.json_response([self.spool(number) for number in list(self.used)[:limit]])

    async def _get(self, request: web.Request) -> web.Response:
        if self.raw:
            return web.Response(body=self.raw)
        return web.json_response(self.spool(self._found(request)))

    async def _use(self, request: web.Request) -> web.Response:
        number = self._found(request)
        length = (await request.json())["use_length"]
        self.used[number] += length
        self.reports.append((number, length))
        return web.json_response(self.spool(number))


@contextlib.asynccontextmanager
async def spoolman() -> AsyncIterator[Spoolman]:
    one = Spoolman()
    await one.start()
    try:
        yield one
    finally:
        await one.stop()
