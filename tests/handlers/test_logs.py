"""server.logs.rollover: logs begin anew under whoever writes them, and a full disk costs nothing."""

import logging
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bridge.klippy.simulator import Simulator, write_sample
from tests.conftest import Running, Start
from tests.power.calls import Refused, call, fetch
from tests.wire import Ear


@pytest.fixture
def klippy_log(tmp_path: Path) -> Path:
    path = tmp_path / "data/logs/klippy.log"
    path.parent.mkdir(parents=True)
    path.write_text("Start printer\n" * 500)
    return path


def aside(log: Path) -> list[Path]:
    return sorted(log.parent.glob("klippy.log.*"))


async def test_klippers_log_is_put_aside_under_a_klipper_that_goes_on_writing(
    klippy: Simulator, klippy_log: Path, bridge: Running
) -> None:
    with klippy_log.open("a") as klipper:
        answer = await call(bridge, "server.logs.rollover", application="klipper")
        klipper.write("Stats 1.0\n")
    assert answer == {"rolled_over": ["klipper"], "failed": {}}
    assert klippy_log.read_text() == "Stats 1.0\n"
    (old,) = aside(klippy_log)
    assert old.read_text() == "Start printer\n" * 500
    status, body = await fetch(bridge, "GET", "/server/files/list?root=logs")
    assert status == 200
    assert old.name in [one["path"] for one in body["result"]]


async def test_twice_within_a_second_loses_nothing(
    klippy: Simulator, klippy_log: Path, bridge: Running
) -> None:
    answers = [await call(bridge, "server.logs.rollover", application="klipper") for _ in range(2)]
    assert sum(path.read_text().count("Start printer") for path in aside(klippy_log)) == 500
    assert answers[1]["rolled_over"] or "a moment ago" in answers[1]["failed"]["klipper"]


async def test_of_those_put_aside_the_newest_are_kept(
    klippy: Simulator, klippy_log: Path, bridge: Running
) -> None:
    for day in range(1, 9):
        klippy_log.with_name(f"klippy.log.2026-01-0{day}-000000").write_text("old\n")
    theirs = klippy_log.with_name("klippy.log.2026-01-01")  # Klipper's own
    theirs.write_text("theirs\n")
    await call(bridge, "server.logs.rollover", application="klipper")
    assert len(aside(klippy_log)) == 6
    assert theirs.exists()


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_without_room_for_it_the_log_stays_as_it_is(
    klippy: Simulator, klippy_log: Path, bridge: Running
) -> None:
    before = klippy_log.read_text()
    with files_of_at_most(1000):
        answer = await call(bridge, "server.logs.rollover", application="klipper")
    assert answer == {"rolled_over": [], "failed": {"klipper": "klippy.log: File too large"}}
    assert klippy_log.read_text() == before
    assert aside(klippy_log) == []


async def test_one_that_cannot_be_put_aside_does_not_keep_the_other_from_it(
    klippy: Simulator, klippy_log: Path, bridge: Running
) -> None:
    answer = await call(bridge, "server.logs.rollover")
    assert answer == {
        "rolled_over": ["klipper"],
        "failed": {"moonraker": "this process keeps no log file"},
    }
    klippy_log.unlink()
    answer = await call(bridge, "server.logs.rollover", application="klipper")
    assert answer["failed"] == {"klipper": "klippy.log: No such file or directory"}
    with pytest.raises(Refused, match="expected moonraker or klipper"):
        await call(bridge, "server.logs.rollover", application="../../etc/passwd")


async def test_a_start_and_a_print_are_a_few_lines(
    klippy: Simulator, start: Start, mqtt: Ear, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    write_sample(tmp_path / "data/gcodes/cube.gcode", size=10, layers=2)
    bridge = await start()
    begun = len(caplog.records)
    await call(bridge, "printer.print.start", filename="cube.gcode")
    await mqtt.message(bridge.topics.event("print_complete"))
    assert begun < 20, caplog.text
    assert len(caplog.records) - begun < 6, caplog.text
