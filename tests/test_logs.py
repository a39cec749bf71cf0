"""The log: one line a fact, no secret in it, and a full disk or a missing folder hurts nobody."""

import asyncio
import itertools
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.config import Config, convert, secrets_of
from bridge.klippy.simulator import Simulator, write_sample
from bridge.lifecycle import Nagger, Sparing
from bridge.logs import Log
from tests.conftest import Start
from tests.power.calls import call
from tests.wire import Ear

log = logging.getLogger("bridge.test")

Written = Callable[..., list[str]]


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, given back as it was; so are the levels of libraries."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def written(tmp_path: Path, root: logging.Logger) -> Written:
    """The lines of the file after saying something."""

    def say(something: Callable[[], object], **options: Any) -> list[str]:
        one = Log(configured(tmp_path, **options))
        one.start()
        something()
        one.stop()
        return lines(tmp_path)

    return say


def configured(data: Path, **sections: Any) -> Config:
    return convert({"data": str(data), **sections}, "x")


def lines(data: Path) -> list[str]:
    file = data / "logs/klipper-bridge.log"
    return file.read_text(encoding="utf-8").splitlines() if file.is_file() else []


def messages(found: list[str]) -> list[str]:
    return [line.partition(": ")[2] for line in found]


def test_a_fact_is_a_line_in_the_file_and_on_stderr(
    written: Written, capsys: pytest.CaptureFixture[str]
) -> None:
    found = written(lambda: log.info("Klippy is %s", "ready"))
    assert found[0].endswith("INFO    bridge.test: Klippy is ready")
    assert capsys.readouterr().err.splitlines() == found


def test_no_secret_is_written_in_message_arguments_or_trace(
    written: Written, capsys: pytest.CaptureFixture[str]
) -> None:
    def say() -> None:
        log.info("password is %s", "pass'wort")
        log.info("as a value: %r", {"key": "pass'wort"})
        try:
            raise ValueError("schluessel")  # noqa: TRY301 - its trace is the subject
        except ValueError:
            log.exception("it failed")

    mqtt, http = {"username": "u", "password": "pass'wort"}, {"api_key": "schluessel"}
    found = "\n".join(written(say, mqtt=mqtt, http=http)) + capsys.readouterr().err
    assert "ValueError: ***" in found
    assert "password is ***" in found
    assert "wort" not in found
    assert "schluessel" not in found


def test_secrets_are_found_at_every_depth_and_short_ones_left_alone() -> None:
    config = convert({"mqtt": {"username": "u", "password": "geheim"}, "http": {"api_key": "abc"}}, "x")
    assert secrets_of(config) == {"geheim"}
    assert secrets_of({"list": [{"token": "tttt"}], "name": "nnnn"}) == {"tttt"}


def test_what_comes_from_outside_cannot_fake_a_line_or_steer_a_terminal(written: Written) -> None:
    found = written(lambda: log.warning("refused %s", "x\n2026-01-01 INFO all is well\x1b[2J\x07"))
    assert messages(found) == ["refused x | 2026-01-01 INFO all is well\\x1b[2J\\x07"]


def test_a_trace_follows_its_line(written: Written) -> None:
    def say() -> None:
        try:
            1 / 0  # noqa: B018 - its trace is the subject
        except ZeroDivisionError:
            log.exception("it failed")

    found = written(say)
    assert found[0].endswith("ERROR   bridge.test: it failed")
    assert found[-1] == "ZeroDivisionError: division by zero"


def test_the_level_is_the_configuration_s(written: Written) -> None:
    def say() -> None:
        log.info("no")
        log.warning("yes")

    assert messages(written(say, logging={"level": "warning"})) == ["yes"]


def test_libraries_do_not_say_what_we_say_better(written: Written) -> None:
    def say() -> None:
        logging.getLogger("mqtt").error("failed to receive on socket")
        logging.getLogger("amqtt.broker").warning("Invalid connection")
        logging.getLogger("asyncio").error("Task exception was never retrieved")

    assert messages(written(say)) == ["Task exception was never retrieved"]


def test_the_file_is_put_aside_when_it_is_large(written: Written, tmp_path: Path) -> None:
    written(
        lambda: [log.info("%0200d", number) for number in range(200)],
        logging={"max_bytes": 10_000, "backups": 2},
    )
    files = sorted(path.name for path in (tmp_path / "logs").iterdir())
    assert files == ["klipper-bridge.log", "klipper-bridge.log.1", "klipper-bridge.log.2"]
    assert all(path.stat().st_size <= 10_000 for path in (tmp_path / "logs").iterdir())


def test_without_a_file_there_is_stderr(written: Written, capsys: pytest.CaptureFixture[str]) -> None:
    assert written(lambda: log.info("hello"), logging={"file": False}) == []
    assert "hello" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_told_once(
    written: Written, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").write_text("in the way")
    written(lambda: [log.info("hello"), log.info("again")])
    told = messages(capsys.readouterr().err.splitlines())
    assert told[0].startswith("no log file, stderr alone: ")
    assert told[1:] == ["hello", "again"]


def test_a_full_disk_costs_the_file_and_is_told_once(
    written: Written, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/klipper-bridge.log").symlink_to("/dev/full")
    written(lambda: [log.info("one"), log.info("two"), log.info("three")])
    told = capsys.readouterr().err
    assert told.count("no log file") == 1
    assert "No space left" in told
    assert "Traceback" not in told
    assert all(word in told for word in ("one", "two", "three"))


def test_the_same_fault_is_told_again_only_after_a_while(caplog: pytest.LogCaptureFixture) -> None:
    nagger = Nagger(log, every=1000)
    for text in ("down", "down", "down", "refused", "refused"):
        nagger.warn(text)
    assert caplog.messages == ["down", "refused"]
    nagger.reset()
    nagger.warn("refused")
    assert caplog.messages == ["down", "refused", "refused"]


def test_a_fault_that_lasts_is_told_again_when_the_while_is_over(caplog: pytest.LogCaptureFixture) -> None:
    nagger = Nagger(log, every=0)
    nagger.warn("down")
    nagger.warn("down")
    assert caplog.messages == ["down", "down"]


def test_a_flood_is_logged_sparingly_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    clock = itertools.count(0, 0.5)
    sparing = Sparing(log, most=2, every=10, clock=lambda: next(clock))
    for number in range(40):
        sparing.warn(f"no {number}")
    assert caplog.messages == [
        "no 0",
        "no 1",
        "no 20 (18 more like it before)",
        "no 21",
    ]


def test_half_a_character_in_a_line_does_not_end_the_file(written: Written) -> None:
    def say() -> None:
        log.warning("a name: %s", "\udcff")
        log.warning("and on")

    told = written(say)
    assert any(line.endswith("a name: \\udcff") for line in told)
    assert any(line.endswith("and on") for line in told)


def test_the_file_is_put_aside_on_request_and_no_line_is_lost(tmp_path: Path, root: logging.Logger) -> None:
    one = Log(configured(tmp_path))
    one.start()
    for number in range(200):
        log.info("%d", number)
        if number == 100:
            assert one.roll_over() == ""
    one.stop()
    old = (tmp_path / "logs/klipper-bridge.log.1").read_text().splitlines()
    assert messages([*old, *lines(tmp_path)]) == [str(number) for number in range(200)]


def test_a_log_that_is_no_file_says_why_it_is_not_put_aside(tmp_path: Path, root: logging.Logger) -> None:
    assert "logging.file" in Log(configured(tmp_path, logging={"file": False})).roll_over()


def test_debug_is_switched_at_run_time_and_libraries_stay_quiet(written: Written) -> None:
    def say() -> None:
        log.debug("no")
        logging.getLogger().setLevel("DEBUG")
        log.debug("yes")
        logging.getLogger("aiohttp.access").info("GET /")
        logging.getLogger("asyncio").debug("poll")

    assert messages(written(say)) == ["yes"]


async def test_a_print_is_a_few_lines_however_much_is_asked_meanwhile(
    klippy: Simulator, start: Start, mqtt: Ear, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_sample(tmp_path / "data/gcodes/job.gcode", size=4, layers=2, heat=False)
    bridge = await start()
    caplog.set_level(logging.INFO)
    caplog.clear()
    await call(bridge, "printer.print.start", filename="job.gcode")
    asking = (call(bridge, "printer.objects.query", objects={"toolhead": None}) for _ in range(100))
    await asyncio.gather(*asking)
    await mqtt.message(bridge.topics.event("print_complete"))
    await mqtt.message(bridge.topics.job_last, where=lambda m: m.json["result"] is not None)
    found = [record.getMessage() for record in caplog.records if record.name.startswith("bridge.")]
    assert 1 <= len(found) <= 2, found
