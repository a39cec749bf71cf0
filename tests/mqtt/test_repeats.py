"""For how long a repeat is known as one."""

import pytest

from bridge.mqtt.repeats import REMEMBERED, Repeats


class Clock:
    """Stands still unless it is told."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("how", "window"), [("timestamp", 60), ("correlation", 60), ("delivery", 5)])
@pytest.mark.parametrize("before", ["timestamp", "delivery", None])
def test_a_repeat_is_one_until_its_window_is_over(how: str, window: float, before: str | None) -> None:
    """Whatever came before it, with a longer window or a shorter one."""
    clock = Clock()
    repeats: Repeats[None] = Repeats(clock)
    if before is not None:
        repeats.remember((before, "another"))
    first = repeats.remember((how, "one"))
    clock.now += window - 0.1
    assert repeats.find((how, "one")) is first
    assert repeats.find((how, "two")) is None
    clock.now += 0.2
    assert repeats.find((how, "one")) is None
    assert repeats.remember((how, "one")) is not first
    assert repeats.find((how, "one")) is not None


def test_what_is_remembered_is_bounded_and_the_oldest_goes_first() -> None:
    repeats: Repeats[None] = Repeats(Clock())
    for number in range(REMEMBERED + 1):
        repeats.remember(("timestamp", number))
    assert repeats.find(("timestamp", 0)) is None
    assert repeats.find(("timestamp", 1)) is not None
    assert repeats.find(("timestamp", REMEMBERED)) is not None
