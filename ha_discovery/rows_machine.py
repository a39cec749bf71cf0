"""The table, part three: motion, electronics, lights, and what can be pressed."""

from functools import partial

from bridge.controls.lights import LIGHTS
from ha_discovery import templates
from ha_discovery.entity import Level, While
from ha_discovery.row import Kind, Row, button, flag, length, number, percentage, sensor, switch, text

# What one looks at when something is wrong, and switches on then.
_length = partial(length, category="diagnostic", enabled=False, state_class=None)
_percentage = partial(percentage, category="diagnostic", enabled=False, state_class=None)
_sensor = partial(sensor, category="diagnostic", enabled=False, state_class=None)
_text = partial(text, category="diagnostic", enabled=False)
_flag = partial(flag, category="diagnostic", enabled=False)
_setting = partial(number, category="config", enabled=False)

# An MCU counts how long it was awake in 5 s; tasks of 2.5 ms (mean and three deviations) are full load.
_MCU_AWAKE = templates.number(".mcu_awake", 100 / 5)
_MCU_LOAD = templates.weighted((("mcu_task_avg", 1), ("mcu_task_stddev", 3)), 100 / 0.0025)

_PIN = Kind((
    switch(field="value", key="{slug}", label="{name}", sends="pin_{section}",
           icon="mdi:toggle-switch-outline"),
    number(field="value", key="set_{slug}", label="{name}", sends="pin_{section}", factor=100,
           icon="mdi:knob"),
    percentage(field="value", label="{name} value", replaced_by="pin_{section}", category="diagnostic",
               enabled=False),
))  # fmt: skip
_LIGHT = Kind(noun="light", rows=(
    Row(component="light", key="{slug}", label="{name}", sends="light_{section}", extra={"schema": "json"}),
))  # fmt: skip
_LEVELLED = Kind((_flag(field="applied", key="{slug}", label="{name}", icon="mdi:spirit-level"),))

MACHINE: dict[str, Kind] = {
    "gcode_move": Kind((
        number(field="speed_factor", key="set_speed_factor", label="Speed factor", sends="speed_factor",
               factor=100, icon="mdi:speedometer"),
        _setting(field="extrude_factor", key="set_flow_factor", label="Flow factor", sends="flow_factor",
                 factor=100, icon="mdi:water-percent"),
        _setting(field="homing_origin", key="set_z_offset", label="Z offset", sends="z_offset", path="[2]",
                 device_class="distance", icon="mdi:arrow-collapse-down"),
        _percentage(field="speed_factor", key="speed_factor", label="Speed factor", icon="mdi:speedometer",
                    replaced_by="speed_factor"),
        _percentage(field="extrude_factor", key="flow_factor", label="Flow factor", icon="mdi:water-percent",
                    replaced_by="flow_factor"),
        # Where no motion_report tells the measured speed: the one that G-code asks for, in mm/min.
        _sensor(field="speed", key="live_speed", label="Print speed", unit="mm/s", device_class="speed",
                precision=0, template=templates.number(factor=1 / 60), without="motion_report"),
        _length(field="homing_origin", key="z_offset", label="Z offset", template=templates.number("[2]"),
                precision=3, replaced_by="z_offset"),
    )),
    "toolhead": Kind((
        _length(field="position", key="position_x", label="Position X", template=templates.number("[0]")),
        _length(field="position", key="position_y", label="Position Y", template=templates.number("[1]")),
        _length(field="position", key="position_z", label="Position Z", template=templates.number("[2]")),
        _text(field="homed_axes", key="homed_axes", label="Homed axes",
              template=templates.text(blank="none"), icon="mdi:home-search-outline"),
        _text(field="extruder", key="active_extruder", label="Active extruder", icon="mdi:printer-3d-nozzle"),
        _sensor(field="max_velocity", key="max_speed", label="Maximum speed", unit="mm/s",
                device_class="speed", precision=0),
        _sensor(field="max_accel", key="max_acceleration", label="Maximum acceleration", unit="mm/s²",
                precision=0, icon="mdi:speedometer"),
        _percentage(field="minimum_cruise_ratio", key="minimum_cruise_ratio", label="Minimum cruise ratio",
                    icon="mdi:speedometer-slow"),
        _sensor(field="square_corner_velocity", key="corner_speed", label="Square corner speed", unit="mm/s",
                device_class="speed", precision=1),
    )),
    "motion_report": Kind((
        _sensor(field="live_velocity", key="live_speed", label="Print speed", unit="mm/s",
                device_class="speed", precision=0),
    )),
    "bed_mesh": Kind((
        Row(component="select", key="set_bed_mesh", label="Bed mesh profile", sends="bed_mesh_profile",
            category="config", enabled=False, icon="mdi:grid"),
        _text(field="profile_name", key="bed_mesh", label="Bed mesh profile", icon="mdi:grid",
              template=templates.text(blank="none"), replaced_by="bed_mesh_profile"),
    )),
    "query_endstops": Kind((
        _text(field="last_query", key="endstops", label="Triggered endstops",
              template=templates.names_that_are_set(), icon="mdi:electric-switch"),
    )),
    "probe": Kind((
        _flag(field="last_query", key="probe_triggered", label="Probe triggered", icon="mdi:target"),
        _length(field="last_z_result", key="probe_height", label="Probe height", precision=3,
                icon="mdi:target"),
    )),
    "manual_probe": Kind((
        _flag(field="is_active", key="manual_probe", label="Manual probe", device_class="running"),
    )),
    "z_tilt": _LEVELLED,
    "quad_gantry_level": _LEVELLED,
    "gcode_button": Kind(noun="button", rows=(
        _flag(field="state", key="{slug}", label="{name}", icon="mdi:gesture-tap-button",
              template="{{'ON' if value_json.value=='PRESSED' else 'OFF'}}"),
    )),
    "mcu": Kind(noun="MCU", bare="MCU", rows=(
        _percentage(field="last_stats", key="{slug}_awake", label="{name} awake", precision=1,
                    template=_MCU_AWAKE, icon="mdi:chip"),
        _percentage(field="last_stats", key="{slug}_load", label="{name} load", precision=1,
                    template=_MCU_LOAD, icon="mdi:chip"),
    )),
    "output_pin": _PIN,
    "pwm_tool": _PIN,
    "pwm_cycle_time": _PIN,
    **dict.fromkeys(LIGHTS, _LIGHT),
    # Their fields are variables of the user: never values of the printer.
    "gcode_macro": Kind((
        button(key="macro_{own}", label="Macro {name}", sends="macro_{section}", enabled=False),
    )),
}  # fmt: skip

_reset = partial(button, level=Level.BRIDGE)  # of use just when Klippy is not ready
_quiet = partial(button, enabled=False)


def _during(*states: str) -> While:
    return While("print_stats", "state", templates.one_of(states, "online", "offline"))


BUTTONS: tuple[Row, ...] = (
    button(key="pause", label="Pause", sends="pause", icon="mdi:pause", only_while=_during("printing")),
    button(key="resume", label="Resume", sends="resume", icon="mdi:play", only_while=_during("paused")),
    button(key="cancel", label="Cancel", sends="cancel", icon="mdi:stop",
           only_while=_during("printing", "paused")),
    _reset(key="emergency_stop", label="Emergency stop", sends="emergency_stop", icon="mdi:alert-octagon"),
    button(key="home", label="Home", sends="home", icon="mdi:home"),
    _quiet(key="home_x", label="Home X", sends="home_x", icon="mdi:axis-x-arrow"),
    _quiet(key="home_y", label="Home Y", sends="home_y", icon="mdi:axis-y-arrow"),
    _quiet(key="home_z", label="Home Z", sends="home_z", icon="mdi:axis-z-arrow"),
    _quiet(key="heaters_off", label="Heaters off", sends="heaters_off", icon="mdi:radiator-off"),
    _quiet(key="motors_off", label="Motors off", sends="motors_off", icon="mdi:engine-off-outline"),
    _quiet(key="query_endstops", label="Query endstops", sends="query_endstops", category="diagnostic",
           icon="mdi:electric-switch"),
    _reset(key="firmware_restart", label="Firmware restart", sends="firmware_restart", device_class="restart",
           category="config"),
    _reset(key="host_restart", label="Klipper restart", sends="host_restart", device_class="restart",
           category="config", enabled=False),
    Row(component="select", key="set_print_file", label="Print file", sends="print_file",
        icon="mdi:file-document-arrow-right-outline"),
    _quiet(key="queue_start", label="Start queue", sends="queue_start", icon="mdi:tray-arrow-up"),
    _quiet(key="queue_pause", label="Pause queue", sends="queue_pause", icon="mdi:tray-remove"),
    _reset(key="reset_totals", label="Reset totals", sends="reset_totals", category="config", enabled=False,
           icon="mdi:restore"),
)  # fmt: skip
