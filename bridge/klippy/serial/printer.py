"""A printer that answers: all that is known of it, and the one way to it."""

import asyncio
import logging
import re
import time
from collections.abc import Callable

from bridge.config.serial import SerialPrinter
from bridge.errors import KlippyError
from bridge.klippy.serial.firmware import Firmware
from bridge.klippy.serial.heat import Heat
from bridge.klippy.serial.lines import commands, fitting
from bridge.klippy.serial.motion import Motion
from bridge.klippy.serial.port import PULSE, Port
from bridge.klippy.serial.replies import Kind, Reply, understood
from bridge.klippy.serial.sender import SLOW_FACTOR, Order, Sender
from bridge.signals import Signal

log = logging.getLogger(__name__)

READY = "Printer is ready"
QUESTIONS = (b"M105", b"M114")  # what it tells of itself
RUNOUT = b"M412"  # not all know that one
HEAT_WAITS = (b"M109", b"M190", b"M191")
POLL = 2.0  # seconds between questions for temperatures where they do not come by themselves
FACTORS = (b"M220", b"M221")  # turned at the display without a word
FACTORS_EVERY = 30.0  # seconds
REMEDY = "FIRMWARE_RESTART connects anew; some boards want their reset button first."

_ENDSTOP = re.compile(r"(\w+): ?(open|TRIGGERED)$", re.IGNORECASE)
_RUNOUT = re.compile(r"(?:echo:)?\s*Filament runout:? (ON|OFF)", re.IGNORECASE)
_PROGRESS = re.compile(rb"\bP\s*([\d.]+)")


class Printer:
    """One life of a printer, from its first words to the loss of its port."""

    def __init__(
        self,
        port: Port,
        firmware: Firmware,
        settings: SerialPrinter,
        broken: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.said: Signal[str] = Signal("words of the printer")
        self.asked: Signal[str] = Signal("host action")  # it wants something of the host
        self.waits_for_user: Signal[str] = Signal("wait for a person")
        self.halted: Signal[str] = Signal("halt of the printer")
        self.firmware, self.settings = firmware, settings
        self.state, self.message = "ready", READY
        self.motion = Motion()
        self.heat = Heat(settings.extruders, bed=settings.bed_max > 0, chamber=settings.chamber_max > 0)
        self.display: str | None = None
        self.progress: float | None = None  # as the file tells by M73
        self.endstops: dict[str, str] = {}
        self.runout_watch: bool | None = None  # None: there is no filament sensor
        self.filament = True
        self.active_at = clock()
        self._port, self._broken, self._clock = port, broken, clock
        silence = settings.silence * (1 if firmware.is_numbered else SLOW_FACTOR)
        self.sender = Sender(
            port.write,
            broken,
            is_numbered=firmware.is_numbered,
            window=firmware.window,
            silence=silence,
            clock=clock,
        )
        self._polled, self._factors_asked = 0.0, clock()
        self._unanswered = 0  # of its own questions
        self._restarting = self._leaving = False
        self._timer: asyncio.TimerHandle | None = None
        self._hears: dict[Kind, Callable[[Reply], None]] = {
            Kind.OK: self._ok,
            Kind.RESEND: self._resend,
            Kind.BUSY: self._busy,
            Kind.WAIT: lambda _: self.sender.waits(),
            Kind.START: lambda _: self._begins_anew("the printer has restarted by itself"),
            Kind.LOSS: lambda _: self._begins_anew("Klipper has lost its MCU, or ends"),
            Kind.HALT: lambda reply: self.halt(reply.text),
            Kind.ERROR: self._error,
            Kind.FAULTY: lambda reply: log.debug("a line was damaged: %s", reply.text),
            Kind.ACTION: lambda reply: self.asked.emit(reply.text),
            Kind.REPORT: self._report,
            Kind.TEXT: self._text,
        }

    # -- the way to it

    async def prepare(self) -> None:
        """Learn what it can tell, and have it report by itself."""
        port = self._port
        port.heard, port.gone = self.heard, self._broken
        self._beat()
        if self.firmware.can("AUTOREPORT_TEMP"):
            await self.tell(b"M155 S1", quiet=True)
        factors = FACTORS if self.firmware.tells_factors else ()
        for question in (*QUESTIONS, *factors, *([RUNOUT] if self.firmware.is_numbered else [])):
            try:
                await self.tell(question, quiet=True)
            except KlippyError as error:
                if self.state != "ready":
                    raise
                log.debug("the printer does not know %r: %s", question, error)

    async def tell(self, line: bytes, *, quiet: bool = False) -> None:
        """One line; returns when the printer has carried it out, KlippyError when it could not."""
        if self.state != "ready":
            raise KlippyError(self.message)
        fit = fitting(line, self.firmware.longest)
        if fit is None:
            raise KlippyError(
                f"The line is longer than the printer's buffer: {line[:40].decode(errors='replace')}…"
            )
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done(order: Order, complaint: str | None) -> None:
            if self.state == "ready" and complaint is None:
                self.took(order.text)
            if not answer.done():
                answer.set_exception(KlippyError(complaint)) if complaint else answer.set_result(None)

        if not quiet:
            self.active_at = self._clock()
        self.sender.order(Order(fit, done, quiet=quiet))
        await answer

    def took(self, line: bytes) -> None:
        """It has carried out this line."""
        self.motion.took(line)
        kind = line[:4].upper()
        if kind[:1] == b"M":
            self.heat.took(line, self.motion.tool)
            if kind == b"M117":
                self.display = line[4:].decode(errors="replace").strip() or None
            elif kind[:3] == b"M73" and (found := _PROGRESS.search(line.upper(), 3)) is not None:
                self.progress = min(100.0, float(found[1])) / 100

    def aside(self, line: bytes) -> None:
        """A word past everything that waits, for firmware that listens while it is at work."""
        self.sender.aside(line)

    def stop(self, reason: str) -> None:
        """Halt it at once, past everything; who hears M112 only in its turn is reset."""
        self._port.overtake(b"\nM112\n")
        self.halt(reason)
        if not self.firmware.hears_at_once:
            self._restarting = True  # stopped it stays, though it may say that it has booted
            self._port.pulse()

    def halt(self, reason: str) -> None:
        """It does nothing any more until it is restarted."""
        if self.state != "ready":
            return
        self.state, self.message = "shutdown", f"{reason}\n{REMEDY}\n"
        self.said.emit(f"!! {reason}")
        self.halted.emit(reason)
        self.said.emit("// Klipper state: Shutdown")
        self.sender.shut(self.message)

    async def restart(self) -> None:
        """Have the board begin anew, by the means that there are."""
        self._restarting = True
        self._port.write(b"\nM999\n" if self.firmware.is_numbered else b"\nFIRMWARE_RESTART\n")
        if self.firmware.is_numbered:
            self._port.pulse()
            await asyncio.sleep(2 * PULSE)

    def leave(self) -> None:
        """Say what belongs to the end of a print, without waiting: nobody will be here to do so later."""
        if self.state == "ready":
            lines = [line for text in self.settings.cancel_gcode for line in commands(text)]
            self._leaving = True
            self._port.overtake(b"\n".join((b"", *lines, b"")))

    def close(self, reason: str) -> None:
        """The port is gone, or is given up."""
        if self._timer is not None:
            self._timer.cancel()
        self.state, self.message = "disconnected", reason
        self.sender.shut(reason)
        if not self._leaving:
            self._port.drop_unsent()
        self._port.close()

    # -- what it says

    def heard(self, line: str) -> None:
        """One line of it."""
        self.sender.heard()
        reply = understood(line)
        self._hears[reply.kind](reply)

    def _begins_anew(self, reason: str) -> None:
        """Nothing of what was known of it is true any more."""
        if not self._restarting:
            self._broken(reason)

    def _ok(self, reply: Reply) -> None:
        if reply.text:
            order = self.sender.oldest
            self.heat.heard(reply.text, self.motion.tool)
            if order is not None and not order.quiet:
                self.said.emit(reply.text)
        self.sender.ok(reply)
        if self.sender.settling:
            self._beat()

    def _resend(self, reply: Reply) -> None:
        self.sender.resend(reply.number or 0)
        self._beat()

    def _busy(self, reply: Reply) -> None:
        if reply.text.startswith("paused for"):
            self.waits_for_user.emit(reply.text)

    def _error(self, reply: Reply) -> None:
        self.sender.complained(reply.text)
        order = self.sender.oldest
        if order is not None and order.quiet:
            return
        self.said.emit(f"!! {reply.text}")

    def _report(self, reply: Reply) -> None:
        self.heat.heard(reply.text, self.motion.tool)
        order = self.sender.oldest
        if order is not None and not order.quiet and order.text[:4].upper() in (*HEAT_WAITS, b"M105"):
            self.said.emit(reply.text)

    def _text(self, reply: Reply) -> None:
        text = reply.text
        known = self.motion.heard(text)
        if (found := _ENDSTOP.match(text)) is not None:
            self.endstops[found[1]] = "TRIGGERED" if found[2].upper() == "TRIGGERED" else "open"
        elif (found := _RUNOUT.match(text)) is not None:
            self.runout_watch = found[1].upper() == "ON"
        order = self.sender.oldest
        if (order is None and known) or (order is not None and order.quiet) or text.startswith("Cap:"):
            return
        self.said.emit(f"// {text[5:].strip()}" if text.startswith("echo:") else text)

    # -- its clock

    def _beat(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        pause = self.sender.look()
        if self.state == "disconnected":  # it was given up for its silence
            return
        self._timer = asyncio.get_running_loop().call_later(pause, self._beat)
        if self.state == "ready" and not self._unanswered:
            self._poll(self._clock())

    def _poll(self, now: float) -> None:
        """Ask for what does not come by itself."""
        if now - self._polled > POLL and not self.firmware.can("AUTOREPORT_TEMP"):
            self._polled = now
            self._ask(b"M105")
        if now - self._factors_asked > FACTORS_EVERY and self.firmware.tells_factors:
            self._factors_asked = now
            for question in FACTORS:
                self._ask(question)

    def _ask(self, question: bytes) -> None:
        self._unanswered += 1
        self.sender.order(Order(question, self._answered, quiet=True))

    def _answered(self, _order: Order, _complaint: str | None) -> None:
        self._unanswered -= 1
