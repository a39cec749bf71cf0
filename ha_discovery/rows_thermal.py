"""The table, part two: whatever is warm, moist or blows."""

from dataclasses import replace

from ha_discovery.row import Kind, Row, percentage, sensor, temperature

_TEMPERATURE: Row = temperature(field="temperature", label="{name} temperature")
_TARGET: Row = temperature(field="target", label="{name} target")
_FAN_TARGET = replace(_TARGET, category="diagnostic", enabled=False)

HEATER = (
    _TEMPERATURE,
    _TARGET,
    percentage(field="power", label="{name} power", category="diagnostic", enabled=False,
               icon="mdi:heating-coil"),
)  # fmt: skip
CLIMATE: tuple[Row, ...] = (
    sensor(field="humidity", label="{name} humidity", unit="%", device_class="humidity", precision=0,
           measured=True),
    sensor(field="pressure", label="{name} pressure", unit="hPa", device_class="atmospheric_pressure",
           precision=0, measured=True),
    sensor(field="gas", label="{name} gas", category="diagnostic", enabled=False, measured=True,
           icon="mdi:air-filter"),
)  # fmt: skip
SENSOR: tuple[Row, ...] = (_TEMPERATURE, *CLIMATE)
# Klipper reports the temperature of a sensor chip twice: by the chip, and by the section that uses it.
_USERS = (
    "temperature_sensor {section}",
    "temperature_fan {section}",
    "heater_generic {section}",
    "{section}",
)
CHIP: tuple[Row, ...] = (replace(_TEMPERATURE, measured=True, unless=_USERS), *CLIMATE)
DRIVER: tuple[Row, ...] = (replace(_TEMPERATURE, category="diagnostic", enabled=False),)


def _fan(*, shown: bool) -> tuple[Row, ...]:
    """Speed and, where there is a tachometer, revolutions."""
    return (
        percentage(field="speed", label="{name} speed", enabled=shown, icon="mdi:fan",
                   category=None if shown else "diagnostic"),
        sensor(field="rpm", label="{name} rpm", unit="rpm", precision=0, category="diagnostic", enabled=False,
               measured=True, setting="tachometer_pin", icon="mdi:fan"),
    )  # fmt: skip


THERMAL: dict[str, Kind] = {
    "extruder": Kind(HEATER, bare="Extruder"),
    "heater_bed": Kind(HEATER, bare="Bed"),
    "heater_generic": Kind(HEATER),
    "temperature_sensor": Kind((replace(_TEMPERATURE, key="{slug}"), *CLIMATE)),  # its kind says what it is
    "temperature_probe": Kind(SENSOR, noun="probe", bare="Probe"),
    "tmc2240": Kind(DRIVER, noun="driver"),
    "temperature_fan": Kind((_TEMPERATURE, _FAN_TARGET, *_fan(shown=False)), noun="fan"),
    "fan": Kind(_fan(shown=True), bare="Part fan"),
    "fan_generic": Kind(_fan(shown=True), noun="fan"),
    "heater_fan": Kind(_fan(shown=False), noun="fan"),
    "controller_fan": Kind(_fan(shown=False), noun="fan"),
    "chamber_fan": Kind(_fan(shown=False), noun="fan"),
}  # fmt: skip
OTHER = Kind(CHIP)  # every kind that the table does not name: whatever has a temperature
