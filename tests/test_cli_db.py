"""`klipper-bridge db export` and `db import`: out of one bridge and into another, or not at all."""

import asyncio
import json
from pathlib import Path

import pytest

from bridge.__main__ import main
from bridge.store import Store
from bridge.store.lock import FolderLock
from bridge.store.namespaces import Namespaces

TREE = {"uiSettings": {"general": {"name": "ü 😀", "nothing": None}}, "list": [1, 2.5, 10**20]}


class Printer:
    """The configuration and the data of a bridge that is stopped."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.own = folder / "data" / "bridge"
        self.config = folder / "bridge.yaml"
        self.config.write_text(json.dumps({"data": str(folder / "data")}))

    def fill(self, **items: object) -> None:
        async def write() -> None:
            async with Store(self.own / "bridge.db") as store:
                for key, value in items.items():
                    await Namespaces(store).put("fluidd", (key,), value)
                await store.table("history", {"start_time": float}).insert({"start_time": 5.0})

        asyncio.run(write())

    def items(self, path: Path | None = None) -> dict[str, object]:
        async def read() -> dict[str, object]:
            async with Store(path or self.own / "bridge.db") as store:
                assert store.warnings == []
                return await Namespaces(store).items("fluidd")

        return asyncio.run(read())

    def db(self, *words: object) -> int:
        return main(["db", *map(str, words), "--config", str(self.config)])


@pytest.fixture
def old(tmp_path) -> Printer:
    return Printer(tmp_path / "old")


@pytest.fixture
def new(tmp_path) -> Printer:
    return Printer(tmp_path / "new")


def test_what_one_exports_the_other_imports(tmp_path, old, new, capsys) -> None:
    old.fill(**TREE)
    new.fill(mine="before")
    file = tmp_path / "export.json"
    assert old.db("export", file) == 0
    assert file.stat().st_mode & 0o077 == 0
    assert new.db("import", file) == 0
    assert "3 records of 2 tables imported" in capsys.readouterr().err
    assert new.items() == TREE
    (kept,) = (new.own / "backups").iterdir()
    assert new.items(kept) == {"mine": "before"}
    assert new.db("export") == 0
    assert json.loads(capsys.readouterr().out) == json.loads(file.read_text())


def test_an_import_needs_no_database_before(tmp_path, old, new) -> None:
    old.fill(**TREE)
    assert old.db("export", tmp_path / "export.json") == 0
    assert new.db("import", tmp_path / "export.json") == 0
    assert new.items() == TREE


GOOD = {"format": "klipper-bridge database", "version": 1, "written_by": "x", "tables": {}}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "truncated"),
        ("{", "truncated"),
        ("\xff", "no export"),
        ("[]", "no export"),
        ("[" * 5000, "no export"),
        ('{"fluidd": {"a": 1}}', "missing required field"),
        (json.dumps(GOOD | {"format": "other"}), "Invalid enum value"),
        (json.dumps(GOOD | {"version": 2}), "Invalid enum value"),
        (json.dumps(GOOD | {"tables": {"t": {"1": 5}}}), "Expected `object`"),
        (json.dumps(GOOD | {"tables": {"t": {"1": {}, "x": {}}}}), "'x' in table 't' is no id"),
        (json.dumps(GOOD | {"tables": {"t": {str(2**63): {}}}}), "no id"),
        (json.dumps(GOOD | {"tables": {"t": {"9" * 5000: {}}}}), "no id"),
        (None, "No such file"),
    ],
)
def test_a_file_that_is_no_export_changes_nothing(tmp_path, new, capsys, text, reason) -> None:
    new.fill(**TREE)
    file = tmp_path / "export.json"
    if text is not None:
        file.write_text(text, encoding="latin-1")
    assert new.db("import", file) == 1
    said = capsys.readouterr().err
    assert str(file) in said
    assert reason in said
    assert new.items() == TREE
    assert not (new.own / "backups").exists()


def test_nothing_is_done_while_the_bridge_runs(tmp_path, old, capsys) -> None:
    old.fill(**TREE)
    file = tmp_path / "export.json"
    assert old.db("export", file) == 0
    lock = FolderLock(old.own)
    asyncio.run(lock.open())
    for words in (("export",), ("import", file)):
        assert old.db(*words) == 1
        said = capsys.readouterr()
        assert "stop it first" in said.err
        assert said.out == ""
    asyncio.run(lock.close())
    assert not (old.own / "backups").exists()


def test_without_a_database_there_is_nothing_to_export(old, capsys) -> None:
    assert old.db("export") == 1
    assert "no database" in capsys.readouterr().err
    assert not old.own.exists()


def test_a_damaged_record_is_left_out_and_told(old, capsys) -> None:
    old.fill(**TREE)

    async def damage() -> None:
        async with Store(old.own / "bridge.db") as store:
            statement = "UPDATE t_namespaces SET doc = x'00' WHERE id = 1"
            await store.write(lambda db: db.rows.connection.execute(statement))

    asyncio.run(damage())
    assert old.db("export") == 1
    said = capsys.readouterr()
    assert "Record 1 of namespaces" in said.err
    assert len(json.loads(said.out)["tables"]["namespaces"]) == 1


def test_a_target_that_cannot_be_written_is_said(tmp_path, old, capsys) -> None:
    old.fill(**TREE)
    assert old.db("export", tmp_path / "no" / "such" / "folder.json") == 1
    assert "cannot be written: No such file" in capsys.readouterr().err
