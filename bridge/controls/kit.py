"""What the kinds of controls work with."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from bridge.klippy.model import PrinterModel, own_name
from bridge.mqtt.payloads import ControlKind, ControlRow
from bridge.mqtt.topics import Topics


@dataclass(frozen=True)
class Kit:
    """The printer, and how to speak to it."""

    model: PrinterModel
    topics: Topics
    script: Callable[[str], Awaitable[None]]
    read: Callable[[str, str], Any]  # the present value of a printer object's field
    warm: dict[str, float]  # the last target above 0 of each heater
    shades: dict[str, Any]  # the last colour of each light

    def field(
        self, kind: ControlKind, key: str, name: str, sets: tuple[str, str], **limits: Any
    ) -> ControlRow:
        """The row of a control whose state is a printer object's field."""
        return ControlRow(key=key, kind=kind, name=name, state_topic=self.topics.state(*sets), **limits)


def title(section: str, what: str) -> str:
    """A name for people; those of Home Assistant's entities are made by its own table."""
    plain = {"heater_bed": "Bed"}.get(section, own_name(section) or section)
    words = plain.replace("_", " ").strip()
    return f"{words[:1].upper()}{words[1:]} {what}".strip()
