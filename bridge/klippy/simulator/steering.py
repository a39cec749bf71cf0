"""The unlisted methods by which a test in another process steers the simulator."""

from collections import deque
from typing import Any, Protocol

from bridge.klippy.simulator.connection import Connection
from bridge.klippy.simulator.faults import Faults
from bridge.klippy.simulator.life import STEERING
from bridge.klippy.simulator.methods import Arguments, WebRequestError


class Steered(Protocol):
    """What can be done to a simulator."""

    faults: Faults
    executed: deque[str]

    def drop_connections(self, *, spare: Connection | None = None) -> None:
        """Close all connections now."""
        ...

    def set_filament(self, *, present: bool) -> None:
        """The spool runs empty, or a new one is put in."""
        ...

    def shut_down(self, reason: str) -> None:
        """The machine stops."""
        ...

    def lose_mcu(self) -> None:
        """The MCU falls silent."""
        ...

    def break_config(self, message: str | None) -> None:
        """Printer.cfg can not be read, or can again."""
        ...


class Steering:
    """`simulator/fault`, `runout`, `error`, `executed`."""

    def __init__(self, simulator: Steered) -> None:
        self._simulator = simulator

    def __call__(self, connection: Connection, method: str, arguments: Arguments) -> dict[str, Any]:
        """Carry one out."""
        table = {
            "fault": self._fault,
            "runout": self._runout,
            "error": self._error,
            "executed": self._executed,
        }
        action = table.get(method.removeprefix(STEERING))
        if action is None:
            raise WebRequestError(f"There is no {method}; there are {', '.join(table)}")
        return action(connection, arguments)

    def _fault(self, connection: Connection, arguments: Arguments) -> dict[str, Any]:
        faults = self._simulator.faults
        known: dict[str, Any] = {
            "delay": (int, float),
            "silence": bool,
            "garbage": str,
            "garbage_frames": int,
            "hang_connect": bool,
            "drop": bool,
        }
        for key in arguments.params:
            if key in known:
                value = arguments.get(key, known[key])
                setattr(faults, key, value.encode() if isinstance(value, str) else value)
            elif key != "close":
                raise WebRequestError(f"There is no fault {key}; there are {', '.join(known)}, close")
        if arguments.get("close", bool, default=False):
            self._simulator.drop_connections(spare=connection)
        return {}

    def _runout(self, _: Connection, arguments: Arguments) -> dict[str, Any]:
        self._simulator.set_filament(present=arguments.get("detected", bool, default=False))
        return {}

    def _error(self, _: Connection, arguments: Arguments) -> dict[str, Any]:
        """`config`: a message, or null for a good printer.cfg; `mcu`: lose it; `shutdown`: the reason."""
        if "config" in arguments.params:
            self._simulator.break_config(arguments.get("config", str | None))
        if arguments.get("mcu", bool, default=False):
            self._simulator.lose_mcu()
        if "shutdown" in arguments.params:
            self._simulator.shut_down(arguments.get("shutdown", str))
        return {}

    def _executed(self, _: Connection, arguments: Arguments) -> dict[str, Any]:
        lines = list(self._simulator.executed)
        if arguments.get("clear", bool, default=False):
            self._simulator.executed.clear()
        return {"lines": lines}
