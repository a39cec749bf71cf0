"""What can go wrong on a serial line, as shares of the lines or as switches."""

import random
from dataclasses import dataclass, field


@dataclass
class LineFaults:
    """Set while it runs; the same seed makes the same faults."""

    damage: float = 0.0  # share of the lines that come with a wrong byte
    lose_bytes: float = 0.0  # … with a byte missing, perhaps the line's end
    lose_ok: float = 0.0  # share of the acknowledgements that never arrive
    noise: float = 0.0  # share of the answers with junk before them
    storm: int = 1  # how often it asks for the same line
    silent: bool = False  # it says nothing, and does nothing
    reset_at: int | None = None  # it restarts by itself after so many lines
    mute_reset: bool = False  # and does not say so
    boots: float | None = None  # seconds that it boots, deaf, when the first word comes: its port was opened
    errors: dict[str, str] = field(default_factory=dict)  # what it says to a line instead of doing it
    seed: int = 1
    damaged: int = 0  # how many lines were spoilt
    lost: int = 0  # how many acknowledgements

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)  # noqa: S311 - chance, not a secret

    def spoil(self, line: bytes) -> bytes:
        """A line as it arrives, its end mark included."""
        if self.damage and self._dice.random() < self.damage:
            self.damaged += 1
            place = self._dice.randrange(len(line) - 1)
            return line[:place] + bytes([line[place] ^ self._dice.choice((1, 2, 4, 8))]) + line[place + 1 :]
        if self.lose_bytes and self._dice.random() < self.lose_bytes:
            self.damaged += 1
            place = self._dice.randrange(len(line))
            return line[:place] + line[place + 1 :]
        return line

    def swallows_ok(self) -> bool:
        """Whether this acknowledgement is lost."""
        lost = bool(self.lose_ok) and self._dice.random() < self.lose_ok
        self.lost += lost
        return lost

    def junk(self) -> bytes:
        """What comes before an answer: mostly nothing."""
        if self.noise and self._dice.random() < self.noise:
            return bytes(self._dice.choice((0x00, 0xFF, 0x80, 0xFE)) for _ in range(3))
        return b""
