"""Files over HTTP: everything below the roots, and the logs under the names that clients ask for."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from bridge.errors import NotFound
from bridge.gcode.gallery import Gallery
from bridge.http_compat import web
from bridge.http_compat.file_response import FileResponse, open_file
from bridge.http_compat.guard import Visitor
from bridge.http_compat.routes import Page, Routes
from bridge.roots import Roots
from bridge.rpc import Access

PREFIX = "/server/files/"
OUR_LOG = "klipper-bridge.log"
PICTURES = ".thumbs"


class DownloadPages:
    """GET for files."""

    def __init__(self, roots: Roots, gallery: Gallery, klippy_log: Callable[[], str | None]) -> None:
        self._roots, self._gallery, self._klippy_log = roots, gallery, klippy_log

    def add_to(self, routes: Routes) -> None:
        """Offer the pages."""
        routes.add_tree("GET", PREFIX, self._download)
        routes.add("GET", f"{PREFIX}klippy.log", self._log(self._klippys_log))
        for name in ("moonraker.log", OUR_LOG):
            routes.add("GET", PREFIX + name, self._log(lambda: self._roots.resolve("logs", OUR_LOG)))

    async def _download(
        self, _request: web.BaseRequest, _query: str, visitor: Visitor, rest: str
    ) -> web.StreamResponse:
        _require(visitor)
        place = self._roots.locate(rest)
        if place.root.name == "logs" and place.path == "moonraker.log" and not place.file.exists():
            place = place.beside(OUR_LOG)
        folder, _, name = place.path.rpartition("/")
        if place.root.name == "gcodes" and name and folder.rpartition("/")[2] == PICTURES:
            await self._gallery.ready(folder.rpartition("/")[0])
        return await _answer(place.file, place.shown)

    def _log(self, find: Callable[[], Path]) -> Page:
        async def page(_request: web.BaseRequest, _query: str, visitor: Visitor) -> web.StreamResponse:
            _require(visitor)
            path = find()
            return await _answer(path, path.name)

        return page

    def _klippys_log(self) -> Path:
        """Klipper's log where installers put it, else where Klippy says it is."""
        path, told = self._roots.resolve("logs", "klippy.log"), self._klippy_log()
        return Path(told) if told and not path.exists() else path


async def _answer(path: Path, shown: str) -> web.StreamResponse:
    try:
        return FileResponse(await asyncio.to_thread(open_file, path))
    except NotFound as error:
        raise NotFound(f"{shown} does not exist") from error


def _require(visitor: Visitor) -> None:
    if (refusal := visitor.allows(Access.READ, "a download")) is not None:
        raise refusal
