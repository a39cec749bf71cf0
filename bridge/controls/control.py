"""One control: how it looks, how a value is checked, what it does, and how its state is told."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from bridge.controls.checks import CHECKS
from bridge.mqtt.payloads import ControlKind, ControlRow
from bridge.rpc import Access

Act = Callable[[Any], Awaitable[None]]
Check = Callable[[Any, ControlRow], Any]


@dataclass(frozen=True)
class Control:
    """What can be set, by whom, and when."""

    row: ControlRow
    act: Act  # with a value that was checked
    check: Check | None = None  # in place of the kind's own
    always: bool = False  # works also while Klippy is not ready
    access: Access = Access.CONTROL
    sets: tuple[str, str] | None = None  # the printer object and field that answer
    state: Callable[[], Any] | None = None  # the payload of its own state topic

    def checked(self, value: Any) -> Any:
        """The value as `act` takes it, or BadParams."""
        return (self.check or CHECKS[self.row.kind])(value, self.row)


def button(
    key: str,
    name: str,
    act: Callable[[], Awaitable[Any]],
    *,
    always: bool = False,
    access: Access = Access.CONTROL,
) -> Control:
    """A control whose only value is PRESS."""

    async def press(_value: Any) -> None:
        await act()

    return Control(ControlRow(key=key, kind="button", name=name), press, always=always, access=access)


def own(
    kind: ControlKind,
    key: str,
    name: str,
    act: Act,
    state: Callable[[], Any],
    *,
    topic: str,
    options: tuple[str, ...] | None = None,
    check: Check | None = None,
    always: bool = False,
) -> Control:
    """A control whose state is told on a topic of its own."""
    row = ControlRow(key=key, kind=kind, name=name, options=options, state_topic=topic)
    return Control(row, act, check=check, always=always, state=state)
