"""The simulator: a Unix socket with a printer behind it that lives, dies and starts again."""

import asyncio
import contextlib
import errno
import socket as sockets
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Self

from bridge.klippy.simulator.clock import Clock
from bridge.klippy.simulator.connection import Connection
from bridge.klippy.simulator.faults import Faults
from bridge.klippy.simulator.hardware import Hardware
from bridge.klippy.simulator.life import Life, Timing
from bridge.klippy.simulator.methods import Methods
from bridge.klippy.simulator.printer import Printer
from bridge.klippy.simulator.status import StatusTimer
from bridge.klippy.simulator.steering import Steering

_REMEMBERED = 10_000  # executed lines
_BACKLOG = 100


class Simulator:
    """A small printer on a Unix socket, in the manner of Klippy; `async with` it, or start and stop it."""

    def __init__(
        self,
        socket: Path,
        gcodes: Path,
        *,
        speed: float = 1.0,
        noise: float = 0.05,
        log_dir: Path | None = None,
        timing: Timing | None = None,
    ) -> None:
        self.executed: deque[str] = deque(maxlen=_REMEMBERED)
        self.faults = Faults()
        self._socket, self._gcodes, self._speed = socket, gcodes.resolve(), speed
        self._log_dir = log_dir or self._gcodes.parent / "logs"
        self._timing = timing or Timing()
        self._hardware = Hardware(noise)
        self._config_error: str | None = None
        self._listener: sockets.socket | None = None
        self._runner: asyncio.Task[None] | None = None
        self._new_life()

    @property
    def printer(self) -> Printer:
        """The printer of this life; a restart makes a new one."""
        return self._printer

    @property
    def clients(self) -> int:
        """How many are connected."""
        return len(self._life.connections)

    # -- start and stop

    async def start(self) -> None:
        """Listen; a socket file that a dead process left is replaced."""
        _refuse_if_served(self._socket)
        listener = self._bind()
        listener.listen(_BACKLOG)
        if not self._timing.boot:
            self._printer.start()
        self._runner = asyncio.create_task(self._run(listener), name="simulator")

    async def stop(self) -> None:
        """Let all clients go and end; an error of the simulator itself comes out here."""
        runner, self._runner = self._runner, None
        if runner is not None:
            runner.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await runner

    async def run(self) -> None:
        """Start and serve until cancelled."""
        async with self:
            if self._runner is not None:
                await self._runner

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # -- what can be done to it

    def drop_connections(self, *, spare: Connection | None = None) -> None:
        """Close all connections now, as a dying process would."""
        for connection in tuple(self._life.connections):
            if connection is not spare:
                connection.drop()

    def set_filament(self, *, present: bool) -> None:
        """The spool runs empty, or a new one is put in."""
        self._hardware.filament = present
        self._printer.spool_changed.set()

    def shut_down(self, reason: str) -> None:
        """The machine stops; a firmware restart heals it."""
        self._printer.shut_down(reason)

    def lose_mcu(self) -> None:
        """The MCU falls silent; a firmware restart heals it."""
        self.shut_down("Lost communication with MCU 'mcu'")

    def break_config(self, message: str | None) -> None:
        """Restart with a printer.cfg that cannot be read, or with a good one again when None."""
        self._config_error = message
        self._printer.restart(firmware=True)

    # -- lives

    def _new_life(self) -> None:
        self._printer = Printer(
            clock=Clock(self._speed),
            hardware=self._hardware,
            gcodes=self._gcodes,
            executed=self.executed,
            config_error=self._config_error,
        )
        timer = StatusTimer(self._printer.objects, self._timing.tick)
        methods = Methods(self._printer, timer, self._gcodes, self._log_dir)
        self._life = Life(
            self._printer,
            methods=methods,
            timer=timer,
            faults=self.faults,
            timing=self._timing,
            steer=Steering(self),
        )

    def _bind(self) -> sockets.socket:
        self._socket.unlink(missing_ok=True)
        self._listener = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
        self._listener.bind(str(self._socket))
        return self._listener

    async def _run(self, listener: sockets.socket) -> None:
        startup = self._timing.boot
        try:
            while True:
                await self._life.run(listener, startup)
                startup = self._timing.startup
                if self._printer.firmware_restart:
                    self._hardware.mcu_shutdown = False
                listener = self._bind()  # bound but not listened on: connections are refused
                await asyncio.sleep(self._timing.refused)
                self._new_life()
        finally:
            if self._listener is not None:
                self._listener.close()
            self._socket.unlink(missing_ok=True)


def _refuse_if_served(path: Path) -> None:
    """An error if another process serves this socket; what is not a socket is never replaced."""
    if not path.exists():
        return
    if not path.is_socket():
        raise FileExistsError(errno.EEXIST, "There is a file that is no socket", str(path))
    with sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return
    raise OSError(errno.EADDRINUSE, "Another process serves this socket", str(path))
