"""A Klippy that says exactly what a test wants said: right, wrong, late, or nothing."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Self

import msgspec

from bridge.klippy.frames import FrameSplitter, encode
from tests.wire import until

SILENT = object()  # an answer that never comes
READY = "Printer is ready"
PRINTER: dict[str, Any] = {
    "gcode": {"commands": {}},
    "configfile": {"settings": {"extruder": {"min_temp": 0.0, "max_temp": 300.0}}, "warnings": []},
    "heaters": {
        "available_heaters": ["extruder"],
        "available_sensors": ["extruder"],
        "available_monitors": [],
    },
    "extruder": {"temperature": 20.0, "target": 0.0, "power": 0.0, "can_extrude": False},
    "print_stats": {
        "state": "standby",
        "filename": "",
        "message": "",
        "print_duration": 0.0,
        "total_duration": 0.0,
        "filament_used": 0.0,
        "info": {"total_layer": None, "current_layer": None},
    },
    "virtual_sdcard": {
        "progress": 0.0,
        "is_active": False,
        "file_position": 0,
        "file_size": 0,
        "file_path": None,
    },
    "pause_resume": {"is_paused": False},
    "display_status": {"progress": 0.0, "message": None},
    "toolhead": {"position": [0.0, 0.0, 0.0, 0.0], "homed_axes": ""},
    "gcode_move": {"speed_factor": 1.0, "extrude_factor": 1.0, "gcode_position": [0.0, 0.0, 0.0, 0.0]},
    "idle_timeout": {"state": "Idle", "printing_time": 0.0},
    "fan": {"speed": 0.0, "rpm": None},
    "filament_switch_sensor spool": {"filament_detected": True, "enabled": True},
}


class Refused(Exception):
    """What the fake answers with an error."""


class Peer:
    """One connection."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.wanted: dict[str, Any] = {}
        self.template: dict[str, Any] | None = None
        self.output: dict[str, Any] | None = None


class FakeKlippy:
    """Answers as Klippy does, but for what `answers` overrides: a method's name -> what becomes of it."""

    def __init__(self, path: Path, **objects: Any) -> None:
        self.path = path
        self.objects: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(PRINTER))
        self.objects["webhooks"] = {"state": "ready", "state_message": READY}
        self.objects.update(objects)
        self.info: dict[str, Any] = {"software_version": "v0.13.0-fake", "process_id": 4711}
        self.answers: dict[str, Callable[[dict[str, Any]], Any]] = {}
        self.requests: list[dict[str, Any]] = []
        self.scripts: list[str] = []
        self.peers: list[Peer] = []
        self.connections = 0
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        self.path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._attend, str(self.path))

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self.drop()
            await until(lambda: not self.peers)
            self._server = None
            self.path.unlink(missing_ok=True)

    def drop(self) -> None:
        """Every connection ends, as when the process dies."""
        for peer in self.peers:
            peer.writer.transport.abort()

    def send(self, raw: bytes) -> None:
        """Bytes as they are, to everybody."""
        for peer in self.peers:
            peer.writer.write(raw)

    def say(self, text: str) -> None:
        """A line of G-code output."""
        for peer in self.peers:
            if peer.output is not None:
                peer.writer.write(encode({**peer.output, "params": {"response": text}}))

    def push(self, **status: Any) -> None:
        """A change: `push(extruder={"temperature": 21})`; blanks in names are written `__`."""
        changed = {name.replace("__", " "): fields for name, fields in status.items()}
        for name, fields in changed.items():
            self.objects.setdefault(name, {}).update(fields)
        for peer in self.peers:
            mine = {
                name: _chosen(fields, peer.wanted[name])
                for name, fields in changed.items()
                if name in peer.wanted
            }
            if any(mine.values()) and peer.template is not None:
                peer.writer.write(
                    self.update({name: fields for name, fields in mine.items() if fields}, peer.template)
                )

    def update(self, status: Any, template: dict[str, Any] | None = None) -> bytes:
        return encode(
            {
                **(template or {"method": "status_update"}),
                "params": {"eventtime": time.monotonic(), "status": status},
            }
        )

    def become(self, state: str, message: str = "") -> None:
        self.push(webhooks={"state": state, "state_message": message or state})

    @property
    def subscribed(self) -> bool:
        return any(peer.template is not None for peer in self.peers)

    # -- the conversation

    async def _attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer, splitter = Peer(writer), FrameSplitter()
        self.peers.append(peer)
        self.connections += 1
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                for frame in splitter.feed(data):
                    self._serve(peer, msgspec.json.decode(frame))
        self.peers.remove(peer)
        writer.close()

    def _serve(self, peer: Peer, request: dict[str, Any]) -> None:
        self.requests.append(request)
        method, params = request["method"], request.get("params", {})
        try:
            override = self.answers.get(method)
            result = override(params) if override is not None else self._answer(peer, method, params)
        except Refused as error:
            peer.writer.write(
                encode({"id": request["id"], "error": {"error": "WebRequestError", "message": str(error)}})
            )
            return
        if isinstance(result, bytes):
            peer.writer.write(result.replace(b"<id>", str(request["id"]).encode()))
        elif result is not SILENT:
            peer.writer.write(encode({"id": request["id"], "result": result}))

    def _answer(self, peer: Peer, method: str, params: dict[str, Any]) -> Any:
        if method == "info":
            hooks = self._full("webhooks", ["state", "state_message"])
            return {**(hooks if isinstance(hooks, dict) else {}), **self.info}
        if method == "list_endpoints":
            return {"endpoints": ["info", "gcode/script", "pause_resume/pause"]}
        if method == "objects/list":
            return {"objects": list(self.objects)}
        if method in ("objects/query", "objects/subscribe"):
            if method == "objects/subscribe":
                peer.wanted, peer.template = params["objects"], params["response_template"]
            status = {name: self._full(name, fields) for name, fields in params["objects"].items()}
            return {"eventtime": time.monotonic(), "status": status}
        if method == "gcode/subscribe_output":
            peer.output = params["response_template"]
        if method == "gcode/script":
            self.scripts.append(params["script"])
        elif method.startswith("pause_resume/") or method == "emergency_stop":
            self.scripts.append(method)
        return {}

    def _full(self, name: str, fields: Any) -> Any:
        have = self.objects.get(name, {})
        if fields is None or not isinstance(have, dict):
            return have
        return {field: have.get(field) for field in fields}


def _chosen(fields: Any, wanted: Any) -> Any:
    return fields if wanted is None else {name: value for name, value in fields.items() if name in wanted}


@contextlib.asynccontextmanager
async def fake_klippy(folder: Path, **objects: Any) -> AsyncIterator[FakeKlippy]:
    """One on the socket where `start` expects it."""
    (folder / "data" / "gcodes").mkdir(parents=True, exist_ok=True)
    async with FakeKlippy(folder / "klippy.sock", **objects) as one:
        yield one
