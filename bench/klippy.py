"""A stand-in for Klippy's API socket that answers at once and pushes stamped updates at any rate.

The benchmark steers it over the same socket: `bench/set` {rate: updates a second, 0 none, -1 as fast as the
socket takes them; limit: stop after so many} and `bench/stats` -> {pushed, rate}. Each pushed update carries
`temperature_sensor bench`: {bench_stamp: nanoseconds of CLOCK_MONOTONIC}.
"""

import argparse
import asyncio
import contextlib
import random
import time
from pathlib import Path
from typing import Any, cast

import msgspec

BENCH = "temperature_sensor bench"
SENSORS = (BENCH, *(f"temperature_sensor s{number}" for number in range(1, 12)))
SPARE = 997  # a prime: neighbouring updates never look alike
ENDPOINTS = [
    "list_endpoints",
    "info",
    "emergency_stop",
    "register_remote_method",
    "gcode/help",
    "gcode/script",
    "gcode/restart",
    "gcode/firmware_restart",
    "gcode/subscribe_output",
    "objects/list",
    "objects/query",
    "objects/subscribe",
    "pause_resume/pause",
    "pause_resume/resume",
    "pause_resume/cancel",
    "query_endstops/status",
]
EMPTY = {"register_remote_method", "gcode/script", "gcode/subscribe_output", "emergency_stop"}

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder().decode


def machine(gcodes: str) -> dict[str, dict[str, Any]]:
    """Thirty printer objects of a common CoreXY."""
    heater = {"temperature": 210.0, "target": 210.0, "power": 0.4}
    origin = [0.0, 0.0, 0.0, 0.0]
    config = {
        "printer": {"kinematics": "corexy", "max_velocity": 300.0},
        "virtual_sdcard": {"path": gcodes},
        "extruder": {"nozzle_diameter": 0.4, "max_temp": 300.0},
        "heater_bed": {"max_temp": 120.0},
        **{name: {"sensor_type": "Generic 3950"} for name in SENSORS},
    }
    return {
        "webhooks": {"state": "ready", "state_message": "Printer is ready"},
        "configfile": {"config": config, "settings": config, "warnings": [], "save_config_pending": False},
        "gcode": {"commands": {"G28": {"help": "Home"}}},
        "mcu": {"mcu_version": "v0.12.0", "last_stats": {"mcu_awake": 0.01, "bytes_write": 0}},
        "gcode_move": {
            "speed_factor": 1.0,
            "extrude_factor": 1.0,
            "position": origin,
            "gcode_position": origin,
        },
        "toolhead": {"homed_axes": "xyz", "print_time": 1.0, "position": origin, "max_velocity": 300.0},
        "extruder": {**heater, "can_extrude": True, "pressure_advance": 0.04},
        "heater_bed": {**heater, "temperature": 60.0, "target": 60.0},
        "heaters": {
            "available_heaters": ["heater_bed", "extruder"],
            "available_sensors": ["heater_bed", "extruder", *SENSORS],
        },
        "fan": {"speed": 0.5, "rpm": None},
        "display_status": {"progress": 0.0, "message": None},
        "motion_report": {"live_position": origin, "live_velocity": 0.0, "live_extruder_velocity": 0.0},
        "idle_timeout": {"state": "Ready", "printing_time": 0.0},
        "bed_mesh": {"profile_name": "default", "mesh_min": [10.0, 10.0], "mesh_max": [240.0, 240.0]},
        "pause_resume": {"is_paused": False},
        "virtual_sdcard": {"file_path": None, "progress": 0.0, "is_active": False, "file_position": 0},
        "print_stats": {"filename": "", "state": "standby", "print_duration": 0.0, "message": ""},
        "system_stats": {"sysload": 0.5, "cputime": 10.0, "memavail": 500000},
        **{
            name: {"temperature": 25.0, "measured_min_temp": 20.0, "measured_max_temp": 60.0}
            for name in SENSORS
        },
    }


class Klippy:
    """The objects, and the clock that changes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.objects = machine(str(folder / "gcodes"))
        self.peers: set[Peer] = set()
        self.pushed, self.rate = 0, 0.0
        self._left: int | None = None
        self._next = 0.0
        self._timer: asyncio.TimerHandle | None = None
        generator = random.Random(1)
        self._noise = [round(generator.uniform(0, 5), 2) for _ in range(SPARE)]

    def set_rate(self, rate: float, limit: int | None = None) -> None:
        """Push so many updates a second from now on."""
        if self._timer is not None:
            self._timer.cancel()
        self.rate, self._left, self._next = rate, limit, time.monotonic()
        self._tick()

    def _tick(self) -> None:
        if self.rate < 0:
            pause = self._flood()
        elif self.rate > 0:
            pause = self._in_time()
        if self.rate != 0:
            self._timer = asyncio.get_running_loop().call_later(pause, self._tick)

    def _flood(self) -> float:
        for _ in range(8):
            if self._left == 0 or any(peer.full for peer in self.peers):
                break
            self._push()
            if self._left is not None:
                self._left -= 1
        if self._left == 0:
            self.rate = 0.0
        return 0.001 if any(peer.full for peer in self.peers) else 0.0

    def _in_time(self) -> float:
        now = time.monotonic()
        while self._next <= now:
            self._push()
            self._next = max(self._next + 1 / self.rate, now - 1)
        return max(0.0, self._next - time.monotonic())

    def _push(self) -> None:
        changes = self._changes()
        for name, fields in changes.items():
            self.objects[name].update(fields)
        for peer in self.peers:
            peer.push(changes)
        self.pushed += 1

    def _changes(self) -> dict[str, dict[str, Any]]:
        """What changes on a moving printer."""
        noise, base, now = self._noise, self.pushed * 7, round(time.monotonic(), 3)

        def some(number: int) -> float:
            return noise[(base + number) % SPARE]

        position = [40 + some(1), 50 + some(2), 0.2, some(3)]
        changed: dict[str, dict[str, Any]] = {
            "extruder": {"temperature": 208 + some(4), "power": some(5) / 5},
            "heater_bed": {"temperature": 58 + some(6), "power": some(7) / 5},
            "toolhead": {"position": position, "print_time": now},
            "gcode_move": {"position": position, "gcode_position": position},
            "motion_report": {"live_position": position, "live_velocity": 20 * some(11)},
            "system_stats": {"cputime": now, "memavail": 500000 + self.pushed % 1000},
        }
        for number, name in enumerate(SENSORS):
            changed[name] = {"temperature": 25 + some(20 + number)}
        changed[BENCH]["bench_stamp"] = time.monotonic_ns()
        return changed

    def answer(self, peer: "Peer", method: str, params: dict[str, Any]) -> Any:
        """The result of one request; KeyError for what is not offered."""
        if method in {"objects/query", "objects/subscribe"}:
            if method == "objects/subscribe":
                peer.subscribe(params)
            return {"eventtime": time.monotonic(), "status": self._select(params["objects"])}
        if method == "bench/set":
            return self.set_rate(**params)
        if method == "bench/stats":
            return {"pushed": self.pushed, "rate": self.rate}
        if method == "objects/list":
            return {"objects": list(self.objects)}
        if method in EMPTY:
            return {}
        return {"info": self._info(), "list_endpoints": {"endpoints": ENDPOINTS}, "gcode/help": {}}[method]

    def _select(self, wanted: dict[str, list[str] | None]) -> dict[str, Any]:
        found = {}
        for name, fields in wanted.items():
            have = self.objects.get(name, {})
            found[name] = have if fields is None else {field: have.get(field) for field in fields}
        return found

    def _info(self) -> dict[str, Any]:
        return {
            "state": "ready",
            "state_message": "Printer is ready",
            "hostname": "bench",
            "klipper_path": str(self.folder / "klipper"),
            "python_path": "python",
            "process_id": 1,
            "log_file": str(self.folder / "klippy.log"),
            "config_file": str(self.folder / "config" / "printer.cfg"),
            "software_version": "v0.12.0-bench",
            "cpu_info": "bench",
        }


class Peer(asyncio.Protocol):
    """One connection."""

    def __init__(self, klippy: Klippy) -> None:
        self.full = False
        self._klippy, self._rest = klippy, b""
        self._wanted: dict[str, set[str] | None] = {}
        self._template: dict[str, Any] = {}
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's own
        self._transport.set_write_buffer_limits(high=1 << 18)
        self._klippy.peers.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        self._klippy.peers.discard(self)

    def pause_writing(self) -> None:
        self.full = True

    def resume_writing(self) -> None:
        self.full = False

    def subscribe(self, params: dict[str, Any]) -> None:
        """Replace what this connection hears of."""
        wanted = params["objects"].items()
        self._wanted = {name: None if fields is None else set(fields) for name, fields in wanted}
        self._template = params.get("response_template", {})

    def push(self, changes: dict[str, dict[str, Any]]) -> None:
        """Send of `changes` what was subscribed to."""
        status = {}
        for name, fields in changes.items():
            if name in self._wanted:
                wanted = self._wanted[name]
                kept = fields if wanted is None else {key: fields[key] for key in wanted & fields.keys()}
                if kept:
                    status[name] = kept
        if status:
            self._send({**self._template, "params": {"eventtime": time.monotonic(), "status": status}})

    def data_received(self, data: bytes) -> None:
        *frames, self._rest = (self._rest + data).split(b"\x03")
        for frame in frames:
            request = decode(frame)
            answer: dict[str, Any] = {"id": request.get("id")}
            try:
                answer["result"] = self._klippy.answer(self, request["method"], request.get("params") or {})
            except KeyError as error:
                answer["error"] = {"error": "WebRequestError", "message": f"no such thing: {error}"}
            self._send(answer)

    def _send(self, message: dict[str, Any]) -> None:
        if self._transport is not None:
            self._transport.write(encode(message) + b"\x03")


async def main(socket: Path, folder: Path) -> None:
    klippy = Klippy(folder)
    server = await asyncio.get_running_loop().create_unix_server(lambda: Peer(klippy), str(socket))
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    options = argparse.ArgumentParser()
    options.add_argument("socket", type=Path)
    options.add_argument("folder", type=Path)
    given = options.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(main(given.socket, given.folder))
