"""The virtual SD card: chooses a file, prints it line by line, stops when told to."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path

from bridge.klippy.simulator.clock import Halted
from bridge.klippy.simulator.dispatch import Command, Dispatch, Status
from bridge.klippy.simulator.gcode_file import GcodeFile, find
from bridge.klippy.simulator.line import GcodeError, Line
from bridge.klippy.simulator.print_stats import PrintStats

_BREATHE = 50  # lines after which everybody else gets a turn
_ON_ERROR = 'RESPOND TYPE=error MSG="file stopped by an error"'


class SdCard:
    """M20 to M27, SDCARD_PRINT_FILE, and the task that prints."""

    def __init__(
        self,
        gcode: Dispatch,
        stats: PrintStats,
        folder: Path,
        *,
        settle: Callable[[], Awaitable[None]],
        loaded: Callable[[], None],
        ready: Callable[[], bool],
    ) -> None:
        self._gcode, self._stats, self._folder = gcode, stats, folder
        self._settle, self._loaded, self._ready = settle, loaded, ready
        self._file: GcodeFile | None = None
        self._shown = (0, 0, 0.0)  # position, size, progress of a file that was printed to its end
        self._go = asyncio.Event()
        self._printing_line = False

    @property
    def active(self) -> bool:
        """Whether it prints."""
        return self._go.is_set()

    @property
    def has_file(self) -> bool:
        """Whether a file is chosen and not yet at its end."""
        return self._file is not None

    def close(self) -> None:
        """Let the file go."""
        self._go.clear()
        if self._file is not None:
            self._file.close()
            self._file = None

    # -- the print

    async def run(self) -> None:
        """Print whenever there is something to print, for ever."""
        try:
            while True:
                await self._go.wait()
                if self.active:  # a pause may have come before we woke
                    self._stats.begin()
                    await self._print_on()
        finally:
            self.close()

    async def _print_on(self) -> None:
        count = 0
        while await self._step():
            count += 1
            if count % _BREATHE == 0:
                await asyncio.sleep(0)

    async def _step(self) -> bool:
        """One line; whether there is to be another of this file."""
        file = self._file
        if not self.active or file is None:
            return False
        found = file.next()
        if found is None:
            await self._gcode.exclusive(lambda: self._finish(file))
        elif not found[0] or found[0].startswith(";"):
            self._stats.comment(found[0])
            file.take(found[1])
        else:
            await self._gcode.exclusive(lambda: self._print(file, *found))
        return self._prints(file)

    def _prints(self, file: GcodeFile) -> bool:
        """Whether it is this file still: during a wait it may be cancelled and another begun."""
        return self.active and self._file is file

    async def _print(self, file: GcodeFile, text: str, length: int) -> None:
        """One line under the mutex."""
        if not self._prints(file):
            return
        self._printing_line = True
        try:
            await self._gcode.line(text)
            file.take(length)
        except (GcodeError, Halted) as error:
            await self._fail(error)
        finally:
            self._printing_line = False

    async def _fail(self, error: Exception) -> None:
        """A line failed: the file, if the printer is well; else the print stays where it is."""
        self._go.clear()
        if isinstance(error, Halted) or not self._ready():
            self._stats.pause()
            return
        self._gcode.error(str(error))
        await self._gcode.line(_ON_ERROR)
        self._stats.end("error", str(error))

    async def _finish(self, file: GcodeFile) -> None:
        if not self._prints(file):
            return
        try:
            await self._settle()
        except Halted as error:
            await self._fail(error)
            return
        self._shown = (file.position, file.size, 1.0)
        self.close()
        self._gcode.raw("Done printing file")
        self._stats.end("complete")

    # -- what others may ask of it

    def stop(self) -> None:
        """Stand still after the line at hand."""
        if self.active:
            self._go.clear()
            self._stats.pause()

    def resume(self) -> None:
        """Print on."""
        if self.active:
            raise GcodeError("SD busy")
        if self._file is not None:
            self._go.set()

    def cancel(self) -> None:
        """Give the print up."""
        if self._file is not None:
            self.close()
            self._shown = (0, 0, 0.0)
            self._stats.end("cancelled")

    # -- commands

    def commands(self) -> Iterable[Command]:
        """The commands it takes."""
        return (
            Command("M20", self._list),
            Command("M21", lambda _: self._gcode.raw("SD card ok")),
            Command("M23", lambda line: self._select(line.rest)),
            Command("M24", lambda _: self.resume()),
            Command("M25", lambda _: self.stop()),
            Command("M26", self._seek),
            Command("M27", self._report),
            Command("SDCARD_PRINT_FILE", self._print_file, "Choose a file, also in a folder, and print it"),
            Command("SDCARD_RESET_FILE", self._reset, "Let the chosen file go"),
        )

    def _list(self, _: Line) -> None:
        self._gcode.raw("Begin file list")
        for path in sorted(self._folder.rglob("*.gcode")):
            self._gcode.raw(f"{path.relative_to(self._folder).as_posix()} {path.stat().st_size}")
        self._gcode.raw("End file list")

    def _print_file(self, line: Line) -> None:
        if self.active:
            raise GcodeError("SD busy")
        self._select(line.get("FILENAME"))
        self.resume()

    def _select(self, name: str) -> None:
        if self.active:
            raise GcodeError("SD busy")
        self._forget()
        try:
            file = find(self._folder, name)
        except OSError as error:
            raise GcodeError("Unable to open file") from error
        if file is None:
            raise GcodeError("Unable to open file")
        self._gcode.raw(f"File opened:{file.name} Size:{file.size}")
        self._gcode.raw("File selected")
        self._file = file
        self._stats.load(file.name)

    def _reset(self, _: Line) -> None:
        if self._printing_line:
            raise GcodeError("SDCARD_RESET_FILE cannot be run from the sdcard")
        self._forget()

    def _forget(self) -> None:
        self.close()
        self._shown = (0, 0, 0.0)
        self._stats.load("")
        self._loaded()

    def _seek(self, line: Line) -> None:
        if self.active:
            raise GcodeError("SD busy")
        if self._file is not None:
            self._file.seek(int(line.number("S", least=0)))

    def _report(self, _: Line) -> None:
        if self._file is None:
            self._gcode.raw("Not SD printing.")
        else:
            self._gcode.raw(f"SD printing byte {self._file.position}/{self._file.size}")

    # -- printer objects

    def objects(self) -> Mapping[str, Callable[[], Status]]:
        """The printer objects it shows."""
        return {"virtual_sdcard": self._status}

    def progress(self) -> float:
        """From 0 to 1."""
        return self._file.progress if self._file is not None else self._shown[2]

    def _status(self) -> Status:
        file = self._file
        return {
            "file_path": str(file.path) if file else None,
            "progress": self.progress(),
            "is_active": self.active,
            "file_position": file.position if file else self._shown[0],
            "file_size": file.size if file else self._shown[1],
        }
