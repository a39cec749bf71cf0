"""Auxiliary fields: what becomes of many measurements."""

import json
import math

import pytest

from bridge.jobs.fields import MAX_COLLECTED, FieldSpec, Gauge


def gauge(strategy: str, **options) -> Gauge:
    return Gauge(FieldSpec("sensor plug", "energy", "Energy", "kWh", strategy=strategy, **options))


@pytest.mark.parametrize(
    ("strategy", "values", "result"),
    [
        ("basic", [1, "two", None], None),
        ("basic", [1, "two"], "two"),
        ("accumulate", [1.5, 2, 0.5], 4.0),
        ("delta", [100.0, 100.4, 101.0], 1.0),
        ("delta", [100.0, 101.0, 0.2, 0.5], 1.5),  # the meter began anew at 0
        ("average", [1, 2, 6], 3.0),
        ("maximum", [1, 6, 2], 6),
        ("minimum", [4, 1, 6], 1),
        ("collect", [1, 2, 1, "a", {"b": 1}, {"b": 1}], [1, 2, "a", {"b": 1}]),
    ],
)
def test_each_strategy(strategy, values, result) -> None:
    one = gauge(strategy)
    one.begin()
    for value in values:
        one.measure(value)
    assert one.field().value == (result if not isinstance(result, float) else pytest.approx(result))


@pytest.mark.parametrize(
    ("strategy", "nothing"), [("accumulate", 0.0), ("delta", 0.0), ("average", None), ("maximum", None)]
)
def test_what_is_no_number_does_not_count(strategy, nothing) -> None:
    one = gauge(strategy)
    one.begin()
    for value in (None, "5", True, math.nan, math.inf, [1]):
        one.measure(value)
    assert one.field().value == nothing


def test_a_job_begins_with_the_meters_present_reading() -> None:
    meter, sums, most = gauge("delta"), gauge("accumulate"), gauge("maximum")
    for one in (meter, sums, most):
        one.measure(900.0)
        one.measure(5.0)
        one.begin()
        one.measure(7.0)
    assert [one.field().value for one in (meter, sums, most)] == [2.0, 7.0, 7.0]


def test_a_field_tells_all_that_a_client_shows() -> None:
    one = gauge("average", precision=2)
    one.measure(1.23456)
    field = one.field()
    assert (field.provider, field.name, field.value, field.units) == ("sensor plug", "energy", 1.23, "kWh")
    assert field.description == "Energy"


def test_a_collection_has_an_end() -> None:
    one = gauge("collect")
    for number in range(1000):
        one.measure(number)
    assert len(one.field().value) == MAX_COLLECTED


@pytest.mark.parametrize(
    ("strategy", "before", "after", "result"),
    [
        ("basic", ["a"], [], "a"),
        ("accumulate", [1, 2], [3], 6),
        ("delta", [100.0, 101.0], [101.5, 102.0], 2.0),
        ("average", [1, 2], [6], 3),
        ("maximum", [5, 9], [3], 9),
        ("minimum", [5, 2], [3], 2),
        ("collect", [1, 2], [2, 3], [1, 2, 3]),
    ],
)
def test_a_job_that_goes_on_after_a_restart_counts_on(strategy, before, after, result) -> None:
    first = gauge(strategy)
    first.begin()
    for value in before:
        first.measure(value)
    kept = json.loads(json.dumps(first.state))
    second = gauge(strategy)
    second.begin()
    for value in after[:1]:
        second.measure(value)  # the first reading may come before the job is known
    second.resume(kept)
    for value in after[1:]:
        second.measure(value)
    assert second.field().value == result


def test_what_was_kept_by_another_strategy_is_left_alone() -> None:
    one = gauge("delta")
    one.measure(5.0)
    one.resume({"sum": 3.0, "count": 2})
    one.measure(6.0)
    assert one.field().value == 1.0
