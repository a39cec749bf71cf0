"""Temperatures: what the printer reports, and what it was told."""

import re
from dataclasses import dataclass

_READING = re.compile(r"\b(T\d*|B|C):\s*(-?\d+(?:\.\d+)?)\s*/\s*(-?\d+(?:\.\d+)?)")
_POWER = re.compile(r"(B?)@(\d*):\s*(\d+)")
_TARGET = re.compile(rb"M(104|109|140|190|141|191)(?=\D|$)")
_S, _T = re.compile(rb"[SR]\s*([\d.]+)"), re.compile(rb"T(\d+)")
FULL_POWER = 127.0  # as Marlin counts it
WARM = 170.0  # °C at which an extruder may push


@dataclass
class Heater:
    """One heater as it was last told of."""

    temperature: float = 0.0
    target: float = 0.0
    power: float = 0.0


class Heat:
    """The heaters by Klipper's names."""

    def __init__(self, extruders: int, *, bed: bool, chamber: bool) -> None:
        self.heaters: dict[str, Heater] = {extruder(number): Heater() for number in range(extruders)}
        if bed:
            self.heaters["heater_bed"] = Heater()
        if chamber:
            self.heaters["heater_generic chamber"] = Heater()

    def heard(self, text: str, tool: int) -> None:
        """The printer reports temperatures; plain `T` is the tool in use."""
        several = "T0:" in text
        for label, temperature, target in _READING.findall(text):
            if label == "T" and several:
                continue
            heater = self.heaters.get(_name(label, tool))
            if heater is not None:
                heater.temperature, heater.target = float(temperature), float(target)
        for bed, number, power in _POWER.findall(text):
            name = "heater_bed" if bed else extruder(int(number) if number else tool)
            if (heater := self.heaters.get(name)) is not None:
                heater.power = min(1.0, int(power) / FULL_POWER)

    def took(self, line: bytes, tool: int) -> None:
        """The printer has carried out this line: a target is true before it is reported."""
        found = _TARGET.match(line.upper())
        value = _S.search(line.upper()) if found is not None else None
        if found is None or value is None:
            return
        number = _T.search(line.upper())
        name = {b"104": "", b"109": "", b"140": "heater_bed", b"190": "heater_bed"}.get(
            found[1], "heater_generic chamber"
        )
        heater = self.heaters.get(name or extruder(int(number[1]) if number else tool))
        if heater is not None:
            heater.target = float(value[1])


def extruder(number: int) -> str:
    """Klipper's name of a tool."""
    return f"extruder{number}" if number else "extruder"


def _name(label: str, tool: int) -> str:
    if label == "B":
        return "heater_bed"
    if label == "C":
        return "heater_generic chamber"
    return extruder(int(label[1:]) if len(label) > 1 else tool)
