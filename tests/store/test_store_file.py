"""Power cuts, broken files and other accidents: the store always opens, and says what it did."""

import asyncio
import contextlib
import os
import random
import re
import shutil
import sqlite3
import sys

import pytest

from bridge.store import Store, StoreFailed

PAGE = 4096
WRITER = """
import asyncio, sys
from pathlib import Path
from bridge.store import Store

async def main():
    async with Store(Path(sys.argv[1])) as store:
        jobs = store.table("jobs", {"n": int})
        start = await jobs.count()
        for n in range(start, start + 100_000):
            doc_id = await jobs.insert({"n": n, "text": "x" * 1000})
            print("insert", doc_id, n, flush=True)
            await jobs.update({"done": True}, doc_ids=[doc_id])
            print("update", doc_id, n, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("how", ["new", "again", "restored"])
async def test_a_commit_is_on_the_disk_when_it_is_answered(tmp_path, how):
    """WAL alone would lose the last commits with the power: SQLite is told to wait for the disk at each."""
    path = tmp_path / "bridge.db"
    if how != "new":
        await filled(path)
    if how == "restored":
        path.write_bytes(b"scribbled over")
    async with Store(path) as store:

        def settings(db):
            return [
                db.rows.connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("journal_mode", "synchronous")
            ]

        assert await store.read(settings) == ["wal", 2]  # FULL


async def filled(path, count=30):
    """A closed database of so many documents; what they are."""
    async with Store(path) as store:
        jobs = store.table("jobs", {"n": int})
        noise = random.Random(5)
        await jobs.insert_multiple({"n": n, "text": noise.randbytes(600).hex()} for n in range(count))
        return await jobs.all()


def broken_files(path):
    return sorted(other.name for other in path.parent.iterdir() if ".broken-" in other.name)


@pytest.mark.torture
async def test_five_kills_at_random_points_lose_nothing_that_was_acknowledged(tmp_path):
    path = tmp_path / "bridge.db"
    acknowledged = {"insert": {}, "update": {}}
    chance = random.Random(1)
    for _ in range(5):
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, str(path), stdout=asyncio.subprocess.PIPE
        )
        lines = [await child.stdout.readline() for _ in range(chance.randrange(1, 80))]
        child.kill()
        lines += (await child.stdout.read()).splitlines(keepends=True)
        await child.wait()
        for line in lines:
            if line.endswith(b"\n"):
                what, doc_id, n = line.decode().split()
                acknowledged[what][int(doc_id)] = int(n)
        async with Store(path) as store:
            kept = {job.doc_id: job for job in await store.table("jobs").all()}
            assert store.warnings == []
        assert {doc_id: kept[doc_id]["n"] for doc_id in acknowledged["insert"]} == acknowledged["insert"]
        assert all(kept[doc_id].get("done") for doc_id in acknowledged["update"])
        assert len(kept) <= len(acknowledged["insert"]) + 5
        assert broken_files(path) == []


async def test_a_file_cut_at_any_page_is_set_aside_and_told(tmp_path):
    whole = tmp_path / "whole.db"
    await filled(whole)
    size = whole.stat().st_size
    assert size > 12 * PAGE
    for cut in [*range(0, size, PAGE), 1, 99, PAGE + 1, size - 1]:
        path = tmp_path / str(cut) / "bridge.db"
        path.parent.mkdir()
        path.write_bytes(whole.read_bytes()[:cut])
        async with Store(path) as store:
            (told,) = store.warnings
            (name,) = broken_files(path)
            assert re.fullmatch(r"bridge\.db\.broken-\d{8}T\d{6}", name)
            assert name in told
            assert str(tmp_path) not in told
            assert await store.table("jobs").insert({"n": 1}) == 1
        assert (path.parent / name).stat().st_size == cut
        async with Store(path) as store:
            assert store.warnings == []
            assert await store.table("jobs").all() == [{"n": 1}]


async def test_a_scribbled_file_opens_and_either_nothing_is_lost_or_it_is_told(tmp_path):
    documents = await filled(tmp_path / "whole.db")
    whole = (tmp_path / "whole.db").read_bytes()
    for seed in range(25):
        path = tmp_path / str(seed) / "bridge.db"
        path.parent.mkdir()
        path.write_bytes(scribbled(whole, random.Random(seed)))
        async with Store(path) as store:
            told = list(store.warnings)
            assert told or await store.table("jobs").all() == documents, seed
            assert await store.table("new").insert({"works": True}) == 1


def scribbled(content, chance):
    content = bytearray(content)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(content))
        noise = chance.randbytes(chance.choice([1, 16, 512, PAGE]))[: len(content) - at]
        content[at : at + len(noise)] = noise
    return content


async def test_a_damaged_document_is_told_skipped_and_can_be_removed(tmp_path):
    path = tmp_path / "bridge.db"
    await filled(path, 5)
    with contextlib.closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE t_jobs SET doc = substr(doc, 1, 50) WHERE id = 3")
    async with Store(path) as store:
        jobs = store.table("jobs", {"n": int})
        assert [job.doc_id for job in await jobs.all()] == [1, 2, 4, 5]
        assert [job.doc_id for job in await jobs.page(order="n")] == [1, 2, 4, 5]
        assert await jobs.get(doc_id=3) is None
        assert store.warnings == ["Record 3 of jobs in the database is damaged and is left out."]
        with pytest.raises(StoreFailed, match="Record 3 of jobs"):
            await jobs.update({"n": 9}, doc_ids=[3])
        assert await jobs.remove(doc_ids=[3]) == [3]
        assert await jobs.update({"n": 9}) == [1, 2, 4, 5]


async def test_a_document_changed_behind_the_back_of_the_bridge_is_told_at_the_start_and_used(tmp_path):
    path = tmp_path / "bridge.db"
    await filled(path, 5)
    with contextlib.closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE t_jobs SET doc = CAST('{\"n\": 77}' AS BLOB) WHERE id = 3")
    async with Store(path) as store:
        assert store.warnings == ["Record 3 of jobs in the database was not written by the bridge; check it."]
        assert await store.table("jobs").get(doc_id=3) == {"n": 77}
        await store.table("jobs").update({"n": 78}, doc_ids=[3])
    async with Store(path) as store:
        assert store.warnings == []
        assert await store.table("jobs").get(doc_id=3) == {"n": 78}


async def test_damage_found_at_work_is_told_and_the_next_start_begins_anew(tmp_path):
    path = tmp_path / "bridge.db"
    await filled(path)
    async with Store(path) as store:
        content = bytearray(path.read_bytes())
        content[PAGE:] = b"\xff" * (len(content) - PAGE)
        path.write_bytes(content)
        await store.read(lambda db: db.rows.connection.execute("PRAGMA shrink_memory"))
        with pytest.raises(StoreFailed, match="damaged"):
            await store.table("jobs").all()
        assert any("damaged" in warning for warning in store.warnings)
    async with Store(path) as store:
        assert broken_files(path)
        assert await store.table("jobs").insert({}) == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("PRAGMA user_version = 999", "another version"),
        ("PRAGMA application_id = 7", "not a database of the bridge"),
    ],
)
async def test_a_database_of_somebody_else_or_of_the_future_is_kept_and_told(tmp_path, change, reason):
    path = tmp_path / "bridge.db"
    await filled(path, 3)
    with contextlib.closing(sqlite3.connect(path)) as other, other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute(change)
    before = path.read_bytes()
    async with Store(path) as store:
        assert reason in store.warnings[0]
        assert await store.table("jobs").all() == []
    (name,) = broken_files(path)
    assert (tmp_path / name).read_bytes() == before
    with contextlib.closing(sqlite3.connect(tmp_path / name)) as other:
        assert other.execute("SELECT count(*) FROM t_jobs").fetchone() == (3,)


async def test_a_text_file_in_its_place_is_set_aside(tmp_path):
    path = tmp_path / "bridge.db"
    path.write_text("once upon a time " * 1000)
    async with Store(path) as store:
        assert "not a database" in store.warnings[0]
    (name,) = broken_files(path)
    assert (tmp_path / name).read_text().startswith("once upon a time")


async def test_a_folder_in_its_place_is_set_aside(tmp_path):
    path = tmp_path / "bridge.db"
    path.mkdir()
    async with Store(path) as store:
        await store.table("jobs").insert({})
        assert len(store.warnings) == len(broken_files(path)) == 1


async def test_a_log_without_its_file_is_set_aside_and_not_played_into_the_new_one(tmp_path):
    path = tmp_path / "bridge.db"
    async with Store(path) as store:
        await store.table("jobs").insert({"n": 1})
        shutil.copy(tmp_path / "bridge.db-wal", tmp_path / "kept")
    path.unlink()
    shutil.move(tmp_path / "kept", tmp_path / "bridge.db-wal")
    async with Store(path) as store:
        assert "its log" in store.warnings[0]
        assert await store.table("jobs").all() == []
    assert broken_files(path)[0].endswith("-wal")


async def test_breaking_twice_in_a_second_keeps_both(tmp_path):
    path = tmp_path / "bridge.db"
    for text in ("first", "second", "third"):
        path.write_text(text)
        async with Store(path) as store:
            assert len(store.warnings) == 1
    kept = {(tmp_path / name).read_text() for name in broken_files(path)}
    assert kept == {"first", "second", "third"}


async def test_without_any_place_for_a_file_the_store_works_in_memory_and_says_so(tmp_path):
    (tmp_path / "file").write_text("in the way")
    async with Store(tmp_path / "file" / "bridge.db") as store:
        assert "nothing will be kept" in store.warnings[0]
        assert str(tmp_path) not in store.warnings[0]
        assert await store.table("jobs", {"n": int}).insert({"n": 1}) == 1
        assert await store.table("jobs").page(order="n") == [{"n": 1}]
        assert (await store.compact()).new_size > 0


async def test_a_broken_file_goes_back_to_its_place_when_no_new_one_can_be_made(tmp_path):
    path = tmp_path / "bridge.db"
    path.write_text("broken")
    (tmp_path / "bridge.db.new").mkdir()
    async with Store(path) as store:
        assert "nothing will be kept" in store.warnings[0]
        assert await store.table("jobs").insert({}) == 1
    assert path.read_text() == "broken"
    assert broken_files(path) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
async def test_a_file_that_may_not_be_written_is_set_aside(tmp_path):
    path = tmp_path / "bridge.db"
    await filled(path, 3)
    path.chmod(0o400)
    async with Store(path) as store:
        assert len(store.warnings) == len(broken_files(path)) == 1
        await store.table("jobs").insert({})


async def test_a_database_that_another_program_keeps_locked_stays_where_it_is(tmp_path):
    path = tmp_path / "bridge.db"
    await filled(path, 3)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreFailed, match="another program"):
            await Store(path, patience=0.05).open()
        other.execute("ROLLBACK")
    assert broken_files(path) == []
    async with Store(path) as store:
        assert await store.table("jobs").count() == 3


async def test_the_file_can_be_read_by_its_owner_alone(tmp_path):
    path = tmp_path / "new" / "folder" / "bridge.db"
    async with Store(path) as store:
        await store.table("jobs").insert({})
        assert {other.name: other.stat().st_mode & 0o777 for other in path.parent.iterdir()} == {
            "bridge.db": 0o600,
            "bridge.db-wal": 0o600,
            "bridge.db-shm": 0o600,
        }
