"""A folder is replaced: what each moment of it leaves, and what is made of that after a crash."""

from pathlib import Path

import pytest

from bridge.errors import BadRequest, NoSpace
from bridge.updates import swap


def folder(path: Path, version: str, *, marked: bool = False) -> Path:
    path.mkdir()
    (path / "version").write_text(version)
    if marked:
        (path / swap.MARK).touch()
    return path


def there(parent: Path) -> dict[str, str]:
    return {one.name: (one / "version").read_text() for one in parent.iterdir()}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"a": "1", ".a.new-x": "2"}, {"a": "1"}),
        ({"a": "1", ".a.ready": "2*"}, {"a": "1"}),
        ({"a": "2*", ".a.ready": "1"}, {"a": "2", ".a.previous": "1"}),
        ({"a": "2*", ".a.previous": "1"}, {"a": "2", ".a.previous": "1"}),
        ({".a.away": "1", ".a.ready": "2*"}, {"a": "1"}),
        ({"a": "2*", ".a.away": "1"}, {"a": "2", ".a.previous": "1"}),
        ({"a": "1", ".a.away": "2"}, {"a": "1", ".a.previous": "2"}),
    ],
)
def test_each_moment_is_healed(tmp_path: Path, before: dict[str, str], after: dict[str, str]) -> None:
    for name, version in before.items():
        folder(tmp_path / name, version.rstrip("*"), marked=version.endswith("*"))
    swap.heal(tmp_path / "a")
    assert there(tmp_path) == after
    assert list(tmp_path.rglob(swap.MARK)) == []


def test_the_old_one_is_kept_and_may_come_back(tmp_path: Path) -> None:
    path = folder(tmp_path / "a [x]*", "1")
    path.chmod(0o750)
    for version in ("2", "3"):
        made = swap.prepare(path, 0)
        (made / "version").write_text(version)
        swap.replace(path, made)
    assert there(tmp_path) == {path.name: "3", f".{path.name}.previous": "2"}
    assert path.stat().st_mode & 0o777 == 0o750
    swap.exchange(path, swap.previous(path))
    assert there(tmp_path) == {path.name: "2", f".{path.name}.previous": "3"}
    left = swap.prepare(path, 0)
    swap.heal(path)
    assert not left.exists()


def test_what_is_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadRequest, match="is a file, where a folder should be"):
        swap.prepare(tmp_path / "file", 0)
    with pytest.raises(BadRequest, match="nothing can be written"):
        swap.prepare(tmp_path / "file/a", 0)
    with pytest.raises(NoSpace, match="MB left"):
        swap.prepare(tmp_path / "a", 1 << 60)
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
