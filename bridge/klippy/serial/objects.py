"""The printer in Klipper's objects: what clients, entities and jobs expect to find."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from bridge.config.serial import SerialPrinter
from bridge.klippy.serial.heat import WARM, Heater, extruder
from bridge.klippy.serial.job import Job
from bridge.klippy.serial.printer import Printer
from bridge.klippy.serial.words import HELP

Status = dict[str, Any]
Objects = Mapping[str, Callable[[], Status]]
IDLE_AFTER, BUSY_FOR = 600.0, 2.0  # seconds without a command
SENSOR = "filament_switch_sensor filament"


def objects_of(printer: Printer, job: Job, gcodes: str) -> dict[str, Callable[[], Status]]:
    """Every object by its name."""
    motion, settings = printer.motion, printer.settings
    configured = {"config": {}, "settings": sections(settings, gcodes), "warnings": [],
                  "save_config_pending": False, "save_config_pending_items": {}}  # fmt: skip
    found: dict[str, Callable[[], Status]] = {
        "webhooks": lambda: {"state": printer.state, "state_message": printer.message},
        "configfile": lambda: configured,
        "gcode": lambda: {"commands": {name: {"help": text} for name, text in HELP.items()}},
        "gcode_move": lambda: _gcode_move(printer),
        "toolhead": lambda: _toolhead(printer),
        "heaters": lambda: {
            "available_heaters": list(printer.heat.heaters),
            "available_sensors": list(printer.heat.heaters),
            "available_monitors": [],
        },
        "fan": lambda: {"speed": round(motion.fan, 4), "rpm": None},
        "print_stats": lambda: job.stats.status(),  # noqa: PLW0108 - each print has its own
        "virtual_sdcard": lambda: job.stats.card(),  # noqa: PLW0108
        "display_status": lambda: {
            "progress": job.stats.progress if printer.progress is None else printer.progress,
            "message": printer.display,
        },
        "idle_timeout": lambda: _idle(printer, job),
        "pause_resume": lambda: {"is_paused": job.is_paused},
        "query_endstops": lambda: {
            "last_query": {name: int(state == "TRIGGERED") for name, state in printer.endstops.items()}
        },
    }  # fmt: skip
    for name, heater in printer.heat.heaters.items():
        found[name] = _heater(heater, pushes=name.startswith("extruder"))
    if printer.runout_watch is not None:
        found[SENSOR] = lambda: {
            "filament_detected": printer.filament,
            "enabled": printer.runout_watch,
        }
    return found


def sections(settings: SerialPrinter, gcodes: str) -> dict[str, dict[str, Any]]:
    """The configuration as Klipper would tell it: the limits that controls and clients go by."""
    nozzle = {
        "min_temp": 0.0, "max_temp": settings.nozzle_max, "min_extrude_temp": WARM,
        "nozzle_diameter": settings.nozzle_diameter, "filament_diameter": settings.filament_diameter,
    }  # fmt: skip
    found: dict[str, dict[str, Any]] = {
        "printer": {
            "kinematics": "cartesian", "max_velocity": settings.max_velocity, "max_accel": settings.max_accel,
        },
        "virtual_sdcard": {"path": gcodes},
        "display_status": {}, "pause_resume": {}, "fan": {"max_power": 1.0},
        **{
            f"stepper_{axis}": {"position_min": 0.0, "position_max": length, "position_endstop": 0.0}
            for axis, length in zip("xyz", (settings.width, settings.depth, settings.height), strict=True)
        },
        **{extruder(number): dict(nozzle) for number in range(settings.extruders)},
    }  # fmt: skip
    if settings.bed_max:
        found["heater_bed"] = {"min_temp": 0.0, "max_temp": settings.bed_max}
    if settings.chamber_max:
        found["heater_generic chamber"] = {"min_temp": 0.0, "max_temp": settings.chamber_max}
    return found


def _heater(heater: Heater, *, pushes: bool) -> Callable[[], Status]:
    def status() -> Status:
        found: Status = {
            "temperature": heater.temperature,
            "target": heater.target,
            "power": round(heater.power, 3),
        }
        return {**found, "can_extrude": heater.temperature >= WARM} if pushes else found

    return status


def _gcode_move(printer: Printer) -> Status:
    motion = printer.motion
    return {
        "speed_factor": motion.speed_factor,
        "speed": motion.feedrate,
        "extrude_factor": motion.flow_factor,
        "absolute_coordinates": motion.absolute,
        "absolute_extrude": motion.absolute_extrude,
        "homing_origin": [0.0, 0.0, motion.z_offset, 0.0],
        "position": list(motion.position),
        "gcode_position": list(motion.position),
    }


def _toolhead(printer: Printer) -> Status:
    motion, settings = printer.motion, printer.settings
    return {
        "homed_axes": motion.homed,
        "position": list(motion.position),
        "extruder": extruder(motion.tool),
        "max_velocity": settings.max_velocity,
        "max_accel": settings.max_accel,
        "minimum_cruise_ratio": 0.5,
        "square_corner_velocity": 5.0,
        "axis_minimum": [0.0, 0.0, 0.0, 0.0],
        "axis_maximum": [settings.width, settings.depth, settings.height, 0.0],
        "print_time": 0.0,
        "estimated_print_time": 0.0,
        "stalls": 0,
    }


def _idle(printer: Printer, job: Job) -> Status:
    since = time.monotonic() - printer.active_at
    if job.stats.state == "printing" or (printer.sender.under_way and since < BUSY_FOR):
        state = "Printing"
    else:
        state = "Ready" if since < IDLE_AFTER or job.stats.state == "paused" else "Idle"
    return {"state": state, "printing_time": round(job.stats.status()["total_duration"], 1)}
