"""The table of kinds: what of each printer object can be set, in the limits of Klipper's configuration."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bridge.controls.checks import NOTHING, called, figure
from bridge.controls.control import Control, own
from bridge.controls.kit import Kit, title
from bridge.controls.lights import LIGHTS, light
from bridge.errors import BadParams
from bridge.klippy import gcode
from bridge.klippy.model import PrinterModel, kind_of, number, own_name
from bridge.mqtt.payloads import ControlRow, ControlValue

FACTOR_MOST, FACTOR_LEAST = 300.0, 1.0  # percent; Klipper takes anything above 0
FLOW_MOST = 200.0  # percent
OFFSET_MOST = 2.0  # mm up or down; more is no correction but a crash
ADVANCE_MOST = 2.0  # seconds; a bowden tube needs about 1
LONGEST_OPTION = 255  # characters
MOST_OPTIONS = 100
NO_MESH = "no mesh"
OFF, HEAT = "off", "heat"  # what a thermostat says


Maker = Callable[[Kit, str], Iterator[Control]]


def _key(section: str, what: str) -> str:
    return f"{section.replace(' ', '_')}_{what}"


def _heater(kit: Kit, section: str) -> Iterator[Control]:
    limits = kit.model.heater_limits(section)
    if limits is None:
        return
    low, high = limits
    heater = own_name(section) or section

    def check(value: Any, row: ControlRow) -> float:
        word = value.strip().lower() if isinstance(value, str) else value
        if word == HEAT:
            value = kit.warm.get(section)
            if value is None:
                raise BadParams(f"'{row.key}' cannot go on heating: say how warm, at most {high:g} °C")
        target = 0.0 if word == OFF else figure(value, row)
        if 0 < target < low:
            raise BadParams(f"'{row.key}' takes 0 or {low:g} to {high:g} °C, not {target:g}")
        return target

    async def act(target: float) -> None:
        await kit.script(gcode.heater_target(heater, target))

    sets = (section, "target")
    row = kit.field(
        "number", _key(section, "target"), title(section, "target"), sets,
        unit="°C", min=0.0, max=high, step=1.0,
    )  # fmt: skip
    yield Control(row, act, check=check, sets=sets)


def _extruder(kit: Kit, section: str) -> Iterator[Control]:
    yield from _heater(kit, section)
    yield from _advance(kit, section)


def _advance(kit: Kit, section: str) -> Iterator[Control]:
    if kit.model.has_number(section, "pressure_advance"):

        async def act(seconds: float) -> None:
            await kit.script(gcode.pressure_advance(section, seconds))

        sets = (section, "pressure_advance")
        row = kit.field(
            "number", _key(section, "pressure_advance"), title(section, "pressure advance"), sets,
            unit="s", min=0.0, max=ADVANCE_MOST, step=0.001,
        )  # fmt: skip
        yield Control(row, act, sets=sets)


def _temperature_fan(kit: Kit, section: str) -> Iterator[Control]:
    limits = kit.model.heater_limits(section)
    if limits is None:
        return

    async def act(target: float) -> None:
        await kit.script(gcode.fan_target(own_name(section), target))

    sets = (section, "target")
    row = kit.field(
        "number", _key(section, "target"), title(section, "target"), sets,
        unit="°C", min=max(0.0, limits[0]), max=limits[1], step=1.0,
    )  # fmt: skip
    yield Control(row, act, sets=sets)


def _fan(kit: Kit, section: str) -> Iterator[Control]:
    name = own_name(section)

    async def act(percent: float) -> None:
        line = gcode.fan_speed(name, percent / 100) if name else gcode.part_fan(percent / 100)
        await kit.script(line)

    sets = (section, "speed")
    row = kit.field(
        "number", _key(section, "speed"), title(section, "speed") if name else "Part fan speed", sets,
        unit="%", min=0.0, max=100.0, step=1.0,
    )  # fmt: skip
    yield Control(row, act, sets=sets)


def _pin(kit: Kit, section: str) -> Iterator[Control]:
    """A pin that is on or off, or one between: then in percent of its scale."""
    name, sets, key = own_name(section), (section, "value"), f"pin_{own_name(section)}"
    scale = number(kit.model.setting(section, "scale")) or 1.0
    stepless = kit.model.setting(section, "pwm") is True or not section.startswith("output_pin")

    async def turn(percent: float) -> None:
        await kit.script(gcode.pin(name, percent / 100 * scale))

    async def switch(on: bool) -> None:  # noqa: FBT001 - the value of a switch
        await kit.script(gcode.pin(name, scale if on else 0.0))

    if stepless:
        row = kit.field("number", key, title(section, ""), sets, unit="%", min=0.0, max=100.0, step=1.0)
        yield Control(row, turn, sets=sets)
    else:
        yield Control(kit.field("switch", key, title(section, ""), sets), switch, sets=sets)


def _filament(kit: Kit, section: str) -> Iterator[Control]:
    name, sets = own_name(section), (section, "enabled")

    async def act(on: bool) -> None:  # noqa: FBT001 - the value of a switch
        await kit.script(gcode.filament_sensor(name, enabled=on))

    row = kit.field("switch", f"filament_sensor_{name}", title(section, "filament detection"), sets)
    yield Control(row, act, sets=sets)


def _move(kit: Kit, section: str) -> Iterator[Control]:
    async def speed(percent: float) -> None:
        await kit.script(gcode.speed_factor(percent))

    async def flow(percent: float) -> None:
        await kit.script(gcode.flow_factor(percent))

    async def offset(height: float) -> None:
        homed = kit.read("toolhead", "homed_axes")
        await kit.script(gcode.z_offset(height, move=isinstance(homed, str) and "z" in homed))

    factor = {"unit": "%", "min": FACTOR_LEAST, "step": 1.0}
    sets = (section, "speed_factor")
    row = kit.field("number", "speed_factor", "Speed factor", sets, max=FACTOR_MOST, **factor)
    yield Control(row, speed, sets=sets)
    sets = (section, "extrude_factor")
    row = kit.field("number", "flow_factor", "Flow factor", sets, max=FLOW_MOST, **factor)
    yield Control(row, flow, sets=sets)
    sets = (section, "homing_origin")
    row = kit.field(
        "number", "z_offset", "Z offset", sets, unit="mm", min=-OFFSET_MOST, max=OFFSET_MOST, step=0.005
    )
    yield Control(row, offset, sets=sets)


def _display(kit: Kit, section: str) -> Iterator[Control]:
    async def act(text: str) -> None:
        await kit.script(gcode.display(text))

    sets = (section, "message")
    yield Control(kit.field("text", "message", "Display message", sets, max=255.0), act, sets=sets)


def _mesh(kit: Kit, section: str) -> Iterator[Control]:
    profiles = kit.read(section, "profiles")
    options = (NO_MESH, *_options(profiles if isinstance(profiles, dict) else {}))

    async def act(option: str) -> None:
        await kit.script(gcode.mesh(None if option == NO_MESH else option))

    def state() -> ControlValue:
        name = kit.read(section, "profile_name")
        shown = NO_MESH if name == "" else name
        return ControlValue(shown if shown in options else None)

    key = "bed_mesh_profile"
    topic = kit.topics.control_state(key)
    yield own("select", key, "Bed mesh profile", act, state, topic=topic, options=options)


def _exclude(kit: Kit, section: str) -> Iterator[Control]:
    objects, excluded = kit.read(section, "objects"), kit.read(section, "excluded_objects")
    gone = excluded if isinstance(excluded, list) else []
    names = [
        found.get("name")
        for found in (objects if isinstance(objects, list) else ())
        if isinstance(found, dict) and found.get("name") not in gone
    ]
    options = _options(names) or (NOTHING,)

    async def act(name: str) -> None:
        await kit.script(gcode.exclude(name))

    def state() -> ControlValue:
        name = kit.read(section, "current_object")
        return ControlValue(name if name in options else None)

    key = "exclude_object"
    topic = kit.topics.control_state(key)
    yield own("select", key, "Exclude object", act, state, topic=topic, options=options)


def _macro(kit: Kit, section: str) -> Iterator[Control]:
    name = own_name(section)
    if name.startswith("_") or not gcode.is_callable(name):
        return

    async def act(params: Mapping[str, Any]) -> None:
        await kit.script(gcode.call(name, params))

    row = ControlRow(key=f"macro_{name}", kind="button", name=title(section, ""))
    yield Control(row, act, check=called)


def _options(names: Any) -> tuple[str, ...]:
    """Names that can be told as options, each once, not too many."""
    good = (name for name in names if isinstance(name, str) and 0 < len(name.strip()) <= LONGEST_OPTION)
    return tuple(dict.fromkeys(good))[:MOST_OPTIONS]


_NAMELESS = frozenset(
    {"extruder", "heater_bed", "fan", "gcode_move", "display_status", "bed_mesh", "exclude_object"}
)
_KINDS: dict[str, Maker] = {
    "extruder": _extruder,
    "extruder_stepper": _advance,
    "heater_bed": _heater,
    "heater_generic": _heater,
    "temperature_fan": _temperature_fan,
    "fan": _fan,
    "fan_generic": _fan,
    "output_pin": _pin,
    "pwm_tool": _pin,
    "pwm_cycle_time": _pin,
    "filament_switch_sensor": _filament,
    "filament_motion_sensor": _filament,
    "gcode_move": _move,
    "display_status": _display,
    "bed_mesh": _mesh,
    "exclude_object": _exclude,
    **dict.fromkeys(LIGHTS, light),
    "gcode_macro": _macro,
}


def controls_of(kit: Kit) -> Iterator[Control]:
    """Everything of this printer that can be set, in the table's order."""
    order = {kind: place for place, kind in enumerate(_KINDS)}
    known = [section for section in kit.model.objects if kind_of(section) in order]
    for section in sorted(known, key=lambda name: order[kind_of(name)]):
        named = bool(own_name(section))
        hidden = own_name(section).startswith("_")  # how people hide a section
        if not hidden and named is (kind_of(section) not in _NAMELESS):
            found = _KINDS[kind_of(section)](kit, section)
            yield from (one for one in found if one.sets is None or kit.model.may_have(*one.sets))


def read_by_controls(model: PrinterModel) -> dict[str, list[str]]:
    """The fields that controls follow, beside those that answer them."""
    wanted = {
        "bed_mesh": ["profile_name", "profiles"],
        "exclude_object": ["objects", "excluded_objects", "current_object"],
        "toolhead": ["homed_axes"],
        **{section: ["color_data"] for section in model.of_kind(*LIGHTS)},
        **{section: ["target"] for section in model.of_kind("extruder", "heater_bed", "heater_generic")},
    }
    return {section: fields for section, fields in wanted.items() if model.has(section)}
