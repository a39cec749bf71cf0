"""Printers to discover: the smallest, the recorded one, the crowded one, and one with every kind of object."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bridge.mqtt.topics import Topics
from ha_discovery.catalogue import entities
from ha_discovery.device import Identity, device_message
from ha_discovery.entity import Entity
from ha_discovery.model import PrinterModel

TOPICS = Topics("voron")
IDENTITY = Identity("kb_0a1b2c", "Voron", "0.1.0", klipper="v0.13.0-730", model="corexy")
CONTROLS = frozenset(
    {"pause", "resume", "cancel", "emergency_stop", "firmware_restart", "host_restart", "home"}
)


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
    def controls(self) -> frozenset[str]:
        names = [name for name in self.objects if isinstance(name, str)]
        macros = {f"macro_{name.partition(' ')[2]}" for name in names if name.startswith("gcode_macro ")}
        return CONTROLS | macros

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
    }
)

ALL = {"minimal": MINIMAL, "recorded": recorded(), "crowded": CROWDED, "everything": EVERYTHING}
