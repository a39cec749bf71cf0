"""/api/printer: temperatures, tools, bed, print head, and G-code."""

from typing import Any

from bridge.errors import BadParams, BadRequest, NotFound
from bridge.http_compat import answers, web
from bridge.http_compat.arguments import parse
from bridge.http_compat.guard import Visitor
from bridge.http_compat.octoprint.desk import Desk, Json, allow
from bridge.http_compat.routes import Page, Routes
from bridge.klippy.commands import number
from bridge.rpc import Access, encode, printable

PERCENT = 100
AXES = ("x", "y", "z")
JOG_SPEED = 3000.0  # mm/min where the client names none


class PrinterPages:
    """The printer, and what moves and heats it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def add_to(self, routes: Routes) -> None:
        """Offer the pages."""
        desk = self._desk
        routes.add("GET", "/api/printer", self._whole)
        routes.add("POST", "/api/printer/command", self._command)
        routes.add("GET", "/api/printer/tool", self._temperatures("tool"))
        routes.add("GET", "/api/printer/bed", self._temperatures("bed"))
        routes.add("GET", "/api/printer/chamber", self._temperatures("chamber"))
        tool = {
            "target": self._targets,
            "select": self._select,
            "extrude": self._extrude,
            "flowrate": self._flow,
        }
        head = {"jog": self._jog, "home": self._home, "feedrate": self._feed}
        routes.add("POST", "/api/printer/tool", desk.commanded(tool))
        routes.add("POST", "/api/printer/bed", desk.commanded({"target": self._target("bed")}))
        routes.add("POST", "/api/printer/chamber", desk.commanded({"target": self._target("chamber")}))
        routes.add("POST", "/api/printer/printhead", desk.commanded(head))

    async def _whole(self, _request: web.BaseRequest, query: str, visitor: Visitor) -> web.StreamResponse:
        allow(visitor, Access.READ)
        self._desk.require_operational()
        excluded = str(parse(query).get("exclude", "")).split(",")
        found = {
            "temperature": self._desk.state.temperatures(),
            "sd": {"ready": False},
            "state": self._desk.state.state(),
        }
        return answers.raw(encode({key: value for key, value in found.items() if key not in excluded}))

    def _temperatures(self, kind: str) -> Page:
        def tell() -> Json:
            self._desk.require_operational()
            found = self._desk.state.temperatures()
            return {name: value for name, value in found.items() if name.startswith(kind)}

        return self._desk.told(tell)

    async def _command(self, request: web.BaseRequest, query: str, visitor: Visitor) -> web.StreamResponse:
        given = await self._desk.arguments(request, query)
        lines = given.get("commands", given.get("command"))
        if isinstance(lines, str):
            lines = [lines]
        if not isinstance(lines, list) or not lines or not all(isinstance(line, str) for line in lines):
            raise BadParams("Expected `command`, a line of G-code, or `commands`, a list of them")
        await self._desk.script(visitor, *lines)
        return answers.raw(b"{}")

    async def _targets(self, given: Json, visitor: Visitor) -> None:
        targets = given.get("targets")
        if not isinstance(targets, dict) or not targets:
            raise BadParams('Expected `targets`, such as {"tool0": 210}')
        await self._desk.script(visitor, *(self._heat(str(name), value) for name, value in targets.items()))

    def _target(self, name: str) -> Any:
        async def command(given: Json, visitor: Visitor) -> None:
            await self._desk.script(visitor, self._heat(name, given.get("target")))

        return command

    def _heat(self, name: str, target: Any) -> str:
        self._desk.require_operational()
        heater = self._desk.state.heater(name)
        if heater is None:
            raise BadRequest(f"This printer has no heater '{printable(name)}'")
        return f"SET_HEATER_TEMPERATURE HEATER={heater} TARGET={_figure(target, 'target')}"

    async def _select(self, given: Json, visitor: Visitor) -> None:
        name = str(given.get("tool"))
        if self._desk.state.heater(name) is None or not name.startswith("tool"):
            raise BadRequest(f"This printer has no tool '{printable(name)}'")
        await self._desk.script(visitor, f"T{name.removeprefix('tool')}")

    async def _extrude(self, given: Json, visitor: Visitor) -> None:
        speed = _figure(given.get("speed", 300), "speed")
        amount = _figure(given.get("amount"), "amount")
        await self._desk.move(visitor, "M83", f"G1 E{amount} F{speed}")

    async def _flow(self, given: Json, visitor: Visitor) -> None:
        await self._desk.script(visitor, f"M221 S{_percent(given.get('factor'))}")

    async def _feed(self, given: Json, visitor: Visitor) -> None:
        await self._desk.script(visitor, f"M220 S{_percent(given.get('factor'))}")

    async def _jog(self, given: Json, visitor: Visitor) -> None:
        moves = [f"{axis.upper()}{_figure(given[axis], axis)}" for axis in AXES if axis in given]
        if not moves:
            raise BadParams("Expected at least one of `x`, `y`, `z` in mm")
        speed = _figure(given.get("speed", JOG_SPEED), "speed")
        mode = "G90" if given.get("absolute") is True else "G91"
        await self._desk.move(visitor, mode, f"G1 {' '.join(moves)} F{speed}")

    async def _home(self, given: Json, visitor: Visitor) -> None:
        axes = given.get("axes")
        if not isinstance(axes, list) or not axes or not set(axes) <= set(AXES):
            raise BadParams("Expected `axes`, a list of x, y and z")
        await self._desk.require_no_print(visitor)
        await self._desk.script(visitor, f"G28 {' '.join(axis.upper() for axis in axes)}")


def no_card() -> Json:
    """There is no SD card in the printer's board."""
    raise NotFound("There is no SD card: Klipper prints from the folder gcodes")


def _figure(value: Any, name: str) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadParams(f"Argument '{name}': expected a number")
    return number(value, name)


def _percent(value: Any) -> str:
    """A factor as percentage: OctoPrint takes 105, and 1.05 as well."""
    if isinstance(value, float) and 0 < value <= 2:  # noqa: PLR2004 - no print runs at 2 %
        value = value * PERCENT
    return _figure(value, "factor")
