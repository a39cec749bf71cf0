"""What a kill, a power cut or a broken database file leave."""

import random
from pathlib import Path

import pytest

from tests.conftest import Start
from tests.jobs.desk import desk
from tests.jobs.killing import Killing
from tests.jobs.workshop import workshop


async def test_five_kills_amid_prints_a_queue_and_posts_lose_nothing_that_was_told(tmp_path: Path) -> None:
    killing = Killing(tmp_path, random.Random(3))
    await killing.survive(5)
    assert killing.queue.answered + killing.poster.answered > 50
    assert len(killing.jobs) > 3


async def _fill(folder: Path) -> Path:
    async with workshop(folder) as shop:
        for number in range(30):
            shop.see(state="printing", filename=f"{number}.gcode", total_duration=0.0)
            shop.see(state="complete", total_duration=5.0)
        await shop.wrote(60)
    return folder / "bridge.db"


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.5, 0.99])
async def test_a_truncated_database_is_begun_anew_and_said(tmp_path: Path, share: float) -> None:
    file = await _fill(tmp_path)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * share)])
    async with workshop(tmp_path) as shop:
        assert len(shop.store.warnings) == 1
        assert list(tmp_path.glob("bridge.db.broken-*"))
        shop.see(state="complete", filename="a.gcode", total_duration=1.0)
        await shop.wrote(2)
        assert len(await shop.rows()) == 1


@pytest.mark.parametrize("seed", range(8))
async def test_a_scribbled_database_starts_and_tells_what_is_wrong(tmp_path: Path, seed: int) -> None:
    file, chance = await _fill(tmp_path), random.Random(seed)
    content = bytearray(file.read_bytes())
    place = chance.randrange(len(content) - 3000)
    content[place : place + 2000] = chance.randbytes(2000)
    file.write_bytes(content)
    async with workshop(tmp_path) as shop:
        before = len(await shop.rows())
        assert before == 30 or shop.store.warnings
        shop.see(state="complete", filename="a.gcode", total_duration=1.0)
        await shop.wrote(2)
        assert len(await shop.rows()) == before + 1


async def test_a_broken_database_is_a_warning_in_server_info(tmp_path: Path, start: Start) -> None:
    folder = tmp_path / "data" / "bridge"
    folder.mkdir(parents=True)
    (folder / "bridge.db").write_bytes(b"scribble" * 1000)
    running = await start(wait=False)
    assert running.bridge.http is not None
    async with desk(running.bridge.http.url) as client:
        [warning] = (await client.call("server.info"))["warnings"]
        assert "bridge.db could not be used" in warning
        assert (await client.call("server.history.list")) == {"count": 0, "jobs": []}
        assert (await client.call("server.job_queue.status"))["queue_state"] == "ready"
