"""The pretend printer.cfg: what the file says, and what Klippy makes of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

Section = dict[str, str]
Sections = dict[str, Section]

_AXIS: Section = {
    "microsteps": "16",
    "rotation_distance": "40",
    "position_endstop": "0",
    "homing_speed": "50",
}
_SENSOR: Section = {"sensor_type": "Generic 3950", "min_temp": "0"}
_FAN: Mapping[str, Any] = {
    "max_power": 1.0, "kick_start_time": 0.1, "off_below": 0.0, "cycle_time": 0.01,
    "hardware_pwm": False, "shutdown_speed": 0.0,
}  # fmt: skip
_HEATER: Mapping[str, Any] = {
    "pullup_resistor": 4700.0, "inline_resistor": 0.0, "min_extrude_temp": 170.0, "max_power": 1.0,
    "smooth_time": 1.0, "pwm_cycle_time": 0.1,
}  # fmt: skip
_STEPPER: Mapping[str, Any] = {
    "position_min": 0.0, "full_steps_per_rotation": 200, "gear_ratio": [], "homing_positive_dir": False,
}  # fmt: skip

# what Klippy adds to a section of that kind when printer.cfg does not say it
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "stepper_x": _STEPPER,
    "stepper_y": _STEPPER,
    "stepper_z": _STEPPER,
    "extruder": {
        **_HEATER,
        "max_extrude_only_distance": 50.0,
        "pressure_advance_smooth_time": 0.04,
        "instantaneous_corner_velocity": 1.0,
    },
    "heater_bed": _HEATER,
    "heater_generic": _HEATER,
    "fan": _FAN,
    "fan_generic": _FAN,
    "heater_fan": {**_FAN, "fan_speed": 1.0},
    "controller_fan": {**_FAN, "fan_speed": 1.0, "idle_speed": 1.0, "idle_timeout": 30},
    "temperature_fan": {**_FAN, "max_speed": 1.0, "min_speed": 0.3, "max_delta": 2.0},
    "output_pin": {"pwm": False, "hardware_pwm": False, "scale": 1.0, "value": 0.0, "shutdown_value": 0.0},
    "led": {"cycle_time": 0.01, "hardware_pwm": False, "initial_white": 0.0},
    "filament_switch_sensor": {
        "debounce_delay": 0.0,
        "runout_gcode": "",
        "pause_delay": 0.5,
        "event_delay": 3.0,
    },
    "pause_resume": {"recover_velocity": 50.0},
    "bed_mesh": {"mesh_pps": [2, 2], "algorithm": "lagrange", "fade_start": 1.0, "fade_end": 0.0},
    "printer": {"minimum_cruise_ratio": 0.5, "square_corner_velocity": 5.0},
    "respond": {"default_type": "echo", "default_prefix": "echo:"},
    "idle_timeout": {"gcode": "\nTURN_OFF_HEATERS\nM84"},
}
_INTEGERS = frozenset({"microsteps", "samples"})
_LISTS = frozenset({"mesh_min", "mesh_max", "probe_count"})
_NO_SETTINGS = frozenset({"display_status", "exclude_object"})
_SECTIONS: Sections = {
    "mcu": {"serial": "/dev/serial/by-id/usb-Klipper_simulator-if00"},
    "printer": {
        "kinematics": "cartesian",
        "max_velocity": "300",
        "max_accel": "3000",
        "max_z_velocity": "15",
        "max_z_accel": "100",
    },
    "stepper_x": {**_AXIS, "step_pin": "PB13", "endstop_pin": "^PC0", "position_max": "235"},
    "stepper_y": {**_AXIS, "step_pin": "PB10", "endstop_pin": "^PC1", "position_max": "235"},
    "stepper_z": {
        **_AXIS,
        "step_pin": "PB0",
        "endstop_pin": "^PC2",
        "rotation_distance": "8",
        "homing_speed": "10",
        "position_min": "-2",
        "position_max": "250",
    },
    "extruder": {
        **_SENSOR,
        "max_temp": "300",
        "min_extrude_temp": "170",
        "nozzle_diameter": "0.400",
        "filament_diameter": "1.750",
        "rotation_distance": "33.5",
        "control": "pid",
        "pid_kp": "21.5",
        "pid_ki": "1.1",
        "pid_kd": "108",
        "pressure_advance": "0.02",
    },
    "heater_bed": {**_SENSOR, "max_temp": "130", "control": "watermark", "max_delta": "1.0"},
    "heater_generic chamber": {**_SENSOR, "gcode_id": "C", "max_temp": "90", "control": "watermark"},
    "temperature_sensor host": {"sensor_type": "temperature_host", "min_temp": "0", "max_temp": "120"},
    "temperature_fan chamber_fan": {
        **_SENSOR,
        "pin": "PA1",
        "max_temp": "80",
        "target_temp": "40",
        "control": "watermark",
    },
    "fan": {"pin": "PA8"},
    "fan_generic exhaust": {"pin": "PA2"},
    "heater_fan hotend_fan": {"pin": "PA3", "heater": "extruder", "heater_temp": "50"},
    "controller_fan electronics_fan": {"pin": "PA4"},
    "filament_switch_sensor spool": {"switch_pin": "^PC15", "pause_on_runout": "True"},
    "output_pin caselight": {"pin": "PB1", "pwm": "True", "value": "0", "cycle_time": "0.01"},
    "output_pin relay": {"pin": "PB2"},
    "led status": {"red_pin": "PC3", "green_pin": "PC4", "blue_pin": "PC5", "initial_green": "0.5"},
    "bed_mesh": {"mesh_min": "20, 20", "mesh_max": "215, 215", "probe_count": "5, 5", "speed": "200"},
    "idle_timeout": {"timeout": "600"},
    "pause_resume": {},
    "display_status": {},
    "respond": {},
    "exclude_object": {},
}


def sections(gcodes: Path) -> Sections:
    """Printer.cfg as text, section by section, without the macros."""
    on_error = '\nRESPOND TYPE=error MSG="file stopped by an error"'
    return {**_SECTIONS, "virtual_sdcard": {"path": str(gcodes), "on_error_gcode": on_error}}


def _value(key: str, text: str) -> Any:
    """A value of printer.cfg in the type that Klippy reads it as."""
    if key in _LISTS:
        kind = int if key == "probe_count" else float
        return [kind(word) for word in text.split(",")]
    if text in ("True", "False"):
        return text == "True"
    try:
        return int(text) if key in _INTEGERS else float(text)
    except ValueError:
        return text


def settings(config: Sections) -> dict[str, dict[str, Any]]:
    """What Klippy took from printer.cfg, with the defaults it added; section names in lower case."""
    found: dict[str, dict[str, Any]] = {}
    for name, section in config.items():
        kind = name.split(" ")[0]
        if kind == "gcode_macro":  # kept as text: a macro's variables are literals of its own language
            found[name.lower()] = dict(section)
        elif kind not in _NO_SETTINGS:
            read = {key: _value(key, text) for key, text in section.items()}
            found[name.lower()] = {**_DEFAULTS.get(kind, {}), **read}
    found["heater_fan hotend_fan"]["heater"] = ["extruder"]
    return found
