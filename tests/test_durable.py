"""Files that are there whole or not at all."""

import errno
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


def test_a_folder_that_cannot_be_synced_is_a_warning_for_the_new_file_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fsync(descriptor: int) -> None:
        if _name(descriptor) == tmp_path.name:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(durable.os, "fsync", fsync)
    durable.write(tmp_path / "id", b"new")
    assert (tmp_path / "id").read_bytes() == b"new"
    assert [one.getMessage() for one in caplog.records] == [
        "a power cut now may bring the id of before back: [Errno 5] Input/output error"
    ]


def test_a_file_that_cannot_be_synced_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(_descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    (tmp_path / "id").write_text("old")
    monkeypatch.setattr(durable.os, "fsync", fsync)
    with pytest.raises(OSError, match="Input/output error"):
        durable.write(tmp_path / "id", b"new")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def _name(descriptor: int) -> str:
    return Path(f"/proc/self/fd/{descriptor}").readlink().name
