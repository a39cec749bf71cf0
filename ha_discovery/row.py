"""How the table is written: a row is an entity without its object, a kind all rows of such objects."""

from dataclasses import dataclass
from functools import partial

from bridge.mqtt.topics import Topics
from ha_discovery import templates
from ha_discovery.entity import Level, Look


@dataclass(frozen=True, kw_only=True)
class Row(Look):
    """One line of the table.

    For each object are filled in: {name} in `label`; {slug}, {field} and {own} (the slug without the kind)
    in `key`; {section} (its own name) and {object} (all of it, blanks as `_`) in `sends`, `unless` and
    `replaced_by`.
    """

    label: str = ""
    key: str = "{slug}_{field}"
    field: str = ""  # of the printer object
    sends: str | None = None
    factor: float = 1.0  # of a number: what it shows is so many times what Klipper says
    path: str = ""  # of a number: where in the value it is
    measured: bool = False  # only where a number is reported (a null or missing field means: not fitted)
    setting: str = ""  # … or where this option stands in the object's section
    unless: tuple[str, ...] = ()  # not where one of these objects has the same field
    without: str = ""  # not where there is this object, which tells it better
    replaced_by: str = ""  # not where there is this control, whose entity shows the same


@dataclass(frozen=True)
class Kind:
    """All rows of one kind of printer object."""

    rows: tuple[Row, ...]
    noun: str = ""  # follows the section's own name: `fan_generic exhaust` is the "Exhaust fan"
    bare: str = ""  # what an object without a name of its own is called


# Where a whole line of the table has the same look.
sensor = partial(Row, template=templates.number(), state_class="measurement")
temperature = partial(sensor, unit="°C", device_class="temperature")  # it comes rounded
percentage = partial(sensor, template=templates.percent(), unit="%", precision=0)
length = partial(sensor, unit="mm", device_class="distance", precision=2)
duration = partial(sensor, unit="s", device_class="duration", precision=0)
text = partial(Row, template=templates.text())
flag = partial(Row, component="binary_sensor", template=templates.on_off())
button = partial(Row, component="button")  # sends Home Assistant's default, PRESS, which is ours too
number = partial(Row, component="number")  # its template and limits are made from its control
switch = partial(Row, component="switch", template=templates.above_zero("ON", "OFF"))


def choice(options: tuple[str, ...], root: str = templates.VALUE) -> "partial[Row]":
    """A sensor that is one of some words."""
    return partial(Row, device_class="enum", options=options, template=templates.known(options, root))


def told(options: tuple[str, ...], root: str) -> "partial[Row]":
    """The same of a payload of ours, which has no other words."""
    return partial(Row, device_class="enum", options=options, template=templates.plain(root))


def member(name: str, factor: float = 1, digits: int = 1) -> str:
    """The template of a number that is a member of a payload of ours."""
    return templates.number(factor=factor, digits=digits, root=f"value_json.{name}")


def job(topics: Topics) -> str:
    """The running job."""
    return topics.job_current


def last(topics: Topics) -> str:
    """The last job."""
    return topics.job_last


def totals(topics: Topics) -> str:
    """All jobs."""
    return topics.job_totals


def queue(topics: Topics) -> str:
    """The job queue."""
    return topics.queue


def host(topics: Topics) -> str:
    """The machine below."""
    return topics.host_stats


def health(topics: Topics) -> str:
    """The bridge itself."""
    return topics.health


def announcements(topics: Topics) -> str:
    """What people should know."""
    return topics.announcements


def klippy(topics: Topics) -> str:
    """Klippy itself."""
    return topics.klippy_info


of_bridge = partial(Row, level=Level.BRIDGE)
