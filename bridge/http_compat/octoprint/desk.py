"""What every page of the emulation needs: who asks, what for, and the table it goes through."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bridge.errors import BadRequest, BridgeError, Conflict, KlippyError
from bridge.http_compat import answers, arguments, web
from bridge.http_compat.guard import Visitor
from bridge.http_compat.octoprint.state import State
from bridge.http_compat.routes import Page
from bridge.klippy.printer_link import decoded, status_update
from bridge.klippy.status import Status
from bridge.rpc import Access, Registry, encode, printable

log = logging.getLogger(__name__)

Json = dict[str, Any]
Command = Callable[[Json, Visitor], Awaitable[None]]

ASKED = {"print_stats": ["state", "filename"], "virtual_sdcard": ["is_active"]}
SAVE, RESTORE = "SAVE_GCODE_STATE NAME=octoprint", "RESTORE_GCODE_STATE NAME=octoprint"


@dataclass(frozen=True)
class Job:
    """A print that is `printing` or `paused`."""

    state: str
    filename: str


class Desk:
    """Asks the table in a visitor's name."""

    def __init__(self, registry: Registry, state: State, *, max_body: int) -> None:
        self.state = state
        self._registry, self._max_body = registry, max_body
        self._moves = asyncio.Lock()  # they keep the printer's state under one name

    async def call(self, name: str, visitor: Visitor, **params: Any) -> Any:
        """Run a method of the table; it decides whether the visitor may."""
        return await self._registry.call(name, params, visitor)

    async def job(self, visitor: Visitor) -> Job | None:
        """The job as Klippy has it now, which it has perhaps not told yet."""
        found = decoded(await self.call("printer.objects.query", visitor, objects=ASKED))
        return _job(status_update(found).status) if isinstance(found, dict) else None

    async def script(self, visitor: Visitor, *lines: str) -> None:
        """Run G-code on a printer that is operational."""
        self.require_operational()
        await self.call("printer.gcode.script", visitor, script="\n".join(lines))

    async def move(self, visitor: Visitor, *lines: str) -> None:
        """Run moves, after which the printer counts as before: also where one of them fails."""
        async with self._moves:
            await self.require_no_print(visitor)  # one may have begun while this move waited
            try:
                await self.script(visitor, SAVE, *lines, RESTORE)
            except KlippyError:
                await self._restore(visitor)  # a script ends with the line that fails
                raise

    async def _restore(self, visitor: Visitor) -> None:
        try:
            await self.script(visitor, RESTORE)
        except BridgeError as error:
            log.warning("after a move that failed the printer may still count from where it is: %s", error)

    async def require_no_print(self, visitor: Visitor) -> None:
        """As OctoPrint says it: 409 for what nobody but the print may do; a paused one gives way."""
        self.require_operational()
        job = await self.job(visitor)
        if job is not None and job.state == "printing":
            raise Conflict("The printer is printing; pause the print first")

    async def arguments(self, request: web.BaseRequest, query: str) -> Json:
        """Those of the query and of the body."""
        return await arguments.collect(request, query, self._max_body)

    def require_operational(self) -> None:
        """As OctoPrint says it: 409."""
        if not self.state.operational:
            raise Conflict(f"The printer is not operational: {self.state.text}")

    def told(self, tell: Callable[[], Any]) -> Page:
        """A page that only tells something."""

        async def page(_request: web.BaseRequest, _query: str, visitor: Visitor) -> web.StreamResponse:
            allow(visitor, Access.READ)
            return answers.raw(encode(tell()))

        return page

    def commanded(self, commands: Mapping[str, Command]) -> Page:
        """A page that takes `{"command": …}`, and answers 204."""

        async def page(request: web.BaseRequest, query: str, visitor: Visitor) -> web.StreamResponse:
            given = await self.arguments(request, query)
            await choose(commands, given)(given, visitor)
            return answers.empty()

        return page


def _job(status: Status) -> Job | None:
    """A print that has just been started is at work before it says so."""
    stats, card = status.get("print_stats", {}), status.get("virtual_sdcard", {})
    filename = str(stats.get("filename") or "")
    if stats.get("state") == "printing" or card.get("is_active"):
        return Job("printing", filename)
    return Job("paused", filename) if stats.get("state") == "paused" else None


def choose(commands: Mapping[str, Command], given: Json) -> Command:
    """The command that a body names."""
    name = given.get("command")
    found = commands.get(name) if isinstance(name, str) else None
    if found is None:
        raise BadRequest(f"Unknown command '{printable(str(name))}'; there are {', '.join(commands)}")
    return found


def allow(visitor: Visitor, access: Access) -> None:
    """Raise what keeps the visitor out, if anything does."""
    if (refusal := visitor.allows(access, "OctoPrint's API")) is not None:
        raise refusal
