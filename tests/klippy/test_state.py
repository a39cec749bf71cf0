"""Klippy's life: start-up, ready, shutdown, gone, back; and printers of which half is missing."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.jobs.watch import JobWatch
from bridge.klippy.filament import FilamentWatch
from bridge.klippy.link import KlippyLink
from bridge.klippy.simulator import Simulator, Timing
from bridge.klippy.state import Klippy, KlippyInfo, KlippyState, Machine
from bridge.klippy.status import StatusCache
from bridge.klippy.temperatures import TemperatureStore
from tests.klippy.fake_klippy import PRINTER, SILENT, FakeKlippy, Refused, fake_klippy
from tests.wire import until


class Side:
    """The Klippy side of the bridge, alone."""

    def __init__(self, path: Path, *, timeout: float = 5.0) -> None:
        self.link = KlippyLink(path, timeout=timeout)
        self.cache = StatusCache(self.link)
        self.klippy = Klippy(self.link, self.cache, version="0")
        self.temperatures = TemperatureStore(self.klippy, self.cache, 10)
        self.jobs = JobWatch(self.klippy, self.cache)
        self.filament = FilamentWatch(self.klippy, self.cache)
        self.states: list[str] = []
        self.messages: list[str] = []
        self.surveys: list[Machine] = []
        self.klippy.changed.connect(self._changed)
        self.klippy.surveyed.connect(self.surveys.append)
        self.task = asyncio.ensure_future(self.klippy.run())

    def _changed(self, info: KlippyInfo) -> None:
        self.states.append(info.state.value)
        self.messages.append(info.message)

    async def until(self, state: str) -> None:
        await until(lambda: self.klippy.info.state.value == state)

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])
        assert self.task.cancelled(), self.task.exception()
        await self.klippy.close()


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[FakeKlippy]:
    async with fake_klippy(tmp_path) as one:
        yield one


@pytest.fixture
async def side(fake: FakeKlippy) -> AsyncIterator[Side]:
    one = Side(fake.path)
    yield one
    await one.end()


async def test_a_ready_klippy_is_surveyed_before_it_is_called_ready(fake: FakeKlippy, side: Side) -> None:
    order: list[str] = []
    side.klippy.surveyed.connect(lambda _machine: order.append("surveyed"))
    side.klippy.changed.connect(lambda info: order.append(info.state.value))
    await side.until("ready")
    assert order == ["surveyed", "ready"]
    machine = side.klippy.machine
    assert "extruder" in machine.objects
    assert machine.heaters == ("extruder",)
    assert machine.settings["extruder"]["max_temp"] == 300.0
    assert side.klippy.info.version == "v0.13.0-fake"


async def test_ready_is_waited_for_without_asking_again_and_again(fake: FakeKlippy, side: Side) -> None:
    fake.become("startup")
    await side.until("startup")
    await until(lambda: fake.subscribed)
    asked = len(fake.requests)
    fake.become("ready")
    await side.until("ready")
    assert side.states == ["startup", "ready"]
    methods = [request["method"] for request in fake.requests[asked:]]
    assert sorted(methods[:3]) == ["list_endpoints", "objects/list", "objects/query"]
    await until(lambda: fake.requests[-1]["method"] == "objects/subscribe")


async def test_objects_that_come_with_ready_are_subscribed_to(fake: FakeKlippy, side: Side) -> None:
    fake.become("startup")
    side.cache.want("test", {"extruder": None})
    await until(lambda: fake.subscribed)
    fake.objects["extruder"] = {"temperature": 33.0}
    fake.become("ready")
    await side.until("ready")
    await until(lambda: side.cache.get("extruder", "temperature") == 33.0)
    fake.push(extruder={"temperature": 34.0})
    await until(lambda: side.cache.get("extruder", "temperature") == 34.0)


async def test_a_shutdown_is_known_from_the_status_alone(fake: FakeKlippy, side: Side) -> None:
    await side.until("ready")
    await until(lambda: fake.subscribed)
    fake.become("shutdown", "MCU 'mcu' shutdown: Timer too close\n")
    await side.until("shutdown")
    assert side.messages[-1] == "MCU 'mcu' shutdown: Timer too close"
    assert not side.klippy.ready


async def test_last_words_are_doubted_at_once_and_asked_about(fake: FakeKlippy, side: Side) -> None:
    await side.until("ready")
    await until(lambda: fake.subscribed)
    seen: list[bool] = []
    side.klippy.available_changed.connect(lambda _none: seen.append(side.klippy.available))
    fake.objects["webhooks"] = {"state": "shutdown", "state_message": "Shutdown due to M112 command"}
    fake.say("// Klipper state: Shutdown")
    await side.until("shutdown")
    assert seen == [False]
    fake.become("shutdown", "Shutdown due to M112 command")  # what `webhooks` says later is no news
    fake.push(fan={"speed": 1.0})
    assert side.states == ["ready", "shutdown"]


async def test_last_words_that_a_macro_made_up_change_nothing_for_long(fake: FakeKlippy, side: Side) -> None:
    await side.until("ready")
    await until(lambda: fake.subscribed)
    seen: list[bool] = []
    side.klippy.available_changed.connect(lambda _none: seen.append(side.klippy.available))
    fake.say("// Klipper state: Shutdown")
    await until(lambda: len(seen) == 2)
    assert seen == [False, True]
    assert side.states == ["ready"]


async def test_an_error_in_the_configuration_is_told_and_mended(fake: FakeKlippy, side: Side) -> None:
    await fake.stop()
    fake.objects = {name: fake.objects[name] for name in ("gcode", "webhooks", "configfile")}
    fake.become("error", "Option 'x' is not valid in section 'extruder'")
    await fake.start()
    await side.until("error")
    assert side.klippy.machine.objects == ("gcode", "webhooks", "configfile")
    assert side.klippy.machine.missing == ["virtual_sdcard", "display_status", "pause_resume"]
    await fake.stop()
    fake.objects.update(PRINTER)
    fake.become("ready", "Printer is ready")
    await fake.start()
    await side.until("ready")
    assert "extruder" in side.klippy.machine.objects


async def test_gone_and_back_for_ever(fake: FakeKlippy, side: Side) -> None:
    for _ in range(5):
        await side.until("ready")
        fake.drop()
        await side.until("disconnected")
        assert side.cache.get("extruder", "temperature") is None
        assert side.klippy.machine == Machine()
    await side.until("ready")
    assert side.states == ["ready", "disconnected"] * 5 + ["ready"]


async def test_a_socket_that_is_missing_is_one_clear_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    side = Side(tmp_path / "none.sock")
    await until(lambda: side.klippy._backoff._next >= 0.4)  # three tries
    await side.end()
    lines = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert len(lines) == 1
    assert "is Klipper running with `-a`" in lines[0]


async def test_a_socket_that_is_no_klippy_s_is_tried_again(
    fake: FakeKlippy, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("info", "gcode/subscribe_output", "objects/list"):
        fake.answers[name] = lambda _params: SILENT
    side = Side(fake.path, timeout=0.05)
    await until(lambda: fake.connections >= 3)
    fake.answers.clear()
    await side.until("ready")
    await side.end()
    assert any("did not answer" in record.getMessage() for record in caplog.records)


async def test_a_restart_of_the_simulator_goes_through_every_state(tmp_path: Path) -> None:
    (tmp_path / "gcodes").mkdir()
    timing = Timing(tick=0.02, refused=0.1, startup=0.2)
    async with Simulator(tmp_path / "k.sock", tmp_path / "gcodes", timing=timing, noise=0.0):
        side = Side(tmp_path / "k.sock")
        await side.until("ready")
        await side.link.request("emergency_stop")
        await side.until("shutdown")
        await side.link.request("gcode/firmware_restart", unlimited=True)
        await side.until("disconnected")
        await side.until("ready")
        assert side.states == ["ready", "shutdown", "disconnected", "startup", "ready"]
        await side.end()


# -- half-broken printers


@pytest.mark.parametrize(
    "method", ["info", "gcode/subscribe_output", "list_endpoints", "objects/list", "objects/query"]
)
@pytest.mark.parametrize("answer", [None, [], "text", 7, {}, {"objects": None}, {"status": 7}, {"state": 7}])
async def test_an_odd_answer_to_any_question_keeps_nobody_from_working(
    method: str, answer: Any, fake: FakeKlippy, caplog: pytest.LogCaptureFixture
) -> None:
    fake.answers[method] = lambda _params: answer
    side = Side(fake.path)
    await until(lambda: fake.subscribed)
    await side.until("ready")
    await side.end()
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize(
    "method", ["info", "gcode/subscribe_output", "list_endpoints", "objects/list", "objects/query"]
)
async def test_a_refusal_of_any_question_keeps_nobody_from_working(
    method: str, fake: FakeKlippy, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_params: dict[str, Any]) -> Any:
        raise Refused("not here")

    fake.answers[method] = refuse
    side = Side(fake.path)
    await side.until("ready")
    await side.end()
    assert any(f"refused '{method}'" in record.getMessage() for record in caplog.records)


ODD = st.sampled_from([None, True, -1, 7, 1e300, 10**400, "", "text", [], [None], [[1]], {}, {"a": None}])
DELETED = object()
FIELDS = [(name, field) for name, fields in PRINTER.items() for field in fields]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    objects=st.dictionaries(st.sampled_from([*PRINTER, "webhooks"]), ODD | st.just(DELETED), max_size=4),
    fields=st.dictionaries(st.sampled_from(FIELDS), ODD | st.just(DELETED), max_size=8),
    later=st.dictionaries(st.sampled_from(FIELDS), ODD, max_size=8),
)
def test_any_object_or_field_may_be_missing_null_or_of_another_type(
    objects: dict[str, Any],
    fields: dict[tuple[str, str], Any],
    later: dict[tuple[str, str], Any],
    tmp_path_factory: pytest.TempPathFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.clear()

    async def one() -> None:
        async with fake_klippy(tmp_path_factory.mktemp("k")) as fake:
            for (name, field), value in fields.items():
                _change(fake.objects[name], field, value)
            for name, value in objects.items():
                _change(fake.objects, name, value)
            side = Side(fake.path)
            side.cache.want("all", dict.fromkeys(PRINTER))
            await until(lambda: fake.subscribed)
            for (name, field), value in later.items():
                fake.send(fake.update({name: {field: value}}))
            fake.send(fake.update({"mark": {"x": 1}, "extruder": {"temperature": 77.0}}))
            await until(lambda: side.cache.get("extruder", "temperature") == 77.0)
            assert side.klippy.info.state in KlippyState
            await side.end()

    asyncio.run(one())
    assert not [record for record in caplog.records if record.exc_info]


def _change(where: dict[str, Any], key: str, value: Any) -> None:
    if value is DELETED:
        where.pop(key, None)
    else:
        where[key] = value
