"""Output pins and lights."""

from collections.abc import Callable, Iterable, Mapping

from bridge.klippy.simulator.dispatch import Command, Status
from bridge.klippy.simulator.line import GcodeError, Line

_COLOURS = ("RED", "GREEN", "BLUE", "WHITE")


class Outputs:
    """A dimmable case light, a relay, a status light."""

    def __init__(self) -> None:
        self._pins = {"caselight": 0.0, "relay": 0.0}
        self._colour = [0.0, 0.5, 0.0, 0.0]

    def commands(self) -> Iterable[Command]:
        """The commands it takes."""
        return (
            Command("SET_PIN", self._set_pin, "Give an output pin its value"),
            Command("SET_LED", self._set_led, "Give a light its colour"),
        )

    def _set_pin(self, line: Line) -> None:
        line.choose("PIN", self._pins)
        value = line.number("VALUE", least=0.0, most=1.0)
        if line.get("PIN") == "relay" and value not in (0.0, 1.0):
            raise GcodeError("Invalid pin value")
        self._pins[line.get("PIN")] = value

    def _set_led(self, line: Line) -> None:
        line.choose("LED", {"status": None})
        self._colour = [line.number(colour, 0.0, least=0.0, most=1.0) for colour in _COLOURS]

    def objects(self) -> Mapping[str, Callable[[], Status]]:
        """The printer objects it shows."""
        return {
            "output_pin caselight": lambda: {"value": self._pins["caselight"]},
            "output_pin relay": lambda: {"value": self._pins["relay"]},
            "led status": lambda: {"color_data": [[*self._colour]]},
        }
