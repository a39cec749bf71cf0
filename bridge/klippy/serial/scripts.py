"""Scripts: line by line, what is for the host done here, what is for the printer sent to it."""

from collections.abc import Awaitable, Callable
from contextlib import nullcontext

from bridge.errors import KlippyError
from bridge.klippy.serial.job import Job
from bridge.klippy.serial.lines import commands
from bridge.klippy.serial.printer import Printer
from bridge.klippy.serial.sender import PROBE
from bridge.klippy.serial.words import HELP, TRANSLATIONS, Params, name_of

MOVES = (b"G28", b"G29", b"G92", b"G0 ", b"G1 ")
Act = Callable[[bytes], Awaitable[None]]


class Scripts:
    """Whatever somebody types or presses, one script after the other."""

    def __init__(self, printer: Printer, job: Job, restart: Callable[[bool], Awaitable[object]]) -> None:
        self._printer, self._job, self._restart = printer, job, restart
        self._states: dict[str, Act] = {"SAVE_GCODE_STATE": self._save, "RESTORE_GCODE_STATE": self._restore}
        self._acts: dict[str, Act] = {
            "PAUSE": lambda _: job.pause(),
            "M25": lambda _: job.pause(),
            "RESUME": lambda _: job.resume(),
            "M24": lambda _: job.resume(),
            "CANCEL_PRINT": lambda _: job.cancel(),
            "M524": lambda _: job.cancel(),
            "CLEAR_PAUSE": self._clear_pause,
            "SDCARD_PRINT_FILE": lambda line: job.begin(Params(line).get("FILENAME")),
            "SDCARD_RESET_FILE": self._reset,
            "SET_PRINT_STATS_INFO": self._layers,
            "RESPOND": self._respond,
            "HELP": self._help,
            "STATUS": self._status,
            "M110": self._nothing,
        }

    async def run(self, text: str) -> None:
        """Run a script; the first line that fails ends it."""
        lines = commands(text)
        if len(lines) == 1 and await self._at_once(lines[0]):
            return
        whole = len(lines) > 1 or any(_word(line) in self._states for line in lines)
        async with self._job.gate:
            with self._job.held() if whole else nullcontext():
                await self._lines(lines)

    async def _lines(self, lines: list[bytes]) -> None:
        moved = False
        for line in lines:
            await self._line(line)
            moved = moved or line[:3].upper() in MOVES
        if moved and not self._job.active:
            await self._printer.tell(b"M114", quiet=True)

    async def _at_once(self, line: bytes) -> bool:
        """What waits for nobody: the printer may be the one who waits."""
        name = _word(line)
        if name == "M112":
            self._printer.stop("Shutdown due to M112 command")
        elif name in ("RESTART", "FIRMWARE_RESTART"):
            await self._restart(name == "FIRMWARE_RESTART")
        elif name in ("M108", "M876", "M410"):
            self._printer.aside(line)
        elif self._job.by_firmware and name in ("RESUME", "CANCEL_PRINT"):
            await self._acts[name](line)
        else:
            return False
        return True

    async def _line(self, line: bytes) -> None:
        name = _word(line)
        if (act := self._acts.get(name)) is not None:
            if self._printer.state != "ready":
                raise KlippyError(self._printer.message)
            await act(line)
        elif await self._at_once(line):
            return
        elif self._printer.firmware.dialect == "klipper":
            await self._printer.tell(line)
        elif (act := self._states.get(name)) is not None:
            await act(line)
        elif name in TRANSLATIONS:
            for one in self._job.translated(name, line):
                await self._printer.tell(one)
        else:
            await self._printer.tell(line)

    async def _save(self, line: bytes) -> None:
        if self._job.active:  # lines of the file that are under way belong to the state
            await self._printer.tell(PROBE, quiet=True)
        self._printer.motion.save(Params(line).get("NAME", "default"))

    async def _restore(self, line: bytes) -> None:
        params = Params(line)
        name = params.get("NAME", "default")
        saved = self._printer.motion.saved(name)
        if saved is None:
            raise KlippyError(f"Unknown g-code state: {name}")
        travel, (count, *modes) = saved
        if self._job.stats.state != "printing":  # else the extruder has been counted on meanwhile
            modes = [count, *modes]
        for one in [*travel, *modes] if params.number("MOVE", 0) else modes:
            await self._printer.tell(one)

    async def _clear_pause(self, _line: bytes) -> None:
        if not self._job.active:
            self._job.is_paused = False

    async def _reset(self, _line: bytes) -> None:
        self._job.forget()

    async def _layers(self, line: bytes) -> None:
        self._job.tell_layers(line)

    async def _respond(self, line: bytes) -> None:
        params = Params(line)
        prefix = {"error": "!!", "command": "//", "echo": "echo:"}.get(params.get("TYPE", "echo"), "echo:")
        self._printer.said.emit(f"{prefix} {params.get('MSG', '')}")

    async def _help(self, _line: bytes) -> None:
        self._printer.said.emit("\n".join(f"// {name}: {text}" for name, text in sorted(HELP.items())))

    async def _status(self, _line: bytes) -> None:
        self._printer.said.emit("// Klipper state: Ready")

    async def _nothing(self, _line: bytes) -> None:
        """Line numbers are the host's own."""


def _word(line: bytes) -> str:
    """What a line is called, whatever follows."""
    return name_of(line) or line.split(maxsplit=1)[0].decode(errors="replace").upper()
