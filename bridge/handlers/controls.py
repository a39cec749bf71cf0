"""printer.controls.list and printer.control.set: what can be set by one plain value, over any door."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from bridge.errors import BadParams, KlippyUnavailable, NotFound
from bridge.klippy.commands import Commands
from bridge.klippy.state import Klippy, Machine
from bridge.mqtt.payloads import ControlRow
from bridge.rpc import Access, Call, Lane, rpc
from bridge.signals import Signal

PRESS = "PRESS"


class ControlList(msgspec.Struct, frozen=True):
    """Every control of this printer."""

    controls: list[ControlRow]


class ControlDone(msgspec.Struct, frozen=True):
    """The control that was set, and the value it was given."""

    control: str
    value: Any


@dataclass(frozen=True)
class Control:
    """One row: how it looks, and what it does with a value that was checked."""

    row: ControlRow
    act: Callable[[Any], Awaitable[None]]
    always: bool = False  # works also while Klippy is not ready


class Controls:
    """The list of what can be set, and the one way to set it."""

    def __init__(self, klippy: Klippy, commands: Commands) -> None:
        self.changed: Signal[list[ControlRow]] = Signal("controls")
        self._klippy = klippy
        self._controls = {control.row.key: control for control in _actions(commands)}
        klippy.surveyed.connect(self._surveyed)

    @property
    def rows(self) -> list[ControlRow]:
        """The controls as clients see them."""
        return [control.row for control in self._controls.values()]

    @rpc("printer.controls.list", "GET", access=Access.READ)
    async def list_controls(self, call: Call) -> ControlList:
        """Everything that can be set: key, kind, name, limits, options."""
        return ControlList(self.rows)

    @rpc("printer.control.set", "POST", access=Access.CONTROL, lane=Lane.GCODE)
    async def set_control(
        self,
        call: Call,
        *,
        control: Annotated[str, Meta(description="its key")],
        value: Annotated[
            Any, Meta(description="a plain value of the control's kind; PRESS for a button")
        ] = PRESS,
    ) -> ControlDone:
        """Set one control; a value that does not fit its kind and limits is refused and does nothing."""
        found = self._controls.get(control)
        if found is None:
            raise NotFound(
                f"There is no control '{control[:64]}'; printer.controls.list tells which there are"
            )
        checked = CHECKS[found.row.kind](value, found.row)
        if not (self._klippy.ready or found.always):
            raise KlippyUnavailable(f"Klippy is {self._klippy.info.state.value}; '{control}' needs it ready")
        await found.act(checked)
        return ControlDone(control, checked)

    def _surveyed(self, _machine: Machine) -> None:
        self.changed.emit(self.rows)


def pressed(value: Any, row: ControlRow) -> str:
    """The one value of a button."""
    if value != PRESS:
        raise BadParams(f"'{row.key}' is a button: its only value is {PRESS}")
    return PRESS


CHECKS: dict[str, Callable[[Any, ControlRow], Any]] = {"button": pressed}


def _button(key: str, name: str, act: Callable[[], Awaitable[None]], *, always: bool = False) -> Control:
    async def press(_value: Any) -> None:
        await act()

    return Control(ControlRow(key=key, kind="button", name=name), press, always)


def _actions(commands: Commands) -> list[Control]:
    """The actions that every printer has."""
    return [
        _button("pause", "Pause", commands.pause),
        _button("resume", "Resume", commands.resume),
        _button("cancel", "Cancel", commands.cancel),
        _button("emergency_stop", "Emergency stop", commands.emergency_stop, always=True),
        _button("firmware_restart", "Firmware restart", commands.firmware_restart, always=True),
    ]
