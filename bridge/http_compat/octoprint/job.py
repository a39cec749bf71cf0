"""/api/job: start, restart, pause, cancel with 204 and 409 as OctoPrint has them (seed 003)."""

from bridge.errors import BadRequest, Conflict
from bridge.http_compat import answers, web
from bridge.http_compat.guard import Visitor
from bridge.http_compat.octoprint.desk import Desk, Json, allow
from bridge.http_compat.routes import Routes
from bridge.rpc import Access, encode, printable


class JobPages:
    """The job, and what can be done to it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def add_to(self, routes: Routes) -> None:
        """Offer the pages; OctoPrint's own examples use the second path."""
        commands = {
            "start": self._start,
            "restart": self._restart,
            "pause": self._pause,
            "cancel": self._cancel,
        }
        routes.add("GET", "/api/job", self._information)
        for path in ("/api/job", "/api/control/job"):
            routes.add("POST", path, self._desk.commanded(commands))

    async def start(self, visitor: Visitor) -> None:
        """Print the file that is selected."""
        self._desk.require_operational()
        if self._desk.state.job is not None:
            raise Conflict("A print job is active already")
        filename = self._desk.state.file
        if filename is None:
            raise Conflict("No file is selected")
        await self._desk.call("printer.print.start", visitor, filename=filename)

    async def _information(
        self, _request: web.BaseRequest, _query: str, visitor: Visitor
    ) -> web.StreamResponse:
        allow(visitor, Access.READ)
        return answers.raw(encode(await self._desk.state.job_information()))

    async def _start(self, _given: Json, visitor: Visitor) -> None:
        await self.start(visitor)

    async def _restart(self, _given: Json, visitor: Visitor) -> None:
        """From the beginning; the macro that cancels leaves nothing of the paused print behind."""
        filename = self._desk.state.file
        if self._active() != "paused" or filename is None:
            raise Conflict("Only a print that is paused can be restarted")
        await self._desk.call("printer.print.cancel", visitor)
        await self._desk.call("printer.print.start", visitor, filename=filename)

    async def _pause(self, given: Json, visitor: Visitor) -> None:
        """`pause` and `resume` leave a print alone that is as they want it; without an action it toggles."""
        action = given.get("action", "toggle")
        if action not in ("pause", "resume", "toggle"):
            raise BadRequest(f"Unknown action '{printable(str(action))}'; there are pause, resume, toggle")
        state = self._active()
        if state == "printing" and action != "resume":
            await self._desk.call("printer.print.pause", visitor)
        elif state == "paused" and action != "pause":
            await self._desk.call("printer.print.resume", visitor)
        else:
            allow(visitor, Access.CONTROL)

    async def _cancel(self, _given: Json, visitor: Visitor) -> None:
        self._active()
        await self._desk.call("printer.print.cancel", visitor)

    def _active(self) -> str:
        """`printing` or `paused`, or 409."""
        self._desk.require_operational()
        job = self._desk.state.job
        if job is None:
            raise Conflict("No print job is active")
        return job
