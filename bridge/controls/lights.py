"""Lights: a colour and a brightness for people, a share of each channel for Klipper."""

from collections.abc import Iterator
from typing import Any

from bridge.controls.control import Control, own
from bridge.controls.kit import Kit, title
from bridge.klippy import gcode
from bridge.klippy.model import number, own_name
from bridge.mqtt.payloads import LightColor, LightCommand, LightState

LIGHTS = ("led", "neopixel", "dotstar", "pca9533", "pca9632")
FULL = 255
ALL = "rgbw"
_PINS = {"r": "red_pin", "g": "green_pin", "b": "blue_pin", "w": "white_pin"}
_MODES = {"rgb": "rgb", "rgbw": "rgbw"}  # channels -> how Home Assistant calls it


def light(kit: Kit, section: str) -> Iterator[Control]:
    """The first light of a section stands for all of its chain."""
    channels = _channels(kit, section)
    name = own_name(section)

    async def act(command: LightCommand) -> None:
        await kit.script(gcode.led(name, _wanted(kit, section, channels, command)))

    def state() -> LightState:
        return _told(kit, section, channels)

    key = f"light_{name}"
    yield own(
        "light", key, title(section, ""), act, state,
        topic=kit.topics.control_state(key), options=(_MODES.get(channels, "brightness"),),
    )  # fmt: skip


def _channels(kit: Kit, section: str) -> str:
    """Which of the colours there are, from the configuration; red, green and blue where it does not tell."""
    kind = section.split(" ", 1)[0]
    if kind == "led":
        found = "".join(
            channel for channel, pin in _PINS.items() if kit.model.setting(section, pin) is not None
        )
        return found or "rgb"
    default = {"neopixel": "GRB", "dotstar": "RGB"}.get(kind, "RGBW")
    order = kit.model.setting(section, "color_order") or default
    return ALL if "W" in str(order).upper() else "rgb"


def _levels(kit: Kit, section: str, channels: str) -> dict[str, float] | None:
    """What each channel gives now, as a share of 1; None is not known."""
    data = kit.read(section, "color_data")
    first = data[0] if isinstance(data, list) and data else None
    if not isinstance(first, list | tuple) or len(first) < len(ALL):
        return None
    known = {channel: number(first[place]) for place, channel in enumerate(ALL) if channel in channels}
    return {channel: min(1.0, max(0.0, value or 0.0)) for channel, value in known.items()}


def _shade(kit: Kit, section: str, channels: str) -> dict[str, float]:
    """The colour at full brightness: the present one, else the last one, else white."""
    levels = _levels(kit, section, channels) or {}
    most = max(levels.values(), default=0.0)
    if most > 0:
        kit.shades[section] = {channel: value / most for channel, value in levels.items()}
    shade: dict[str, float] = kit.shades.get(section) or dict.fromkeys(channels, 1.0)
    return shade


def _wanted(kit: Kit, section: str, channels: str, command: LightCommand) -> dict[str, float]:
    """Every channel as it shall be; what the command leaves out stays as it is."""
    levels = _levels(kit, section, channels) or {}
    present = max(levels.values(), default=0.0) or 1.0  # a light that is off goes on in full
    brightness = present if command.brightness is None else command.brightness / FULL
    if command.state == "OFF":
        brightness = 0.0
    shade = _shade(kit, section, channels)
    if command.color is not None:
        shade = {channel: value for channel, value in _parts(command.color).items() if channel in channels}
        shade = {channel: shade.get(channel, 0.0) for channel in channels}
    return {channel: value * brightness for channel, value in shade.items()}


def _parts(color: LightColor) -> dict[str, float]:
    return {"r": color.r / FULL, "g": color.g / FULL, "b": color.b / FULL, "w": (color.w or 0) / FULL}


def _told(kit: Kit, section: str, channels: str) -> LightState:
    levels = _levels(kit, section, channels)
    shade = _shade(kit, section, channels)
    most = None if levels is None else max(levels.values(), default=0.0)
    state: Any = None if most is None else "ON" if most > 0 else "OFF"
    mode: Any = _MODES.get(channels, "brightness")
    return LightState(
        state=state,
        brightness=None if most is None else round(most * FULL),
        color_mode=mode,
        color={channel: round(value * FULL) for channel, value in shade.items()}
        if mode != "brightness"
        else None,
    )
