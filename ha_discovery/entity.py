"""One entity of Home Assistant: what it reads, what it sends, how it looks."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from bridge.mqtt.topics import Topics

Component = Literal[
    "binary_sensor",
    "button",
    "camera",
    "climate",
    "device_automation",
    "event",
    "fan",
    "image",
    "light",
    "notify",
    "number",
    "select",
    "sensor",
    "switch",
    "text",
    "update",
]
Category = Literal["config", "diagnostic"]
StateClass = Literal["measurement", "total", "total_increasing"]


class Level(StrEnum):
    """Who has to be there for an entity to be available."""

    ALWAYS = "always"  # nobody: it tells whether the bridge is there
    BRIDGE = "bridge"  # only this bridge: works while Klippy is down
    PRINTER = "printer"  # the bridge, and Klippy ready


@dataclass(frozen=True)
class Also:
    """A further field that an entity reads: under which of Home Assistant's options."""

    field: str  # of the same printer object
    topic: str
    template: str
    reading: str  # the template itself


@dataclass(frozen=True)
class While:
    """A field that says whether an entity makes sense at the moment."""

    object: str  # the entity's own where it is empty
    field: str
    template: str  # `online` or `offline`


@dataclass(frozen=True, kw_only=True)
class Look:
    """What an entity looks like, whichever object it belongs to."""

    component: Component = "sensor"
    template: str | None = None
    attributes: str | None = None  # template of the attributes, over the same topic; empty: all of it
    unit: str | None = None
    device_class: str | None = None
    state_class: StateClass | None = None
    category: Category | None = None
    precision: int | None = None
    options: tuple[str, ...] = ()
    icon: str | None = None
    enabled: bool = True
    level: Level = Level.PRINTER
    state: Callable[[Topics], str] | None = None  # the topic, when it is none of a printer object
    state_as: tuple[str, str] = (
        "state_topic",
        "value_template",
    )  # what Home Assistant calls topic and template
    sends_as: tuple[str, ...] = ("command_topic",)
    also: tuple[Also, ...] = ()
    only_while: While | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)  # further keys, by Home Assistant's full names


@dataclass(frozen=True, kw_only=True)
class Entity(Look):
    """One row of the discovery message; `key` never changes, `name` may."""

    key: str
    name: str = ""
    reads: tuple[tuple[str, str], ...] = ()  # (printer object, field); the first one is the state
    sends: str | None = None  # the control it operates


def fields_read(rows: Iterable[Entity]) -> dict[str, set[str]]:
    """The printer objects and fields that the rows need on MQTT."""
    needed: dict[str, set[str]] = {}
    for row in rows:
        for printer_object, name in row.reads:
            needed.setdefault(printer_object, set()).add(name)
    return needed
