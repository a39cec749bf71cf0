"""Where the printer is, by what it was sent: positions, modes, factors, fan."""

import re
from collections.abc import Callable

_WORD = re.compile(rb"([A-Z])\s*([-+]?(?:\d+\.?\d*|\.\d+))")
_CODE = re.compile(rb"([GMT]\d+)")
_POSITION = re.compile(r"X:\s*(-?[\d.]+)\s+Y:\s*(-?[\d.]+)\s+Z:\s*(-?[\d.]+)(?:\s+E:\s*(-?[\d.]+))?")
_FACTOR = re.compile(r"(?:echo:\s*)?(?:FR|Feed ?rate|Speed factor)[:\s]*([\d.]+)\s*%", re.IGNORECASE)
_FLOW = re.compile(
    r"(?:echo:\s*)?(?:(?:E\d+ )?Flow|Extrusion factor[a-z ]*\d*)[:\s]*([\d.]+)\s*%", re.IGNORECASE
)

AXES = {b"X": 0, b"Y": 1, b"Z": 2}
FULL_FAN = 255.0
MOST_SAVED = 20  # states


class Motion:
    """Follows every line that the printer has taken."""

    def __init__(self) -> None:
        self.position = [0.0, 0.0, 0.0, 0.0]  # the extruder's last, as the G-code counts it
        self.homed = ""
        self.absolute = self.absolute_extrude = True
        self.feedrate = 1500.0  # mm a minute
        self.speed_factor = self.flow_factor = 1.0
        self.fan = 0.0
        self.tool = 0
        self.z_offset = 0.0
        self.extruded = 0.0  # mm of filament since somebody set it to 0
        self._saved: dict[str, tuple[list[bytes], list[bytes]]] = {}  # the way back to each state
        self._most = 0.0  # the furthest that filament went: what is pulled back is not used
        self._commands: dict[bytes, Callable[[bytes], None]] = {
            b"G0": self._move, b"G1": self._move, b"G2": self._move, b"G3": self._move,
            b"G28": self._home, b"G90": lambda _: self._modes(absolute=True),
            b"G91": lambda _: self._modes(absolute=False), b"G92": self._set,
            b"M18": self._off, b"M84": self._off,
            b"M82": lambda _: self._extrusion(absolute=True),
            b"M83": lambda _: self._extrusion(absolute=False),
            b"M106": self._blow, b"M107": lambda _: self._blow(b" S0"),
            b"M220": self._factor, b"M221": self._flow, b"M290": self._baby_step,
        }  # fmt: skip

    def took(self, line: bytes) -> None:
        """The printer has carried out this line."""
        upper = line.upper()
        found = _CODE.match(upper)
        if found is None:
            return
        code = found[1]
        if code[:1] == b"T":
            self.tool = int(code[1:])
        elif (act := self._commands.get(code)) is not None:
            act(upper[found.end() :])

    def heard(self, text: str) -> bool:
        """The printer tells where it is, or its factors; whether it did."""
        if (found := _POSITION.search(text)) is not None:
            for index, value in enumerate(found.groups()):
                if value is not None:
                    self.position[index] = float(value)
        elif (found := _FACTOR.match(text)) is not None:
            self.speed_factor = float(found[1]) / 100
        elif (found := _FLOW.match(text)) is not None:
            self.flow_factor = float(found[1]) / 100
        return found is not None

    def start_counting(self) -> None:
        """Filament is counted from here."""
        self.extruded = self._most = 0.0

    @property
    def filament(self) -> float:
        """Mm of filament that were used since the count began."""
        return self._most

    def travel(self) -> list[bytes]:
        """The lines that lead here again; only where the axes are known."""
        x, y, z, _ = self.position
        if not set("xyz") <= set(self.homed):
            return [b"G90"]
        return [b"G90", b"G1 X%.3f Y%.3f F6000" % (x, y), b"G1 Z%.3f F600" % z]

    def modes(self) -> list[bytes]:
        """The lines that bring the extruder's count, the modes and the speed of now back."""
        return [
            b"G92 E%.5f" % self.position[3],
            b"G90" if self.absolute else b"G91",
            b"M82" if self.absolute_extrude else b"M83",
            b"G1 F%.0f" % self.feedrate,
        ]

    def save(self, name: str) -> None:
        """Keep place, count, modes and speed under a name."""
        self._saved.pop(name, None)
        while len(self._saved) >= MOST_SAVED:
            del self._saved[next(iter(self._saved))]
        self._saved[name] = (self.travel(), self.modes())

    def saved(self, name: str) -> tuple[list[bytes], list[bytes]] | None:
        """The lines that lead back to the place of a kept state, and those that bring all else back."""
        return self._saved.get(name)

    def _move(self, rest: bytes) -> None:
        position = self.position
        for letter, text in _WORD.findall(rest):
            value = float(text)
            if (axis := AXES.get(letter)) is not None:
                position[axis] = value if self.absolute else position[axis] + value
            elif letter == b"E":
                self._extrude(value)
            elif letter == b"F":
                self.feedrate = value

    def _extrude(self, value: float) -> None:
        length = value - self.position[3] if self.absolute_extrude else value
        self.position[3] += length
        self.extruded += length * self.flow_factor
        self._most = max(self._most, self.extruded)

    def _modes(self, *, absolute: bool) -> None:
        self.absolute = self.absolute_extrude = absolute  # Marlin: both; M82 and M83 part them again

    def _extrusion(self, *, absolute: bool) -> None:
        self.absolute_extrude = absolute

    def _home(self, rest: bytes) -> None:
        axes = [axis for axis in "xyz" if axis.upper().encode() in rest] or ["x", "y", "z"]
        self.homed = "".join(sorted({*self.homed, *axes}))
        for axis in axes:
            self.position["xyz".index(axis)] = 0.0

    def _set(self, rest: bytes) -> None:
        for letter, value in _words(rest).items():
            if letter == b"E":
                self.position[3] = value
            elif letter in AXES:
                self.position[AXES[letter]] = value

    def _off(self, _rest: bytes) -> None:
        self.homed = ""

    def _blow(self, rest: bytes) -> None:
        words = _words(rest)
        if not words.get(b"P"):
            self.fan = min(words.get(b"S", FULL_FAN), FULL_FAN) / FULL_FAN

    def _factor(self, rest: bytes) -> None:
        self.speed_factor = _words(rest).get(b"S", self.speed_factor * 100) / 100

    def _flow(self, rest: bytes) -> None:
        self.flow_factor = _words(rest).get(b"S", self.flow_factor * 100) / 100

    def _baby_step(self, rest: bytes) -> None:
        words = _words(rest)
        self.z_offset = round(self.z_offset + words.get(b"Z", words.get(b"S", 0.0)), 4)


def _words(rest: bytes) -> dict[bytes, float]:
    return {letter: float(value) for letter, value in _WORD.findall(rest)}
