"""/api/job: start, restart, pause, cancel with 204 and 409 as OctoPrint has them (seed 003)."""

from bridge.errors import BadRequest, Conflict
from bridge.http_compat import answers, web
from bridge.http_compat.guard import Visitor
from bridge.http_compat.octoprint.desk import Desk, Json, allow
from bridge.http_compat.routes import Routes
from bridge.rpc import Access, encode, printable

ACTIVE = ("printing", "paused")
# In these states, as they were told last, an action does something; else the state may just have changed.
SURE = {"pause": ("printing",), "resume": ("paused",), "toggle": ()}


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
        if await self._desk.job(visitor) is not None:
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
        self._desk.require_operational()
        job = await self._desk.job(visitor)
        if job is None or job.state != "paused" or not job.filename:
            raise Conflict("Only a print that is paused can be restarted")
        await self._desk.call("printer.print.cancel", visitor)
        await self._desk.call("printer.print.start", visitor, filename=job.filename)

    async def _pause(self, given: Json, visitor: Visitor) -> None:
        """`pause` and `resume` leave a print alone that is as they want it; without an action it toggles."""
        action = given.get("action", "toggle")
        if not isinstance(action, str) or action not in SURE:
            raise BadRequest(f"Unknown action '{printable(str(action))}'; there are {', '.join(SURE)}")
        state = await self._active(visitor, *SURE[action])
        if state == "printing" and action != "resume":
            await self._desk.call("printer.print.pause", visitor)
        elif state == "paused" and action != "pause":
            await self._desk.call("printer.print.resume", visitor)
        else:
            allow(visitor, Access.CONTROL)

    async def _cancel(self, _given: Json, visitor: Visitor) -> None:
        await self._active(visitor, *ACTIVE)
        await self._desk.call("printer.print.cancel", visitor)

    async def _active(self, visitor: Visitor, *sure: str) -> str:
        """`printing` or `paused`, or 409; a state that is not among the `sure` ones is asked for anew."""
        self._desk.require_operational()
        told = self._desk.state.job
        if told is not None and told in sure:
            return told
        job = await self._desk.job(visitor)
        if job is None:
            raise Conflict("No print job is active")
        return job.state
