"""A name with anything in it, from the upload to the history and out of the world again, over real HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest

from bridge.klippy.simulator import Simulator
from bridge.klippy.simulator.life import Timing
from tests.conftest import Start
from tests.filing import ODD_NAMES, PRUSA, Filing, body, filing, part, url_of
from tests.wire import until

# What PrusaSlicer says of a file, its picture among it; and a print that heats nothing.
PICTURED = (
    b"\n".join(line for line in PRUSA.read_bytes().splitlines() if line.startswith(b";")) + b"\nM117 x\n"
)


@pytest.fixture
async def files(tmp_path: Path, start: Start) -> AsyncIterator[Filing]:
    """Files of a printer that tells its state often."""
    gcodes = tmp_path / "data" / "gcodes"
    gcodes.mkdir(parents=True)
    async with (
        Simulator(tmp_path / "klippy.sock", gcodes, speed=100.0, noise=0.0, timing=Timing(tick=0.02)),
        filing(await start()) as one,
    ):
        yield one


async def live(files: Filing, name: str, path: str) -> None:
    """Upload, list, metadata, pictures, print, history, delete."""
    form = body([part("path", "odd names"), part("file", PICTURED, filename=name)])
    status, uploaded, _ = await files.post("/server/files/upload", form)
    assert (status, uploaded["item"]["path"]) == (201, path)
    assert [one["path"] for one in await files.call("server.files.list")] == [path]
    known = await files.call("server.files.metadata", filename=path)
    assert (known["filename"], known["slicer"]) == (path, "PrusaSlicer")
    pictures = await files.call("server.files.thumbnails", filename=path)
    assert pictures
    for one in pictures:
        status, content, headers = await files.get(f"/server/files/gcodes/{quote(one['thumbnail_path'])}")
        assert (status, len(content), headers["Content-Type"]) == (200, one["size"], "image/png")
    await files.call("printer.print.start", filename=path)
    await until(lambda: any(one["action"] == "finished" for one in files.notes("notify_history_changed")))
    (job,) = (await files.call("server.history.list", limit=1))["jobs"]
    assert (job["filename"], job["status"], job["exists"]) == (path, "completed", True)
    assert job["metadata"]["slicer"] == "PrusaSlicer"
    assert (await files.call("server.files.metadata", filename=path))["job_id"] == job["job_id"]
    status, gone, _ = await files.request("DELETE", url_of("gcodes", path))
    assert (status, gone["result"]["item"]["path"]) == (200, path)
    (job,) = (await files.call("server.history.list", limit=1))["jobs"]
    assert (job["filename"], job["exists"]) == (path, False)


async def test_every_name_lives_a_whole_life(files: Filing) -> None:
    for name in ODD_NAMES:
        files.forget()
        await live(files, name, f"odd names/{name}")
    assert await files.call("server.files.list") == []
    await until(lambda: not [one for one in files.gcodes.rglob("*") if one.is_file()])
