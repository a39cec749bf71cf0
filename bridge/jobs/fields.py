"""Auxiliary data of a job: fields that capabilities register (seed 000, Auxiliary Field)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

import msgspec

from bridge.jobs.progress import number

Strategy = Literal["basic", "accumulate", "delta", "average", "maximum", "minimum", "collect"]
MAX_COLLECTED = 256


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

    @property
    def key(self) -> str:
        """What tells the field from all others."""
        return f"{self.provider}\n{self.name}"


class Gauge:
    """One field of the running job; `measure` takes values, also before and after a job."""

    def __init__(self, spec: FieldSpec) -> None:
        self.spec = spec
        self._last: Any = None
        self._sum: Summary = _SUMMARIES[spec.strategy]()

    def measure(self, value: Any) -> None:
        """Take one measurement; what is no number is left out where numbers are gathered."""
        if self.spec.strategy not in ("basic", "collect") and number(value) is None:
            return
        self._last = value
        if value is None and self.spec.strategy == "collect":
            return  # nothing is in use now: the next job does not begin with it
        self._sum.take(value)

    def begin(self) -> None:
        """A job begins: forget what was, but for the meter's present reading."""
        self._sum = _SUMMARIES[self.spec.strategy]()
        if self._last is not None and self.spec.strategy != "accumulate":
            self._sum.take(self._last)

    def field(self) -> AuxiliaryField:
        """The field as it stands."""
        value, digits = self._sum.result(), self.spec.precision
        if digits is not None and number(value) is not None:
            value = round(value, digits)
        return AuxiliaryField(
            self.spec.provider, self.spec.name, value, self.spec.description, self.spec.units
        )

    @property
    def state(self) -> dict[str, Any]:
        """What it needs to go on after a restart of the bridge."""
        return dict(vars(self._sum))

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` was; readings since the restart count on top."""
        summary = _SUMMARIES[self.spec.strategy]()
        if state.keys() != vars(summary).keys():
            return  # of another strategy: the configuration has changed
        vars(summary).update(state)
        if self.spec.strategy == "accumulate":
            summary.take(self._sum.result())
        elif self._last is not None:
            summary.take(self._last)
        self._sum = summary


class Summary(Protocol):
    """What becomes of many values; its attributes are plain JSON and can be kept."""

    def take(self, value: Any) -> None:
        """One more value."""

    def result(self) -> Any:
        """What they come to."""


class _Basic:
    """The last value."""

    def __init__(self) -> None:
        self.value: Any = None

    def take(self, value: Any) -> None:
        self.value = value

    def result(self) -> Any:
        return self.value


class _Accumulate:
    """The sum of all values."""

    def __init__(self) -> None:
        self.sum = 0.0

    def take(self, value: float) -> None:
        self.sum += value

    def result(self) -> float:
        return self.sum


class _Delta:
    """How far a meter went: it counts on after a reset to a smaller reading."""

    def __init__(self) -> None:
        self.last: float | None = None
        self.gone = 0.0

    def take(self, value: float) -> None:
        if self.last is not None:
            self.gone += value - self.last if value >= self.last else max(value, 0.0)
        self.last = value

    def result(self) -> float:
        return self.gone


class _Average:
    """The mean of all values."""

    def __init__(self) -> None:
        self.sum, self.count = 0.0, 0

    def take(self, value: float) -> None:
        self.sum += value
        self.count += 1

    def result(self) -> float | None:
        return self.sum / self.count if self.count else None


class _Maximum:
    """The largest value."""

    def __init__(self) -> None:
        self.value: float | None = None

    def take(self, value: float) -> None:
        self.value = value if self.value is None else max(self.value, value)

    def result(self) -> float | None:
        return self.value


class _Minimum(_Maximum):
    """The smallest value."""

    def take(self, value: float) -> None:
        self.value = value if self.value is None else min(self.value, value)


class _Collect:
    """Every different value, in the order of their coming."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def take(self, value: Any) -> None:
        if value not in self.values and len(self.values) < MAX_COLLECTED:
            self.values = [*self.values, value]

    def result(self) -> list[Any]:
        return self.values


_SUMMARIES: Final[Mapping[Strategy, Callable[[], Summary]]] = {
    "basic": _Basic,
    "accumulate": _Accumulate,
    "delta": _Delta,
    "average": _Average,
    "maximum": _Maximum,
    "minimum": _Minimum,
    "collect": _Collect,
}
