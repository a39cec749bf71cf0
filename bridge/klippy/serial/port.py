"""The port itself: bytes out, lines in, and the first words with whoever is there."""

import asyncio
import contextlib
import importlib
import logging
import time
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from bridge.errors import ConfigError, KlippyUnavailable
from bridge.klippy.serial.firmware import Dialect, Firmware, introduced
from bridge.klippy.serial.lines import LineSplitter, numbered
from bridge.klippy.serial.replies import Kind, understood

log = logging.getLogger(__name__)

BAUDS = (115_200, 250_000, 230_400, 500_000, 1_000_000, 57_600, 38_400, 19_200, 9_600)
PULSE = 0.2  # seconds that DTR is low: boards with an Arduino's wiring start anew
ANSWER = 1.5  # seconds the printer may take to say its name
FIRST_LINE = b"M110 N0"


def serial_package() -> ModuleType:
    """The package for serial ports, or ConfigError when it is not installed."""
    try:
        return importlib.import_module("serial_asyncio")
    except ImportError as error:
        raise ConfigError("klippy.serial needs a package; pip install 'klipper-bridge[serial]'") from error


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
        """Write, in the order of the calls."""
        if self._transport is not None:
            self._transport.write(data)

    def overtake(self, data: bytes) -> None:
        """Write before what the system has not sent yet, which is dropped."""
        if self._transport is not None:
            with contextlib.suppress(OSError):
                self._transport.serial.reset_output_buffer()
            self._transport.write(data)

    def set_baud(self, baud: int) -> None:
        """Speak at another speed; what was heard at the last one is noise."""
        self._splitter = LineSplitter()
        if self._transport is not None and self._transport.serial.baudrate != baud:
            self._transport.serial.baudrate = baud

    async def pulse(self) -> None:
        """Reset the board behind it, where it is wired that way."""
        for level in (False, True):
            with contextlib.suppress(OSError):  # a pseudo-terminal has no such line
                self._transport.serial.dtr = level
            await asyncio.sleep(PULSE)

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
        lines = await self._ask(b"\nM115\n")
        if lines is None:
            return None
        firmware = introduced(lines, self._dialect)
        if firmware.is_numbered and await self._ask(numbered(0, FIRST_LINE)) is None:
            return None
        return firmware

    async def _ask(self, question: bytes) -> list[str] | None:
        """What is said up to the `ok`; None when that does not come. One who just boots is asked again."""
        self._lines.clear()
        self._port.write(question)
        try:
            async with asyncio.timeout(self._answer):
                while True:
                    self._news.clear()
                    await self._news.wait()
                    kinds = [understood(line).kind for line in self._lines]
                    if Kind.OK in kinds:
                        return list(self._lines)
                    if Kind.START in kinds or Kind.RESEND in kinds:
                        self._lines.clear()
                        self._port.write(question)
        except TimeoutError:
            log.debug("no answer to %r, only %r", question, self._lines[-5:])
            return None

    def _heard(self, line: str) -> None:
        self._lines.append(line)
        self._news.set()

    def _gone(self, reason: str) -> None:
        self._lines.append(f"!! {reason}")
        self._news.set()
