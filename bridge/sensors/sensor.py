"""One sensor on the broker: figures out of messages, into a store of seconds and into the job's record."""

import logging
import math
from collections import deque
from typing import Any

from bridge.config.sensors import Sensor as Settings
from bridge.config.sensors import SensorValue
from bridge.errors import BridgeError, ConfigError, Unprocessable
from bridge.jobs.fields import FieldSpec, Gauge
from bridge.jobs.tracker import JobTracker
from bridge.lifecycle import Nagger
from bridge.mqtt.connection import Incoming
from bridge.mqtt.link import MqttLink
from bridge.mqtt.topics import is_concrete
from bridge.sensors.energy import Meter, factor
from bridge.template import Template

log = logging.getLogger(__name__)

ENERGY = "energy"


class Sensor:
    """The figures of a sensor as they are now, and as they were each second."""

    def __init__(self, name: str, settings: Settings, link: MqttLink, tracker: JobTracker, size: int) -> None:
        self.name, self.settings = name, settings
        self.figures: dict[str, Any] = dict.fromkeys(settings.values, None)
        self.stored: dict[str, deque[Any]] = {key: deque(maxlen=size) for key in settings.values}
        self.specs: dict[str, FieldSpec] = {}
        self._tracker = tracker
        self._told: dict[str, Any] = {}
        self._templates: dict[str, Template] = {}
        self._nags = {key: Nagger(log) for key in settings.values}
        self._gauges: list[tuple[str, Gauge, bool]] = []  # figure, field, whether pauses are left out
        self._meters: dict[str, tuple[Meter, float, Gauge]] = {}
        for key, value in settings.values.items():
            self._listen(key, value, link)
        self._register()

    @property
    def provider(self) -> str:
        """As records have it."""
        return f"sensor {self.name}"

    @property
    def energy(self) -> str | None:
        """The figure that is the meter."""
        return next(iter(self._meters), None)

    def tick(self) -> bool:
        """A second has gone by: store the figures; whether any of them has changed since the last one."""
        for key, figure in self.figures.items():
            self.stored[key].append(figure)
        if self.figures == self._told:
            return False
        self._told = dict(self.figures)
        return True

    def _listen(self, key: str, value: SensorValue, link: MqttLink) -> None:
        where = f"sensors.{self.name}.values.{key}"
        topic = value.topic or self.settings.topic
        if topic is None:
            raise ConfigError(f"sensors.{self.name}.topic: missing; where are the figures to be heard?")
        if not is_concrete(topic):
            raise ConfigError(f"{where}.topic: '{topic}' is no topic; wildcards are not taken here")
        self._templates[key] = Template(value.template, f"{where}.template")
        link.route(topic, lambda incoming: self._heard(key, incoming), qos=self.settings.qos)
        if value.kind == ENERGY:
            gauge = self._field(
                ENERGY,
                description="Energy",
                units="kWh",
                strategy="delta",
                total=True,
                maximum=True,
                precision=4,
            )
            self._meters[key] = Meter(), factor(value.units, where), gauge

    def _register(self) -> None:
        for field, spec in self.settings.history.items():
            value = self.settings.values.get(spec.value)
            if value is None:
                raise ConfigError(
                    f"sensors.{self.name}.history.{field}.value: there is no figure '{spec.value}'"
                )
            gauge = self._field(
                field,
                description=spec.description or value.name or field,
                units=spec.units or value.units,
                strategy=spec.strategy,
                total=spec.report_total,
                maximum=spec.report_maximum,
                precision=spec.precision,
            )
            self._gauges.append((spec.value, gauge, spec.exclude_paused))

    def _field(self, name: str, **options: Any) -> Gauge:
        if name in self.specs:
            raise ConfigError(f"sensors.{self.name}: the field '{name}' of the job's record is there twice")
        spec = self.specs[name] = FieldSpec(self.provider, name, **options)
        return self._tracker.register(spec)

    def _heard(self, key: str, incoming: Incoming) -> None:
        try:
            figure = _in_units(self._templates[key].figure(incoming.payload), self.settings.values[key].units)
        except BridgeError as error:
            self._nags[key].warn(f"sensor {self.name}, {key}: {error}")
            return
        if figure is None:
            return  # a message that does not tell it; a gap is no reading
        self._nags[key].reset()
        self.figures[key] = figure
        if key in self._meters:
            self._count(key, figure)
        for name, gauge, exclude_paused in self._gauges:
            if name == key and not (exclude_paused and self._tracker.paused):
                gauge.measure(figure)

    def _count(self, key: str, reading: Any) -> None:
        meter, to_kwh, gauge = self._meters[key]
        if isinstance(reading, int | float) and not isinstance(reading, bool):
            for counted in meter.take(reading * to_kwh):
                gauge.measure(counted)


def _in_units(figure: Any, units: str | None) -> Any:
    """A figure that carries its unit as the bare number; Unprocessable for one in another unit."""
    if not isinstance(figure, str) or units is None:
        return figure
    number, _, unit = figure.partition(" ")
    try:
        bare = float(number)
    except ValueError as error:
        raise Unprocessable(f"'{figure[:60]}' is no number in {units}") from error
    if unit.strip() != units:
        raise Unprocessable(f"it counts '{unit.strip()[:20]}', not {units}; the reading is left out")
    return bare if math.isfinite(bare) else None
