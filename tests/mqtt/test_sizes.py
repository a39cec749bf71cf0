"""What a broker that hangs up is believed to find too large."""

from bridge.mqtt.sizes import LearntSize

LARGE = 50_000


def connection(sizes: LearntSize, *, taken: int | None = None, unanswered: int | None = None) -> int | None:
    """One connection from its first message to its loss; the limit that is known then."""
    if taken is not None:
        sizes.posted(1, taken)
        sizes.acknowledged(1)
    if unanswered is not None:
        sizes.posted(2, unanswered)
    sizes.lost()
    return sizes.limit


def test_two_losses_right_behind_a_large_message_teach_its_size() -> None:
    sizes = LearntSize()
    assert connection(sizes, taken=2000, unanswered=LARGE) is None
    assert connection(sizes, taken=2000, unanswered=LARGE) == LARGE - 1


def test_a_loss_without_a_large_message_clears_the_suspicion() -> None:
    sizes = LearntSize()
    for unanswered in (LARGE, None, LARGE, None):
        assert connection(sizes, unanswered=unanswered) is None


def test_a_broker_that_dies_often_has_taken_such_messages_before() -> None:
    sizes = LearntSize()
    for _ in range(4):
        assert connection(sizes, taken=LARGE, unanswered=4000) is None
        assert connection(sizes, unanswered=LARGE) is None


def test_a_broker_that_takes_them_no_longer_is_understood() -> None:
    sizes = LearntSize()
    connection(sizes, taken=LARGE)
    assert connection(sizes, unanswered=LARGE) is None
    assert connection(sizes, unanswered=LARGE) is None
    assert connection(sizes, unanswered=LARGE) == LARGE - 1
