"""The macros of the pretend printer.cfg: what the file says of them, and what they do."""

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from bridge.klippy.simulator.config import Sections
from bridge.klippy.simulator.dispatch import Command, Dispatch, Status
from bridge.klippy.simulator.line import GcodeError, Line

Call = Callable[[str, dict[str, Any]], None]
Do = Callable[["Macros", Mapping[str, str]], Sequence[str]]


@dataclass(frozen=True)
class Macro:
    """A gcode_macro: `gcode` is what printer.cfg shows, `do` gives the lines that it comes to."""

    name: str
    description: str
    gcode: str
    do: Do
    variables: dict[str, Any] = field(default_factory=dict)


def _start_print(macros: "Macros", params: Mapping[str, str]) -> Sequence[str]:
    bed = params.get("BED", macros.variable("START_PRINT", "bed"))
    hot = params.get("EXTRUDER", "200")
    begin = "SET_GCODE_VARIABLE MACRO=START_PRINT VARIABLE=started VALUE=1"
    return (begin, f"M140 S{bed}", f"M104 S{hot}", "G28", f"M190 S{bed}", f"M109 S{hot}")


def _end_print(_: "Macros", __: Mapping[str, str]) -> Sequence[str]:
    return ("SET_GCODE_VARIABLE MACRO=START_PRINT VARIABLE=started VALUE=0", "TURN_OFF_HEATERS", "M107")


def _greet(macros: "Macros", params: Mapping[str, str]) -> Sequence[str]:
    name = params.get("NAME", macros.variable("GREET", "name"))
    return (f'RESPOND MSG="hello {name}"',)


def _ask(_: "Macros", __: Mapping[str, str]) -> Sequence[str]:
    actions = ("begin A question", "text Go on?", "button Yes|RESPOND MSG=yes", "show")
    return [f'RESPOND TYPE=command MSG="action:prompt_{action}"' for action in actions]


def _call_out(macros: "Macros", params: Mapping[str, str]) -> Sequence[str]:
    more = {key.lower(): value for key, value in params.items() if key not in ("METHOD", "NOTE")}
    macros.call(params.get("METHOD", "paging"), more or {"note": params.get("NOTE", "none"), "n": 3})
    return ()


def _publish(macros: "Macros", params: Mapping[str, str]) -> Sequence[str]:
    topic, payload = params.get("TOPIC", "greeting"), params.get("PAYLOAD", "hello")
    macros.call("publish_mqtt_topic", {"topic": topic, "payload": payload, "qos": 0, "retain": False})
    return ()


def _break(_: "Macros", __: Mapping[str, str]) -> Sequence[str]:
    raise GcodeError("Error evaluating 'gcode_macro BREAK:gcode': gcode.CommandError: broken on purpose\n")


def _stop_all(macros: "Macros", _: Mapping[str, str]) -> Sequence[str]:
    macros.shut_down("Shutdown due to stopped on purpose")
    return ()


def _hidden(_: "Macros", __: Mapping[str, str]) -> Sequence[str]:
    return ('RESPOND MSG="hidden"',)


TABLE = (
    Macro(
        "START_PRINT",
        "Home, warm up, begin",
        "\nSET_GCODE_VARIABLE MACRO=START_PRINT VARIABLE=started VALUE=1\nM140 S{params.BED|default(bed)}\n"
        "M104 S{params.EXTRUDER|default(200)}\nG28\nM190 S{params.BED|default(bed)}\n"
        "M109 S{params.EXTRUDER|default(200)}",
        _start_print,
        {"bed": 60, "started": 0},
    ),
    Macro(
        "END_PRINT",
        "Heaters and fan off",
        "\nSET_GCODE_VARIABLE MACRO=START_PRINT VARIABLE=started VALUE=0\nTURN_OFF_HEATERS\nM107",
        _end_print,
    ),
    Macro(
        "GREET",
        "Answers with a line",
        '\nRESPOND MSG="hello {params.NAME|default(name)}"',
        _greet,
        {"name": "nobody", "count": 0, "list": [1, 2.5, "x"]},
    ),
    Macro("ASK", "Shows a prompt by way of action lines", "\nRESPOND TYPE=command MSG=...", _ask),
    Macro(
        "CALL_OUT",
        "Calls a method that a client has registered",
        '\n{action_call_remote_method(params.METHOD, note=params.NOTE|default("none"), n=3)}',
        _call_out,
    ),
    Macro(
        "PUBLISH",
        "Has a message published over MQTT",
        '\n{action_call_remote_method("publish_mqtt_topic", topic=params.TOPIC, payload=params.PAYLOAD)}',
        _publish,
    ),
    Macro("BREAK", "Raises an error", '\n{action_raise_error("broken on purpose")}', _break),
    Macro("STOP_ALL", "Shuts the machine down", '\n{action_emergency_stop("stopped on purpose")}', _stop_all),
    Macro("_HIDDEN", "Name with an underscore, as clients hide it", '\nRESPOND MSG="hidden"', _hidden),
)


def sections() -> Sections:
    """The macros as printer.cfg shows them."""
    return {
        f"gcode_macro {macro.name}": {
            "description": macro.description,
            **{f"variable_{name}": str(value) for name, value in macro.variables.items()},
            "gcode": macro.gcode,
        }
        for macro in TABLE
    }


class Macros:
    """Runs the macros and keeps their variables."""

    def __init__(self, gcode: Dispatch, call: Call, shut_down: Callable[[str], None]) -> None:
        self._gcode, self.call, self.shut_down = gcode, call, shut_down
        self._variables = {macro.name: dict(macro.variables) for macro in TABLE}

    def variable(self, macro: str, name: str) -> Any:
        """The value of a macro's variable."""
        return self._variables[macro][name]

    def commands(self) -> Iterable[Command]:
        """The commands it takes."""
        for macro in TABLE:
            yield Command(macro.name, self._runner(macro), macro.description)
        yield Command("SET_GCODE_VARIABLE", self._set, "Give a macro's variable its value")

    def _runner(self, macro: Macro) -> Callable[[Line], Any]:
        async def run(line: Line) -> None:
            for text in macro.do(self, line.params):
                await self._gcode.line(text)

        return run

    def _set(self, line: Line) -> None:
        variables = line.choose("MACRO", self._variables)
        name, text = line.get("VARIABLE").lower(), line.get("VALUE")
        if name not in variables:
            raise GcodeError(f"Unknown gcode_macro variable '{name}'")
        try:
            value = ast.literal_eval(text)
            msgspec.json.encode(value)  # it will be a status: JSON must know its type
        except (ValueError, TypeError, SyntaxError, RecursionError) as error:
            raise GcodeError(f"Unable to parse '{text}' as a literal") from error
        variables[name] = value

    def objects(self) -> Mapping[str, Callable[[], Status]]:
        """The printer objects it shows."""

        def shows(name: str) -> Callable[[], Status]:
            return lambda: dict(self._variables[name])

        return {f"gcode_macro {macro.name}": shows(macro.name) for macro in TABLE}
