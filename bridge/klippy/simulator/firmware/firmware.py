"""The simulated firmware: takes lines as an 8-bit board does, and answers in its dialect."""

import asyncio
import contextlib
import re
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from functools import reduce
from operator import xor
from pathlib import Path
from types import TracebackType
from typing import Self

from bridge.klippy.simulator.firmware.dialects import DIALECTS
from bridge.klippy.simulator.firmware.faults import LineFaults
from bridge.klippy.simulator.firmware.machine import Machine, Words, words_of
from bridge.klippy.simulator.firmware.terminal import Terminal

REMEMBERED = 200_000  # executed lines
SLOTS = 4  # lines that wait to be executed
KEEPALIVE = 2.0  # seconds between two signs of being at work

_NUMBERED = re.compile(r"N(-?\d+)\s*")
_CODE = re.compile(r"([GMT]\d+)(.*)", re.DOTALL)
_QUICK = frozenset({"M105", "M110", "M115", "M114", "M155", "M220", "M221", "M412"})
Act = Callable[[Words, str], Awaitable[None] | None]


class SimulatedFirmware:
    """A printer at `path`; `async with` it."""

    def __init__(
        self,
        path: Path,
        *,
        dialect: str = "marlin",
        speed: float = 1.0,
        extruders: int = 1,
        waits_every: float | None = 1.0,
        faults: LineFaults | None = None,
    ) -> None:
        self.faults = faults or LineFaults()
        self.executed: deque[str] = deque(maxlen=REMEMBERED)
        self.asked: Counter[str] = Counter()  # questions, which are no part of a print
        self.dialect = DIALECTS[dialect]
        self.machine = Machine(speed, extruders)
        self.terminal = Terminal(path, self._heard)
        self.killed = self._boots = False
        self._waits_every = waits_every
        self._speed = speed
        self._last = 0  # number of the last good line
        self._unread = b""
        self._slots: deque[tuple[int | None, str]] = deque()
        self._work, self._user, self._goes = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._goes.set()
        self._report_every = 0.0
        self._runner: asyncio.Task[None] | None = None
        self._acts: dict[str, Act] = {
            "G0": lambda words, _: self.machine.move(words), "G1": lambda words, _: self.machine.move(words),
            "G4": lambda words, _: self.machine.rest(words.get("S", 0) + words.get("P", 0) / 1000),
            "G28": self._home, "G90": lambda *_: self._modes(absolute=True),
            "G91": lambda *_: self._modes(absolute=False), "G92": lambda words, _: self._set(words),
            **{f"T{number}": self._take_tool(number) for number in range(extruders)},
            "M82": lambda *_: setattr(self.machine, "absolute_extrude", True),
            "M83": lambda *_: setattr(self.machine, "absolute_extrude", False),
            "M104": self._nozzle, "M109": self._wait_nozzle, "M140": self._bed, "M190": self._wait_bed,
            "M112": lambda *_: self._kill(),
            "M106": lambda words, _: setattr(self.machine, "fan", words.get("S", 255.0)),
            "M107": lambda *_: setattr(self.machine, "fan", 0.0),
            "M114": lambda *_: self.say(self.machine.where()),
            "M115": lambda *_: self.say(*self.dialect.introduction),
            "M118": lambda _, rest: self.say(rest.strip()),
            "M119": lambda *_: self.say("Reporting endstop status", "x_min: open", "z_min: TRIGGERED"),
            "M155": self._report, "M220": self._factor, "M221": self._flow, "M412": self._runout,
            "M400": lambda *_: self.machine.finish(), "M600": self._change_filament,
        }  # fmt: skip
        self._idle_words = frozenset(
            {"G29", "M17", "M18", "M73", "M84", "M108", "M110", "M117", "M203", "M204", "M290", "M500",
             "M876", "M999"}
        )  # fmt: skip

    # -- life

    async def __aenter__(self) -> Self:
        self.terminal.plug()
        self._runner = asyncio.create_task(self._run(), name="simulated firmware")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.terminal.unplug()
        runner, self._runner = self._runner, None
        if runner is not None:
            runner.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await runner

    def reset(self) -> None:
        """Begin anew, as after a drop of the supply or a press on its button."""
        self.killed = False
        self._goes.set()
        self._last, self._unread, self._report_every = 0, b"", 0.0
        self._slots.clear()
        self.machine = Machine(self._speed, len(self.machine.nozzles))
        if not self.faults.mute_reset:
            self.say(*self.dialect.banner)

    def replug(self) -> None:
        """The cable is put in again."""
        self.reset()
        self.terminal.plug()

    def press(self) -> None:
        """Somebody presses the button that it waits for."""
        self._user.set()

    def pause(self) -> None:
        """Somebody pauses at its display: it stands still until `resume`."""
        self._goes.clear()
        self.say("//action:paused")

    def resume(self) -> None:
        """Somebody lets it go on at its display."""
        self.say("//action:resumed")
        self._goes.set()

    def say(self, *lines: str) -> None:
        """Say these lines, unless it is silent."""
        if lines and not self.faults.silent:
            self.terminal.write(self.faults.junk() + "".join(f"{line}\n" for line in lines).encode())

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._execute())
            group.create_task(self._report_for_ever())

    # -- lines come in

    def _heard(self, data: bytes) -> None:
        if self.faults.boots is not None:
            asyncio.get_running_loop().call_later(self.faults.boots, self._booted)
            self.faults.boots, self._boots = None, True
        if self.faults.silent or self._boots:
            return
        for line in data.splitlines(keepends=True):
            self._unread += self.faults.spoil(line) if line.strip() else line
        self._take_in()

    def _booted(self) -> None:
        self._boots = False
        self.reset()

    def _take_in(self) -> None:
        """Lines go into the slots as long as there are free ones; some firmware looks for a halt first."""
        if any(word in self._unread for word in (b"M112", b"M108", b"M999")):
            self._emergency()
        while b"\n" in self._unread and len(self._slots) < SLOTS and not self.killed:
            line, _, self._unread = self._unread.partition(b"\n")
            text = line.decode(errors="replace").strip()
            if text:
                self._take(text)
            elif not self.dialect.checks_lines:
                self.say("ok")

    def _emergency(self) -> None:
        lines = {line.strip() for line in self._unread.split(b"\n")[:-1]}
        at_once = self.dialect.hears_at_once
        if b"M112" in lines and at_once:
            self._kill()
        elif b"M999" in lines and self.killed:  # in place of a reset by DTR, which this terminal has not
            self._unread = b""
            self.reset()
        elif b"M108" in lines and at_once:
            self._user.set()

    def _kill(self) -> None:
        self.killed = True
        self._slots.clear()
        self._unread = b""
        self.say(*self.dialect.killed)

    def _take(self, text: str) -> None:
        found = _NUMBERED.match(text) if self.dialect.checks_lines else None
        if found is None:
            if "*" in text and self.dialect.checks_lines:
                self._ask_again("No Line Number with checksum")
                return
            self._put(None, _NUMBERED.sub("", text, count=1).partition("*")[0])
            return
        body, mark, checksum = text.rpartition("*")
        number = int(found[1])
        if not mark:
            self._ask_again("No Checksum with line number")
        elif not checksum.isdecimal() or int(checksum) != reduce(xor, body.encode("utf-8", "replace")):
            self._ask_again("checksum mismatch")
        elif number != self._last + 1 and "M110" not in body:
            self._ask_again("Line Number is not Last Line Number+1")
        else:
            self._last = number
            self._put(number, body[found.end() :].strip())

    def _ask_again(self, why: str) -> None:
        self._unread = b""  # what has come behind it is not looked at
        lines = [f"Error:{why}, Last Line: {self._last}", self.dialect.resend.format(self._last + 1)]
        if self.dialect.ok_after_resend:
            lines.append("ok")
        for _ in range(self.faults.storm):
            self.say(*lines)

    def _put(self, number: int | None, command: str) -> None:
        self._slots.append((number, command))
        self._work.set()

    # -- lines are carried out

    async def _execute(self) -> None:
        while True:
            await self._goes.wait()
            if not self._slots:
                await self._next_line()
                continue
            number, command = self._slots[0]
            if not await self._carry_out(command):
                continue
            if self._slots and self._slots[0] == (number, command):  # no reset came between
                self._slots.popleft()
                self._acknowledge(number, command)
                self._take_in()

    async def _next_line(self) -> None:
        self._work.clear()
        try:
            async with asyncio.timeout(self._waits_every):
                await self._work.wait()
        except TimeoutError:
            if not self.killed:
                self.say("wait")

    async def _carry_out(self, command: str) -> bool:
        """Do it, with signs of life; False when a reset came between."""
        code, rest = self._parted(command)
        if code not in _QUICK:
            self.executed.append(command)
            if self.faults.reset_at is not None and len(self.executed) >= self.faults.reset_at:
                self.faults.reset_at = None
                self.reset()
                return False
        else:
            self.asked[code] += 1
        if (error := self.faults.errors.get(command)) is not None:
            self.say(self.dialect.error.format(error))
            return True
        act = self._acts.get(code)
        if act is not None:
            work = act(words_of(rest), rest)
            if work is not None:
                await self._with_signs_of_life(work)
        elif code not in self._idle_words and code != "M105":
            self.say(self.dialect.unknown.format(command))
        return True

    def _parted(self, command: str) -> tuple[str, str]:
        found = _CODE.match(command)
        return (found[1], found[2]) if found is not None else (command.partition(" ")[0], "")

    async def _with_signs_of_life(self, work: Awaitable[None]) -> None:
        handle = None
        if self.dialect.keepalive is not None:
            loop, pause = asyncio.get_running_loop(), max(0.05, KEEPALIVE / self._speed)

            def beat() -> None:
                nonlocal handle
                self.say(self.dialect.keepalive or "")
                handle = loop.call_later(pause, beat)

            handle = loop.call_later(pause, beat)
        try:
            await work
        finally:
            if handle is not None:
                handle.cancel()

    def _acknowledge(self, number: int | None, command: str) -> None:
        if self.faults.swallows_ok():
            return
        if command.startswith("M105"):
            self.say(f"ok {self.machine.temperatures()}")
        elif self.dialect.advanced_ok:
            label = f" N{number}" if number is not None else ""
            self.say(f"ok{label} P{self.machine.free_blocks} B{SLOTS - 1 - len(self._slots)}")
        else:
            self.say("ok")

    # -- what it can do

    async def _home(self, _words: Words, _rest: str) -> None:
        await self.machine.rest(5.0)
        self.machine.position.update(X=0.0, Y=0.0, Z=0.0)

    def _take_tool(self, number: int) -> Act:
        return lambda *_: setattr(self.machine, "tool", number)

    def _modes(self, *, absolute: bool) -> None:
        self.machine.absolute = self.machine.absolute_extrude = absolute

    def _set(self, words: Words) -> None:
        self.machine.position.update({axis: value for axis, value in words.items() if axis in "XYZE"})

    def _nozzle(self, words: Words, _rest: str) -> None:
        self.machine.pass_time()
        self.machine.nozzle_of(words).target = words.get("S", 0.0)

    def _bed(self, words: Words, _rest: str) -> None:
        self.machine.pass_time()
        self.machine.bed.target = words.get("S", 0.0)

    async def _wait_nozzle(self, words: Words, rest: str) -> None:
        self._nozzle(words, rest)
        await self._wait_for_heat(lambda: self.machine.nozzle_of(words).is_there)

    async def _wait_bed(self, words: Words, rest: str) -> None:
        self._bed(words, rest)
        await self._wait_for_heat(lambda: self.machine.bed.is_there)

    async def _wait_for_heat(self, there: Callable[[], bool]) -> None:
        self._user.clear()
        while not there() and not self._user.is_set() and not self.killed:
            self.say(f" {self.machine.temperatures()} W:?")
            await asyncio.sleep(max(0.01, 1.0 / self._speed))
            self.machine.pass_time()

    async def _change_filament(self, _words: Words, _rest: str) -> None:
        self._user.clear()
        self.say("//action:paused filament_change", "echo:busy: paused for user")
        await self._user.wait()
        self.say("//action:resumed")

    def _report(self, words: Words, _rest: str) -> None:
        self._report_every = words.get("S", 0.0)

    def _factor(self, words: Words, _rest: str) -> None:
        self.machine.speed_factor = words.get("S", self.machine.speed_factor)
        self.say(self.dialect.speed_factor.format(self.machine.speed_factor))

    def _flow(self, words: Words, _rest: str) -> None:
        self.machine.flow_factor = words.get("S", self.machine.flow_factor)
        self.say(self.dialect.flow_factor.format(self.machine.flow_factor))

    def _runout(self, words: Words, _rest: str) -> None:
        if words.get("S") is None:
            self.say("echo:Filament runout ON")

    async def _report_for_ever(self) -> None:
        while True:
            await asyncio.sleep(max(0.05, (self._report_every or 1.0) / self._speed))
            if self._report_every and not self.killed:
                self.say(f" {self.machine.temperatures()}")
