"""A client of files: HTTP and a WebSocket to a running bridge, forms byte by byte."""

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from tests.wire import PATIENCE

if TYPE_CHECKING:
    from tests.conftest import Running

REAL = Path(__file__).parent / "gcode" / "real"
PRUSA = REAL / "prusa_one_thumbs.gcode"
SHORT = b"; nothing much\nG28\nG1 X1 F6000\nM117 done\n"
# Long enough to be caught printing.
LONG = b"G28\n" + b"G1 X10 F3000\nG1 X100 F3000\n" * 2000
ODD_NAMES = (
    "two words.gcode",
    "a#1.gcode",
    "100%.gcode",
    "100%25.gcode",
    "a+b.gcode",
    "a;b.gcode",
    'he said "go".gcode',
    "it's.gcode",
    "Übergröße.gcode",
    "ラフト.gcode",
    "🦖 rex.gcode",
    "a&b=c?d.gcode",
    "[x]{y}(z)~!@$^,.gcode",
)
BOUNDARY = "----x7MA4YWxkTrZu0gW"

Field = tuple[str, str | bytes]


def part(name: str, content: str | bytes, *, filename: str | None = None, headers: str = "") -> bytes:
    """One part as browsers write it."""
    shown = "" if filename is None else '; filename="{}"'.format(filename.replace('"', "%22"))
    raw = content.encode() if isinstance(content, str) else content
    return f'Content-Disposition: form-data; name="{name}"{shown}\r\n{headers}\r\n'.encode() + raw


def body(parts: Iterable[bytes], *, boundary: str = BOUNDARY, end: bool = True) -> bytes:
    """The whole form."""
    mark = f"--{boundary}".encode()
    whole = b"".join(mark + b"\r\n" + one + b"\r\n" for one in parts)
    return whole + (mark + b"--\r\n" if end else b"")


def form_type(boundary: str = BOUNDARY) -> dict[str, str]:
    return {"Content-Type": f"multipart/form-data; boundary={boundary}"}


class Filing:
    """Keeps what it is told of files."""

    def __init__(
        self, running: "Running", session: aiohttp.ClientSession, ws: aiohttp.ClientWebSocketResponse
    ) -> None:
        assert running.bridge.http is not None
        self.running, self.session, self._ws = running, session, ws
        self.url = running.bridge.http.url
        self.data = Path(running.bridge.config.data)
        self.gcodes, self.config = self.data / "gcodes", self.data / "config"
        self.heard: list[dict[str, Any]] = []
        self._answers: dict[int, dict[str, Any]] = {}
        self._news = asyncio.Event()
        self._ids = 0

    async def listen(self) -> None:
        async for message in self._ws:
            found = json.loads(message.data)
            if "id" in found:
                self._answers[found["id"]] = found
            else:
                self.heard.append(found)
            self._news.set()

    async def until(self, condition: Callable[[], Any]) -> Any:
        try:
            async with asyncio.timeout(PATIENCE):
                while not (found := condition()):
                    self._news.clear()
                    await self._news.wait()
                return found
        except TimeoutError:
            raise AssertionError(f"it did not come true; heard:\n{self.changes}") from None

    @property
    def changes(self) -> list[dict[str, Any]]:
        """What notify_filelist_changed told."""
        return [one["params"][0] for one in self.heard if one["method"] == "notify_filelist_changed"]

    @property
    def actions(self) -> list[tuple[str, str]]:
        """Actions and the paths they are about."""
        return [(one["action"], one["item"]["path"]) for one in self.changes]

    async def change(self, action: str, path: str) -> dict[str, Any]:
        """That change, now or soon."""
        return await self.until(
            lambda: next(
                (one for one in self.changes if (one["action"], one["item"]["path"]) == (action, path)), None
            )
        )

    def notes(self, method: str) -> list[Any]:
        return [one["params"][0] for one in self.heard if one["method"] == method]

    def forget(self) -> None:
        self.heard.clear()

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        return await self.answer(await self.begin(method, **params))

    async def begin(self, method: str, **params: Any) -> int:
        """Send a request whose answer is fetched later."""
        self._ids += 1
        identifier = self._ids
        await self._ws.send_json({"jsonrpc": "2.0", "method": method, "params": params, "id": identifier})
        return identifier

    async def answer(self, identifier: int) -> dict[str, Any]:
        return await self.until(lambda: self._answers.pop(identifier, None))

    async def call(self, method: str, **params: Any) -> Any:
        answer = await self.ask(method, **params)
        assert "result" in answer, answer
        return answer["result"]

    async def refused(self, method: str, **params: Any) -> dict[str, Any]:
        answer = await self.ask(method, **params)
        assert "error" in answer, answer
        return answer["error"]

    async def post(
        self, path: str, content: bytes, headers: dict[str, str] | None = None
    ) -> tuple[int, Any, Any]:
        """Status, decoded body and headers."""
        async with self.session.post(
            URL(self.url + path, encoded=True), data=io.BytesIO(content), headers=headers or form_type()
        ) as response:
            text = await response.text()
            return response.status, json.loads(text) if text else None, response.headers

    async def upload(
        self, filename: str, content: bytes = SHORT, *, path: str = "/server/files/upload", **fields: str
    ) -> Any:
        """As a web UI uploads; the answer, which must be 201."""
        parts = [*(part(name, value) for name, value in fields.items())]
        status, answer, _ = await self.post(path, body([*parts, part("file", content, filename=filename)]))
        assert status == 201, answer
        return answer

    async def request(self, verb: str, path: str, **options: Any) -> tuple[int, Any, Any]:
        """Any request with a path as it is; JSON is decoded."""
        async with self.session.request(verb, URL(self.url + path, encoded=True), **options) as response:
            raw = await response.read()
            json_ = "json" in response.headers.get("Content-Type", "") and raw
            return response.status, json.loads(raw) if json_ else raw, response.headers

    async def get(self, path: str, **options: Any) -> tuple[int, Any, Any]:
        return await self.request("GET", path, **options)

    def left_over(self) -> list[Path]:
        """Files that are still being written."""
        return [path for path in self.data.rglob(".*.part") if path.is_file()]


def url_of(root: str, path: str) -> str:
    return f"/server/files/{root}/{quote(path)}"


@contextlib.asynccontextmanager
async def filing(running: "Running") -> AsyncIterator[Filing]:
    """A client that listens."""
    assert running.bridge.http is not None
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{running.bridge.http.url}/websocket") as ws,
    ):
        one = Filing(running, session, ws)
        listening = asyncio.ensure_future(one.listen())
        try:
            yield one
        finally:
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening
