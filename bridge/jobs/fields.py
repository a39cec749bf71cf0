"""Auxiliary data of a job: fields that capabilities register (seed 000, Auxiliary Field)."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

Strategy = Literal["basic", "accumulate", "delta", "average", "maximum", "minimum", "collect"]


class AuxiliaryField(msgspec.Struct, frozen=True):
    """One field in the record of a job."""

    provider: str
    name: str
    value: Any
    description: str
    units: str | None


@dataclass(frozen=True)
class FieldSpec:
    """What a capability registers; totals over all jobs are kept only where they make sense."""

    provider: str
    name: str
    description: str
    units: str | None = None
    strategy: Strategy = "basic"
    total: bool = False
    maximum: bool = False
    precision: int | None = None  # decimals of the value in the record


class Gauge:
    """One field of the running job; `measure` takes values, also before and after a job."""

    def __init__(self, spec: FieldSpec) -> None:
        self.spec = spec
        self._last: Any = None
        self._values = _STRATEGIES[spec.strategy]()

    def measure(self, value: Any) -> None:
        """Take one measurement; what is no number is left out where numbers are gathered."""
        if self.spec.strategy not in ("basic", "collect") and not _is_number(value):
            return
        self._last = value
        self._values.take(value)

    def begin(self) -> None:
        """A job begins: forget what was, but for the meter's present reading."""
        self._values = _STRATEGIES[self.spec.strategy]()
        if self._last is not None and self.spec.strategy != "accumulate":
            self._values.take(self._last)

    def field(self) -> AuxiliaryField:
        """The field as it stands."""
        value, digits = self._values.result(), self.spec.precision
        if digits is not None and _is_number(value):
            value = round(value, digits)
        return AuxiliaryField(
            self.spec.provider, self.spec.name, value, self.spec.description, self.spec.units
        )


class _Basic:
    """The last value."""

    def __init__(self) -> None:
        self._value: Any = None

    def take(self, value: Any) -> None:
        self._value = value

    def result(self) -> Any:
        return self._value


class _Accumulate:
    """The sum of all values."""

    def __init__(self) -> None:
        self._sum = 0.0

    def take(self, value: float) -> None:
        self._sum += value

    def result(self) -> float:
        return self._sum


class _Delta:
    """How far a meter went: it counts on after a reset to a smaller reading."""

    def __init__(self) -> None:
        self._last: float | None = None
        self._gone = 0.0

    def take(self, value: float) -> None:
        if self._last is not None:
            self._gone += value - self._last if value >= self._last else value
        self._last = value

    def result(self) -> float:
        return self._gone


class _Average:
    """The mean of all values."""

    def __init__(self) -> None:
        self._sum, self._count = 0.0, 0

    def take(self, value: float) -> None:
        self._sum += value
        self._count += 1

    def result(self) -> float | None:
        return self._sum / self._count if self._count else None


class _Extreme:
    """The largest, or smallest, value."""

    def __init__(self, better: Callable[[float, float], float]) -> None:
        self._better = better
        self._value: float | None = None

    def take(self, value: float) -> None:
        self._value = value if self._value is None else self._better(self._value, value)

    def result(self) -> float | None:
        return self._value


class _Collect:
    """Every different value, in the order of their coming."""

    def __init__(self) -> None:
        self._values: list[Any] = []

    def take(self, value: Any) -> None:
        if value not in self._values and len(self._values) < MAX_COLLECTED:
            self._values.append(value)

    def result(self) -> list[Any]:
        return list(self._values)


MAX_COLLECTED = 256

_STRATEGIES: dict[Strategy, Callable[[], Any]] = {
    "basic": _Basic,
    "accumulate": _Accumulate,
    "delta": _Delta,
    "average": _Average,
    "maximum": lambda: _Extreme(max),
    "minimum": lambda: _Extreme(min),
    "collect": _Collect,
}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
