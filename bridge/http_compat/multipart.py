"""multipart/form-data (RFC 7578) as it arrives: strict, bounded, and quick where a file passes. Pure."""

from dataclasses import dataclass
from enum import Enum

from bridge.errors import BadRequest
from bridge.http_compat.disposition import Part, part

MAX_HEAD = 16_384  # bytes of one part's headers
MAX_PREAMBLE = 65_536  # bytes before the first part, which mean nothing
MAX_PARTS = 100


@dataclass(frozen=True)
class End:
    """A part has ended."""


Event = Part | bytes | End
_END = End()


class _State(Enum):
    BEFORE = "the first part"
    HEAD = "headers"
    BODY = "bytes"
    AFTER = "a boundary"
    DONE = "the last boundary"


class Multipart:
    """Takes the bytes of a body as they come; gives the heads of its parts, their bytes, their ends."""

    def __init__(self, boundary: bytes) -> None:
        self._mark = b"\r\n--" + boundary
        self._rest = b"\r\n"  # so that the first boundary is one like all others
        self._state = _State.BEFORE
        self._parts = self._skipped = 0
        self._events: list[Event] = []
        self._steps = {
            _State.BEFORE: self._before,
            _State.HEAD: self._head,
            _State.BODY: self._body,
            _State.AFTER: self._after,
        }

    @property
    def done(self) -> bool:
        """Whether the last boundary has come."""
        return self._state is _State.DONE

    def feed(self, data: bytes) -> list[Event]:
        """What these bytes bring; BadRequest for what is no form."""
        if self._rest:
            data, self._rest = self._rest + data, b""
        self._events = []
        at: int | None = 0
        while at is not None and not self.done:
            at = self._steps[self._state](data, at)
        return self._events

    def _before(self, data: bytes, at: int) -> int | None:
        found = data.find(self._mark, at)
        if found >= 0:
            self._state = _State.AFTER
            return found + len(self._mark)
        end = self._certain(data, at)
        self._skipped += end - at
        if self._skipped > MAX_PREAMBLE:
            raise BadRequest("The form does not begin with its boundary")
        return self._wait(data, end)

    def _after(self, data: bytes, at: int) -> int | None:
        """Behind a boundary comes a line break, or `--` and nothing more."""
        if data.startswith(b"--", at):
            self._state = _State.DONE
            return None
        if data.startswith(b"\r\n", at):
            self._state = _State.HEAD
            return at  # so that no headers at all end like some
        if len(data) - at >= len(b"\r\n"):
            raise BadRequest("The form is damaged behind a boundary")
        return self._wait(data, at)

    def _head(self, data: bytes, at: int) -> int | None:
        end = data.find(b"\r\n\r\n", at)
        if (len(data) if end < 0 else end) - at > MAX_HEAD:
            raise BadRequest(f"A part of the form has more than {MAX_HEAD} bytes of headers")
        if end < 0:
            return self._wait(data, at)
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise BadRequest(f"A form holds at most {MAX_PARTS} parts")
        self._events.append(part(data[at:end]))
        self._state = _State.BODY
        return end + len(b"\r\n\r\n")

    def _body(self, data: bytes, at: int) -> int | None:
        found = data.find(self._mark, at)
        end = self._certain(data, at) if found < 0 else found
        if end > at:
            self._events.append(data if end - at == len(data) else data[at:end])
        if found < 0:
            return self._wait(data, end)
        self._events.append(_END)
        self._state = _State.AFTER
        return found + len(self._mark)

    def _certain(self, data: bytes, at: int) -> int:
        """Where the bytes end that cannot be the beginning of a boundary."""
        last = data.rfind(b"\r", max(at, len(data) - len(self._mark) + 1))
        return last if last >= 0 and self._mark.startswith(data[last:]) else len(data)

    def _wait(self, data: bytes, at: int) -> int | None:
        """Keep what cannot be judged before more has come."""
        self._rest = data[at:]
        return None
