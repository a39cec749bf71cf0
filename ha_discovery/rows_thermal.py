"""The table, part two: whatever is warm, moist or blows."""

from dataclasses import replace

from ha_discovery import templates
from ha_discovery.entity import Also
from ha_discovery.row import Kind, Row, number, percentage, sensor, temperature

_TEMPERATURE: Row = temperature(field="temperature", label="{name} temperature")
_TARGET: Row = temperature(field="target", label="{name} target temperature", enabled=False)
_FAN_TARGET = replace(_TARGET, category="diagnostic")
_SET_TARGET: Row = number(
    field="target", key="set_{slug}_target", label="{name} target", sends="{object}_target",
    device_class="temperature", enabled=False,
)  # fmt: skip
_POWER: Row = percentage(
    field="power", label="{name} power", category="diagnostic", enabled=False, icon="mdi:heating-coil"
)
_CLIMATE_SENDS = ("temperature_command_topic", "mode_command_topic")
_THERMOSTAT = Row(
    component="climate", field="target", key="{slug}_climate", label="{name}", sends="{object}_target",
    template=templates.number(), state_as=("temperature_state_topic", "temperature_state_template"),
    sends_as=_CLIMATE_SENDS, icon="mdi:printer-3d-nozzle-heat",
    also=(
        Also("temperature", "current_temperature_topic", "current_temperature_template", templates.number()),
        Also("target", "mode_state_topic", "mode_state_template", templates.above_zero("heat", "off")),
        Also("power", "action_topic", "action_template", templates.above_zero("heating", "idle")),
    ),
    extra={"modes": ["off", "heat"], "temperature_unit": "C"},
)  # fmt: skip
_BED = replace(_THERMOSTAT, icon="mdi:radiator")

HEATER = (_THERMOSTAT, _TEMPERATURE, _TARGET, _SET_TARGET, _POWER)
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
_ADVANCE: tuple[Row, ...] = (
    number(field="pressure_advance", key="set_{slug}_pressure_advance", label="{name} pressure advance",
           sends="{object}_pressure_advance", category="config", enabled=False,
           icon="mdi:arrow-expand-right"),
    sensor(field="pressure_advance", label="{name} pressure advance", unit="s", precision=3,
           category="diagnostic", enabled=False, measured=True, icon="mdi:arrow-expand-right",
           replaced_by="{object}_pressure_advance"),
)  # fmt: skip

_FAN = Row(
    component="fan", field="speed", key="{slug}_fan", label="{name}", sends="{object}_speed",
    template=templates.above_zero("100", "0"), state_as=("state_topic", "state_value_template"),
    sends_as=("command_topic", "percentage_command_topic"),
    also=(Also("speed", "percentage_state_topic", "percentage_value_template", templates.whole_percent()),),
    extra={"payload_on": "100", "payload_off": "0"},
)  # fmt: skip
_SET_SPEED: Row = number(
    field="speed", key="set_{slug}_speed", label="{name} speed setting", sends="{object}_speed", factor=100,
    enabled=False, icon="mdi:fan",
)  # fmt: skip


def _speed(*, shown: bool) -> tuple[Row, ...]:
    """Speed and, where there is a tachometer, revolutions."""
    return (
        percentage(field="speed", label="{name} speed", enabled=False, icon="mdi:fan",
                   category=None if shown else "diagnostic"),
        sensor(field="rpm", label="{name} rpm", unit="rpm", precision=0, category="diagnostic", enabled=False,
               measured=True, setting="tachometer_pin", icon="mdi:fan"),
    )  # fmt: skip


_COMMANDED = (_FAN, _SET_SPEED, *_speed(shown=True))

THERMAL: dict[str, Kind] = {
    "extruder": Kind((*HEATER, *_ADVANCE), bare="Extruder"),
    "extruder_stepper": Kind(_ADVANCE, noun="extruder stepper"),
    "heater_bed": Kind((_BED, *HEATER[1:]), bare="Bed"),
    "heater_generic": Kind((_BED, *HEATER[1:])),
    "temperature_sensor": Kind((replace(_TEMPERATURE, key="{slug}"), *CLIMATE)),  # its kind says what it is
    "temperature_probe": Kind(SENSOR, noun="probe", bare="Probe"),
    "tmc2240": Kind(DRIVER, noun="driver"),
    "temperature_fan": Kind(
        (_TEMPERATURE, _FAN_TARGET, replace(_SET_TARGET, enabled=True), *_speed(shown=False)), noun="fan"
    ),
    "fan": Kind(_COMMANDED, bare="Part fan"),
    "fan_generic": Kind(_COMMANDED, noun="fan"),
    "heater_fan": Kind(_speed(shown=False), noun="fan"),
    "controller_fan": Kind(_speed(shown=False), noun="fan"),
    "chamber_fan": Kind(_speed(shown=False), noun="fan"),
}
OTHER = Kind(CHIP)  # every kind that the table does not name: whatever has a temperature
