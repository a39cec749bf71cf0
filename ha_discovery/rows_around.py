"""The table, part six: what stands around the printer. All of it works while Klippy is down."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bridge.mqtt.topics import Topics
from ha_discovery import naming, templates
from ha_discovery.entity import Entity, Level, StateClass


@dataclass(frozen=True)
class OwnTopic:
    """The topic of one named thing; equal for equal names."""

    of: Callable[[Topics, str], str]
    name: str

    def __call__(self, topics: Topics) -> str:
        """Its name."""
        return self.of(topics, self.name)


def power_rows(devices: Iterable[str]) -> list[Entity]:
    """A switch for each power device; its attributes tell an error and its reason, and a lock."""
    return [
        Entity(
            component="switch",
            key=f"power_{naming.slug(name)}",
            name=naming.title(naming.with_noun(name, "power")),
            sends=f"power_{name}",
            state=OwnTopic(Topics.power, name),
            template="{{'ON' if value_json.state=='on' else 'OFF' if value_json.state=='off' else none}}",
            attributes="",
            icon="mdi:power-socket",
            level=Level.BRIDGE,
        )
        for name in devices
    ]


# unit -> device class; a figure in another unit has none
CLASSES = {
    "W": "power",
    "kW": "power",
    "VA": "apparent_power",
    "V": "voltage",
    "mV": "voltage",
    "A": "current",
    "mA": "current",
    "Hz": "frequency",
    "°C": "temperature",
    "°F": "temperature",
    "hPa": "pressure",
    "lx": "illuminance",
    "ppm": None,
}
ENERGY = ("Wh", "kWh", "MWh", "kJ", "MJ", "GJ")


@dataclass(frozen=True)
class Figure:
    """One figure of a sensor, as far as Home Assistant has to know it."""

    sensor: str
    title: str  # of the sensor
    key: str
    name: str
    units: str | None
    meter: bool  # counts energy on and on


def sensor_rows(figures: Iterable[Figure]) -> list[Entity]:
    """A sensor for each figure; a meter can be added to the energy dashboard."""
    return [_figure(figure) for figure in figures]


def _figure(figure: Figure) -> Entity:
    is_number = figure.units is not None
    state_class: StateClass | None = "measurement" if is_number else None
    if figure.meter:
        state_class = "total_increasing"
    read = f"value_json.figures[{figure.key!r}]"
    return Entity(
        key=f"sensor_{naming.slug(figure.sensor)}_{naming.slug(figure.key)}",
        name=naming.title(f"{figure.title} {figure.name}"),
        state=OwnTopic(Topics.sensor, figure.sensor),
        template=templates.number(root=read) if is_number else templates.text(read),
        unit=figure.units,
        device_class="energy" if figure.meter else CLASSES.get(figure.units or ""),
        state_class=state_class,
        level=Level.BRIDGE,
    )


JOB_ENERGY = Entity(
    key="last_job_energy",
    name="Last job energy",
    state=lambda topics: topics.job_last,
    template=templates.number(root="value_json.energy"),
    unit="kWh",
    device_class="energy",
    precision=3,
    level=Level.BRIDGE,
)


def _spool(topics: Topics) -> str:
    return topics.spool


SPOOL = (
    Entity(key="spool", name="Spool", state=_spool, template=templates.text("value_json.name"),
           attributes="", icon="mdi:printer-3d-nozzle", level=Level.BRIDGE),
    Entity(key="spool_material", name="Spool material", state=_spool, level=Level.BRIDGE,
           template=templates.text("value_json.material"), icon="mdi:layers-outline"),
    Entity(key="spool_remaining", name="Spool remaining", state=_spool, unit="g", device_class="weight",
           template=templates.number(root="value_json.remaining_weight"), state_class="measurement",
           precision=0, level=Level.BRIDGE),
    Entity(key="spool_remaining_length", name="Spool remaining length", state=_spool, unit="mm",
           template=templates.number(root="value_json.remaining_length"), state_class="measurement",
           device_class="distance", precision=0, enabled=False, level=Level.BRIDGE),
)  # fmt: skip
