"""The toolhead: moves in a queue that is worked off in the printer's time, homing, limits."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bridge.klippy.simulator.clock import Clock
from bridge.klippy.simulator.dispatch import Command, Status
from bridge.klippy.simulator.heaters import Heaters
from bridge.klippy.simulator.line import GcodeError, Line

AXES = "xyz"
_LOWEST, _HIGHEST = (0.0, 0.0, -2.0), (235.0, 235.0, 250.0)
_HOMING_SPEED, _RETRACT = (50.0, 50.0, 10.0), (5.0, 5.0, 2.0)
_MAX_Z_VELOCITY = 15.0
_MAX_EXTRUDE_ONLY = 50.0
_MIN_EXTRUDE = 170.0
_AHEAD, _REFILL = 2.0, 1.0  # the queue holds so many seconds, and takes more below that
_STEPPERS = ("stepper_x", "stepper_y", "stepper_z", "extruder")
_COLD = "Extrude below minimum temp\nSee the 'min_extrude_temp' config option for details"

Position = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of time in which the toolhead goes straight from one point to another."""

    start: float
    end: float
    origin: Position
    target: Position
    velocity: float


class Toolhead:
    """Where the head is, where it will be, and when."""

    def __init__(self, clock: Clock, heaters: Heaters) -> None:
        self._clock, self._heaters = clock, heaters
        self.position: Position = (0.0, 0.0, 0.0, 0.0)
        self.homed: set[int] = set()
        self.print_time = 0.0
        self.max_velocity, self.max_accel = 300.0, 3000.0
        self.square_corner_velocity, self.minimum_cruise_ratio = 5.0, 0.5
        self.pressure_advance, self.smooth_time = 0.02, 0.04
        self._queue: deque[Segment] = deque()
        self._motors = dict.fromkeys(_STEPPERS, False)

    # -- moving

    async def move(self, target: Position, speed: float) -> None:
        """Queue a straight move after the checks; waits while the queue is full."""
        self._check(target)
        deltas = [end - start for start, end in zip(self.position, target, strict=True)]
        distance = math.hypot(*deltas[:3]) or abs(deltas[3])
        if not distance:
            return
        velocity = min(speed, self.max_velocity)
        if deltas[2]:
            velocity = min(velocity, _MAX_Z_VELOCITY * distance / abs(deltas[2]))
        for name, delta in zip(_STEPPERS, deltas, strict=True):
            self._motors[name] = self._motors[name] or bool(delta)
        self._append(target, distance / velocity, velocity if any(deltas[:3]) else 0.0)
        await self._throttle()

    async def dwell(self, seconds: float) -> None:
        """Stand still for so long, in turn."""
        self._append(self.position, seconds, 0.0)
        await self._throttle()

    async def settle(self) -> None:
        """Wait until all queued moves are done."""
        await self._clock.sleep(max(0.0, self.print_time - self._clock.now()))

    async def home(self, axes: Iterable[int]) -> None:
        """Drive axes to their end stops: quickly, back a little, slowly."""
        await self.settle()
        for axis in axes:
            start = self.position[axis] if axis in self.homed else _HIGHEST[axis] / 3
            self.position = _with(self.position, axis, start)
            self._motors[_STEPPERS[axis]] = True
            speed, back = _HOMING_SPEED[axis], _RETRACT[axis]
            for goal, pace in ((0.0, speed), (back, speed), (0.0, speed / 2)):
                length = abs(goal - self.position[axis])
                self._append(_with(self.position, axis, goal), length / pace, pace)
            self.homed.add(axis)
            await self.settle()

    def motors_off(self) -> None:
        """Let go of the motors; what was homed is not any more."""
        self._motors = dict.fromkeys(_STEPPERS, False)
        self.homed.clear()

    def motors_on(self) -> bool:
        """Whether any motor holds."""
        return any(self._motors.values())

    def halt(self) -> None:
        """Stop where it is; what is queued never comes."""
        self.position, _ = self.live()
        self._queue.clear()
        self.print_time = self._clock.now()

    def busy(self) -> bool:
        """Whether moves are still to be done."""
        return self.print_time > self._clock.now()

    def _append(self, target: Position, seconds: float, velocity: float) -> None:
        start = max(self.print_time, self._clock.now())
        self.print_time = start + seconds
        self._queue.append(Segment(start, self.print_time, self.position, target, velocity))
        self.position = target

    async def _throttle(self) -> None:
        ahead = self.print_time - self._clock.now()
        if ahead > _AHEAD:
            await self._clock.sleep(ahead - _REFILL)

    def _check(self, target: Position) -> None:
        moved = [axis for axis in range(3) if target[axis] != self.position[axis]]
        x, y, z, e = target
        place = f"{x:.3f} {y:.3f} {z:.3f} [{e:.3f}]"
        if any(axis not in self.homed for axis in moved):
            raise GcodeError(f"Must home axis first: {place}")
        if any(not _LOWEST[axis] <= target[axis] <= _HIGHEST[axis] for axis in moved):
            raise GcodeError(f"Move out of range: {place}")
        extruded = e - self.position[3]
        if extruded and not self.can_extrude:
            raise GcodeError(_COLD)
        if not moved and abs(extruded) > _MAX_EXTRUDE_ONLY:
            text = f"Extrude only move too long ({extruded:.3f}mm vs {_MAX_EXTRUDE_ONLY:.3f}mm)"
            raise GcodeError(f"{text}\nSee the 'max_extrude_only_distance' config option for details")

    @property
    def can_extrude(self) -> bool:
        """Whether the nozzle is warm enough."""
        return self._heaters.extruder.body.temperature >= _MIN_EXTRUDE

    def live(self) -> tuple[Position, tuple[float, float]]:
        """Where the head is now, and how fast it and the filament go."""
        now = self._clock.now()
        while len(self._queue) > 1 and self._queue[0].end <= now:
            self._queue.popleft()
        if not self._queue:
            return self.position, (0.0, 0.0)
        move = self._queue[0]
        span = move.end - move.start
        share = min(1.0, max(0.0, (now - move.start) / span)) if span else 1.0
        place = [start + (end - start) * share for start, end in zip(move.origin, move.target, strict=True)]
        moving = move.start <= now < move.end
        filament = (move.target[3] - move.origin[3]) / span if moving else 0.0
        return (place[0], place[1], place[2], place[3]), (move.velocity if moving else 0.0, filament)

    # -- commands

    def commands(self) -> Iterable[Command]:
        """The commands it takes."""
        return (
            Command("SET_VELOCITY_LIMIT", self._set_limits, "Set the limits of speed and acceleration"),
            Command("SET_PRESSURE_ADVANCE", self._set_pressure_advance, "Set pressure advance"),
            Command("M204", self._set_acceleration),
            Command("G4", lambda line: self.dwell(line.number("P", 0.0, least=0.0) / 1000)),
            Command("M400", lambda _: self.settle()),
            Command("M18", lambda _: self._release()),
            Command("M84", lambda _: self._release()),
        )

    async def _release(self) -> None:
        await self.settle()
        self.motors_off()

    def _set_limits(self, line: Line) -> None:
        self.max_velocity = line.number("VELOCITY", self.max_velocity, least=0.001)
        self.max_accel = line.number("ACCEL", self.max_accel, least=0.001)
        corner = line.number("SQUARE_CORNER_VELOCITY", self.square_corner_velocity, least=0.0)
        self.square_corner_velocity = corner
        ratio = line.number("MINIMUM_CRUISE_RATIO", self.minimum_cruise_ratio, least=0.0, most=1.0)
        self.minimum_cruise_ratio = ratio

    def _set_acceleration(self, line: Line) -> None:
        self.max_accel = line.number("S", self.max_accel, least=0.001)

    def _set_pressure_advance(self, line: Line) -> None:
        line.params.setdefault("EXTRUDER", "extruder")
        line.choose("EXTRUDER", {"extruder": None})
        self.pressure_advance = line.number("ADVANCE", self.pressure_advance, least=0.0)
        self.smooth_time = line.number("SMOOTH_TIME", self.smooth_time, least=0.0, most=0.2)

    # -- printer objects

    def objects(self) -> Mapping[str, Callable[[], Status]]:
        """The printer objects it shows."""
        return {
            "stepper_enable": lambda: {"steppers": dict(self._motors)},
            "motion_report": self._motion,
            "toolhead": self._status,
            "extruder": self._extruder,
        }

    def _motion(self) -> Status:
        place, (velocity, filament) = self.live()
        return {
            "live_position": list(place),
            "live_velocity": velocity,
            "live_extruder_velocity": filament,
            "steppers": sorted(_STEPPERS),
            "trapq": ["extruder", "toolhead"],
        }

    def _status(self) -> Status:
        limits: Sequence[list[Any]] = ([*_LOWEST, 0], [*_HIGHEST, 0])
        return {
            "homed_axes": "".join(AXES[axis] for axis in sorted(self.homed)),
            "axis_minimum": limits[0],
            "axis_maximum": limits[1],
            "print_time": self.print_time,
            "stalls": 0,
            "estimated_print_time": self._clock.now(),
            "extruder": "extruder",
            "position": list(self.position),
            "max_velocity": self.max_velocity,
            "max_accel": self.max_accel,
            "minimum_cruise_ratio": self.minimum_cruise_ratio,
            "square_corner_velocity": self.square_corner_velocity,
            "extra_axes": {"extruder": 3},
        }

    def _extruder(self) -> Status:
        return {
            **self._heaters.extruder.status(),
            "can_extrude": self.can_extrude,
            "pressure_advance": self.pressure_advance,
            "smooth_time": self.smooth_time,
            "motion_queue": None,
        }


def _with(position: Position, axis: int, value: float) -> Position:
    place = list(position)
    place[axis] = value
    return (place[0], place[1], place[2], place[3])
