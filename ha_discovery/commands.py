"""Controls as Home Assistant shows them: which entity fits which kind, with the limits of the control."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bridge.mqtt.payloads import ControlRow
from bridge.mqtt.topics import Topics
from ha_discovery import naming, templates
from ha_discovery.entity import Component, Entity, Level
from ha_discovery.row import Row

FITS: Mapping[str, str] = {  # component -> kind of control
    "button": "button",
    "climate": "number",
    "fan": "number",
    "light": "light",
    "notify": "text",
    "number": "number",
    "select": "select",
    "switch": "switch",
    "text": "text",
}
# what is registered by a capability without rows of its own, by the kind of its control
_PLAIN: Mapping[str, Component] = {
    "button": "button",
    "light": "light",
    "number": "number",
    "select": "select",
    "switch": "switch",
    "text": "text",
}
_LONGEST_TEXT = 255


class Commands:
    """The controls that may be operated, by their keys."""

    def __init__(self, rows: Iterable[ControlRow], macros: Collection[str] = ()) -> None:
        self._rows = {row.key: row for row in rows}
        self._macros = {name.casefold() for name in macros}

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def __getitem__(self, key: str) -> ControlRow:
        return self._rows[key]

    def __iter__(self) -> Iterator[ControlRow]:
        return iter(self._rows.values())

    def fits(self, row: Row, key: str) -> bool:
        """Whether there is the control, of the kind that the row's component operates."""
        return key in self._rows and self._rows[key].kind == FITS.get(row.component)

    def shows_macro(self, name: str) -> bool:
        """Whether the button of a macro is enabled from the start."""
        return name.casefold() in self._macros


@dataclass(frozen=True)
class OwnState:
    """The topic that tells what a control is set to; equal for equal keys."""

    key: str

    def __call__(self, topics: Topics) -> str:
        """Its name."""
        return topics.control_state(self.key)


def commanded(row: Row, control: ControlRow) -> dict[str, Any]:
    """What a row's look gets from the control it operates."""
    return _LOOKS.get(row.component, _nothing)(row, control)


def registered(commands: Commands, taken: Collection[str | None]) -> Iterator[Entity]:
    """An entity for each control that a capability has registered and no row operates."""
    for control in commands:
        if control.key in taken or not _tells_itself(control):
            continue
        row = Row(component=_PLAIN[control.kind], state=OwnState(control.key), template=_template(control))
        if control.state_topic is None:
            row = Row(component=_PLAIN[control.kind])
        look: dict[str, Any] = {"component": row.component, "state": row.state, "template": row.template}
        yield Entity(
            key=f"set_{naming.slug(control.key)}",
            name=control.name,
            sends=control.key,
            level=Level.BRIDGE,
            **{**look, **commanded(row, control)},
        )


def _tells_itself(control: ControlRow) -> bool:
    """Whether its state, if it has any, is on a topic of its own."""
    topic = control.state_topic
    return topic is None or ("/control/" in topic and topic.endswith("/state"))


def _template(control: ControlRow) -> str | None:
    if control.kind == "light":
        return None
    return templates.on_off() if control.kind == "switch" else templates.plain()


def _number(row: Row, control: ControlRow) -> dict[str, Any]:
    limits = _limits(control)
    return {
        "template": templates.within(limits["min"], limits["max"], row.factor, row.path),
        "unit": control.unit,
        "extra": {**limits, "mode": "box", **row.extra},
    }


def _limits(control: ControlRow) -> dict[str, float]:
    """Numbers as they are written shortest."""
    found = {"min": control.min or 0, "max": 100 if control.max is None else control.max}
    found["step"] = control.step or 1
    return {name: int(value) if float(value).is_integer() else value for name, value in found.items()}


def _climate(row: Row, control: ControlRow) -> dict[str, Any]:
    limits = _limits(control)
    renamed = {"min_temp": limits["min"], "max_temp": limits["max"], "temp_step": limits["step"]}
    return {"extra": {**row.extra, **renamed}}


def _select(_row: Row, control: ControlRow) -> dict[str, Any]:
    state = OwnState(control.key)
    return {"options": control.options or (), "state": state, "template": templates.plain()}


def _text(row: Row, _control: ControlRow) -> dict[str, Any]:
    return {"extra": {"max": _LONGEST_TEXT, **row.extra}}


def _light(row: Row, control: ControlRow) -> dict[str, Any]:
    modes = list(control.options or ("brightness",))
    extra = {"schema": "json", "supported_color_modes": modes, **row.extra}
    return {"state": OwnState(control.key), "template": None, "extra": extra}


def _nothing(_row: Row, _control: ControlRow) -> dict[str, Any]:
    return {}


_LOOKS = {"number": _number, "climate": _climate, "select": _select, "text": _text, "light": _light}
