"""Streaming: lines go out numbered, as many as the firmware has room for, and again when it asks."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from bridge.klippy.serial.lines import numbered
from bridge.klippy.serial.replies import Reply, is_heat

RECEIVE_BUFFER = 127  # bytes that every firmware can hold unread
KEPT = 100  # lines that can be sent again
SLIP = 16  # lines by which the account may be ahead of the printer, by an `ok` that was none
QUIET = 0.02  # seconds of silence that end a burst of requests to resend
PATIENCE = 0.25  # seconds for the `ok` behind such a request; not every firmware sends it
LOST_AFTER = 0.3  # seconds a line may have been on its way when the firmware says it waits
TRIES = 25  # times that one line is sent before the cable is given up
PROBES = 3  # questions without an answer before the printer is given up
PROBE = b"M105"
SLOW_FACTOR = 30  # how much longer firmware may be silent about commands that take minutes
SLOW = frozenset({b"G28", b"G29", b"G33", b"G34", b"G4", b"M48", b"M109", b"M190", b"M191", b"M303", b"M400"})
FOR_PEOPLE = frozenset({b"M0", b"M1", b"M125", b"M600", b"M601", b"M701", b"M702"})  # somebody has to come


class Order:
    """One line for the printer, and who hears of its end: with the error that it had, or None."""

    __slots__ = ("complaint", "done", "end", "quiet", "text")

    def __init__(self, text: bytes, done: "Done", end: int = 0, *, quiet: bool = False) -> None:
        self.text, self.done, self.end = text, done, end
        self.quiet = quiet  # the answer is for us, nobody else asked
        self.complaint: str | None = None


Done = Callable[[Order, str | None], None]


@dataclass
class Tally:
    """What the line went through."""

    sent: int = 0
    resends: int = 0
    probes: int = 0
    strays: int = 0  # acknowledgements of nothing


class Sender:
    """The host's side of the line protocol: what is said, what is owed, what is repeated."""

    def __init__(
        self,
        write: Callable[[bytes], None],
        failed: Callable[[str], None],
        *,
        is_numbered: bool,
        window: int,
        silence: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.source: Callable[[], Order | None] = lambda: (
            None
        )  # where lines come from when nobody is in a hurry
        self.tally = Tally()
        self.window = window  # lines that may be under way; an advanced `ok` teaches a greater one
        self._write, self._failed, self._clock = write, failed, clock
        self._is_numbered, self._silence = is_numbered, silence
        self._urgent: deque[Order] = deque()
        self._kept: dict[int, tuple[Order, bytes]] = {}
        self._next = 1  # number of the next new line
        self._cursor = 1  # number of the next line to write; behind `_next` while lines are sent again
        self._fresh = 1  # number of the first line that was never written
        self._acked = 0
        self._told = 0  # the last line whose end was told: told once, however often it was sent
        self._under_way = 0  # bytes
        self._settling: float | None = None  # since when the end of a burst of resends is waited for
        self._granted = False  # whether an `ok` came in that burst
        self._grants = True  # whether this firmware says `ok` behind its requests
        self._owed = 0  # acknowledgements of lines without a number
        self._careful = 0  # one line at a time up to this one
        self._odd = 0  # requests in a row that cannot be meant
        self._tries = (0, 0)  # a line, and how often it was sent again
        self._heard_at = self._wrote_at = clock()
        self._asked = 0  # probes since anything was heard
        self._learnt = False  # whether an `ok` names its line
        self._shut = False

    # -- what is said

    def order(self, order: Order) -> None:
        """A line that goes before those of the source."""
        self._urgent.append(order)
        self.pump()

    def aside(self, text: bytes) -> None:
        """A line past everything that waits, without a number; it may be acknowledged like any other."""
        self._write(b"\n" + text + b"\n")
        if self.under_way and not self._learnt:
            self._owed += 1

    def pump(self) -> None:
        """Write as long as there is room and something to write."""
        while not self._shut and self._settling is None and self._may_write():
            if self._cursor == self._next and not self._fetch():
                return
            frame = self._kept[self._cursor][1]
            if self.under_way and self._under_way + len(frame) > RECEIVE_BUFFER:
                return
            self._write_next(frame)

    def shut(self, reason: str) -> None:
        """Say nothing more; whoever waits is told why."""
        self._shut = True
        waiting = [order for number, (order, _) in self._kept.items() if number > self._told]
        waiting += self._urgent
        self._urgent.clear()
        self._kept.clear()
        self._acked = self._cursor - 1  # nothing is owed any more
        for order in waiting:
            order.done(order, reason)

    @property
    def under_way(self) -> int:
        """Lines that were written and are not done."""
        return self._cursor - 1 - self._acked

    @property
    def oldest(self) -> Order | None:
        """The line that the printer is at."""
        found = self._kept.get(self._acked + 1)
        return found[0] if found is not None and self.under_way else None

    # -- what is heard

    def heard(self) -> None:
        """The printer lives."""
        self._heard_at = self._clock()
        self._asked = 0

    def complained(self, text: str) -> None:
        """The line at hand failed."""
        if (order := self.oldest) is not None:
            order.complaint = text

    def ok(self, reply: Reply) -> None:
        """One line is done, or with its number all up to it."""
        if self._shut:
            return
        if reply.free is not None:
            self._learn(reply.free)
        if self._settling is not None:
            self._settling, self._granted, self._grants = self._clock(), True, True
        elif self._owed and reply.number is None:
            self._owed -= 1
        else:
            self._acknowledge(self._meant(reply))
        self.pump()

    def resend(self, number: int) -> None:
        """The printer has not taken this line; everything before it has come through."""
        if not self._is_numbered or self._shut:
            return
        if self._settling is None:
            self.tally.resends += 1
            self._granted, self._owed = False, 0
            self._careful = self._cursor - 1
            if self._gives_up(number):
                return
        self._settling = self._clock()
        if not self._is_plausible(number):
            number = self._acked + 1  # noise, perhaps: what it wants comes out when that is sent again
        self._done_up_to(number - 1)
        self._acked, self._cursor, self._under_way = number - 1, number, 0

    def waits(self) -> None:
        """The printer is idle: what it owes an answer for was lost, in one direction or the other."""
        if self.under_way and self._settling is None and self._clock() - self._wrote_at > LOST_AFTER:
            self._probe()

    def look(self) -> float:
        """Deal with silence; seconds until the next look."""
        now = self._clock()
        if self._settling is not None:
            patience = PATIENCE if self._grants and not self._granted else QUIET
            if (rest := self._settling + patience - now) > 0:
                return rest
            self._settling, self._grants = None, self._granted
            self.pump()
        elif self.under_way and now - self._heard_at > self._limit() * (self._asked + 1):
            self._doubt()
        return QUIET if self._settling is not None else PATIENCE

    @property
    def settling(self) -> bool:
        """Whether a burst of requests to resend is being waited out: look again soon."""
        return self._settling is not None

    # -- inside

    def _may_write(self) -> bool:
        under_way = self._cursor - 1 - self._acked
        return under_way <= 0 or under_way < (1 if self._acked < self._careful else self.window)

    def _fetch(self) -> bool:
        """Number the next line that somebody has; whether there is one."""
        order = self._urgent.popleft() if self._urgent else self.source()
        if order is None:
            return False
        frame = numbered(self._next, order.text) if self._is_numbered else order.text + b"\n"
        self._kept[self._next] = (order, frame)
        self._kept.pop(self._next - KEPT, None)
        self._next += 1
        return True

    def _write_next(self, frame: bytes) -> None:
        self._wrote_at = self._clock()
        if not self.under_way:  # it was idle: silence begins now
            self._heard_at = self._wrote_at
        self._cursor += 1
        self._fresh = max(self._fresh, self._cursor)
        self._under_way += len(frame)
        self.tally.sent += 1
        self._write(frame)

    def _learn(self, free: int) -> None:
        self.window = max(self.window, free)

    def _meant(self, reply: Reply) -> int:
        """The last line that an `ok` tells done."""
        if reply.number is not None and self._acked < reply.number < self._cursor:
            self._learnt = True
            return reply.number
        if reply.text and is_heat(reply.text):  # the answer to M105: whatever was asked before it is done
            for number in range(self._acked + 1, self._cursor):
                if self._kept[number][0].text == PROBE:
                    return number
        if self._learnt:
            return self._acked  # of a line that is done already, or of one without a number
        return self._acked + 1

    def _acknowledge(self, number: int) -> None:
        if number >= self._cursor or number <= self._acked:
            self.tally.strays += 1
        else:
            self._odd = 0
            self._done_up_to(number)

    def _done_up_to(self, number: int) -> None:
        while self._acked < number:
            self._acked += 1
            order, frame = self._kept[self._acked]
            self._under_way = max(0, self._under_way - len(frame))
            if self._acked > self._told:
                self._told = self._acked
                order.done(order, order.complaint)

    def _is_plausible(self, number: int) -> bool:
        """Whether the printer can want this line: what it has told done, it does not ask for."""
        return self._told - SLIP < number <= self._fresh and (number in self._kept or number == self._fresh)

    def _gives_up(self, number: int) -> bool:
        """Whether this request is one too many: for one line, or for lines that cannot be meant."""
        if not self._is_plausible(number):  # noise once; a printer that begins anew when repeated
            self.tally.strays += 1
            self._odd += 1
            if self._odd >= PROBES:
                self._failed(f"the printer asks for line {number} after line {self._told}: it has restarted")
            return self._odd >= PROBES
        tries = self._tries[1] + 1 if self._tries[0] == number else 1
        self._tries = (number, tries)
        if tries > TRIES:
            self._failed(f"the printer refused line {number} {TRIES} times; is the cable or its shield bad?")
        return tries > TRIES

    def _limit(self) -> float:
        order = self.oldest
        word = order.text.split(maxsplit=1)[0].upper() if order is not None else b""
        if word in FOR_PEOPLE:
            return inf
        return self._silence * (SLOW_FACTOR if word in SLOW else 1)

    def _doubt(self) -> None:
        if self._asked >= PROBES or not self._is_numbered:
            self._failed(f"the printer has not answered for {self._clock() - self._heard_at:.0f} s")
            return
        self._asked += 1
        self._probe()

    def _probe(self) -> None:
        """Learn which line the printer is at: a lost line makes it ask, a lost answer comes again."""
        if not self._is_numbered:
            return
        self.tally.probes += 1
        if self._cursor == self._next:
            self._urgent.appendleft(Order(PROBE, lambda _order, _error: None, quiet=True))
            self._fetch()
        else:
            self._cursor, self._under_way = self._acked + 1, 0
        self._write_next(self._kept[self._cursor][1])
