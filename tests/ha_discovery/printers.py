"""Printers to discover: the smallest, the recorded one, the crowded one, and one with every kind of object."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bridge.controls.actions import actions
from bridge.controls.control import Control
from bridge.controls.kinds import controls_of
from bridge.controls.kit import Kit
from bridge.klippy.commands import Commands
from bridge.klippy.link import KlippyLink
from bridge.klippy.model import PrinterModel
from bridge.klippy.simulator import Simulator
from bridge.mqtt.payloads import ControlRow
from bridge.mqtt.topics import Topics
from ha_discovery.catalogue import entities
from ha_discovery.device import Identity, device_message
from ha_discovery.entity import Entity

TOPICS = Topics("voron")
IDENTITY = Identity("kb_0a1b2c", "Voron", "0.1.0", klipper="v0.13.0-730", model="corexy")
# What other capabilities register.
REGISTERED = (
    *(ControlRow(key=key, kind="button", name=key) for key in ("queue_start", "queue_pause", "reset_totals")),
    ControlRow(
        key="print_file", kind="select", name="Print file", options=("a.gcode",),
        state_topic=TOPICS.control_state("print_file"),
    ),
)  # fmt: skip


async def nothing(*_: object) -> None:
    """Nobody is there to do it."""


def controls_for(model: PrinterModel) -> list[Control]:
    """What the bridge would offer for this printer."""
    status = model.status or {}
    kit = Kit(model, TOPICS, nothing, lambda name, field: status.get(name, {}).get(field), {}, {})
    return [*actions(Commands(KlippyLink(Path("nowhere"), timeout=1))), *controls_of(kit)]


@dataclass(frozen=True)
class Printer:
    """What Klippy answered."""

    objects: Any
    settings: Any
    status: Any

    @property
    def model(self) -> PrinterModel:
        return PrinterModel.of(self.objects, self.settings, self.status)

    @property
    def controls(self) -> list[ControlRow]:
        return [*(control.row for control in controls_for(self.model)), *REGISTERED]

    def rows(self) -> tuple[Entity, ...]:
        return entities(self.model, self.controls)

    def message(self, identity: Identity = IDENTITY) -> dict[str, Any]:
        return device_message(self.rows(), TOPICS, identity)


def named(rows: tuple[Entity, ...]) -> dict[str, Entity]:
    return {row.name: row for row in rows}


def with_status(status: dict[str, Any], settings: Any = None) -> Printer:
    return Printer(list(status), settings or {}, status)


@cache
def recorded() -> Printer:
    """A real Klipper v0.13 with a bit of everything: its objects/list, settings and first status."""
    data = json.loads((Path(__file__).parent / "recorded_printer.json").read_text())
    return Printer(data["objects"], data["settings"], data["status"])


def simulated() -> Printer:
    """The simulator's, without its socket."""
    nowhere = Path("nowhere")
    objects = Simulator(nowhere / "socket", nowhere).printer.objects
    status = {name: json.loads(json.dumps(read())) for name, read in objects.items() if name != "gcode"}
    settings = status.pop("configfile")["settings"]
    return Printer(list(objects), settings, status)


HEATER = {"temperature": 25.0, "target": 0.0, "power": 0.0}
FAN = {"speed": 0.5, "rpm": None}

MINIMAL = with_status(
    {
        "webhooks": {"state": "ready", "state_message": "Printer is ready"},
        "toolhead": {"homed_axes": "", "position": [0.0, 0.0, 0.0, 0.0]},
        "extruder": HEATER,
    }
)

ODD_NAMES = (
    "a+b", "a-b", "a b", "a/b", "#", "+", "100%", "Düse", "Дюза", "温度", "🌡️ hot", "x" * 200, "x" * 201, "_hidden",
    "UPPER", "upper", "Upper", "A B", "a_b", "a__b", "{name}", "{{ value }}", "'quote\"", "voron", "Voron chamber", "…",
)  # fmt: skip
UNCALLABLE = [name for name in ODD_NAMES if name.startswith("_") or not name.replace("_", "A").isalnum()]


def _crowd() -> dict[str, Any]:
    status: dict[str, Any] = {**MINIMAL.status}
    status |= {f"gcode_macro MACRO_WITH_A_NAME_{number}": {} for number in range(150 - len(ODD_NAMES))}
    status |= {f"gcode_macro {name}": {"temperature": 20} for name in ODD_NAMES}
    status |= {f"temperature_sensor {name}": {"temperature": 20.0} for name in ODD_NAMES}
    status |= {f"temperature_sensor probe_number_{number}": {"temperature": 20.0} for number in range(20)}
    return status | {f"heater_fan {name}": dict(FAN) for name in ODD_NAMES[:14]}


CROWDED = with_status(_crowd())

EVERYTHING = with_status(
    {
        **recorded().status,
        "extruder1": HEATER,
        "extruder12": HEATER,
        "extruder_stepper feeder": {
            "pressure_advance": 0.03,
            "smooth_time": 0.04,
            "motion_queue": "extruder",
        },
        "mcu nozzle": recorded().status["mcu"],
        "filament_motion_sensor encoder": {"filament_detected": False, "enabled": True},
        "filament_switch_sensor filament_sensor": {"filament_detected": None, "enabled": True},
        "temperature_sensor chamber": {"temperature": 31.0},
        "temperature_fan chamber": {**FAN, "temperature": 30.0, "target": 40.0, "rpm": 900},
        "bme280 chamber": {"temperature": 31.0, "pressure": 1009.5, "humidity": 40.0, "gas": 10_000},
        "bme280 enclosure": {"temperature": 31.0, "pressure": 1009.5, "humidity": 40.0, "gas": 10_000},
        "htu21d shelf": {"temperature": 22.0, "humidity": 55.0},
        "sht3x box": {"temperature": 22.0, "humidity": 15.0},
        "aht10 dryer": {"temperature": 50.0, "humidity": 5.0},
        "lm75 board": {"temperature": 44.0},
        "temperature_combined all": {"temperature": 44.0},
        "temperature_probe eddy": {"temperature": 33.0, "estimated_expansion": 0.0},
        "tmc2240 stepper_x": {"run_current": 0.8, "temperature": None},
        "tmc2209 stepper_y": {"run_current": 0.8, "temperature": None},
        "z_thermal_adjust": {"temperature": 25.0, "current_z_adjust": 0.0, "enabled": True},
        "some_new_thing of tomorrow": {"shiny": True},
        "hall_filament_width_sensor": {"Diameter": 1.74, "Raw": 12034.0, "is_active": True},
        "neopixel strip": {"color_data": [[0.5, 0.25, 0.0, 0.0], [0, 0, 0, 0]]},
        "neopixel case": {"color_data": [[0.0, 0.0, 0.0, 0.0]]},
        "dotstar bar": {"color_data": [[1.0, 1.0, 1.0, 0.0]]},
        "pca9533 board": {"color_data": [[0.1, 0.0, 0.0, 0.9]]},
        "pca9632 knob": {"color_data": []},
        "led white": {"color_data": [[0.0, 0.0, 0.0, 0.4]]},
        "pwm_cycle_time beeper": {"value": 0.0},
        "z_tilt": {"applied": True},
        "quad_gantry_level": {"applied": False},
        "bed_mesh": {"profile_name": "pla", "profiles": {"pla": {}, "default": {}, "x" * 300: {}}},
        "exclude_object": {
            "objects": [{"name": "PART_0"}, {"name": "A B"}, {}, "odd"],
            "excluded_objects": ["PART_0"],
            "current_object": "A B",
        },
    },
    {
        **recorded().settings,
        "extruder1": {"min_temp": 10, "max_temp": 280},
        "temperature_fan chamber": {"min_temp": 0, "max_temp": 70},
        "neopixel strip": {"pin": "PA1", "color_order": ["GRBW"]},
        "led white": {"white_pin": "PA2"},
    },
)

ALL = {
    "minimal": MINIMAL,
    "simulated": simulated(),
    "recorded": recorded(),
    "crowded": CROWDED,
    "everything": EVERYTHING,
}
