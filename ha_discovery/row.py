"""How the table is written: a row is an entity without its object, a kind all rows of such objects."""

from dataclasses import dataclass
from functools import partial

from ha_discovery import templates
from ha_discovery.entity import Look


@dataclass(frozen=True, kw_only=True)
class Row(Look):
    """One line of the table.

    For each object are filled in: {name} in `label`; {slug}, {field} and {own} (the slug without the kind)
    in `key`; {section} in `sends` and `unless`.
    """

    label: str
    key: str = "{slug}_{field}"
    field: str = ""  # of the printer object
    sends: str | None = None
    measured: bool = False  # only where a number is reported (a null or missing field means: not fitted)
    setting: str = ""  # … or where this option stands in the object's section
    unless: tuple[str, ...] = ()  # not where one of these objects has the same field


@dataclass(frozen=True)
class Kind:
    """All rows of one kind of printer object."""

    rows: tuple[Row, ...]
    noun: str = ""  # follows the section's own name: `fan_generic exhaust` is the "Exhaust fan"
    bare: str = ""  # what an object without a name of its own is called


# Where a whole line of the table has the same look.
sensor = partial(Row, template=templates.number(), state_class="measurement")
temperature = partial(sensor, unit="°C", device_class="temperature", precision=1)
percentage = partial(sensor, template=templates.percent(), unit="%", precision=0)
length = partial(sensor, unit="mm", device_class="distance", precision=2)
duration = partial(sensor, unit="s", device_class="duration", precision=0)
text = partial(Row, template=templates.text())
flag = partial(Row, component="binary_sensor", template=templates.on_off())
button = partial(Row, component="button")  # sends Home Assistant's default, PRESS, which is ours too


def choice(options: tuple[str, ...], root: str = templates.VALUE) -> "partial[Row]":
    """A sensor that is one of some words."""
    return partial(Row, device_class="enum", options=options, template=templates.known(options, root))
