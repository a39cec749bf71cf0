"""A bare client of Klippy's socket, and a simulator to use it on."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec

from bridge.klippy.frames import FrameSplitter, encode
from bridge.klippy.simulator import Simulator, Timing

T = TypeVar("T")
FAST = Timing(tick=0.02, refused=0.05, startup=0.05)
_PATIENCE = 4.0


class Client:
    """Sends frames as they are and keeps every message that comes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.messages: list[Any] = []
        self.raw = b""
        self.closed = False
        self._news = asyncio.Event()
        self._last_id = 0

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_unix_connection(str(self.path))
        self._task = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _read(self) -> None:
        splitter = FrameSplitter()
        with contextlib.suppress(ConnectionError):
            while data := await self._reader.read(65536):
                self.raw += data
                for frame in splitter.feed(data):
                    with contextlib.suppress(msgspec.DecodeError):  # garbage is a test's own business
                        self.messages.append(msgspec.json.decode(frame))
                self._news.set()
        self.closed = True
        self._news.set()

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    def send(self, method: str, params: Any = None, **more: Any) -> int:
        """Send a request without waiting for its answer."""
        self._last_id += 1
        message = {"id": self._last_id, "method": method, **more}
        self.write(encode(message if params is None else {**message, "params": params}))
        return self._last_id

    async def until(self, condition: Callable[[], T]) -> T:
        """Wait until a condition holds; what it gives is the answer."""
        async with asyncio.timeout(_PATIENCE):
            while not (found := condition()):
                self._news.clear()
                await self._news.wait()
        return found

    async def answer(self, number: int) -> dict[str, Any]:
        return await self.until(lambda: next((m for m in self.messages if m.get("id") == number), None))

    async def request(self, method: str, params: Any = None) -> dict[str, Any]:
        return await self.answer(self.send(method, params))

    async def result(self, method: str, params: Any = None) -> Any:
        answer = await self.request(method, params)
        assert "result" in answer, answer
        return answer["result"]

    async def error(self, method: str, params: Any = None) -> str:
        answer = await self.request(method, params)
        assert answer["error"]["error"] == "WebRequestError", answer
        return answer["error"]["message"]

    async def script(self, text: str) -> None:
        assert await self.result("gcode/script", {"script": text}) == {}

    async def refusal(self, text: str) -> str:
        return await self.error("gcode/script", {"script": text})

    async def query(self, *names: str) -> Any:
        answer = await self.result("objects/query", {"objects": dict.fromkeys(names)})
        return answer["status"][names[0]] if len(names) == 1 else answer["status"]

    async def listen(self) -> None:
        await self.result("gcode/subscribe_output", {"response_template": {"method": "output"}})

    async def started(self) -> str:
        """Wait until the printer is through with starting up; the state it came to."""
        async for _ in attempts():
            state: str = (await self.result("info"))["state"]
            if state != "startup":
                break
        return state

    async def hold(self, condition: Callable[[], object]) -> None:
        """Wait until something holds that no message tells."""
        async for _ in attempts():
            if condition():
                return

    @property
    def lines(self) -> list[str]:
        return [m["params"]["response"] for m in self.messages if m.get("method") == "output"]

    async def subscribe(self, objects: dict[str, Any], method: str = "status") -> Any:
        params = {"objects": objects, "response_template": {"method": method}}
        return (await self.result("objects/subscribe", params))["status"]

    def updates(self, method: str = "status") -> list[Any]:
        return [m["params"]["status"] for m in self.messages if m.get("method") == method]

    def seen(self, name: str, field: str) -> list[Any]:
        """Every value that the updates told of one field."""
        return [update[name][field] for update in self.updates() if field in update.get(name, {})]


@contextlib.asynccontextmanager
async def machine(
    folder: Path, *, speed: float = 100.0, timing: Timing = FAST
) -> AsyncIterator[tuple[Simulator, Client]]:
    """A simulator and a client of it."""
    (folder / "gcodes").mkdir(exist_ok=True)
    path = folder / "klippy.sock"
    async with (
        Simulator(path, folder / "gcodes", speed=speed, noise=0.0, timing=timing) as simulator,
        Client(path) as client,
    ):
        yield simulator, client


async def attempts() -> AsyncIterator[None]:
    """A chance every few milliseconds, until patience ends."""
    for _ in range(int(_PATIENCE / 0.005)):
        yield
        await asyncio.sleep(0.005)
    raise TimeoutError


@contextlib.asynccontextmanager
async def reconnected(path: Path) -> AsyncIterator[Client]:
    """A client as soon as somebody listens again."""
    client = Client(path)
    async for _ in attempts():
        with contextlib.suppress(ConnectionRefusedError, FileNotFoundError):
            await client.__aenter__()
            break
    try:
        yield client
    finally:
        await client.__aexit__(None)
