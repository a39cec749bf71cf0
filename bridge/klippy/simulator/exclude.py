"""The objects of a print, and which of them are left out."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bridge.klippy.simulator.dispatch import Command, Dispatch, Status
from bridge.klippy.simulator.line import GcodeError, Line


class Exclude:
    """EXCLUDE_OBJECT and its relatives."""

    def __init__(self, gcode: Dispatch) -> None:
        self._gcode = gcode
        self._objects: list[dict[str, Any]] = []
        self._excluded: list[str] = []
        self._current: str | None = None

    def skipping(self) -> bool:
        """Whether the object at hand is one of those left out."""
        return self._current is not None and self._current in self._excluded

    def reset(self) -> None:
        """A new file knows nothing of the last one's objects."""
        self._objects, self._excluded, self._current = [], [], None

    def commands(self) -> Iterable[Command]:
        """The commands it takes."""
        return (
            Command("EXCLUDE_OBJECT_DEFINE", self._define, "Name an object and its place"),
            Command("EXCLUDE_OBJECT_START", self._start, "The moves of an object begin"),
            Command("EXCLUDE_OBJECT_END", self._end, "The moves of an object end"),
            Command("EXCLUDE_OBJECT", self._exclude, "Leave an object out from now on"),
        )

    def _define(self, line: Line) -> None:
        if line.flag("RESET"):
            self.reset()
            return
        if "NAME" not in line.params:
            names = " ".join(entry["name"] for entry in self._objects)
            self._gcode.info(f"Known objects: {names}")
            return
        self._know(line.get("NAME").upper(), line)

    def _know(self, name: str, line: Line | None = None) -> None:
        entry: dict[str, Any] = {"name": name}
        try:
            if line is not None and "CENTER" in line.params:
                entry["center"] = json.loads(f"[{line.get('CENTER')}]")
            if line is not None and "POLYGON" in line.params:
                entry["polygon"] = json.loads(line.get("POLYGON"))
        except ValueError as error:
            raise GcodeError(f"Unable to parse the place of object {name}") from error
        if all(known["name"] != name for known in self._objects):
            # a new list: the old one may be in somebody's hands as a status
            self._objects = sorted([*self._objects, entry], key=lambda known: str(known["name"]))

    def _start(self, line: Line) -> None:
        name = line.get("NAME").upper()
        self._know(name)
        self._current = name

    def _end(self, _: Line) -> None:
        if self._current is None:
            self._gcode.info("EXCLUDE_OBJECT_END called, but no object is currently active")
        self._current = None

    def _exclude(self, line: Line) -> None:
        name = line.get("NAME", "").upper()
        if line.flag("RESET"):
            self._excluded = [other for other in self._excluded if name and other != name]
        elif name:
            self._leave_out(name)
        elif line.flag("CURRENT"):
            if self._current is None:
                raise GcodeError("There is no current object to cancel")
            self._leave_out(self._current)
        else:
            self._gcode.info("Excluded objects: " + " ".join(self._excluded))

    def _leave_out(self, name: str) -> None:
        if name not in self._excluded:
            self._gcode.info(f"Excluding object {name}")
            self._excluded = sorted([*self._excluded, name])

    def objects(self) -> Mapping[str, Callable[[], Status]]:
        """The printer objects it shows."""
        return {
            "exclude_object": lambda: {
                "objects": self._objects,
                "excluded_objects": self._excluded,
                "current_object": self._current,
            }
        }
