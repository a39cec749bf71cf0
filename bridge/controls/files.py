"""The file to print: a select over the newest files, that takes the name of any other, too."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from bridge.controls.checks import LONGEST_TEXT, NOTHING
from bridge.controls.control import Control, own
from bridge.errors import BadParams
from bridge.klippy.commands import one_line
from bridge.mqtt.payloads import ControlRow, ControlValue

KEY = "print_file"
MOST_FILES, MOST_BYTES = 50, 2000  # in the list of options
PAUSE = 10.0  # seconds between two lists: an upload of many files is one change


class PrintFile:
    """Follows the list of files."""

    def __init__(
        self,
        *,
        newest: Callable[[], Awaitable[Sequence[str]]],
        exists: Callable[[str], bool],
        start: Callable[[str], Awaitable[Any]],
        printing: Callable[[], str | None],
        show: Callable[[Control], None],
        topic: str,
    ) -> None:
        self._newest, self._exists, self._start = newest, exists, start
        self._printing, self._show, self._topic = printing, show, topic
        self._options: tuple[str, ...] = (NOTHING,)
        self._due = asyncio.Event()

    async def open(self) -> None:
        """Look at the files that there are."""
        await self._look()

    async def run(self) -> None:
        """Show the list again when it may have changed, not too often."""
        while True:
            await self._due.wait()
            self._due.clear()
            await self._look()
            await asyncio.sleep(PAUSE)

    async def close(self) -> None:
        """Nothing to give back."""

    def look_again(self) -> None:
        """The files have changed."""
        self._due.set()

    async def _look(self) -> None:
        options = fitting(await self._newest()) or (NOTHING,)
        if options != self._options:
            self._options = options
            self._show(self.control())

    def control(self) -> Control:
        """The control with the present files."""
        options = self._options

        def state() -> ControlValue:
            name = self._printing()
            return ControlValue(name if name in options else None)

        return own(
            "select",
            KEY,
            "Print file",
            self._start,
            state,
            topic=self._topic,
            options=options,
            check=self._check,
        )

    def _check(self, value: Any, _row: ControlRow) -> str:
        if not isinstance(value, str) or value == NOTHING:
            raise BadParams(f"'{KEY}' takes the path of a file below gcodes")
        if not self._exists(one_line(value, KEY)):
            raise BadParams(f"'{KEY}': there is no such file below gcodes")
        return value


def fitting(names: Sequence[str]) -> tuple[str, ...]:
    """The first names that fit into a list of options."""
    chosen: list[str] = []
    room = MOST_BYTES
    for name in names:
        room -= len(name.encode(errors="replace")) + 3
        if room < 0 or len(chosen) == MOST_FILES:
            break
        if 0 < len(name.strip()) <= LONGEST_TEXT:
            chosen.append(name)
    return tuple(dict.fromkeys(chosen))
