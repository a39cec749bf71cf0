"""Carries out G-code: who may run when, line by line, with the output lines that Klippy makes of it."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from bridge.klippy.simulator.clock import Halted
from bridge.klippy.simulator.line import GcodeError, Line
from bridge.signals import Signal

Status = dict[str, Any]


@dataclass(frozen=True)
class Command:
    """A command's name, what it does, its help text, and whether it works when the printer is not ready."""

    name: str
    run: Callable[[Line], Awaitable[None] | None]
    help: str = ""
    always: bool = False


class Part(Protocol):
    """A piece of the printer: the commands it takes and the printer objects it shows."""

    def commands(self) -> Iterable[Command]:
        """The commands it takes."""
        ...

    def objects(self) -> Mapping[str, Callable[[], Status]]:
        """The printer objects it shows, each by a function that makes its status anew."""
        ...


class Dispatch:
    """The command table and the mutex that all G-code shares."""

    def __init__(self, executed: deque[str], not_ready: Callable[[], str | None]) -> None:
        self.output: Signal[str] = Signal("gcode output")
        self.table: dict[str, Command] = {}
        self.worked = 0  # commands that made the printer do something
        self._executed = executed
        self._not_ready = not_ready
        self._mutex = asyncio.Lock()
        self._ending = False
        for command in self._own():
            self.table[command.name] = command

    def _own(self) -> Iterable[Command]:
        yield Command("STATUS", self._status, "Tell the printer's state", always=True)
        yield Command("HELP", self._help, "List the commands that have a help text", always=True)
        yield Command("M115", self._firmware, always=True)
        yield Command("M110", lambda _: None, always=True)

    # -- who may run when

    async def exclusive(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do `work` when the mutex is free; after a restart was asked for, never."""
        async with self._mutex:
            if self._ending:
                await asyncio.Event().wait()  # the restart cancels whoever still waits
            await work()

    @property
    def busy(self) -> bool:
        """Whether some G-code is being carried out."""
        return self._mutex.locked()

    def end(self) -> None:
        """Nothing that still waits for the mutex is carried out any more."""
        self._ending = True

    async def script(self, text: str) -> None:
        """A client's script: behind what runs, each line by itself, up to the first that fails."""
        await self.exclusive(lambda: self.reported(text.split("\n"), record=True))

    async def reported(self, lines: Iterable[str], *, record: bool = False) -> None:
        """Run lines under a mutex that the caller holds; an error is shown to all clients as well."""
        try:
            for text in lines:
                if record and text.strip():
                    self._executed.append(text.strip())
                await self.line(text)
        except Halted:
            error = GcodeError(self._not_ready() or "Printer is shutdown")
            self.error(str(error))
            raise error from None
        except GcodeError as error:
            self.error(str(error))
            raise

    async def line(self, text: str) -> None:
        """One line, with the mutex held: the command it names, or the word that there is none."""
        line = Line(text)
        if not line.name:
            return
        command = self.table.get(line.name)
        state = self._not_ready()
        if state is not None and (command is None or not command.always):
            if line.name == "M105":
                self.raw("T:0")
                return
            raise GcodeError(state)
        if command is None:
            self.info(f'Unknown command:"{line.name}"')
            return
        self.worked += not command.always
        outcome = command.run(line)
        if outcome is not None:
            await outcome

    # -- output lines

    def raw(self, text: str) -> None:
        """An answer without a prefix."""
        self.output.emit(text)

    def info(self, text: str) -> None:
        """Information: one message, each of its lines marked."""
        self.output.emit("\n".join(f"// {line.strip()}" for line in text.strip().split("\n")))

    def error(self, text: str) -> None:
        """An error: its first line marked, all lines as information before it when there are several."""
        lines = text.strip().split("\n")
        if len(lines) > 1:
            self.info(text)
        self.output.emit(f"!! {lines[0].strip()}")

    # -- the commands that need no printer

    def help_texts(self) -> dict[str, str]:
        """The commands that have a help text."""
        return {name: command.help for name, command in self.table.items() if command.help}

    def _status(self, _: Line) -> None:
        state = self._not_ready()
        if state is not None:
            raise GcodeError(f"{state.rstrip()}\nKlipper state: Not ready")
        self.info("Klipper state: Ready")

    def _help(self, _: Line) -> None:
        rows = [f"{name:10}: {text}" for name, text in sorted(self.help_texts().items())]
        self.info("\n".join(["Available extended commands:", *rows]))

    def _firmware(self, _: Line) -> None:
        self.raw("FIRMWARE_NAME:Klipper FIRMWARE_VERSION:simulator")
