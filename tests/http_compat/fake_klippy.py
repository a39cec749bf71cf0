"""A small Klippy on a Unix socket, led by the test."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from bridge.klippy import frames


class FakeKlippy:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.status: dict[str, dict[str, Any]] = {
            "webhooks": {"state": "ready", "state_message": "Printer is ready"},
            "extruder": {"temperature": 20.0, "target": 0.0},
            "fan": {"speed": 0.0},
            "toolhead": {"position": [0, 0, 0, 0]},
        }
        self.requests: list[dict[str, Any]] = []
        self.scripts_end = asyncio.Event()
        self.answers = asyncio.Event()  # cleared: subscriptions are not answered until it is set
        self.answers.set()
        self.received = b""
        self.refused = ""  # an object that no subscription may have
        self.push_after_subscribe: list[dict[str, Any]] = []  # sent in the same write as the answer
        self.eventtime = 100.0
        self._writers: set[asyncio.StreamWriter] = set()
        self._templates: dict[asyncio.StreamWriter, dict[str, Any]] = {}
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def connections(self) -> int:
        return len(self._writers)

    def methods(self, name: str) -> list[dict[str, Any]]:
        return [request for request in self.requests if request.get("method") == name]

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, str(self.path))

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self.hang_up()
            await self._server.wait_closed()
            self.path.unlink(missing_ok=True)
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def hang_up(self) -> None:
        for writer in tuple(self._writers):
            writer.transport.abort()

    def push(self, **changes: dict[str, Any]) -> None:
        """Tell subscribers of changed fields."""
        for writer in self._templates:
            writer.write(self._update(writer, changes))

    def _update(self, writer: asyncio.StreamWriter, changes: dict[str, Any]) -> bytes:
        self.eventtime += 0.25
        for name, fields in changes.items():
            self.status.setdefault(name, {}).update(fields)
        params = {"eventtime": self.eventtime, "status": changes}
        return frames.encode({**self._templates[writer], "params": params})

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        splitter = frames.FrameSplitter()
        try:
            while data := await reader.read(65_536):
                self.received += data
                for frame in splitter.feed(data):
                    self._take(writer, msgspec.json.decode(frame))
        except ConnectionError:
            pass
        finally:
            self._writers.discard(writer)
            self._templates.pop(writer, None)
            writer.close()

    def _take(self, writer: asyncio.StreamWriter, request: dict[str, Any]) -> None:
        self.requests.append(request)
        if request["method"] == "gcode/script":
            self._later(
                self.scripts_end, lambda: writer.write(frames.encode({"id": request["id"], "result": {}}))
            )
        elif request["method"] == "objects/subscribe" and not self.answers.is_set():
            self._later(self.answers, lambda: self._answer(writer, request))
        else:
            self._answer(writer, request)

    def _later(self, event: asyncio.Event, answer: Callable[[], None]) -> None:
        async def wait() -> None:
            await event.wait()
            answer()

        task = asyncio.get_running_loop().create_task(wait())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _answer(self, writer: asyncio.StreamWriter, request: dict[str, Any]) -> None:
        if self.refused and self.refused in (request.get("params") or {}).get("objects", {}):
            error = {"error": "WebRequestError", "message": "refused by the test"}
            writer.write(frames.encode({"id": request["id"], "error": error}))
            return
        answer = frames.encode({"id": request["id"], "result": self._result(writer, request)})
        if request["method"] == "objects/subscribe":
            for changes in self.push_after_subscribe:
                answer += self._update(writer, changes)
            self.push_after_subscribe = []
        writer.write(answer)

    def _result(self, writer: asyncio.StreamWriter, request: dict[str, Any]) -> dict[str, Any]:
        params = request.get("params") or {}
        match request["method"]:
            case "info":
                return {"state": "ready", "state_message": "Printer is ready", "software_version": "v0.13"}
            case "list_endpoints":
                return {"endpoints": ["info", "pause_resume/pause"]}
            case "objects/list":
                return {"objects": list(self.status)}
            case "objects/query" | "objects/subscribe":
                if request["method"] == "objects/subscribe":
                    self._templates[writer] = params.get("response_template", {})
                return {"eventtime": self.eventtime, "status": self._chosen(params.get("objects", {}))}
            case _:
                return {}

    def _chosen(self, wanted: dict[str, list[str] | None]) -> dict[str, Any]:
        return {
            name: {
                key: value
                for key, value in self.status.get(name, {}).items()
                if fields is None or key in fields
            }
            for name, fields in wanted.items()
        }
