"""The machine that the simulated firmware drives: axes, heaters, a fan, and how long things take."""

import asyncio
import math
import re
import time
from collections import deque
from dataclasses import dataclass

BLOCKS = 16  # moves that the planner holds
ROOM = 22.0  # °C
SOON = 0.001  # seconds that are not worth waiting for

_WORD = re.compile(r"([A-Z])\s*(-?\d*\.?\d*)")
Words = dict[str, float]


def words_of(rest: str) -> Words:
    """The letters of a command with their figures; a letter alone is a 0."""
    return {
        letter: float(value) if value.strip("-.") else 0.0 for letter, value in _WORD.findall(rest.upper())
    }


@dataclass
class SimulatedHeater:
    """It warms up at a steady pace."""

    pace: float  # °C a second
    temperature: float = ROOM
    target: float = 0.0

    def pass_time(self, seconds: float) -> None:
        """Come nearer to the target, or to the room."""
        goal = max(self.target, ROOM)
        step = self.pace * seconds * (1.0 if goal > self.temperature else 0.3)
        self.temperature += max(-step, min(step, goal - self.temperature))

    @property
    def power(self) -> int:
        """As Marlin counts it."""
        return 0 if self.is_there else 127

    @property
    def is_there(self) -> bool:
        """Whether it is as warm as it was told to be."""
        return abs(self.temperature - max(self.target, ROOM)) < 1.0


class Machine:
    """Time passes `speed` times faster than life."""

    def __init__(self, speed: float, extruders: int = 1) -> None:
        self.speed = speed
        self.position = dict.fromkeys("XYZE", 0.0)
        self.absolute = self.absolute_extrude = True
        self.feedrate, self.speed_factor, self.flow_factor = 1500.0, 100.0, 100.0
        self.fan = 0.0
        self.nozzles = [SimulatedHeater(4.0) for _ in range(extruders)]
        self.tool = 0
        self.bed = SimulatedHeater(1.5)
        self._moves: deque[float] = deque()  # when each of them ends
        self._looked = time.monotonic()

    @property
    def nozzle(self) -> SimulatedHeater:
        """That of the tool in use."""
        return self.nozzles[self.tool]

    def nozzle_of(self, words: Words) -> SimulatedHeater:
        """The one that a command means."""
        number = int(words.get("T", self.tool))
        return self.nozzles[number] if number < len(self.nozzles) else self.nozzle

    def pass_time(self) -> None:
        """Let the heaters follow the clock."""
        now = time.monotonic()
        for heater in (*self.nozzles, self.bed):
            heater.pass_time((now - self._looked) * self.speed)
        self._looked = now

    async def rest(self, seconds: float) -> None:
        """Wait, in the machine's own time."""
        if seconds / self.speed > SOON:
            await asyncio.sleep(seconds / self.speed)

    async def move(self, words: Words) -> None:
        """Plan a move; waits when the planner is full."""
        self.feedrate = words.get("F", self.feedrate)
        seconds = self._go(words) / (self.feedrate / 60) / self.speed
        now = time.monotonic()
        while self._moves and self._moves[0] <= now:
            self._moves.popleft()
        start = self._moves[-1] if self._moves else now
        self._moves.append(start + seconds)
        if len(self._moves) > BLOCKS and (wait := self._moves[0] - now) > SOON:
            await asyncio.sleep(wait)

    def _go(self, words: Words) -> float:
        """Be there; how far it was, in mm of the head."""
        length = 0.0
        for axis in "XYZE":
            if axis in words:
                absolute = self.absolute_extrude if axis == "E" else self.absolute
                goal = words[axis] if absolute else self.position[axis] + words[axis]
                length = math.hypot(length, goal - self.position[axis]) if axis != "E" else length
                self.position[axis] = goal
        return length

    async def finish(self) -> None:
        """Wait until all moves are made."""
        if self._moves and (wait := self._moves[-1] - time.monotonic()) > SOON:
            await asyncio.sleep(wait)
        self._moves.clear()

    @property
    def free_blocks(self) -> int:
        """Places in the planner."""
        return max(0, BLOCKS - 1 - len(self._moves))

    def temperatures(self) -> str:
        """As M105 tells them."""
        self.pass_time()
        known = [("", self.nozzle)] + (list(enumerate(self.nozzles)) if len(self.nozzles) > 1 else [])
        heat = [f"T{number}:{one.temperature:.2f} /{one.target:.2f}" for number, one in known]
        power = [f"@{number}:{one.power}" for number, one in known]
        heat.insert(1, f"B:{self.bed.temperature:.2f} /{self.bed.target:.2f}")
        power.insert(1, f"B@:{self.bed.power}")
        return " ".join((*heat, *power))

    def where(self) -> str:
        """As M114 tells it."""
        x, y, z, e = self.position.values()
        return f"X:{x:.2f} Y:{y:.2f} Z:{z:.2f} E:{e:.2f} Count X:{x * 80:.0f} Y:{y * 80:.0f} Z:{z * 400:.0f}"
