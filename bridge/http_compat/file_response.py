"""A file as an answer: whole or a range of it, with what caches and downloads need to know (RFC 9110)."""

import asyncio
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from aiohttp import hdrs
from aiohttp.abc import AbstractStreamWriter

from bridge.errors import NotFound
from bridge.http_compat import web

PIECE = 262_144  # bytes read at a time where the system cannot send the file itself
AT_ONCE = 65_536  # bytes of a file that is read in one go
_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")

# What a browser may show, never as a page of its own; everything else is bytes.
TYPES = {
    ".bmp": "image/bmp",
    ".css": "text/css; charset=utf-8",
    ".gif": "image/gif",
    ".ico": "image/x-icon",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".mp4": "video/mp4",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".qoi": "image/qoi",
    ".svg": "image/svg+xml",
    ".webm": "video/webm",
    ".webp": "image/webp",
    ".zip": "application/zip",
    **dict.fromkeys(
        (".cfg", ".conf", ".csv", ".log", ".md", ".txt", ".yaml", ".yml"), "text/plain; charset=utf-8"
    ),
    **dict.fromkeys((".gcode", ".gco", ".g", ".nc"), "text/x.gcode; charset=utf-8"),
}
BYTES = "application/octet-stream"


@dataclass(frozen=True)
class Opened:
    """An open regular file."""

    file: BinaryIO
    name: str
    size: int
    modified: float
    etag: str


def open_file(path: Path) -> Opened:
    """Open a regular file, or NotFound; blocking."""
    try:
        # NONBLOCK: opening a FIFO must not wait for its writer
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise NotFound(f"{path.name} cannot be read: {error.strerror}") from error
    found = os.fstat(number)
    if not stat.S_ISREG(found.st_mode):  # before fdopen, which fails on a folder and leaves it open
        os.close(number)
        raise NotFound(f"{path.name} is no file")
    return Opened(
        os.fdopen(number, "rb"),
        path.name,
        found.st_size,
        found.st_mtime,
        f"{found.st_mtime_ns:x}-{found.st_size:x}",
    )


class FileResponse(web.StreamResponse):
    """Sends an open file, and closes it."""

    def __init__(self, opened: Opened) -> None:
        super().__init__()
        self._opened = opened
        self.headers[hdrs.SERVER] = "klipper-bridge"
        self.headers[hdrs.CONTENT_TYPE] = TYPES.get(Path(opened.name).suffix.lower(), BYTES)
        self.headers[hdrs.CONTENT_DISPOSITION] = _attachment(opened.name)
        self.headers[hdrs.ACCEPT_RANGES] = "bytes"
        self.headers[hdrs.CACHE_CONTROL] = "no-cache"  # it may be kept, and is asked for again
        self.headers["X-Content-Type-Options"] = "nosniff"
        self.etag = opened.etag
        self.last_modified = int(opened.modified)  # aiohttp would round up

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Begin the answer, and send of the file what was asked for."""
        try:
            start, count = self._decide(request)
            if self.status != 304:  # noqa: PLR2004 - not modified: the length would be another's
                self.content_length = count
            writer = await super().prepare(request)
            if writer is not None and count and request.method != hdrs.METH_HEAD:
                await self._send(request, writer, start, count)
            return writer
        finally:
            self._opened.file.close()

    def _decide(self, request: web.BaseRequest) -> tuple[int, int]:
        """Which bytes to send; the status says why."""
        size = self._opened.size
        if _failed(request, self._opened):
            self.set_status(412)
            return 0, 0
        if _unchanged(request, self._opened):
            self.set_status(304)
            return 0, 0
        wanted = _RANGE.fullmatch(request.headers.get(hdrs.RANGE, ""))
        if wanted is None or wanted[0] == "bytes=-" or not _same_as_before(request, self._opened):
            return 0, size  # also of several ranges at once, as the standard allows
        start, end = _bounds(wanted[1], wanted[2], size)
        if start > end:
            self.set_status(416)
            self.headers[hdrs.CONTENT_RANGE] = f"bytes */{size}"
            return 0, 0
        self.set_status(206)
        self.headers[hdrs.CONTENT_RANGE] = f"bytes {start}-{end}/{size}"
        return start, end + 1 - start

    async def _send(
        self, request: web.BaseRequest, writer: AbstractStreamWriter, start: int, count: int
    ) -> None:
        file, loop = self._opened.file, asyncio.get_running_loop()
        if count > AT_ONCE and request.transport is not None:
            try:
                await loop.sendfile(request.transport, file, start, count, fallback=False)
            except (NotImplementedError, RuntimeError):  # TLS, or a loop that cannot
                pass
            else:
                return
        file.seek(start)
        while count > 0:
            piece = await asyncio.to_thread(file.read, min(count, PIECE))
            if not piece:  # cut short since; the connection ends, and so the client knows
                raise ConnectionResetError("the file became shorter")
            count -= len(piece)
            await writer.write(piece)


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    """The range's first and last byte; where there is none of it, the first comes behind the last."""
    if not first:
        return max(size - int(last), 0), size - 1
    return int(first), min(int(last), size - 1) if last else size - 1


def _failed(request: web.BaseRequest, opened: Opened) -> bool:
    """Whether a condition of the request is not met."""
    if (tags := request.if_match) is not None:
        return not any(tag.value in ("*", opened.etag) and not tag.is_weak for tag in tags)
    since = request.if_unmodified_since
    return since is not None and int(opened.modified) > since.timestamp()


def _unchanged(request: web.BaseRequest, opened: Opened) -> bool:
    """Whether the client has it already."""
    if (tags := request.if_none_match) is not None:
        return any(tag.value in ("*", opened.etag) for tag in tags)
    since = request.if_modified_since
    return since is not None and int(opened.modified) <= since.timestamp()


def _same_as_before(request: web.BaseRequest, opened: Opened) -> bool:
    """Whether the rest of a download fits what was loaded before it broke off."""
    condition = request.headers.get(hdrs.IF_RANGE)
    if condition is None:
        return True
    if condition.startswith('"'):
        return condition == f'"{opened.etag}"'
    since = request.if_range
    return since is not None and int(opened.modified) == since.timestamp()


def _attachment(name: str) -> str:
    """The file's name: in ASCII for old clients, and as it is."""
    plain = "".join(char if " " <= char <= "~" and char not in '"\\%' else "_" for char in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
