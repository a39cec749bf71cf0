"""The table, part three: motion, electronics, and what can be pressed."""

from functools import partial

from ha_discovery import templates
from ha_discovery.entity import Level
from ha_discovery.row import Kind, Row, button, length, percentage, sensor, text

# What one looks at when something is wrong, and switches on then.
_length = partial(length, category="diagnostic", enabled=False)
_percentage = partial(percentage, category="diagnostic", enabled=False)
_sensor = partial(sensor, category="diagnostic", enabled=False)

# An MCU counts how long it was awake in 5 s; tasks of 2.5 ms (mean and three deviations) are full load.
_MCU_AWAKE = templates.number(".mcu_awake", 100 / 5)
_MCU_LOAD = templates.weighted((("mcu_task_avg", 1), ("mcu_task_stddev", 3)), 100 / 0.0025)

MACHINE: dict[str, Kind] = {
    "toolhead": Kind((
        _length(field="position", key="position_x", label="Position X", template=templates.number("[0]")),
        _length(field="position", key="position_y", label="Position Y", template=templates.number("[1]")),
        _length(field="position", key="position_z", label="Position Z", template=templates.number("[2]")),
        text(field="homed_axes", key="homed_axes", label="Homed axes", category="diagnostic", enabled=False,
             template=templates.text(blank="'none'"), icon="mdi:home-search-outline"),
    )),
    "gcode_move": Kind((
        _percentage(field="speed_factor", key="speed_factor", label="Speed factor", icon="mdi:speedometer"),
        _percentage(field="extrude_factor", key="flow_factor", label="Flow factor", icon="mdi:water-percent"),
        _length(field="homing_origin", key="z_offset", label="Z offset", template=templates.number("[2]"),
                precision=3),
    )),
    "motion_report": Kind((
        _sensor(field="live_velocity", key="live_speed", label="Live speed", unit="mm/s",
                device_class="speed", precision=0),
    )),
    "system_stats": Kind((
        _sensor(field="sysload", key="system_load", label="System load", precision=2, icon="mdi:chip"),
        _sensor(field="memavail", key="memory_available", label="Memory available", unit="MiB",
                device_class="data_size", template=templates.number(factor=1 / 1024), precision=0),
    )),
    "mcu": Kind(noun="MCU", bare="MCU", rows=(
        _percentage(field="last_stats", key="{slug}_awake", label="{name} awake", precision=1,
                    template=_MCU_AWAKE, icon="mdi:chip"),
        _percentage(field="last_stats", key="{slug}_load", label="{name} load", precision=1,
                    template=_MCU_LOAD, icon="mdi:chip"),
    )),
    # Their fields are variables of the user: never values of the printer.
    "gcode_macro": Kind((
        button(key="macro_{own}", label="Macro {name}", sends="macro_{section}", enabled=False),
    )),
}  # fmt: skip

_reset = partial(button, level=Level.BRIDGE)  # of use just when Klippy is not ready

BUTTONS: tuple[Row, ...] = (
    button(key="pause", label="Pause", sends="pause", icon="mdi:pause"),
    button(key="resume", label="Resume", sends="resume", icon="mdi:play"),
    button(key="cancel", label="Cancel", sends="cancel", icon="mdi:stop"),
    button(key="home", label="Home", sends="home", icon="mdi:home"),
    _reset(key="emergency_stop", label="Emergency stop", sends="emergency_stop", icon="mdi:alert-octagon"),
    _reset(key="firmware_restart", label="Firmware restart", sends="firmware_restart", device_class="restart",
           category="config"),
    _reset(key="host_restart", label="Host restart", sends="host_restart", device_class="restart",
           category="config", enabled=False),
)  # fmt: skip
