"""Which controls a printer has, within which limits, and what they send."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.controls.control import Control
from bridge.controls.files import fitting
from bridge.controls.kinds import controls_of
from bridge.controls.kit import Kit
from bridge.errors import BadParams
from bridge.klippy.model import PrinterModel
from bridge.mqtt.topics import Topics

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
SECTIONS = st.sampled_from(
    ["extruder", "extruder1", "heater_bed", "heater_generic x", "temperature_fan x", "fan", "fan_generic x", "led x",
     "output_pin x", "neopixel x", "bed_mesh", "exclude_object", "gcode_move", "display_status", "gcode_macro X",
     "filament_switch_sensor x", "gcode_macro ", "fan_generic ", "output_pin", "pwm_tool a b"]
)  # fmt: skip
FIELDS = st.sampled_from(
    ["target", "speed", "value", "color_data", "profiles", "objects", "profile_name", "min_temp"]
)


class Printer:
    """Its controls, and the G-code they sent."""

    def __init__(self, status: Any, sections: Any = None) -> None:
        self.sent: list[str] = []
        model = PrinterModel.of(None, sections, status)
        values = model.status or {}
        kit = Kit(model, Topics("v"), self._send, lambda name, field: values.get(name, {}).get(field), {}, {})
        self.controls = {control.row.key: control for control in controls_of(kit)}

    async def _send(self, line: str) -> None:
        self.sent.append(line)

    async def set(self, key: str, value: Any) -> str:
        control: Control = self.controls[key]
        await control.act(control.checked(value))
        return self.sent[-1]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(SECTIONS, st.dictionaries(FIELDS, JUNK, max_size=4) | JUNK, max_size=6),
    st.dictionaries(SECTIONS, st.dictionaries(FIELDS, JUNK, max_size=4) | JUNK, max_size=6),
)
def test_no_half_broken_printer_breaks_the_list(status, sections):
    for control in Printer(status, sections).controls.values():
        assert control.row.key
        assert control.row.name
        if control.state is not None:
            control.state()


def test_a_heater_without_known_limits_cannot_be_set():
    assert Printer({"extruder": {"target": 0.0}}).controls == {}


async def test_a_heater_is_off_or_within_its_limits():
    printer = Printer({"extruder1": {"target": 0.0}}, {"extruder1": {"min_temp": 10, "max_temp": 280}})
    row = printer.controls["extruder1_target"].row
    assert (row.min, row.max, row.unit) == (0.0, 280.0, "°C")
    assert (
        await printer.set("extruder1_target", "280") == "SET_HEATER_TEMPERATURE HEATER=extruder1 TARGET=280"
    )
    assert await printer.set("extruder1_target", "0") == "SET_HEATER_TEMPERATURE HEATER=extruder1 TARGET=0"
    with pytest.raises(BadParams, match="0 or 10 to 280"):
        await printer.set("extruder1_target", 5)


async def test_a_pin_is_set_in_percent_of_its_scale():
    pins = {"output_pin a": {"value": 0.0}, "output_pin b": {"value": 0.0}, "pwm_tool c": {"value": 0.0}}
    printer = Printer(pins, {"output_pin a": {"pwm": True, "scale": 1000.0}, "output_pin b": {"pwm": False}})
    assert await printer.set("pin_a", 25) == "SET_PIN PIN=a VALUE=250"
    assert await printer.set("pin_b", "ON") == "SET_PIN PIN=b VALUE=1"
    assert await printer.set("pin_c", 50) == "SET_PIN PIN=c VALUE=0.5"


LIGHTS = {
    "led a": {"color_data": [[0.0, 0.0, 0.0, 0.4]]},
    "neopixel b": {"color_data": [[0.5, 0.25, 0.0, 0.0], [1, 1, 1, 1]]},
    "dotstar c": {"color_data": [[0.0, 0.0, 0.0, 0.0]]},
    "pca9632 d": {"color_data": []},
}
WIRED = {"led a": {"white_pin": "PA1"}, "neopixel b": {"color_order": ["GRBW"]}}


async def test_a_light_knows_its_colours():
    printer = Printer(LIGHTS, WIRED)
    modes = {key: control.row.options for key, control in printer.controls.items()}
    assert modes == {
        "light_a": ("brightness",),
        "light_b": ("rgbw",),
        "light_c": ("rgb",),
        "light_d": ("rgbw",),
    }
    told = {key: control.state() for key, control in printer.controls.items()}
    assert (told["light_a"].state, told["light_a"].brightness, told["light_a"].color) == ("ON", 102, None)
    assert told["light_b"].color == {"r": 255, "g": 128, "b": 0, "w": 0}
    assert (told["light_c"].state, told["light_c"].brightness) == ("OFF", 0)
    assert (told["light_d"].state, told["light_d"].brightness) == (None, None)


async def test_a_light_keeps_what_is_not_said():
    printer = Printer(LIGHTS, WIRED)
    assert await printer.set("light_a", {"brightness": 255}) == "SET_LED LED=a WHITE=1 SYNC=0"
    assert await printer.set("light_a", "OFF") == "SET_LED LED=a WHITE=0 SYNC=0"
    half = await printer.set("light_b", {"color": {"r": 0, "g": 0, "b": 255, "w": 255}})
    assert half == "SET_LED LED=b RED=0 GREEN=0 BLUE=0.5 WHITE=0.5 SYNC=0"
    assert await printer.set("light_c", "ON") == "SET_LED LED=c RED=1 GREEN=1 BLUE=1 SYNC=0"


async def test_a_stepper_that_follows_an_extruder_has_its_own_pressure_advance():
    status = {"extruder_stepper left feeder": {"pressure_advance": 0.02, "motion_queue": "extruder"}}
    printer = Printer({**status, "extruder_stepper bare": {"motion_queue": None}})
    (control,) = printer.controls.values()
    assert (control.row.key, control.row.unit) == ("extruder_stepper_left_feeder_pressure_advance", "s")
    assert control.sets == ("extruder_stepper left feeder", "pressure_advance")
    line = await printer.set("extruder_stepper_left_feeder_pressure_advance", "0.05")
    assert line == "SET_PRESSURE_ADVANCE EXTRUDER=feeder ADVANCE=0.05"


def test_hidden_and_uncallable_macros_are_no_controls():
    macros = ("START", "_HIDDEN", "a b", "a+b", "M600", "{x}")
    printer = Printer({f"gcode_macro {name}": {} for name in macros})
    assert list(printer.controls) == ["macro_START", "macro_M600"]


def test_a_field_that_this_klipper_does_not_have_cannot_be_set():
    assert list(Printer({"gcode_move": {"speed_factor": 1.0}}).controls) == ["speed_factor"]


def test_options_are_told_within_reason():
    names = {f"{number:03}": {} for number in range(150)} | {"x" * 300: {}, " ": {}, "": {}}
    printer = Printer({"bed_mesh": {"profiles": names, "profile_name": "x" * 300}})
    control = printer.controls["bed_mesh_profile"]
    assert len(control.row.options) == 101
    assert control.state().value is None  # what is no option is not told as one


def test_the_newest_files_are_the_options():
    assert fitting([]) == ()
    assert fitting(["a", "", "x" * 256, "b"]) == ("a", "b")
    assert len(fitting([f"{number}" for number in range(200)])) == 50
    assert len(fitting(["y" * 200 + str(number) for number in range(50)])) < 12
