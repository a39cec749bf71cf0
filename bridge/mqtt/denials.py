"""Calls that the policy refused: counted each, and logged once a minute for each client."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from bridge.errors import BridgeError
from bridge.rpc import printable
from bridge.signals import Signal

log = logging.getLogger(__name__)

QUIET = 60.0  # seconds between two lines about one client
MOST = 1000  # clients that are told apart


@dataclass(frozen=True)
class Denial:
    """A call that was refused."""

    client: str  # the last level of its request topic; empty: the shared one
    method: str
    error: BridgeError


class Denials:
    """All of them since the bridge started."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.denied: Signal[Denial] = Signal("refused call")
        self.count = 0
        self._clock = clock
        self._said: dict[str, tuple[float, int]] = {}  # client -> when, and how many since

    def note(self, client: str, method: str, error: BridgeError) -> None:
        """One more."""
        self.count += 1
        self.denied.emit(Denial(client, method, error))
        when, silent = self._said.pop(client, (-QUIET, 0))
        now = self._clock()
        if now - when < QUIET:
            self._said[client] = (when, silent + 1)
            return
        if len(self._said) >= MOST:
            del self._said[next(iter(self._said))]
        self._said[client] = (now, 0)
        more = f" ({silent} more since the last such line)" if silent else ""
        who = f"client '{printable(client)}'" if client else "a client of the shared topic"
        log.warning("refused over MQTT to %s: %s%s", who, error, more)
