"""The simulator against a recorded session with a real Klippy: the same requests, the same behaviour."""

import contextlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bridge.klippy.simulator import Simulator, Timing
from tests.klippy.simulator_client import Client, attempts

RECORDED = [
    json.loads(line) for line in (Path(__file__).parent / "transcript.jsonl").read_text().splitlines()
]
TIMING = Timing(tick=0.04, refused=0.1, startup=0.25)
# objects whose members have names that are data: only what both have is compared
OPEN = ("status", "config", "settings", "mcu_constants", "profiles", "steppers", "result:gcode/help")
WATCHED = (
    ("webhooks", "state"), ("print_stats", "state"), ("print_stats", "filename"), ("print_stats", "message"),
    ("pause_resume", "is_paused"), ("virtual_sdcard", "is_active"), ("idle_timeout", "state"),
)  # fmt: skip
BOXES = "\n".join(
    f"EXCLUDE_OBJECT_DEFINE NAME=box_{n} CENTER={x},60 POLYGON=[[{x - 10},50],[{x + 10},50],[{x + 10},70],[{x - 10},70]]"
    for n, x in ((1, 60), (2, 120))
)


@dataclass
class Course:
    """What one connection was told, in order."""

    answers: dict[int, Any] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)  # output lines and answers
    told: dict[tuple[str, str], list[Any]] = field(default_factory=dict)  # values of what is watched

    def take(self, message: Any) -> None:
        if "id" in message:
            self.answers[message["id"]] = message
            self.order.append(f"answer {message['id']}")
            self._status(message.get("result"))
        elif message["method"] == "process_gcode_response":
            line = message["params"]["response"]
            if not line.startswith("B:"):
                self.order.append(line.partition(" Size:")[0])
        elif message["method"] == "process_status_update":
            self._status(message["params"])

    def _status(self, answer: Any) -> None:
        status = answer.get("status", {}) if isinstance(answer, dict) else {}
        for name, key in WATCHED:
            if key in status.get(name, {}):
                self.told.setdefault((name, key), []).append(status[name][key])

    def follows(self, other: "Course") -> bool:
        """Whether everything that `other` was told has come here too, in the same order."""
        same = all(within(values, self.told.get(key, [])) for key, values in other.told.items())
        return same and within(other.order, self.order)


def within(wanted: Iterable[Any], found: Iterable[Any]) -> bool:
    """Whether `wanted` is a subsequence of `found`: a slow tick may have missed a state, never a fast one."""
    rest = iter(found)
    return all(any(value == other for other in rest) for value in wanted)


def differences(real: Any, ours: Any, path: str = "result") -> list[str]:
    """Where the shapes of two answers differ: keys and JSON types."""
    missing_object = ours == {} and path.startswith("result.status.")
    if real is None or ours is None or missing_object:
        return []
    if isinstance(real, bool) or isinstance(ours, bool) or not isinstance(real, int | float):
        if type(real) is not type(ours):
            return [f"{path}: {type(real).__name__} became {type(ours).__name__}"]
    elif not isinstance(ours, int | float):
        return [f"{path}: a number became {type(ours).__name__}"]
    if isinstance(real, list) and real and ours:
        return differences(real[0], ours[0], f"{path}[0]")
    if not isinstance(real, dict):
        return []
    found: list[str] = []
    is_open = path.endswith(OPEN) or path.rpartition(".")[0].endswith(("config", "settings"))
    if not is_open and real.keys() != ours.keys():
        found.append(f"{path}: {sorted(real.keys() ^ ours.keys())}")
    for key in real.keys() & ours.keys():
        found += differences(real[key], ours[key], f"{path}.{key}")
    return found


def connections() -> list[list[list[Any]]]:
    """The recorded session, cut where a new connection begins."""
    cut: list[list[list[Any]]] = []
    for entry in RECORDED:
        if entry[1] == "!" and "connected" in entry[2]:
            cut.append([])
        cut[-1].append(entry)
    return cut


def write_files(gcodes: Path) -> None:
    """Files that do what the recorded ones did."""
    square = "G1 X70 Y50{e}\nG1 X70 Y70{e}\nG1 X50 Y70{e}\nG1 X50 Y50{e}\n"
    begin = f"{BOXES}\nM106 S128\n"
    for name, layers, warm in (("hot.gcode", 3, True), ("sub dir/cold.gcode", 12, False)):
        e = " E0.66" if warm else ""
        text = begin + ("M190 S40\nM109 S180\nM83\nG28\n" if warm else "G28\n")
        text += f"SET_PRINT_STATS_INFO TOTAL_LAYER={layers}\n"
        for layer in range(layers):
            text += f"SET_PRINT_STATS_INFO CURRENT_LAYER={layer + 1}\nM117 Layer {layer + 1}\n"
            text += f"G1 Z{0.2 + layer * 0.2:.1f} F600\nEXCLUDE_OBJECT_START NAME=box_1\nG1 F1800\n"
            text += square.format(e=e) * (2 if warm else 8) + "EXCLUDE_OBJECT_END NAME=box_1\n"
        path = gcodes / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "M107\nTURN_OFF_HEATERS\nM117 done\n")
    (gcodes / "bad.gcode").write_text("M117 bad\nG1 X20 Y10 Z5 F600\nG1 X5000\nM117 never\n")


class Replay:
    """One recorded connection, played again."""

    def __init__(self, client: Client, entries: list[list[Any]]) -> None:
        self.client, self.entries = client, entries
        self.real, self.ours = Course(), Course()
        self._taken = 0

    async def run(self) -> None:
        for _, direction, message in self.entries:
            if direction == "<":
                self.real.take(message)
            elif direction == ">":
                await self._caught_up()
                await self._send(message)
        await self._caught_up()

    async def _caught_up(self) -> None:
        """Wait until we have been told what the recorder had been told before its next request."""

        def same() -> bool:
            for message in self.client.messages[self._taken :]:
                self.ours.take(message)
            self._taken = len(self.client.messages)
            return self.ours.follows(self.real)

        try:
            await self.client.until(same)
        except TimeoutError:
            pytest.fail(
                f"real: {self.real.order[-8:]} {self.real.told}\nours: {self.ours.order[-8:]} {self.ours.told}"
            )

    async def _send(self, message: dict[str, Any]) -> None:
        if message["method"] == "info":  # the recorder came back when the state had changed
            wanted = self._recorded_answer(message["id"])["result"]["state"]
            async for _ in attempts():
                if (await self.client.result("info"))["state"] == wanted:
                    break
        self.client.write(json.dumps(message).encode() + b"\x03")

    def _recorded_answer(self, number: int) -> Any:
        return next(m for _, direction, m in self.entries if direction == "<" and m.get("id") == number)


class NumberedClient(Client):
    """Its own requests do not mix with the recorded ids."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._last_id = 1000


async def connect(path: Path, happened: list[str]) -> Client:
    client = NumberedClient(path)
    async for _ in attempts():
        try:
            await client.__aenter__()
        except ConnectionRefusedError:
            if happened[-1:] != ["refused"]:
                happened.append("refused")
        else:
            happened.append("connected")
            break
    return client


def recorded_connects() -> list[str]:
    """The order in which the recorder's connections came and went."""
    found: list[str] = []
    words = {"connected": "connected", "closed": "closed", "connect": "refused"}
    for _, direction, message in RECORDED:
        if direction == "!":
            word = words[next(iter(message))]
            if found[-1:] != [word]:
                found.append(word)
    return found


async def test_a_recorded_session_goes_the_same_way(tmp_path: Path) -> None:
    write_files(tmp_path / "gcodes")
    path = tmp_path / "klippy.sock"
    happened: list[str] = []
    replays: list[Replay] = []
    async with (
        Simulator(path, tmp_path / "gcodes", speed=150.0, noise=0.02, timing=TIMING),
        contextlib.AsyncExitStack() as stack,
    ):
        for entries in connections():
            client = await connect(path, happened)
            stack.push_async_exit(client)
            replays.append(Replay(client, entries))
            await replays[-1].run()
            if entries != connections()[-1]:
                await client.until(lambda client=client: client.closed)
                happened.append("closed")

    assert happened == recorded_connects()
    for replay in replays:
        for number, real in replay.real.answers.items():
            ours = replay.ours.answers[number]
            assert ours.keys() == real.keys(), number
            assert ours.get("error") == real.get("error")
            path_name = "result:gcode/help" if number == 7 else "result"
            assert differences(real.get("result"), ours.get("result"), path_name) == [], number
    updates = [m["params"] for _, d, m in RECORDED if d == "<" and m.get("method") == "process_status_update"]
    fields = {
        (name, key): value
        for update in updates
        for name, status in update["status"].items()
        for key, value in status.items()
    }
    ours_fields = {
        (name, key): value
        for message in replays[0].client.messages
        if message.get("method") == "process_status_update"
        for name, status in message["params"]["status"].items()
        for key, value in status.items()
    }
    shared = fields.keys() & ours_fields.keys()
    assert len(shared) > 30
    assert [d for key in shared for d in differences(fields[key], ours_fields[key], ".".join(key))] == []


async def test_the_simulator_lists_only_what_a_real_klippy_lists(tmp_path: Path) -> None:
    real_objects = next(m["result"]["objects"] for _, _, m in RECORDED if "objects" in m.get("result", {}))
    real_methods = next(
        m["result"]["endpoints"] for _, _, m in RECORDED if "endpoints" in m.get("result", {})
    )
    path = tmp_path / "klippy.sock"
    (tmp_path / "gcodes").mkdir()
    async with Simulator(path, tmp_path / "gcodes", timing=TIMING), Client(path) as client:
        objects = (await client.result("objects/list"))["objects"]
        methods = (await client.result("list_endpoints"))["endpoints"]

    assert set(objects) - set(real_objects) == {"gcode_macro PUBLISH"}
    assert set(methods) <= set(real_methods)
    assert len(methods) >= 16
