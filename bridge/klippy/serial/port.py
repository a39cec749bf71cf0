"""The port itself: bytes out, lines in, and the first words with whoever is there."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from bridge.errors import KlippyUnavailable
from bridge.extras import extra
from bridge.klippy.serial.firmware import Dialect, Firmware, introduced
from bridge.klippy.serial.lines import LineSplitter, numbered
from bridge.klippy.serial.replies import Kind, understood

log = logging.getLogger(__name__)

BAUDS = (115_200, 250_000, 230_400, 500_000, 1_000_000, 57_600, 38_400, 19_200, 9_600)
PULSE = 0.2  # seconds that DTR is low: boards with an Arduino's wiring start anew
ANSWER = 1.5  # seconds the printer may take to say its name
LATER = 0.3  # … behind an `ok` that was for something else
CALM = 0.03  # seconds without a word after which nothing more of an answer comes
FIRST_LINE = b"M110 N0"


def serial_package() -> Any:
    """The package for serial ports, or ConfigError when it is not installed."""
    return extra("serial_asyncio", "serial", "klippy.serial")


class Port(asyncio.Protocol):
    """An open serial port."""

    def __init__(self) -> None:
        self.heard: Callable[[str], None] = lambda _line: None
        self.gone: Callable[[str], None] = lambda _reason: None
        self._splitter = LineSplitter()
        self._made = asyncio.Event()
        self._transport: Any = None  # serial_asyncio has no types

    @classmethod
    async def open(cls, path: str, baud: int) -> "Port":
        """Open it, for us alone."""
        loop = asyncio.get_running_loop()
        _, port = await serial_package().create_serial_connection(
            loop, cls, path, baudrate=baud, exclusive=True
        )
        opened: Port = port
        await opened._made.wait()
        return opened

    def write(self, data: bytes) -> None:
        """Write, in the order of the calls; at once where it can be, which spares a turn of the loop."""
        transport = self._transport
        if transport is None:
            return
        if transport.get_write_buffer_size() == 0:
            with contextlib.suppress(OSError):  # it comes again below, where the transport deals with it
                data = data[transport.serial.write(data) :]
        if data:
            transport.write(data)

    def drop_unsent(self) -> None:
        """Forget what the system has not sent yet: closing would wait for it, perhaps for ever."""
        if self._transport is not None:
            with contextlib.suppress(OSError):
                self._transport.serial.reset_output_buffer()

    def overtake(self, data: bytes) -> None:
        """Write at once, before what the system has not sent yet: that is dropped."""
        if self._transport is not None:
            with contextlib.suppress(OSError):
                self._transport.serial.reset_output_buffer()
                self._transport.serial.write(data)

    def set_baud(self, baud: int) -> None:
        """Speak at another speed; what was heard at the last one is noise."""
        self._splitter = LineSplitter()
        if self._transport is not None and self._transport.serial.baudrate != baud:
            self._transport.serial.baudrate = baud

    def pulse(self) -> None:
        """Reset the board behind it, where it is wired that way: it begins anew when DTR comes back."""
        self._set_dtr(level=False)
        asyncio.get_running_loop().call_later(PULSE, lambda: self._set_dtr(level=True))

    def _set_dtr(self, *, level: bool) -> None:
        if self._transport is not None:
            with contextlib.suppress(OSError):  # a pseudo-terminal has no such line
                self._transport.serial.dtr = level

    def close(self) -> None:
        """Hang up; nothing is heard any more."""
        self.heard, self.gone = lambda _line: None, lambda _reason: None
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._transport = transport
        self._made.set()

    def data_received(self, data: bytes) -> None:
        """Pass on each complete line."""
        for line in self._splitter.feed(data):
            self.heard(line)

    def connection_lost(self, exc: Exception | None) -> None:
        """Pulled out, or the end of whoever was at the other one."""
        if self._transport is not None:
            self._transport = None
            self.gone(f"the port is gone: {exc}" if exc else "the port is gone")


class Greeting:
    """The first words: at which speed, who is there, and that lines count from 0."""

    def __init__(self, port: Port, dialect: Dialect | None) -> None:
        self._port, self._dialect = port, dialect
        self._lines: list[str] = []
        self._news = asyncio.Event()
        self._answer = ANSWER

    async def exchange(self, bauds: Sequence[int], patience: float) -> tuple[Firmware, int]:
        """Try these speeds in turn until one is answered; KlippyUnavailable when none is in time."""
        self._port.heard, self._port.gone = self._heard, self._gone
        self._answer = min(ANSWER, patience)
        end = time.monotonic() + patience
        while True:
            for baud in bauds:
                self._port.set_baud(baud)
                if (firmware := await self._introduction()) is not None:
                    return firmware, baud
            if time.monotonic() > end:
                speeds = f"{bauds[0]} baud" if len(bauds) == 1 else "any speed"
                raise KlippyUnavailable(
                    f"it does not answer at {speeds}; is it on, is klippy.baud right, does a reset help?"
                )

    async def _introduction(self) -> Firmware | None:
        lines = await self._ask(b"\nM115\n", "FIRMWARE_NAME")
        if lines is None:
            return None
        firmware = introduced(lines, self._dialect)
        if firmware.is_numbered and await self._ask(numbered(0, FIRST_LINE)) is None:
            return None
        await self._hears(CALM, lambda: False)  # what comes late must not be taken for an answer
        return firmware

    async def _ask(self, question: bytes, word: str = "") -> list[str] | None:
        """What is said up to the `ok`; None when that does not come. Who just boots is asked again."""
        self._lines.clear()
        self._port.write(question)
        if await self._hears(self._answer, self._begins_or_answers) and not self._answered():
            await self._hears(CALM, lambda: False)
            self._lines.clear()
            self._port.write(question)
            await self._hears(self._answer, self._answered)
        if not self._answered():
            log.debug("no answer to %r, only %r", question, self._lines[-5:])
            return None
        # some say `ok` to the empty line before the question
        await self._hears(LATER, lambda: any(word in line for line in self._lines))
        await self._hears(LATER, self._answered_last)
        return list(self._lines)

    async def _hears(self, patience: float, condition: Callable[[], bool]) -> bool:
        """Wait until the lines are as wanted, for this long at most."""
        try:
            async with asyncio.timeout(patience):
                while not condition():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return False
        return True

    def _answered(self) -> bool:
        return any(understood(line).kind is Kind.OK for line in self._lines)

    def _answered_last(self) -> bool:
        return bool(self._lines) and understood(self._lines[-1]).kind is Kind.OK

    def _begins_or_answers(self) -> bool:
        kinds = {understood(line).kind for line in self._lines}
        return bool(kinds & {Kind.OK, Kind.START, Kind.RESEND})

    def _heard(self, line: str) -> None:
        self._lines.append(line)
        self._news.set()

    def _gone(self, reason: str) -> None:
        self._lines.append(f"!! {reason}")
        self._news.set()
