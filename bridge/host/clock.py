"""Whether somebody keeps the clock right, as the kernel knows."""

import ctypes
import time
from collections.abc import Callable

UNSYNCHRONISED = 5  # what adjtimex answers: TIME_ERROR
ROOM = 512  # bytes; more than any kernel's timex
EARLIEST = 1_767_225_600.0  # 2026: what is before it was never set

Ask = Callable[[], int]


def adjtimex() -> int:
    """The kernel's own word; below 0 where it is not to be asked, as in some containers."""
    try:
        call = ctypes.CDLL(None).adjtimex
    except (OSError, AttributeError):
        return -1
    return int(call(ctypes.create_string_buffer(ROOM)))  # all zero: nothing is to be changed


def synchronised(ask: Ask = adjtimex, now: Callable[[], float] = time.time) -> bool | None:
    """Whether the clock is kept right; None where that cannot be known."""
    if now() < EARLIEST:
        return False
    answer = ask()
    return None if answer < 0 else answer != UNSYNCHRONISED
