"""Host actions: what the firmware asks for by `//action:`, and how Klipper's clients are told of it."""

from collections.abc import Callable, Coroutine
from typing import Any

from bridge.klippy.serial.job import Job
from bridge.klippy.serial.printer import Printer

RUNOUTS = ("out_of_filament", "filament_runout")


class Actions:
    """Deals with one action after the other."""

    def __init__(
        self, printer: Printer, job: Job, start: Callable[[Coroutine[Any, Any, None]], None]
    ) -> None:
        self._printer, self._job, self._start = printer, job, start
        self._buttons = 0
        self._known: dict[str, Callable[[str], None]] = {
            "pause": lambda _: start(job.pause()),
            "resume": lambda _: start(job.resume()),
            "cancel": lambda _: start(job.cancel()),
            "paused": lambda _: job.firmware_pauses(),
            "resumed": lambda _: job.firmware_resumes(),
            "notification": self._notify,
            "poweroff": lambda _: printer.halt("The printer has asked to be switched off"),
            "prompt_begin": self._begin_prompt,
            "prompt_button": self._button,
            "prompt_choice": self._button,
            **dict.fromkeys(RUNOUTS, lambda _: self._run_out()),
        }
        printer.asked.connect(self._asked)

    def _asked(self, text: str) -> None:
        word, _, rest = text.strip().partition(" ")
        act = self._known.get(word.lower())
        if act is not None:
            act(rest.strip())
        if word.lower() not in ("prompt_button", "prompt_choice"):
            self._printer.said.emit(f"// action:{text}")

    def _notify(self, text: str) -> None:
        self._printer.display = text or None

    def _run_out(self) -> None:
        self._printer.filament = False

    def _begin_prompt(self, text: str) -> None:
        self._buttons = 0
        if "runout" in text.lower().replace(" ", ""):
            self._run_out()

    def _button(self, text: str) -> None:
        """A button of the printer's prompt: pressed, it is answered by its number."""
        self._printer.said.emit(f"// action:prompt_button {text}|M876 S{self._buttons}")
        self._buttons += 1
