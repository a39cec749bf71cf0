"""One life of the socket: from listening to the next restart, with all its clients and tasks."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from socket import socket
from typing import Any, Protocol

from bridge.klippy.simulator.connection import Connection, Request
from bridge.klippy.simulator.faults import Faults
from bridge.klippy.simulator.line import GcodeError
from bridge.klippy.simulator.methods import Arguments, Methods
from bridge.klippy.simulator.printer import Printer, RemoteCall
from bridge.klippy.simulator.status import StatusTimer

log = logging.getLogger(__name__)
STEERING = "simulator/"
_LAST_WORDS = 0.03  # seconds between the answer to a restart and the end of the connection


@dataclass(frozen=True)
class Timing:
    """Seconds on the wall, whatever the speed of the printer."""

    tick: float = 0.25  # between two updates of a subscription
    refused: float = 0.7  # in a restart, while nobody listens
    startup: float = 1.0  # after a restart, until ready
    boot: float = 0.0  # the same at the very first start
    patience: float = 5.0  # that a client may leave what it is sent unread


class Steer(Protocol):
    """Carries out the unlisted methods that tests steer the simulator with."""

    def __call__(self, connection: Connection, method: str, arguments: Arguments) -> dict[str, Any]:
        """Carry one out."""
        ...


class _Restarted(Exception):
    """Ends a life; no error."""


class Life:
    """The clients of one printer."""

    def __init__(
        self,
        printer: Printer,
        *,
        methods: Methods,
        timer: StatusTimer,
        faults: Faults,
        timing: Timing,
        steer: Steer,
    ) -> None:
        self._printer, self._methods, self._timer = printer, methods, timer
        self._faults, self._timing, self._steer = faults, timing, steer
        self.connections: set[Connection] = set()
        self._open = True
        printer.gcode.output.connect(self._output)
        printer.called.connect(self._call)
        printer.became_ready.connect(timer.became_ready)

    async def run(self, listener: socket, startup: float) -> None:
        """Serve until the printer is restarted."""
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._serve_until_restart(tasks, listener, startup)
        except* _Restarted:
            log.debug("the printer restarts")

    async def _serve_until_restart(self, tasks: asyncio.TaskGroup, listener: socket, startup: float) -> None:
        server = await asyncio.start_unix_server(self._door(tasks), sock=listener)
        for work in self._work(startup):
            tasks.create_task(work)
        try:
            await self._printer.ended.wait()
            await asyncio.sleep(_LAST_WORDS + self._faults.delay)
        finally:
            self._open = False
            server.close()
        self._say_goodbye()
        raise _Restarted  # ends whatever still runs in this life

    def _work(self, startup: float) -> tuple[Coroutine[Any, Any, None], ...]:
        printer = self._printer
        return (
            printer.sdcard.run(),
            printer.watch_spool(),
            self._timer.run(),
            self._beat(),
            self._start_up(startup),
        )

    async def _start_up(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._printer.start()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._timing.tick)
            self._printer.tick()
            for connection in tuple(self.connections):
                connection.check_patience(self._timing.patience)

    def _say_goodbye(self) -> None:
        self._printer.gcode.output.emit("// Klipper state: Disconnect")
        for connection in tuple(self.connections):
            connection.close()

    # -- clients

    def _door(self, tasks: asyncio.TaskGroup) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if not self._open:
                writer.transport.abort()
                return
            connection = Connection(reader, writer, self._faults)
            self.connections.add(connection)
            tasks.create_task(self._attend(tasks, connection))

        return accept

    async def _attend(self, tasks: asyncio.TaskGroup, connection: Connection) -> None:
        def serve(request: Request) -> None:
            tasks.create_task(self._serve(connection, request))

        try:
            await connection.run(serve)
        finally:
            self.connections.discard(connection)
            self._timer.unsubscribe(connection)

    async def _serve(self, connection: Connection, request: Request) -> None:
        """Each request runs by itself, so that answers come as they are ready."""
        steering = request.method.startswith(STEERING)
        try:
            if steering:
                result = self._steer(connection, request.method, Arguments(request.params))
            else:
                result = await self._methods.call(connection, request.method, request.params)
            answer: dict[str, Any] = {"result": result}
        except GcodeError as error:
            answer = {"error": {"error": "WebRequestError", "message": str(error)}}
        if not steering:
            if self._faults.delay:
                await asyncio.sleep(self._faults.delay)
            if self._faults.drop:
                connection.drop()
        if request.id is not None:
            connection.send({"id": request.id, **answer}, spared=steering)

    def _output(self, text: str) -> None:
        for connection in tuple(self.connections):
            connection.output(text)

    def _call(self, call: RemoteCall) -> None:
        for connection in tuple(self.connections):
            connection.call(call.method, call.params)
