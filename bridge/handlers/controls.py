"""printer.controls.list and printer.control.set: what can be set by one plain value, over any door."""

from dataclasses import dataclass, replace
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from bridge.controls.actions import actions
from bridge.controls.checks import PRESS
from bridge.controls.control import Control
from bridge.controls.kinds import controls_of, read_by_controls
from bridge.controls.kit import Kit
from bridge.controls.lights import LIGHTS
from bridge.errors import KlippyUnavailable, NotFound
from bridge.klippy.commands import Commands
from bridge.klippy.model import PrinterModel, number
from bridge.klippy.state import Klippy, KlippyInfo, KlippyState, Machine
from bridge.klippy.status import StatusCache, StatusDelta
from bridge.mqtt.payloads import ControlRow
from bridge.mqtt.topics import Topics
from bridge.rpc import Access, Call, Lane, rpc
from bridge.signals import Signal

REBUILT_BY = {"bed_mesh": {"profiles"}, "exclude_object": {"objects", "excluded_objects"}}  # options


class ControlList(msgspec.Struct, frozen=True):
    """Every control of this printer."""

    controls: list[ControlRow]


class ControlDone(msgspec.Struct, frozen=True):
    """The control that was set, and the value it was given."""

    control: str
    value: Any


@dataclass(frozen=True)
class ControlState:
    """What a control's own state topic says."""

    key: str
    payload: Any


class Controls:
    """The list of what can be set, and the one way to set it."""

    def __init__(self, klippy: Klippy, cache: StatusCache, commands: Commands, topics: Topics) -> None:
        self.changed: Signal[list[ControlRow]] = Signal("controls")
        self.setting: Signal[tuple[str, str]] = Signal("field about to be set")
        self.told: Signal[ControlState] = Signal("state of a control")
        self._klippy, self._cache = klippy, cache
        self._registered = {control.row.key: control for control in actions(commands)}
        self._machine: dict[str, Control] = {}
        self._states: dict[str, Any] = {}
        self._followed: set[str] = set()
        self._lost = False  # the printer, and with it all that was known of it
        self._kit = Kit(
            model=PrinterModel(),
            topics=topics,
            script=commands.script,
            read=self._read,
            warm={},
            shades={},
        )
        klippy.surveyed.connect(self._surveyed)
        klippy.changed.connect(self._state)
        cache.changed.connect(self._follow)

    @property
    def rows(self) -> list[ControlRow]:
        """The controls as clients see them."""
        return [control.row for control in self._all().values()]

    @property
    def states(self) -> list[ControlState]:
        """What the controls that have a state topic of their own are set to."""
        return [ControlState(key, payload) for key, payload in self._states.items()]

    def asks(self, key: str) -> tuple[Access, str]:
        """Which class of command a control is, and what patterns of methods know it by."""
        found = self._all().get(key)
        return Access.CONTROL if found is None else found.access, f"control.{key}"

    def register(self, *controls: Control) -> None:
        """Add controls of another capability, or replace those of the same key."""
        self._registered.update((control.row.key, control) for control in controls)
        self._announce()

    def withdraw(self, *keys: str) -> None:
        """Take away what was registered."""
        for key in keys:
            self._registered.pop(key, None)
        self._announce()

    def refresh(self) -> None:
        """Tell the state of every control whose own it has changed."""
        for control in self._all().values():
            if control.state is not None and self._states.get(control.row.key) != (new := control.state()):
                self._states[control.row.key] = new
                self.told.emit(ControlState(control.row.key, new))

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
            Any,
            Meta(description='a plain value of its kind; PRESS for a button; `{"params": {…}}` for a macro'),
        ] = PRESS,
    ) -> ControlDone:
        """Set one control; a value that does not fit its kind and limits is refused and does nothing."""
        found = self._all().get(control)
        if found is None:
            raise NotFound(
                f"There is no control '{control[:64]}'; printer.controls.list tells which there are"
            )
        if (refusal := call.client.allows(*self.asks(control))) is not None:
            raise refusal
        checked = found.checked(value)
        if not (self._klippy.ready or found.always):
            raise KlippyUnavailable(f"Klippy is {self._klippy.info.state.value}; '{control}' needs it ready")
        if found.sets is not None:
            self.setting.emit(found.sets)
        await found.act(checked)
        self.refresh()
        return ControlDone(control, checked)

    def _all(self) -> dict[str, Control]:
        return {**self._registered, **self._machine}

    def _surveyed(self, machine: Machine) -> None:
        """Another machine, or the same one after a restart."""
        model = PrinterModel.of(list(machine.objects), machine.settings, machine.status)
        self._kit = replace(self._kit, model=model)
        self._lost = False
        self._followed = {"bed_mesh", "exclude_object", "print_stats", *model.of_kind(*LIGHTS)}
        self._cache.want(self, read_by_controls(model))
        self._rebuild()

    def _rebuild(self) -> None:
        self._machine = {control.row.key: control for control in controls_of(self._kit)}
        self._announce()

    def _announce(self) -> None:
        known = self._all()
        self._states = {key: payload for key, payload in self._states.items() if key in known}
        self.changed.emit(self.rows)
        self.refresh()

    def _state(self, info: KlippyInfo) -> None:
        self._lost = info.state is KlippyState.DISCONNECTED
        self.refresh()

    def _follow(self, delta: StatusDelta) -> None:
        for name, fields in delta.status.items():
            if (target := number(fields.get("target"))) is not None and target > 0:
                self._kit.warm[name] = target
        if any(REBUILT_BY.get(name, set()) & fields.keys() for name, fields in delta.status.items()):
            self._rebuild()
        elif any(name in self._followed for name in delta.status):
            self.refresh()

    def _read(self, name: str, field: str) -> Any:
        """The present value; while Klippy is being surveyed, the first one."""
        if self._lost:
            return None
        known = self._cache.get(name, field)
        return known if known is not None else self._klippy.machine.status.get(name, {}).get(field)
