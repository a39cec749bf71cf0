"""printer.*: Klippy's API as Moonraker's clients know it (seed 004, Printer Administration and following)."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bridge.clients import SocketTable
from bridge.errors import BadParams
from bridge.klippy.commands import Commands
from bridge.klippy.printer_link import PrinterLink
from bridge.klippy.state import Klippy, KlippyInfo, KlippyState
from bridge.klippy.status import StatusCache
from bridge.rpc import EVERYWHERE, NOT_MQTT, Access, Call, Lane, Method, Notice, rpc
from bridge.schema import Open

OK = Literal["ok"]
Objects = Annotated[
    dict[str, list[str] | None],
    Open(),
    Meta(description="printer object -> its fields, null for all of them"),
]

PASSED_ON_NEVER = ("objects/subscribe", "gcode/subscribe_output", "register_remote_method")


class ObjectStatus(msgspec.Struct, frozen=True):
    """Printer objects at one moment of Klippy's monotonic clock."""

    eventtime: float
    status: dict[str, dict[str, Any]]


class Printer:
    """The printer: its state, its objects, G-code and prints."""

    components = ("klippy_connection", "klippy_apis")

    def __init__(
        self, klippy: Klippy, link: PrinterLink, cache: StatusCache, commands: Commands, sockets: SocketTable
    ) -> None:
        self.ready: Notice[None] = Notice("notify_klippy_ready", None, "Klippy is ready")
        self.shutdown: Notice[None] = Notice("notify_klippy_shutdown", None, "Klippy is shut down")
        self.gone: Notice[None] = Notice("notify_klippy_disconnected", None, "Klippy's socket is gone")
        self.output: Notice[str] = Notice("notify_gcode_response", str, "Klippy said something")
        self._klippy, self._link, self._cache, self._commands = klippy, link, cache, commands
        self._sockets = sockets
        self._notices = {
            KlippyState.READY: self.ready,
            KlippyState.SHUTDOWN: self.shutdown,
            KlippyState.DISCONNECTED: self.gone,
        }
        klippy.changed.connect(self._changed)
        link.output.connect(self.output.emit)

    @rpc("printer.info", "GET", "POST", access=Access.READ)
    async def info(self, call: Call) -> msgspec.Raw:
        """Klippy's state, versions and paths."""
        return await self._link.request("info")

    @rpc("printer.emergency_stop", "POST", access=Access.CONTROL, lane=Lane.URGENT)
    async def emergency_stop(self, call: Call) -> OK:
        """Halt the printer at once, past everything that waits."""
        await self._commands.emergency_stop()
        return "ok"

    @rpc("printer.restart", "POST", access=Access.CONTROL, lane=Lane.GCODE)
    async def restart(self, call: Call) -> OK:
        """Restart Klippy's host software and reload its configuration."""
        await self._commands.restart()
        return "ok"

    @rpc("printer.firmware_restart", "POST", access=Access.CONTROL, lane=Lane.GCODE)
    async def firmware_restart(self, call: Call) -> OK:
        """Restart the firmware and Klippy's host software."""
        await self._commands.firmware_restart()
        return "ok"

    @rpc("printer.objects.list", "GET", "POST", access=Access.READ)
    async def list_objects(self, call: Call) -> msgspec.Raw:
        """The names of the printer objects that can be queried: `{"objects": [...]}`."""
        return await self._link.request("objects/list")

    @rpc("printer.objects.query", "GET", "POST", access=Access.READ)
    async def query_objects(self, call: Call, *, objects: Objects) -> msgspec.Raw:
        """The present values of printer objects: `{"eventtime": …, "status": {object: {field: value}}}`."""
        return await self._link.request("objects/query", {"objects": objects})

    @rpc(
        "printer.objects.subscribe",
        "POST",
        access=Access.READ,
        doors=NOT_MQTT,
        elsewhere="the topics klipper/state/{object}/{field} are it; mqtt.state.objects chooses",
    )
    async def subscribe_objects(
        self,
        call: Call,
        *,
        objects: Objects = {},  # noqa: B006 - never changed; it is the schema's default
        connection_id: Annotated[int, Meta(description="the WebSocket that gets the updates; over HTTP only")]
        | None = None,
    ) -> ObjectStatus:
        """Values now, and their changes as notify_status_update; no objects end the subscription."""
        client = self._sockets.of(call.client) if connection_id is None else self._sockets.find(connection_id)
        if client is None:
            raise BadParams("Missing argument 'connection_id': over HTTP name the WebSocket to be updated")
        status = await client.subscribe(objects)
        return ObjectStatus(self._cache.eventtime, status)

    @rpc("printer.query_endstops.status", "GET", "POST", access=Access.READ, lane=Lane.GCODE)
    async def query_endstops(self, call: Call) -> msgspec.Raw:
        """Each endstop as `open` or `TRIGGERED`; it asks the micro-controller and takes a moment."""
        # Klippy asks it behind the G-code that runs, which may take as long as a print
        return await self._link.request("query_endstops/status", unlimited=True)

    @rpc("printer.gcode.script", "POST", access=Access.CONTROL, lane=Lane.GCODE)
    async def gcode_script(
        self, call: Call, *, script: Annotated[str, Meta(description="G-code, one command a line")]
    ) -> OK:
        """Run G-code; answered when it has ended, which may take minutes."""
        await self._commands.script(script)
        return "ok"

    @rpc("printer.gcode.help", "GET", "POST", access=Access.READ)
    async def gcode_help(self, call: Call) -> msgspec.Raw:
        """Commands that have a description: `{COMMAND: text}`."""
        return await self._link.request("gcode/help")

    @rpc("printer.print.start", "POST", access=Access.CONTROL, lane=Lane.GCODE)
    async def start_print(
        self, call: Call, *, filename: Annotated[str, Meta(description="path relative to gcodes")]
    ) -> OK:
        """Print a file."""
        await self._commands.start_print(filename, call.client.user)
        return "ok"

    @rpc("printer.print.pause", "POST", access=Access.CONTROL, lane=Lane.GCODE)
    async def pause_print(self, call: Call) -> OK:
        """Pause the print."""
        await self._commands.pause()
        return "ok"

    @rpc("printer.print.resume", "POST", access=Access.CONTROL, lane=Lane.GCODE)
    async def resume_print(self, call: Call) -> OK:
        """Resume the print."""
        await self._commands.resume()
        return "ok"

    @rpc("printer.print.cancel", "POST", access=Access.CONTROL, lane=Lane.GCODE)
    async def cancel_print(self, call: Call) -> OK:
        """Cancel the print."""
        await self._commands.cancel()
        return "ok"

    def passed_on(self, name: str) -> Method | None:
        """A method for an endpoint that Klippy lists and nobody declares (printer.pause_resume.pause)."""
        endpoint = name.removeprefix("printer.").replace(".", "/")
        if endpoint not in self._klippy.machine.endpoints or endpoint in PASSED_ON_NEVER:
            return None
        if endpoint.rpartition("/")[2].startswith("dump_"):  # they turn the shared connection into a stream
            return None

        async def handler(
            _call: Call,
            *,
            params: Annotated[dict[str, Any], Open()] = {},  # noqa: B006 - the schema's default
        ) -> msgspec.Raw:
            return await self._commands.raw(endpoint, params)

        return Method(
            name=name,
            verbs=("POST",),
            path="/" + name.replace(".", "/"),
            access=Access.CONTROL,
            doors=EVERYWHERE,
            elsewhere="",
            handler=handler,
            lane=Lane.GCODE,
        )

    def _changed(self, info: KlippyInfo) -> None:
        notice = self._notices.get(info.state)
        if notice is not None:
            notice.emit(None)
