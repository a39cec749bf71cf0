"""Meters of energy: their units, their resets, and the odd reading in between."""

from typing import Final

from bridge.errors import ConfigError

KWH: Final = {
    "Wh": 0.001,
    "kWh": 1.0,
    "MWh": 1000.0,
    "kJ": 1 / 3600,
    "MJ": 1 / 3.6,
    "GJ": 1000 / 3.6,
}


def factor(units: str | None, where: str) -> float:
    """By what readings become kWh; ConfigError for what is no energy, such as W."""
    if units not in KWH:
        told = "missing" if units is None else f"'{units}' is no energy"
        raise ConfigError(f"{where}.units: {told}; a meter counts {', '.join(KWH)}")
    return KWH[units]


class Meter:
    """Lets through what a meter counts: a smaller reading is a reset only when the next one agrees.

    A plug that has just booted says 0 once and then its old total; taken for a reset, that would count
    all it has ever counted as the energy of one job.
    """

    def __init__(self) -> None:
        self._highest: float | None = None
        self._doubtful: float | None = None

    def take(self, reading: float) -> list[float]:
        """The readings that are to be counted now, in their order."""
        if reading < 0:
            return []
        if self._highest is None or reading >= self._highest:
            self._highest, self._doubtful = reading, None
            return [reading]
        if self._doubtful is None or reading < self._doubtful:
            self._doubtful = reading
            return []
        first, self._doubtful, self._highest = self._doubtful, None, reading
        return [first, reading]
