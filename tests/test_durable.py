"""Files that are there whole or not at all."""

from pathlib import Path

import pytest

from bridge import durable


def test_a_file_is_replaced_whatever_an_earlier_end_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "id"
    path.write_text("old")
    (tmp_path / "id.new").write_text("half of")
    durable.write(path, b"new", mode=0o600)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_file_stays_when_the_new_one_cannot_take_its_place(tmp_path: Path) -> None:
    folder = tmp_path / "id"
    folder.mkdir()
    (folder / "kept").write_text("old")
    with pytest.raises(OSError, match="Is a directory"):
        durable.write(folder, b"new")
    assert [path.name for path in tmp_path.rglob("*")] == ["id", "kept"]


def test_everything_is_on_the_disk_before_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(durable.os, "fsync", lambda descriptor: done.append(_name(descriptor)))
    durable.write(tmp_path / "id", b"new")
    assert done == ["id.new", tmp_path.name]


def _name(descriptor: int) -> str:
    return Path(f"/proc/self/fd/{descriptor}").readlink().name
