"""A scripted evening: three queued prints, one paused, one cancelled, one broken, a restart between."""

from pathlib import Path

import aiohttp
import pytest

from bridge.klippy.simulator import Simulator, write_sample
from tests.conftest import Running
from tests.wire import Ear, until


def prints(folder: Path, *names: str, heat: bool = False) -> None:
    for name in names:
        write_sample(folder / name, size=10, layers=3, heat=heat)


async def call(bridge: Running, method: str, **params: object) -> dict:
    async with aiohttp.ClientSession() as session:
        request = {"jsonrpc": "2.0", "method": method, "params": params, "id": 1}
        async with session.post(f"{bridge.bridge.http.url}/server/jsonrpc", json=request) as answer:
            body = await answer.json()
            assert "error" not in body, body
            return body["result"]


async def test_a_print_is_in_the_history(bridge: Running, klippy: Simulator, mqtt: Ear, tmp_path: Path) -> None:
    prints(tmp_path / "data" / "gcodes", "a b.gcode", heat=True)
    await call(bridge, "printer.print.start", filename="a b.gcode", heat=True)
    done = await mqtt.message(bridge.topics.event("history_changed"), where=lambda m: m.json["data"]["action"] == "finished")
    job = done.json["data"]["job"]
    assert job["job_id"] == "000001"
    assert job["status"] == "completed"
    assert job["exists"] is True
    assert job["metadata"]["slicer"] == "PrusaSlicer"
    assert job["filament_used"] > 0
    listed = await call(bridge, "server.history.list")
    assert listed == {"count": 1, "jobs": [job]}
    totals = (await call(bridge, "server.history.totals"))["job_totals"]
    assert totals["total_jobs"] == 1
    assert totals["total_filament_used"] == pytest.approx(job["filament_used"])
    last = mqtt.latest(bridge.topics.job_last)
    assert last is not None
    assert last.json["result"] == "completed"
    order = [m.topic for m in mqtt.heard if m.topic in (bridge.topics.job_last, bridge.topics.event("print_complete"))]
    assert order[-2:] == [bridge.topics.job_last, bridge.topics.event("print_complete")]
