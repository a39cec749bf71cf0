"""Uploads over HTTP: a form in either family's dialect, its parts in any order, streamed to the disk."""

import asyncio
from dataclasses import dataclass, field

from aiohttp import hdrs

from bridge.errors import BadRequest, TooLarge
from bridge.files.incoming import Incoming
from bridge.files.index import GCODES
from bridge.files.items import Uploaded
from bridge.files.uploads import Form, Uploads
from bridge.http_compat import answers, web
from bridge.http_compat.disposition import Part, boundary
from bridge.http_compat.guard import Visitor
from bridge.http_compat.multipart import Multipart
from bridge.http_compat.routes import Routes
from bridge.roots import checked
from bridge.rpc import Access, encode, printable

STALL = 60.0  # seconds without a byte end an upload
MAX_FIELD = 65_536  # bytes of one field
MAX_EPILOGUE = 65_536  # bytes behind the last boundary, which mean nothing
YES = ("true", "1", "yes", "on")
NAME = "server.files.upload"  # how refusals call it


@dataclass
class Received:
    """The fields of a form, and the name of its file."""

    fields: dict[str, str] = field(default_factory=dict)
    filename: str | None = None

    def wants(self, name: str) -> bool:
        """Whether a field says yes."""
        return self.fields.get(name, "").strip().lower() in YES

    def form(self) -> Form:
        """What the engine is to do."""
        if not self.filename:
            raise BadRequest("The upload holds no file: a part named 'file' with a file name is needed")
        return Form(
            self.filename,
            root=self.fields.get("root") or GCODES,
            path=self.fields.get("path", ""),
            checksum=self.fields.get("checksum"),
            start=self.wants("print"),
        )


class UploadPages:
    """Moonraker's upload, and the reading of a form that OctoPrint's shares."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads

    def add_to(self, routes: Routes) -> None:
        """Offer the page."""
        routes.add("POST", "/server/files/upload", self._upload)

    async def _upload(self, request: web.BaseRequest, _query: str, visitor: Visitor) -> web.StreamResponse:
        _, uploaded = await self.receive(request, visitor)
        assert uploaded is not None  # noqa: S101 - for the type checker: a file is required
        return answers.raw(encode(uploaded), 201)

    async def receive(
        self, request: web.BaseRequest, visitor: Visitor, *, needs_file: bool = True
    ) -> tuple[Received, Uploaded | None]:
        """Take a form in; what became of its file, if it had one."""
        _require(visitor, Access.FILES)
        parser = Multipart(boundary(request.headers.get(hdrs.CONTENT_TYPE, "")))
        size = max((request.content_length or 0) - MAX_FIELD, 0)
        self._uploads.check_size(size)
        if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0  # the answer itself has not begun
        async with self._uploads.begin() as incoming:
            received = await _Reading(self._uploads, incoming, parser, size).read(request)
            if not (needs_file or received.filename):
                return received, None
            form = received.form()
            if form.start:
                _require(visitor, Access.CONTROL)
            return received, await self._uploads.finish(incoming, form, visitor.user)


class _Reading:
    """One form on its way in."""

    def __init__(self, uploads: Uploads, incoming: Incoming, parser: Multipart, size: int) -> None:
        self._uploads, self._incoming, self._parser = uploads, incoming, parser
        self._size = size  # bytes that the file has at least, as far as that is known
        self._received = Received()
        self._text: bytearray | None = None  # of the field that comes
        self._field = ""
        self._is_file = False
        self._behind = 0  # bytes after the last boundary

    async def read(self, request: web.BaseRequest) -> Received:
        """The whole form, its file handed on."""
        content, loop = request.content, asyncio.get_running_loop()
        try:
            async with asyncio.timeout(STALL) as patience:
                while not content.at_eof():
                    data = await content.readany()
                    patience.reschedule(loop.time() + STALL)
                    if self._parser.done:
                        self._skip(data)
                    else:
                        await self._take(data)
        except TimeoutError as error:
            raise BadRequest(f"The upload stood still for {STALL:g} s; nothing was kept") from error
        except web.RequestPayloadError as error:
            raise BadRequest("The upload broke off; nothing was kept") from error
        if not self._parser.done:
            raise BadRequest("The upload is not complete: its last boundary is missing; nothing was kept")
        return self._received

    async def _take(self, data: bytes) -> None:
        """Sort what has come."""
        for event in self._parser.feed(data):
            if isinstance(event, bytes):
                await self._bytes(event)
            elif isinstance(event, Part):
                self._begin(event)
            else:
                self._end()

    async def _bytes(self, data: bytes) -> None:
        if self._is_file:
            if self._incoming.take(data):
                await self._incoming.flush()
        elif self._text is not None:
            self._text += data
            if len(self._text) > MAX_FIELD:
                raise TooLarge(f"The field '{printable(self._field)}' is longer than {MAX_FIELD} bytes")

    def _begin(self, part: Part) -> None:
        """A part begins; what is neither a field nor the file passes unread."""
        self._field = part.name
        self._is_file = part.name == "file" and part.filename is not None
        self._text = bytearray() if part.filename is None else None
        if self._is_file:
            checked(str(part.filename))  # before the file itself has come in vain
            self._received.filename = part.filename
            root = self._received.fields.get("root") or GCODES
            self._uploads.begin_file(self._incoming, root, self._size)

    def _end(self) -> None:
        if self._text is None:
            return
        if self._field in self._received.fields:
            raise BadRequest(f"The form names '{printable(self._field)}' twice")
        try:
            self._received.fields[self._field] = self._text.decode()
        except UnicodeDecodeError as error:
            raise BadRequest(f"The field '{printable(self._field)}' is not UTF-8") from error
        if self._field == "root" and self._incoming.begun:
            self._uploads.check_root(self._incoming, self._received.fields["root"] or GCODES)

    def _skip(self, data: bytes) -> None:
        self._behind += len(data)
        if self._behind > MAX_EPILOGUE:
            raise BadRequest("The body goes on behind the form")


def _require(visitor: Visitor, access: Access) -> None:
    if (refusal := visitor.allows(access, NAME)) is not None:
        raise refusal
