"""What a bridge that was killed has left half written is gone soon after the next start."""

import asyncio
import os
import threading
from pathlib import Path

import pytest

from bridge.files.names import Names
from bridge.files.sweeper import Sweeper
from bridge.roots import Root, Roots, is_temporary
from tests.conftest import Start
from tests.filing import SHORT
from tests.wire import until

UNIQUE = "0123456789abcdef"


def make(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(SHORT)
    return path


async def test_only_what_the_bridge_itself_has_left_is_removed_in_every_folder(
    start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data, away, more = tmp_path / "data", tmp_path / "away", tmp_path / "more"
    gcodes, earlier, other = data / "gcodes", Names(UNIQUE), Names("another")
    make(data / "bridge" / "id").write_text(UNIQUE)
    left = [
        make(earlier.new(gcodes)),
        make(earlier.new(gcodes / "sub/deep")),
        make(earlier.new(gcodes / ".thumbs")),
        make(earlier.new(data / "config")),
        make(earlier.new(more)),
        make(earlier.new(gcodes / "sub") / "put/aside.gcode").parents[1],
    ]
    kept = [
        make(earlier.new(away)),
        make(earlier.new(data / "bridge")),
        make(earlier.new(data / "logs")),
        make(gcodes / f"{earlier.new(gcodes).name}ly.gcode"),
        make(gcodes / ".short.part"),
        make(gcodes / f".{'A' * 32}.part"),
        make(other.new(more)),  # the upload of a bridge that shares the folder
    ]
    (gcodes / "away").symlink_to(away)
    left.append(earlier.new(gcodes))
    left[-1].symlink_to(away)
    caplog.set_level("INFO", "bridge.files.sweeper")
    await start(wait=False, files={"roots": [{"name": "more", "path": str(more), "writable": True}]})
    await until(lambda: "have been removed" in caplog.text)
    assert [path for path in left if os.path.lexists(path)] == []
    assert [path for path in kept if not path.exists()] == []
    assert f"{len(left)} files" in caplog.text


async def test_what_is_written_since_the_start_is_left_alone_whatever_the_clock_says(tmp_path: Path) -> None:
    earlier, now = Names(UNIQUE), Names(UNIQUE)
    left, coming = make(earlier.new(tmp_path)), make(now.new(tmp_path))
    os.utime(coming, (1, 1))
    await Sweeper(Roots({"gcodes": Root("gcodes", tmp_path, writable=True)}), now).run()
    assert [left.exists(), coming.exists()] == [False, True]


class Watched(Roots):
    """Keeps whoever goes through its folders in the first of them."""

    def __init__(self, folder: Path) -> None:
        super().__init__({"gcodes": Root("gcodes", folder, writable=True)})
        self.asked: list[str] = []
        self.go = threading.Event()

    def is_reserved(self, real: str) -> bool:
        self.asked.append(real)
        self.go.wait()
        return super().is_reserved(real)


def test_a_bridge_that_ends_goes_through_no_more_folders(tmp_path: Path) -> None:
    for number in range(9):
        (tmp_path / str(number)).mkdir()
    roots = Watched(tmp_path)

    async def ended() -> None:
        sweeping = asyncio.create_task(Sweeper(roots, Names(UNIQUE)).run())
        await until(lambda: roots.asked)
        sweeping.cancel()
        await asyncio.wait({sweeping})
        roots.go.set()

    asyncio.run(ended())  # it waits for the thread
    assert roots.asked == [str(tmp_path)]


def test_what_may_be_the_only_copy_is_hidden_but_left_to_nobody(tmp_path: Path) -> None:
    spare = Names(UNIQUE).spare(tmp_path)
    assert is_temporary(spare.name)
    assert not Names(UNIQUE).is_left(spare.name)
