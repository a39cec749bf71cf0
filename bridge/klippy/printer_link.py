"""What the parts above need of a printer's link, whatever the printer speaks."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec

from bridge.decoding import UNREADABLE
from bridge.errors import TimedOut
from bridge.signals import Signal

log = logging.getLogger(__name__)

CENTURIES = 1e10  # seconds; no machine is up for longer
MAX_PENDING = 2000  # requests without an answer; Klippy's own buffers have no bound
OUTPUT = "gcode_output"
STATUS = "status_update"
REMOTE = "remote/"

NOT_CONNECTED = "Klippy is not connected"

_plain = msgspec.json.Decoder().decode

Outcome = msgspec.Raw | Exception
Done = Callable[[Outcome], None]


@dataclass(frozen=True)
class StatusUpdate:
    """Changed fields by object, as Klippy sent them."""

    eventtime: float  # Klippy's monotonic clock
    status: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class RemoteCall:
    """A macro called a method that we registered."""

    method: str
    params: dict[str, Any]


class PrinterLink(Protocol):
    """A connection in Klippy's terms: requests out, their answers back, everything else as signals."""

    path: Path
    timeout: float  # seconds a request may take that does not wait for G-code
    dropped_frames: int
    updated: Signal[StatusUpdate]
    output: Signal[str]
    called: Signal[RemoteCall]
    lost: Signal[str]

    @property
    def connected(self) -> bool:
        """Whether a request can be sent."""

    async def connect(self) -> None:
        """Reach the printer, or raise OSError or BridgeError."""

    def close(self) -> None:
        """End the connection, if there is one."""

    def send(self, method: str, params: dict[str, Any] | None, done: Done) -> int:
        """Write a request; `done` is called with the outcome in the order of the answers."""

    def forget(self, identifier: int) -> None:
        """Nobody waits for this answer any more."""

    def trouble(self, error: Exception) -> str:
        """Why the printer cannot be reached, and what to do about it."""

    async def request(
        self, method: str, params: dict[str, Any] | None = None, *, unlimited: bool = False
    ) -> msgspec.Raw:
        """Klippy's result as its JSON; `unlimited` for what waits behind G-code."""
        answer: asyncio.Future[msgspec.Raw] = asyncio.get_running_loop().create_future()

        def done(outcome: Outcome) -> None:
            if answer.done():
                return
            if isinstance(outcome, Exception):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome)

        identifier = self.send(method, params, done)
        try:
            async with asyncio.timeout(None if unlimited else self.timeout):
                return await answer
        except TimeoutError as error:
            raise TimedOut(f"Klippy did not answer '{method}' within {self.timeout:g} s") from error
        finally:
            self.forget(identifier)

    async def fetch(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Klippy's result decoded; an empty dict where it is no object."""
        found = decoded(await self.request(method, params))
        return found if isinstance(found, dict) else {}


def decoded(raw: msgspec.Raw) -> Any:
    """What a part of a frame says, or None: its end was found without a look inside."""
    try:
        return _plain(raw)
    except UNREADABLE as error:
        log.warning("a message of Klippy cannot be read: %s", error)
        return None


def status_update(found: dict[str, Any]) -> StatusUpdate:
    """An update from whatever Klippy sent; what is not an object of fields is left out."""
    eventtime, status = found.get("eventtime"), found.get("status")
    if (
        not isinstance(eventtime, int | float)
        or isinstance(eventtime, bool)
        or not 0 <= eventtime < CENTURIES
    ):
        eventtime = time.monotonic()  # Klippy's clock is this machine's
    if not isinstance(status, dict):
        status = {}
    return StatusUpdate(float(eventtime), {k: v for k, v in status.items() if isinstance(v, dict)})
