"""What a bridge that was killed has left half written is gone soon after the next start."""

import os
import time
from pathlib import Path

import pytest

from bridge.files.sweeper import GRAIN
from tests.conftest import Start
from tests.filing import SHORT
from tests.wire import until


def name_of(number: int) -> str:
    return f".{number:032x}.part"


def make(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(SHORT)
    return path


async def test_only_the_bridge_s_own_and_old_ones_are_removed_in_every_folder(
    start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data, away, more = tmp_path / "data", tmp_path / "away", tmp_path / "more"
    gcodes = data / "gcodes"
    left = [
        make(gcodes / name_of(1)),
        make(gcodes / "sub/deep" / name_of(2)),
        make(gcodes / ".thumbs" / name_of(3)),
        make(data / "config" / name_of(4)),
        make(more / name_of(5)),
        make(gcodes / "sub" / name_of(6) / "put/aside.gcode").parents[1],
    ]
    kept = [
        make(away / name_of(7)),
        make(data / "bridge" / name_of(8)),
        make(data / "logs" / name_of(9)),
        make(gcodes / f"{name_of(10)}ly.gcode"),
        make(gcodes / ".short.part"),
        make(gcodes / f".{'A' * 32}.part"),
    ]
    (gcodes / "away").symlink_to(away)
    (gcodes / name_of(11)).symlink_to(away)
    left.append(gcodes / name_of(11))
    newest = max(path.lstat().st_ctime for path in left)
    await until(lambda: time.time() > newest + GRAIN + 0.1)
    copied = make(gcodes / name_of(12))  # a copy has the times of its source
    os.utime(copied, (1, 1))
    caplog.set_level("INFO", "bridge.files.sweeper")
    await start(wait=False, files={"roots": [{"name": "more", "path": str(more), "writable": True}]})
    await until(lambda: "have been removed" in caplog.text)
    assert [path for path in left if os.path.lexists(path)] == []
    assert [path for path in (*kept, copied) if not path.exists()] == []
    assert f"{len(left)} files" in caplog.text
