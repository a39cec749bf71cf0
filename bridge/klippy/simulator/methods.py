"""Klippy's API methods: their arguments, their answers, their errors."""

import os
import platform
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from bridge.klippy.simulator.clock import Halted
from bridge.klippy.simulator.connection import Connection
from bridge.klippy.simulator.line import GcodeError
from bridge.klippy.simulator.printer import Printer
from bridge.klippy.simulator.status import StatusTimer, Subscription, Wanted

Result = dict[str, Any]
Handler = Callable[[Connection, "Arguments"], Awaitable[Result] | Result]
_ABSENT = object()


class WebRequestError(GcodeError):
    """A request that cannot be carried out; the text is what the client is told."""


class Arguments:
    """The parameters of a request."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params

    def get(self, key: str, kind: Any, default: Any = _ABSENT) -> Any:
        """A parameter of one type; without a default it must be there."""
        value = self.params.get(key, default)
        if value is _ABSENT:
            raise WebRequestError(f"Missing Argument [{key}]")
        if not isinstance(value, kind):
            raise WebRequestError(f"Invalid Argument Type [{key}]")
        return value

    def wanted(self) -> Wanted:
        """The `objects` of a query."""
        objects: dict[str, Any] = self.get("objects", dict)
        for fields in objects.values():
            if fields is not None and not _is_text_list(fields):
                raise WebRequestError("Invalid argument")
        return dict(objects)


def _is_text_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


class Methods:
    """The method table of one life of the printer."""

    def __init__(self, printer: Printer, timer: StatusTimer, gcodes: Path, log_dir: Path) -> None:
        self._printer, self._timer = printer, timer
        self._gcodes, self._log_dir = gcodes, log_dir
        self._table: dict[str, Handler] = {
            "list_endpoints": lambda _, __: {"endpoints": list(self._table)},
            "info": lambda _, arguments: self._info(arguments),
            "emergency_stop": lambda _, __: self._emergency_stop(),
            "register_remote_method": self._register,
            "gcode/help": lambda _, __: self._printer.gcode.help_texts(),
            "gcode/script": lambda _, arguments: self._script(arguments.get("script", str)),
            "gcode/restart": lambda _, __: self._script("RESTART"),
            "gcode/firmware_restart": lambda _, __: self._script("FIRMWARE_RESTART"),
            "gcode/subscribe_output": self._subscribe_output,
            "objects/list": lambda _, __: {"objects": list(self._printer.objects)},
            "objects/query": lambda _, arguments: self._timer.query(arguments.wanted()),
            "objects/subscribe": self._subscribe,
        }
        if "pause_resume" in printer.objects:
            self._table |= {
                "pause_resume/cancel": lambda _, __: self._script("CANCEL_PRINT"),
                "pause_resume/pause": lambda _, __: self._script("PAUSE"),
                "pause_resume/resume": lambda _, __: self._script("RESUME"),
                "query_endstops/status": lambda _, __: self._endstops(),
            }

    async def call(self, connection: Connection, method: str, params: dict[str, Any]) -> Result:
        """Carry a request out; a GcodeError is for the client."""
        handler = self._table.get(method)
        if handler is None:
            raise WebRequestError(f"webhooks: No registered callback for path '{method}'")
        try:
            result = handler(connection, Arguments(params))
            return result if isinstance(result, dict) else await result
        except Halted as error:
            raise WebRequestError(self._printer.message) from error

    async def _script(self, script: str) -> Result:
        await self._printer.gcode.script(script)
        return {}

    def _emergency_stop(self) -> Result:
        self._printer.shut_down("Shutdown due to webhooks request")
        return {}

    async def _endstops(self) -> Result:
        state = self._printer.not_ready()
        if state is not None:
            raise WebRequestError(state)
        return dict(await self._printer.endstops())

    def _register(self, connection: Connection, arguments: Arguments) -> Result:
        template = arguments.get("response_template", dict)
        connection.remote_methods[arguments.get("remote_method", str)] = template
        return {}

    def _subscribe_output(self, connection: Connection, arguments: Arguments) -> Result:
        connection.output_template = arguments.get("response_template", dict, {})
        return {}

    async def _subscribe(self, connection: Connection, arguments: Arguments) -> Result:
        template: dict[str, Any] = arguments.get("response_template", dict, {})

        def tell(update: dict[str, Any]) -> None:
            connection.send({**template, "params": update})

        return await self._timer.subscribe(connection, Subscription(arguments.wanted(), tell))

    def _info(self, arguments: Arguments) -> Result:
        arguments.get("client_info", dict, {})
        return {
            "state": self._printer.state,
            "state_message": self._printer.message,
            "hostname": socket.gethostname(),
            "klipper_path": str(self._gcodes.parent / "klipper"),
            "python_path": sys.executable,
            "process_id": os.getpid(),
            "user_id": os.getuid(),
            "group_id": os.getgid(),
            "log_file": str(self._log_dir / "klippy.log"),
            "config_file": str(self._gcodes.parent / "config" / "printer.cfg"),
            "software_version": "v0.13.0-simulator",
            "cpu_info": f"{os.cpu_count()} core {platform.machine()}",
        }
