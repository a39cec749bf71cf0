"""The quiet policy: what is worth a message, and when it may go."""

import math
import random
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.mqtt.policy import RULES, Quiet, QuietSettings, Reading

IDLE_GAP = 60 / 6


def sent(quiet: Quiet, obj: str, name: str, value: Any) -> Quiet:
    """The same policy after this value was published."""
    quiet.snapshot({obj: {name: value}})
    return quiet


def printing() -> Quiet:
    quiet = Quiet()
    quiet.printing = True
    return quiet


@dataclass
class Told:
    """A message as a receiver has it."""

    time: float
    printing: bool
    key: tuple[str, str]
    value: Any


@dataclass
class Driver:
    """What the publisher does: offers as they come, and a take whenever `wake` asks for one."""

    quiet: Quiet
    now: float = 1000.0
    told: list[Told] = field(default_factory=list)

    def run(self, until: float) -> None:
        while (wake := self.quiet.wake(self.now)) is not None and wake <= until:
            self.now = wake
            assert self.take(), "a wake-up for nothing"
        self.now = max(self.now, until)

    def take(self) -> list[Reading]:
        taken = self.quiet.take(self.now)
        self.told += [Told(self.now, self.quiet.printing, (obj, name), value) for obj, name, value in taken]
        return taken

    def offer(self, obj: str, name: str, value: Any) -> None:
        self.quiet.offer(self.now, obj, name, value)
        self.take()

    def settle(self) -> None:
        self.run(self.now + 3600)


def test_a_slow_drift_is_compared_with_what_was_sent_and_told_in_the_end():
    driver = Driver(sent(Quiet(), "extruder", "temperature", 20.0))
    for step in range(1, 13):
        driver.run(driver.now + 60)
        driver.offer("extruder", "temperature", 20.0 + step / 10)
    assert [told.value for told in driver.told] == [20.5, 21.0]


def test_idle_fields_wait_for_their_turn_and_the_longest_waiting_goes_first_with_its_newest_value():
    driver = Driver(Quiet())
    for second in range(25):
        for name in ("a", "b", "c"):
            driver.offer(f"temperature_sensor {name}", "temperature", 20.0 + 10 * second)
        driver.run(driver.now + 1)
    assert [told.key[0][-1] for told in driver.told] == ["a", "b", "c"]
    assert [told.value for told in driver.told] == [20.0, 120.0, 220.0]
    assert driver.quiet.merged > 60


def test_no_field_starves_while_all_of_them_change_at_every_tick():
    driver = Driver(printing())
    names = [f"temperature_sensor {index}" for index in range(10)]
    for tick in range(400):
        for name in names:
            driver.offer(name, "temperature", float(tick))
        driver.run(driver.now + 0.25)
    counts = [sum(told.key[0] == name for told in driver.told) for name in names]
    assert max(counts) - min(counts) <= 1
    assert 180 <= sum(counts) <= 200


def test_wake_tells_when_the_next_one_may_go():
    quiet = Quiet()
    assert quiet.wake(5.0) is None
    quiet.offer(5.0, "extruder", "temperature", 20.0)
    assert quiet.wake(5.0) == 5.0
    assert quiet.take(5.0)
    quiet.offer(5.0, "extruder", "temperature", 30.0)
    wake = quiet.wake(5.0)
    assert wake is not None
    assert IDLE_GAP < wake - 5.0 < IDLE_GAP * 1.05
    assert quiet.take(wake - 0.001) == []
    assert quiet.take(wake) == [("extruder", "temperature", 30.0)]


def test_the_start_of_a_print_opens_the_larger_budget_at_once():
    quiet = Quiet()
    for name, value in (("extruder", 30.0), ("heater_bed", 40.0)):
        quiet.offer(0.0, name, "temperature", value)
    assert len(quiet.take(0.0)) == 1
    quiet.printing = True
    assert quiet.take(1.0) == [("heater_bed", "temperature", 40.0)]
    quiet.offer(1.0, "extruder", "temperature", 50.0)
    quiet.printing = False
    assert quiet.wake(1.0) >= 1.0 + IDLE_GAP


def test_a_budget_of_zero_leaves_only_what_is_exempt():
    quiet = Quiet(QuietSettings(idle_rate=0, printing_rate=0))
    quiet.offer(0.0, "extruder", "temperature", 20.0)
    quiet.offer(0.0, "extruder", "target", 60.0)
    assert quiet.take(0.0) == [("extruder", "target", 60.0)]
    assert quiet.wake(0.0) is None
    assert quiet.take(9999.0) == []


def test_exempt_values_go_first_and_all_of_them():
    quiet = Quiet()
    quiet.offer(0.0, "extruder", "temperature", 20.0)
    quiet.offer(0.0, "print_stats", "state", "printing")
    quiet.offer(0.0, "heater_bed", "temperature", 20.0)
    quiet.offer(0.0, "extruder", "target", 210.0)
    assert quiet.wake(0.0) == 0.0
    assert quiet.take(0.0) == [
        ("print_stats", "state", "printing"),
        ("extruder", "target", 210.0),
        ("extruder", "temperature", 20.0),
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [(200.0, None), (None, 200.0), (200.0, math.nan), (200.0, "broken"), ([1.0], []), (0, False)],
)
def test_a_figure_that_becomes_or_was_none_is_a_change_of_state(before, after):
    quiet = sent(Quiet(), "extruder", "temperature", before)
    quiet.offer(0.0, "heater_bed", "temperature", 60.0)
    assert quiet.take(0.0)
    quiet.offer(0.1, "extruder", "temperature", after)
    taken = quiet.take(0.1)
    assert [(value, type(value)) for _, _, value in taken] == [
        (None, type(None)) if isinstance(after, float) and math.isnan(after) else (after, type(after))
    ]


def test_a_state_that_is_back_before_anybody_looks_is_not_sent():
    quiet = sent(Quiet(), "print_stats", "state", "printing")
    quiet.offer(0.0, "print_stats", "state", "paused")
    quiet.offer(0.0, "print_stats", "state", "printing")
    assert quiet.take(0.0) == []


def test_a_figure_that_was_null_for_a_moment_is_sent_once():
    quiet = sent(Quiet(), "extruder", "temperature", 20.0)
    quiet.offer(0.0, "extruder", "temperature", None)
    quiet.offer(0.0, "extruder", "temperature", 25.0)
    assert quiet.waiting == 1
    assert quiet.take(0.0) == [("extruder", "temperature", 25.0)]


def test_the_answer_to_a_control_goes_at_once_and_through_the_dead_band_but_once():
    quiet = sent(sent(Quiet(), "fan", "speed", 0.5), "heater_bed", "power", 0.5)
    quiet.offer(0.0, "extruder", "temperature", 20.0)
    assert quiet.take(0.0)
    quiet.answer(1.0, "heater_bed", "power")
    quiet.offer(1.1, "heater_bed", "power", 0.5)
    assert quiet.take(1.1) == []
    quiet.offer(1.2, "heater_bed", "power", 0.51)
    assert quiet.take(1.2) == [("heater_bed", "power", 0.51)]
    quiet.offer(1.3, "heater_bed", "power", 0.9)
    assert quiet.take(1.3) == []


def test_an_answer_promotes_the_value_that_waits_already():
    quiet = sent(Quiet(), "fan", "speed", 0.5)
    quiet.offer(0.0, "extruder", "temperature", 20.0)
    assert quiet.take(0.0)
    quiet.offer(0.1, "fan", "speed", 0.6)
    quiet.answer(0.2, "fan", "speed")
    quiet.offer(0.3, "fan", "speed", 0.7)
    assert quiet.take(0.3) == [("fan", "speed", 0.7)]
    assert quiet.waiting == 0


def test_a_control_outlives_the_value_that_waited_before_it():
    quiet = sent(Quiet(), "heater_bed", "power", 0.5)
    quiet.offer(0.0, "heater_bed", "power", 0.6)
    quiet.answer(0.0, "heater_bed", "power")
    assert quiet.take(0.0) == [("heater_bed", "power", 0.6)]
    quiet.offer(0.2, "heater_bed", "power", 0.61)
    assert quiet.take(0.2) == [("heater_bed", "power", 0.61)]


def test_a_control_that_was_not_answered_in_time_is_forgotten():
    quiet = sent(Quiet(QuietSettings(answer_window=2.0)), "fan", "speed", 0.5)
    quiet.offer(0.0, "extruder", "temperature", 20.0)
    assert quiet.take(0.0)
    quiet.answer(0.1, "fan", "speed")
    quiet.offer(2.2, "fan", "speed", 0.7)
    assert quiet.take(2.2) == []


def test_an_exempt_message_in_a_print_takes_the_place_of_the_next_figure_only():
    driver = Driver(printing())
    for tick in range(40):
        driver.offer("extruder", "temperature", float(tick))
        driver.offer("display_status", "message", f"layer {tick // 4}")
        driver.run(driver.now + 0.25)
    assert sum(told.key[1] == "message" for told in driver.told) == 10
    assert len(driver.told) <= 21


def test_figures_still_come_when_messages_flood():
    driver = Driver(printing())
    for tick in range(80):
        driver.offer("extruder", "temperature", float(tick))
        driver.offer("display_status", "message", f"tick {tick}")
        driver.run(driver.now + 0.25)
    assert sum(told.key[1] == "message" for told in driver.told) == 80
    assert sum(told.key[1] == "temperature" for told in driver.told) >= 19


def test_a_snapshot_is_published_whole_and_makes_what_waits_old():
    quiet = sent(Quiet(), "extruder", "temperature", 20.0)
    quiet.offer(0.0, "extruder", "temperature", 30.0)
    taken = quiet.snapshot({"extruder": {"temperature": 30.04, "target": 60.0}, "toolhead": None})
    assert taken == [("extruder", "temperature", 30.0), ("extruder", "target", 60.0)]
    assert quiet.take(0.0) == []
    quiet.offer(0.0, "extruder", "temperature", 30.1)
    assert quiet.waiting == 0


def test_forgetting_drops_what_was_sent_and_what_waits():
    quiet = sent(Quiet(), "webhooks", "state", "ready")
    quiet.offer(0.0, "extruder", "temperature", 30.0)
    quiet.forget()
    assert quiet.take(0.0) == []
    quiet.offer(0.0, "webhooks", "state", "ready")
    assert quiet.take(0.0) == [("webhooks", "state", "ready")]


def test_an_idle_printer_with_noisy_thermistors_sends_six_a_minute_at_most():
    noise = random.Random(7)
    driver = Driver(Quiet())
    start = driver.now
    while driver.now < start + 600:
        for index in range(8):
            driver.offer(f"temperature_sensor {index}", "temperature", noise.gauss(25, 1.5))
        driver.run(driver.now + 0.25)
    times = [told.time for told in driver.told]
    assert 55 <= len(times) <= 60
    assert all(later - earlier > 60 for earlier, later in zip(times, times[6:], strict=False))


FIELDS = (
    ("extruder", "temperature", 1, 0.5),
    ("heater_bed", "temperature", 1, 0.5),
    ("print_stats", "print_duration", 0, 1.0),
    ("virtual_sdcard", "progress", 3, 0.001),
    ("gcode_macro X", "count", 3, 0.001),
)
STATES = ("standby", "printing", "paused", None)
figures = st.tuples(st.sampled_from(FIELDS), st.floats(-300, 300) | st.integers(-300, 300))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("figure"), figures),
        st.tuples(st.just("state"), st.sampled_from(STATES)),
        st.tuples(st.just("printing"), st.booleans()),
        st.tuples(st.just("pass"), st.floats(0, 30)),
        st.tuples(st.just("tick"), st.just(0.25)),
    ),
    min_size=20,
    max_size=120,
)


def play(script: list[tuple[str, Any]]) -> tuple[Driver, dict[tuple[str, str], Any]]:
    """Run a script of changes; the messages, and the last raw value of each field."""
    driver, last = Driver(Quiet()), {}
    told_state: Any = object()
    for what, detail in script:
        if what == "figure":
            (obj, name, _, _), value = detail
            last[obj, name] = value
            driver.offer(obj, name, value)
        elif what == "state":
            driver.quiet.offer(driver.now, "print_stats", "state", detail)
            states = [taken for taken in driver.take() if taken[1] == "state"]
            assert states == ([] if detail == told_state else [("print_stats", "state", detail)])
            told_state = detail
        elif what == "printing":
            driver.quiet.printing = detail
        else:
            driver.run(driver.now + detail)
    return driver, last


def figures_told(driver: Driver) -> list[Told]:
    return [told for told in driver.told if told.key != ("print_stats", "state")]


@settings(max_examples=120, deadline=None)
@given(steps)
def test_the_budget_holds_in_every_window_and_states_never_wait(script):
    driver, _ = play(script)
    told = figures_told(driver)
    for at, message in enumerate(told):
        second = [other for other in told[: at + 1] if other.time >= message.time - 1]
        assert len(second) <= 2
        if not message.printing:
            minute = [
                other for other in told[: at + 1] if other.time >= message.time - 60 and not other.printing
            ]
            assert len(minute) <= 6


@settings(max_examples=80, deadline=None)
@given(steps)
def test_nothing_equals_its_predecessor_and_the_last_value_comes_out_in_the_end(script):
    driver, last = play(script)
    driver.quiet.printing = False
    driver.settle()
    assert driver.quiet.waiting == 0
    latest: dict[tuple[str, str], Any] = {}
    for told in driver.told:
        assert told.key not in latest or latest[told.key] != told.value
        latest[told.key] = told.value
    for obj, name, digits, band in FIELDS:
        if (obj, name) in last:
            raw = last[obj, name]
            assert abs(latest[obj, name] - raw) <= band
            assert latest[obj, name] == round(latest[obj, name], digits)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=8,
)
some_field = st.sampled_from([name for rule in RULES for name in rule.fields.split()])


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(some_field, anything), max_size=12), st.sampled_from(["quiet", "full"]), st.booleans()
)
def test_any_value_in_any_field_is_taken_and_what_comes_out_is_json(offers, mode, in_print):
    driver = Driver(Quiet(QuietSettings(mode=mode)))
    driver.quiet.printing = in_print
    for name, value in offers:
        obj, _, field_name = name.partition(".")
        driver.offer(obj, field_name, value)
    driver.settle()
    latest: dict[tuple[str, str], bytes] = {}
    for told in driver.told:
        encoded = msgspec.json.encode(told.value)
        assert latest.get(told.key) != encoded
        latest[told.key] = encoded
