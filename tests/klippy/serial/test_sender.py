"""The line protocol, with a clock that the test turns."""

import pytest

from bridge.klippy.serial.lines import numbered
from bridge.klippy.serial.replies import Reply, understood
from bridge.klippy.serial.sender import LOST_AFTER, PATIENCE, QUIET, TRIES, Order, Sender


class Line:
    """The far end: what was written, what became of it."""

    def __init__(self, *, window: int = 1, is_numbered: bool = True) -> None:
        self.written: list[bytes] = []
        self.ends: list[tuple[str, str | None]] = []
        self.failures: list[str] = []
        self.now = 100.0
        self.sender = Sender(
            self.written.append,
            self.failures.append,
            is_numbered=is_numbered,
            window=window,
            silence=10.0,
            clock=lambda: self.now,
        )

    def order(self, *lines: str) -> None:
        for line in lines:
            self.sender.order(Order(line.encode(), self._ended))

    def _ended(self, order: Order, complaint: str | None) -> None:
        self.ends.append((order.text.decode(), complaint))

    def says(self, *lines: str) -> None:
        for line in lines:
            self.sender.heard()
            reply: Reply = understood(line)
            {"ok": self.sender.ok, "resend": lambda one: self.sender.resend(one.number or 0)}[
                reply.kind.value
            ](reply)

    def passes(self, seconds: float) -> None:
        self.now += seconds
        self.sender.look()

    def take(self) -> list[bytes]:
        taken, self.written[:] = list(self.written), []
        return taken

    @property
    def done(self) -> list[str]:
        return [text for text, _ in self.ends]


def test_one_line_is_under_way_until_the_firmware_tells_of_its_buffer() -> None:
    line = Line()
    line.order(*(f"G1 X{n}" for n in range(1, 7)))
    assert line.take() == [numbered(1, b"G1 X1")]
    line.says("ok")
    assert line.take() == [numbered(2, b"G1 X2")]
    line.says("ok N2 P15 B3")
    assert line.take() == [numbered(n, b"G1 X%d" % n) for n in (3, 4, 5)]
    assert line.done == ["G1 X1", "G1 X2"]


def test_never_more_bytes_are_under_way_than_a_small_receive_buffer_holds() -> None:
    line = Line(window=15)
    line.order(*("G1 X100.123 Y100.123 E0.12345 F12000" for _ in range(10)))
    assert sum(map(len, line.take())) <= 127


def test_an_acknowledgement_with_a_number_heals_lost_ones() -> None:
    line = Line(window=3)
    line.order("G1 X1", "G1 X2", "G1 X3")
    line.says("ok N2 P15 B3")
    assert line.done == ["G1 X1", "G1 X2"]
    line.says("ok N1 P15 B3")
    assert line.done == ["G1 X1", "G1 X2"]
    assert line.sender.tally.strays == 1


def test_a_line_is_sent_again_when_the_printer_asks_and_the_ok_behind_it_counts_for_nothing() -> None:
    line = Line()
    line.order("G1 X1", "G1 X2")
    line.says("ok")
    line.take()
    line.says("Resend: 2", "ok")
    assert line.take() == []
    line.passes(QUIET)
    assert line.take() == [numbered(2, b"G1 X2")]
    assert line.done == ["G1 X1"]
    line.says("ok")
    assert line.done == ["G1 X1", "G1 X2"]


def test_a_storm_of_requests_is_one_request() -> None:
    line = Line(window=3)
    line.order("G1 X1", "G1 X2", "G1 X3")
    line.take()
    line.says(*("Resend: 1", "ok") * 5)
    line.passes(QUIET)
    assert line.take() == [numbered(1, b"G1 X1")]
    assert line.sender.tally.resends == 1
    line.says("ok")
    assert line.take() == [numbered(2, b"G1 X2")]  # one by one until the spoilt ones are through


def test_firmware_that_says_no_ok_behind_its_request_is_known_after_the_first() -> None:
    line = Line()
    line.order("G1 X1")
    line.take()
    for pause in (PATIENCE, QUIET):
        line.says("rs 1")
        line.passes(pause)
        assert line.take() == [numbered(1, b"G1 X1")]


def test_a_request_for_a_line_that_is_behind_the_last_one_tells_that_all_came_through() -> None:
    line = Line(window=2)
    line.order("G1 X1", "G1 X2")
    line.take()
    line.says("Resend: 3", "ok")
    line.passes(QUIET)
    assert line.done == ["G1 X1", "G1 X2"]
    assert line.take() == []


@pytest.mark.parametrize("number", [9, 4711])
def test_a_request_for_a_line_that_was_never_sent_is_noise_and_the_line_at_hand_comes_again(
    number: int,
) -> None:
    line = Line()
    line.order("G1 X1", "G1 X2")
    line.take()
    line.says(f"Resend: {number}", "ok")
    line.passes(QUIET)
    assert line.take() == [numbered(1, b"G1 X1")]
    assert line.done == []
    line.says("ok")
    assert line.take() == [numbered(2, b"G1 X2")]
    assert line.failures == []


def test_a_printer_that_counts_from_the_beginning_again_has_restarted_and_nothing_is_repeated() -> None:
    line = Line()
    for number in range(40):
        line.order(f"G1 X{number}")
        line.says("ok")
    line.take()
    line.order("G1 X40")
    for _ in range(3):
        line.says("Resend: 1", "ok")
        line.passes(QUIET)
    assert line.failures == ["the printer asks for line 1 after line 40: it has restarted"]
    assert set(line.take()) == {numbered(41, b"G1 X40")}


def test_a_line_that_was_not_written_yet_cannot_have_come_through() -> None:
    line = Line(window=9)
    line.order(*("G1 X100.123 Y100.123 E0.12345 F12000" for _ in range(3)))
    assert len(line.take()) == 2
    line.says("Resend: 4")
    assert line.done == []


def test_an_acknowledgement_of_nothing_is_counted_and_ignored() -> None:
    line = Line()
    line.says("ok", "ok")
    line.order("G1 X1", "G1 X2")
    assert line.take() == [numbered(1, b"G1 X1")]
    assert line.sender.tally.strays == 2


def test_a_printer_that_waits_is_asked_and_its_answer_settles_the_account() -> None:
    line = Line()
    line.order("G1 X1", "G1 X2")
    line.take()
    line.sender.waits()
    assert line.take() == []  # it may have crossed the line on its way
    line.now += 2 * LOST_AFTER
    line.sender.waits()
    assert line.take() == [numbered(2, b"M105")]
    line.says("ok T:20.0 /0.0 B:20.0 /0.0")
    assert line.done == ["G1 X1"]
    assert line.take() == [numbered(3, b"G1 X2")]


def test_a_line_that_was_lost_comes_again_by_the_question() -> None:
    line = Line()
    line.order("G1 X1")
    line.take()
    line.now += 2 * LOST_AFTER
    line.sender.waits()
    assert line.take() == [numbered(2, b"M105")]
    line.says("Resend: 1", "ok")
    line.passes(QUIET)
    assert line.take() == [numbered(1, b"G1 X1")]
    line.says("ok")
    assert line.take() == [numbered(2, b"M105")]
    line.says("ok T:20.0 /0.0")
    assert line.done == ["G1 X1"]


def test_silence_is_asked_about_three_times_and_then_is_an_end() -> None:
    line = Line()
    line.order("G1 X1")
    line.take()
    for _ in range(3):
        line.passes(10.1)
        assert line.take()[-1].split()[1].startswith(b"M105")
        assert line.failures == []
    line.passes(10.1)
    assert "has not answered" in line.failures[0]


def test_a_command_that_takes_minutes_may_be_silent_for_minutes() -> None:
    line = Line()
    line.order("G28")
    line.take()
    line.passes(200)
    assert line.take() == []
    line.passes(101)
    assert len(line.take()) == 1


def test_a_printer_that_waits_for_a_person_is_never_given_up() -> None:
    line = Line()
    line.order("M600")
    line.take()
    line.passes(86_400)
    assert line.take() == line.failures == []


def test_a_line_that_is_refused_for_ever_is_the_end_of_the_connection() -> None:
    line = Line()
    line.order("G1 X1")
    for _ in range(TRIES):
        line.says("Resend: 1", "ok")
        line.passes(QUIET)
    assert line.failures == []
    line.says("Resend: 1", "ok")
    assert "refused line 1" in line.failures[0]


def test_the_end_in_the_middle_of_a_request_harms_nobody() -> None:
    line = Line(window=2)
    line.order("G1 X1", "G1 X2")
    line.sender._failed = line.sender.shut
    for _ in range(TRIES + 1):
        line.says("Resend: 2", "ok")
        line.passes(QUIET)
    assert line.ends[-1][1] is not None


def test_an_error_belongs_to_the_line_at_hand() -> None:
    line = Line(window=2)
    line.order("G29", "G1 X1")
    line.sender.complained("Probing Failed")
    line.says("ok", "ok")
    assert line.ends == [("G29", "Probing Failed"), ("G1 X1", None)]


def test_a_word_aside_goes_past_and_its_ok_is_not_taken_for_another() -> None:
    line = Line()
    line.order("M109 S200", "G1 X1")
    line.take()
    line.sender.aside(b"M108")
    assert line.take() == [b"\nM108\n"]
    line.says("ok")
    assert line.done == []
    line.says("ok")
    assert line.done == ["M109 S200"]


def test_who_waits_is_told_of_the_end_once() -> None:
    line = Line(window=2)
    line.order("G1 X1", "G1 X2", "G1 X3")
    line.says("ok")
    line.sender.shut("unplugged")
    assert line.ends == [("G1 X1", None), ("G1 X2", "unplugged"), ("G1 X3", "unplugged")]
    line.take()
    line.order("G1 X4")
    assert line.take() == []


def test_a_terminal_that_loses_nothing_gets_plain_lines() -> None:
    line = Line(window=4, is_numbered=False)
    line.order("G1 X1", "SET_PIN PIN=a VALUE=1")
    assert line.take() == [b"G1 X1\n", b"SET_PIN PIN=a VALUE=1\n"]
    line.says("ok", "ok")
    assert len(line.done) == 2
