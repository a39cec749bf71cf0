"""Prints that were asked for, from the request until Klippy's status tells what became of it."""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from bridge.klippy.status import StatusDelta

PATIENCE = 2.0  # seconds; Klippy tells its status four times a second
LOADED = (("virtual_sdcard", "file_path"), ("print_stats", "filename"))


@dataclass(eq=False)
class _Start:
    """One request."""

    filename: str  # relative to gcodes
    accepted: bool = False
    seen: bool = False  # Klippy has told of a file before it answered


class Starts:
    """The files of prints that nobody can see yet: they are in use already."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._starts: list[_Start] = []

    @property
    def filenames(self) -> tuple[str, ...]:
        """The files, relative to gcodes."""
        return tuple(start.filename for start in self._starts)

    @contextlib.contextmanager
    def asked(self, filename: str) -> Iterator[None]:
        """While Klippy is asked to print a file, and behind its yes until its status has come."""
        start = _Start(filename)
        self._starts.append(start)
        try:
            yield
        except asyncio.CancelledError:  # whoever asked has gone, and Klippy may print all the same
            self._accept(start)
            raise
        except BaseException:
            self._drop(start)
            raise
        self._accept(start)

    def _accept(self, start: _Start) -> None:
        start.accepted = True
        if start.seen:
            self._drop(start)
        else:
            asyncio.get_running_loop().call_later(self._patience, self._drop, start)

    def look(self, delta: StatusDelta) -> None:
        """Klippy has told its status: from here on that says what is in use."""
        told = any(name in delta.status for name, _ in LOADED)
        loaded = any(delta.status.get(name, {}).get(field) for name, field in LOADED)
        for start in list(self._starts):
            start.seen = start.seen or loaded
            if start.accepted and told:
                self._drop(start)

    def _drop(self, start: _Start) -> None:
        with contextlib.suppress(ValueError):  # the status was faster than the clock
            self._starts.remove(start)
