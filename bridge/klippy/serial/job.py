"""Printing: a file goes out line by line, as fast as the printer takes it; pause, resume, cancel, faults."""

import asyncio
import os
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from bridge.errors import BridgeError, KlippyError
from bridge.klippy.serial.feed import Feed, Layer, Piece
from bridge.klippy.serial.lines import commands, fitting
from bridge.klippy.serial.printer import HEAT_WAITS, Printer
from bridge.klippy.serial.sender import Done, Order
from bridge.klippy.serial.stats import PrintStats
from bridge.klippy.serial.words import TRANSLATIONS, Params, name_of

FINISH = b"M400"  # answered when all moves are made
SETTLED = b"GgTt"  # what begins like this is the printer's own business
IN_FILE = {"PAUSE": "pause", "CANCEL_PRINT": "cancel", "M600": "pause", "M25": "pause", "M112": "stop"}

Start = Callable[[Coroutine[Any, Any, None]], bool]


class Job:
    """The one print that there may be."""

    def __init__(self, printer: Printer, gcodes: Path, start: Start) -> None:
        self.stats = PrintStats()
        self.is_paused = False
        self.gate = asyncio.Lock()  # one after the other: scripts, and what a file asks of the host
        self._printer, self._start = printer, start
        self._gcodes = Path(os.path.normpath(gcodes))
        self._feed: Feed | None = None
        self._done: Done = lambda _order, _complaint: None  # of the lines of this print
        self._ahead: deque[Piece] = deque()  # lines that stand for one line of the file
        self._running = self._by_firmware = False  # whether lines go out; whether the printer itself pauses
        self._finishing = self._is_held = False
        self._still_due = 0  # lines that were under way when the printer paused by itself
        self._after_pause: list[bytes] = []
        self._before_resume: list[bytes] = []
        printer.sender.source = self._next
        printer.waits_for_user.connect(self._stands_by)
        printer.halted.connect(lambda _reason: self._halted())

    @property
    def active(self) -> bool:
        """Whether there is a print, paused or not."""
        return self.stats.state in ("printing", "paused")

    @property
    def by_firmware(self) -> bool:
        """Whether the printer itself pauses, and takes no lines before it goes on."""
        return self._by_firmware

    # -- what can be done with it

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the file's lines back: none of them stands between those of a script."""
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False
            self._printer.sender.pump()

    async def begin(self, name: str) -> None:
        """Print a file of the gcodes folder."""
        if self.active:
            raise KlippyError("SD busy")
        try:
            path = await asyncio.to_thread(self._find, name)
            feed = Feed(path)
        except OSError as error:
            raise KlippyError("Unable to open file") from error
        self.forget()
        self._feed, self._done = feed, partial(self._carried_out, feed)
        stats = self.stats
        stats.filename, stats.path = path.relative_to(self._gcodes).as_posix(), str(path)
        stats.size = feed.size
        self._printer.said.emit(f"File opened:{stats.filename} Size:{feed.size}")
        self._printer.said.emit("File selected")
        self._printer.motion.start_counting()
        self._printer.progress = None
        stats.start()
        self._running = True
        self._start(self._read(feed))

    async def pause(self) -> None:
        """Stand still when the moves under way are made, and go where the configuration says."""
        if self.stats.state == "paused" or self.is_paused:
            self._printer.said.emit("// Print already paused")
            return
        if self.stats.state != "printing":
            self.is_paused = True
            return
        self._running = False
        self.stats.pause()
        await self._printer.tell(FINISH)
        motion = self._printer.motion
        self._before_resume, self._after_pause = motion.travel(), motion.modes()
        await self._tell_all(self._printer.settings.pause_gcode)
        self.is_paused = True

    async def resume(self) -> None:
        """Go on where it was."""
        if not self.is_paused and self.stats.state != "paused":
            self._printer.said.emit("// Print is not paused, resume aborted")
            return
        self.is_paused = False
        if self._by_firmware:
            self._printer.aside(b"M108")
        elif self.stats.state == "paused":
            for line in self._before_resume:
                await self._printer.tell(line)
            await self._tell_all(self._printer.settings.resume_gcode)
            for line in self._after_pause:
                await self._printer.tell(line)
            self._go_on()

    async def cancel(self) -> None:
        """Give it up; a wait for heat is broken off where the printer listens."""
        self.is_paused = False
        if not self.active:
            return
        self._let_go("cancelled")
        oldest = self._printer.sender.oldest
        waiting = oldest is not None and oldest.text[:4].upper() in HEAT_WAITS
        if (waiting or self._by_firmware) and self._printer.firmware.can("EMERGENCY_PARSER"):
            self._printer.aside(b"M108")
        self._by_firmware = False
        await self._tell_all(self._printer.settings.cancel_gcode)

    def forget(self) -> None:
        """The chosen file is no longer chosen."""
        if self.active:
            raise KlippyError("SD busy")
        self._drop_feed()
        self.stats, self._finishing, self._by_firmware = PrintStats(), False, False

    def close(self) -> None:
        """The printer is gone."""
        self._running = False
        self._drop_feed()

    # -- what the printer does by itself

    def firmware_pauses(self) -> None:
        """It stands still by itself: a change of filament, or somebody at its display."""
        if self.stats.state == "printing":
            self._by_firmware = self.is_paused = True
            self._still_due = self._printer.sender.window
            self.stats.pause("The printer waits for somebody")

    def firmware_resumes(self) -> None:
        """It goes on by itself."""
        if self._by_firmware:
            self._by_firmware = self.is_paused = False
            self._go_on()

    def _stands_by(self, _text: str) -> None:
        self.firmware_pauses()

    def _halted(self) -> None:
        self._running = False
        if self.stats.state == "printing":
            self.stats.pause()
        self._drop_feed()

    # -- lines

    def _next(self) -> Order | None:
        """The next line for the printer."""
        feed = self._feed
        while self._running and not self._is_held and feed is not None:
            piece = self._ahead.popleft() if self._ahead else feed.take()
            if piece is None:
                return self._last(feed) if feed.dry else None
            order = self._about(piece)
            if order is not None:
                return order
        return None

    def _about(self, piece: Piece) -> Order | None:
        """The order of a piece of the file, or None when the host has dealt with it."""
        if isinstance(piece, Layer):
            self.stats.comes_to(piece)
            return None
        try:
            if piece[0][:1] in SETTLED or self._is_for_printer(*piece):
                return self._order(*piece)
        except KlippyError as error:
            self._line_failed(str(error))
        return None

    def _order(self, line: bytes, end: int) -> Order:
        fit = fitting(line, self._printer.firmware.longest)
        if fit is None:
            raise KlippyError(f"the line before byte {end} is longer than the printer's buffer")
        return Order(fit, self._done, end)

    def _is_for_printer(self, line: bytes, end: int) -> bool:
        """Whether a line goes to the printer as it is; what is for the host is done here."""
        name = name_of(line) or line.split(maxsplit=1)[0].decode(errors="replace").upper()
        if name == "M600" and self._printer.settings.filament_change == "firmware":
            return True
        if (verb := IN_FILE.get(name)) is not None:
            self._act(verb)
            return False
        if name == "SET_PRINT_STATS_INFO":
            self.tell_layers(line)
            return False
        if name in ("M110", "M23", "M24", "M26", "M27"):
            return False
        if name in TRANSLATIONS and self._printer.firmware.dialect != "klipper":
            self._ahead.extend((one, end) for one in self.translated(name, line))
            return False
        return True

    def tell_layers(self, line: bytes) -> None:
        """SET_PRINT_STATS_INFO: which layer of how many."""
        params = Params(line)
        layer, layers = (
            int(params.number(key)) if params.has(key) else None for key in ("CURRENT_LAYER", "TOTAL_LAYER")
        )
        self.stats.told(layer, layers)

    def translated(self, name: str, line: bytes) -> list[bytes]:
        """One of Klipper's commands in the printer's own words."""
        lines = TRANSLATIONS[name](Params(line), _Known(self._printer))
        return [one for text in lines for one in commands(text.decode(errors="replace"))]

    def _act(self, verb: str) -> None:
        if verb == "stop":
            self._printer.stop("Shutdown due to M112 command")
            return
        self._running = False
        self._start(self._quietly(self.pause() if verb == "pause" else self.cancel()))

    async def _quietly(self, work: Coroutine[Any, Any, None]) -> None:
        """What nobody waits for: its error is told on the console."""
        try:
            async with self.gate:
                await work
        except BridgeError as error:
            self._printer.said.emit(f"!! {error}")

    def _carried_out(self, feed: Feed, order: Order, complaint: str | None) -> None:
        if self._printer.state != "ready":
            return
        self._printer.took(order.text)
        if self._feed is not feed:  # the last lines of a print that was given up
            return
        self.stats.reached(order.end, self._printer.motion.filament)
        if self._by_firmware:
            self._works_again()
        if complaint is not None:
            self._line_failed(complaint)

    def _works_again(self) -> None:
        """A line is done though the printer pauses: it goes on, if the line was not on its way before."""
        self._still_due -= 1
        if self._still_due < 0:
            self.firmware_resumes()

    def _last(self, feed: Feed) -> Order | None:
        if self._finishing:
            return None
        self._finishing = True
        return Order(FINISH, partial(self._finished, feed))

    def _finished(self, feed: Feed, _order: Order, _complaint: str | None) -> None:
        if self._by_firmware and self._feed is feed:
            self.firmware_resumes()
        elif self._printer.state == "ready" and self._feed is feed and self.stats.state == "printing":
            self._let_go("complete")
            self._printer.said.emit("Done printing file")

    def _line_failed(self, text: str) -> None:
        policy = self._printer.settings.on_error
        if policy == "ignore" or self.stats.state != "printing":
            return
        self._running = False
        if policy == "pause":
            self._start(self._quietly(self.pause()))
            return
        self._let_go("error", text)
        self._start(self._quietly(self._tell_all(self._printer.settings.cancel_gcode)))

    def _go_on(self) -> None:
        self.stats.go_on()
        self._printer.filament = True
        self._running, self._finishing = True, False
        self._printer.sender.pump()

    def _let_go(self, state: Any, message: str = "") -> None:
        self._running = False
        self.stats.end(state, message)
        self._drop_feed()

    def _drop_feed(self) -> None:
        self._ahead.clear()
        if self._feed is not None:
            self._feed.close()
            self._feed = None

    async def _tell_all(self, lines: Iterable[str]) -> None:
        for text in lines:
            for line in commands(text):
                await self._printer.tell(line)

    async def _read(self, feed: Feed) -> None:
        """Read the file as long as it is printed."""
        try:
            while await feed.fill():
                self._printer.sender.pump()
            self._printer.sender.pump()
        except OSError as error:
            self._line_failed(f"the file cannot be read: {error.strerror or error}")

    def _find(self, name: str) -> Path:
        """The file of this name below the folder, whatever the case of its letters."""
        wanted, root = name.strip().lstrip("/"), self._gcodes
        path = Path(os.path.normpath(root / wanted))  # links are the user's own: a stick, a share
        if not wanted or not path.is_relative_to(root):
            raise KlippyError("Unable to open file")
        if path.is_file():
            return path
        low = wanted.lower()
        found = (one for one in root.rglob("*") if one.relative_to(root).as_posix().lower() == low)
        path_or_none = next((one for one in found if one.is_file()), None)
        if path_or_none is None:
            raise KlippyError("Unable to open file")
        return path_or_none


class _Known:
    """What translations may know."""

    def __init__(self, printer: Printer) -> None:
        self.settings = printer.settings
        self._printer = printer

    @property
    def offset(self) -> float | None:
        """The offset of Z in mm; None where it cannot be moved."""
        can = self._printer.firmware.can("BABYSTEPPING")
        return self._printer.motion.z_offset if can else None
