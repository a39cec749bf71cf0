"""G-code's view of motion: coordinates, offsets and factors between a G1 and the toolhead."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from bridge.klippy.simulator.dispatch import Command, Dispatch, Status
from bridge.klippy.simulator.line import GcodeError, Line, finite
from bridge.klippy.simulator.toolhead import AXES, Toolhead
from bridge.signals import Signal

_MINUTE = 60.0
_LETTERS = "XYZE"


@dataclass
class _State:
    """What SAVE_GCODE_STATE keeps."""

    absolute: bool = True
    absolute_extrude: bool = True
    base: list[float] = field(default_factory=lambda: [0.0] * 4)
    origin: list[float] = field(default_factory=lambda: [0.0] * 4)
    last: list[float] = field(default_factory=lambda: [0.0] * 4)
    speed: float = 25.0
    speed_factor: float = 1.0
    extrude_factor: float = 1.0

    def copy(self) -> "_State":
        return replace(self, base=[*self.base], origin=[*self.origin], last=[*self.last])


class Moves:
    """G0 to G92 and their like; tells how much filament each move took."""

    def __init__(self, gcode: Dispatch, toolhead: Toolhead, excluded: Callable[[], bool]) -> None:
        self.extruded: Signal[float] = Signal("filament extruded")
        self._gcode, self._toolhead, self._excluded = gcode, toolhead, excluded
        self._state = _State()
        self._saved: dict[str, _State] = {}

    def commands(self) -> Iterable[Command]:
        """The commands it takes."""
        return (
            Command("G0", self._move),
            Command("G1", self._move),
            Command("G28", self._home),
            Command("G21", lambda _: None),
            Command("G90", lambda _: self._coordinates(absolute=True)),
            Command("G91", lambda _: self._coordinates(absolute=False)),
            Command("M82", lambda _: self._extrusion(absolute=True)),
            Command("M83", lambda _: self._extrusion(absolute=False)),
            Command("G92", self._here_is),
            Command("M114", lambda _: self._report(), always=True),
            Command("M220", self._speed_factor),
            Command("M221", self._extrude_factor),
            Command("SET_GCODE_OFFSET", self._offset, "Shift all coordinates"),
            Command("SAVE_GCODE_STATE", self._save, "Keep the coordinate state under a name"),
            Command("RESTORE_GCODE_STATE", self._restore, "Take a kept coordinate state back"),
        )

    async def _move(self, line: Line) -> None:
        state = self._state
        target, speed = [*state.last], state.speed
        try:
            for axis, letter in enumerate(_LETTERS):
                if letter in line.params:
                    target[axis] = self._coordinate(axis, finite(line.params[letter]))
            if "F" in line.params:
                speed = finite(line.params["F"]) / _MINUTE
        except ValueError as error:
            raise GcodeError(f"Unable to parse move '{line.text}'") from error
        if speed <= 0.0:
            raise GcodeError(f"Invalid speed in '{line.text}'")
        state.speed = speed
        if self._excluded():
            if state.absolute and state.absolute_extrude:
                state.base[3] -= target[3] - state.last[3]  # what is not extruded now must not come later
            target = [*state.last]
        filament = (target[3] - state.last[3]) / state.extrude_factor
        x, y, z, e = target
        await self._toolhead.move((x, y, z, e), speed * state.speed_factor)
        state.last = target
        if filament:
            self.extruded.emit(filament)

    def _coordinate(self, axis: int, value: float) -> float:
        state = self._state
        if _LETTERS[axis] == "E":
            value *= state.extrude_factor
            absolute = state.absolute and state.absolute_extrude
        else:
            absolute = state.absolute
        return value + (state.base[axis] if absolute else state.last[axis])

    async def _home(self, line: Line) -> None:
        axes = [axis for axis, letter in enumerate("XYZ") if letter in line.params] or [0, 1, 2]
        await self._toolhead.home(axes)
        self._synchronise()
        for axis in axes:
            self._state.base[axis] = self._state.origin[axis]

    def _synchronise(self) -> None:
        self._state.last = list(self._toolhead.position)

    def _coordinates(self, *, absolute: bool) -> None:
        self._state.absolute = absolute

    def _extrusion(self, *, absolute: bool) -> None:
        self._state.absolute_extrude = absolute

    def _here_is(self, line: Line) -> None:
        state = self._state
        given = {axis: line.maybe(letter) for axis, letter in enumerate(_LETTERS)}
        nothing = all(value is None for value in given.values())
        for axis, value in given.items():
            if value is not None or nothing:
                scale = state.extrude_factor if _LETTERS[axis] == "E" else 1.0
                state.base[axis] = state.last[axis] - (value or 0.0) * scale

    def _report(self) -> None:
        place = zip(_LETTERS, self._gcode_position(), strict=True)
        self._gcode.raw(" ".join(f"{letter}:{value:.3f}" for letter, value in place))

    def _speed_factor(self, line: Line) -> None:
        self._state.speed_factor = line.number("S", 100.0, least=1.0) / 100.0

    def _extrude_factor(self, line: Line) -> None:
        state = self._state
        factor = line.number("S", 100.0, least=1.0) / 100.0
        shown = (state.last[3] - state.base[3]) / state.extrude_factor
        state.extrude_factor = factor
        state.base[3] = state.last[3] - shown * factor

    async def _offset(self, line: Line) -> None:
        state = self._state
        target = [*state.last]
        for axis, letter in enumerate(_LETTERS):
            offset = line.maybe(letter)
            adjust = line.maybe(f"{letter}_ADJUST")
            if offset is None and adjust is None:
                continue
            wanted = offset if offset is not None else state.origin[axis] + (adjust or 0.0)
            delta = wanted - state.origin[axis]
            state.origin[axis] = wanted
            state.base[axis] += delta
            target[axis] += delta
        if line.flag("MOVE"):
            x, y, z, e = target
            await self._toolhead.move((x, y, z, e), line.number("MOVE_SPEED", state.speed, least=0.001))
            state.last = target

    def _save(self, line: Line) -> None:
        self.keep(line.get("NAME", "default"))

    def keep(self, name: str) -> None:
        """Keep the coordinate state under a name."""
        self._saved[name] = self._state.copy()

    async def _restore(self, line: Line) -> None:
        await self.take_back(line.get("NAME", "default"), move=line.flag("MOVE"))

    async def take_back(self, name: str, *, move: bool) -> None:
        """Take a kept coordinate state back, and go to its place if asked to."""
        if name not in self._saved:
            raise GcodeError(f"Unknown g-code state: {name}")
        kept = self._saved[name].copy()
        here = [*self._state.last]
        kept.base[3] += here[3] - kept.last[3]
        goal, kept.last = kept.last, here
        self._state = kept
        if move:
            await self._toolhead.move((goal[0], goal[1], goal[2], here[3]), kept.speed)
            kept.last = [*goal[:3], here[3]]

    def objects(self) -> Mapping[str, Callable[[], Status]]:
        """The printer objects it shows."""
        return {"gcode_move": self._status}

    def _gcode_position(self) -> list[float]:
        state = self._state
        place = [last - base for last, base in zip(state.last, state.base, strict=True)]
        place[3] /= state.extrude_factor
        return place

    def _status(self) -> Status:
        state = self._state
        return {
            "speed_factor": state.speed_factor,
            "speed": state.speed * _MINUTE,
            "extrude_factor": state.extrude_factor,
            "absolute_coordinates": state.absolute,
            "absolute_extrude": state.absolute_extrude,
            "homing_origin": [*state.origin],
            "position": [*state.last],
            "gcode_position": self._gcode_position(),
            "axis_map": {letter: axis for axis, letter in enumerate([*AXES.upper(), "E"])},
        }
