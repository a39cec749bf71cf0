"""server.sensors.*: figures from around the printer, as Moonraker's clients know them."""

import asyncio
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from bridge.errors import ConfigError, NotFound
from bridge.rpc import Access, Call, Notice, rpc
from bridge.sensors.sensor import ENERGY, Sensor
from bridge.signals import Signal

SECOND = 1.0
SensorName = Annotated[str, Meta(description="its name in the configuration")]
Extended = Annotated[bool, Meta(description="also what is known of its figures and fields")]


class HistoryField(msgspec.Struct, frozen=True):
    """A field of a job's record that a sensor fills."""

    field: str
    provider: str
    description: str
    strategy: str
    units: str | None
    init_tracker: bool
    exclude_paused: bool
    report_total: bool
    report_maximum: bool
    precision: int | None
    parameter: str  # the figure that it is made of


class SensorStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """One sensor with its figures of now."""

    id: str
    friendly_name: str
    type: str
    values: dict[str, Any]
    parameter_info: list[dict[str, Any]] | None = None
    history_fields: list[HistoryField] | None = None


class SensorList(msgspec.Struct, frozen=True):
    """All sensors by their names."""

    sensors: dict[str, SensorStatus]


class Sensors:
    """The sensors; once a second their figures are stored, and told where they have changed."""

    def __init__(self, sensors: dict[str, Sensor]) -> None:
        self.updated: Notice[dict[str, dict[str, Any]]] = Notice(
            "notify_sensor_update", dict[str, dict[str, Any]], "Figures of sensors that have changed"
        )
        self.changed: Signal[Sensor] = Signal("figures of a sensor")
        self.components = ("sensor",) if sensors else ()
        self._sensors = sensors
        meters = [name for name, sensor in sensors.items() if ENERGY in sensor.specs]
        if len(meters) > 1:
            raise ConfigError(
                f"sensors: only one meter counts the printer's energy, not {' and '.join(meters)}"
            )

    async def open(self) -> None:
        """Nothing to acquire."""

    async def run(self) -> None:
        """Look at all of them each second."""
        while self._sensors:
            await asyncio.sleep(SECOND)
            changed = [sensor for sensor in self._sensors.values() if sensor.tick()]
            if changed:
                self.updated.emit({sensor.name: dict(sensor.figures) for sensor in changed})
            for sensor in changed:
                self.changed.emit(sensor)

    async def close(self) -> None:
        """Nothing to give back."""

    @rpc("server.sensors.list", "GET", access=Access.READ)
    async def list_sensors(self, call: Call, *, extended: Extended = False) -> SensorList:
        """Every sensor with its figures of now."""
        return SensorList({name: _shown(sensor, extended=extended) for name, sensor in self._sensors.items()})

    @rpc("server.sensors.info", "GET", access=Access.READ)
    async def info(self, call: Call, *, sensor: SensorName, extended: Extended = False) -> SensorStatus:
        """One sensor with its figures of now."""
        return _shown(self._find(sensor), extended=extended)

    @rpc("server.sensors.measurements", "GET", access=Access.READ)
    async def measurements(
        self, call: Call, *, sensor: SensorName | None = None
    ) -> dict[str, dict[str, list[Any]]]:
        """The figures of the last minutes, one a second, the oldest first; of one sensor or of all."""
        chosen = self._sensors.values() if sensor is None else [self._find(sensor)]
        return {one.name: {key: list(kept) for key, kept in one.stored.items()} for one in chosen}

    def _find(self, name: str) -> Sensor:
        if name not in self._sensors:
            raise NotFound(f"There is no sensor '{name[:64]}'")
        return self._sensors[name]


def _shown(sensor: Sensor, *, extended: bool) -> SensorStatus:
    return SensorStatus(
        id=sensor.name,
        friendly_name=sensor.settings.name or sensor.name,
        type=sensor.settings.type,
        values=dict(sensor.figures),
        parameter_info=_parameters(sensor) if extended else None,
        history_fields=_fields(sensor) if extended else None,
    )


def _parameters(sensor: Sensor) -> list[dict[str, Any]]:
    return [
        {"name": key, **({"units": value.units} if value.units else {}), "friendly_name": value.name or key}
        for key, value in sensor.settings.values.items()
    ]


def _fields(sensor: Sensor) -> list[HistoryField]:
    found = []
    for name, spec in sensor.specs.items():
        own = sensor.settings.history.get(name)
        found.append(
            HistoryField(
                field=name,
                provider=spec.provider,
                description=spec.description,
                strategy=spec.strategy,
                units=spec.units,
                init_tracker=spec.strategy != "accumulate",
                exclude_paused=own is not None and own.exclude_paused,
                report_total=spec.total,
                report_maximum=spec.maximum,
                precision=spec.precision,
                parameter=own.value if own is not None else sensor.energy or name,
            )
        )
    return found
