"""machine.wled.*: light strips that run WLED."""

import asyncio
import logging
import math
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bridge.controls.control import Control, own
from bridge.errors import BadParams, BridgeError
from bridge.klippy.state import Klippy
from bridge.lifecycle import Crew
from bridge.mqtt.payloads import LightCommand, LightState
from bridge.mqtt.topics import Topics
from bridge.rpc import Access, Call, rpc
from bridge.schema import Open
from bridge.wled.state import NONE, Color, Wish
from bridge.wled.strip import Strip
from bridge.wled.strips import Strips

log = logging.getLogger(__name__)

Names = Annotated[dict[str, Any], Open(), Meta(description="the names as keys; their values do not matter")]
StripName = Annotated[str, Meta(description="its name in the configuration")]
Byte = Annotated[int, Meta(ge=0, le=255)]
Preset = Annotated[int, Meta(ge=-1, le=250, description="-1: none")]
Rgb = Annotated[str, Meta(pattern="^[0-9A-Fa-f]{6}([0-9A-Fa-f]{2})?$", description="RRGGBB or RRGGBBWW")]
Action = Literal["on", "off", "toggle", "control"]
FULL = 255


class StripStatus(msgspec.Struct, frozen=True):
    """One strip; -1 is not known, or none."""

    strip: str
    status: Literal["on", "off", "init", "error"]
    chain_count: int
    preset: int
    brightness: int
    intensity: int
    speed: int
    error: str | None


class StripMissing(msgspec.Struct, frozen=True):
    """There is no such strip."""

    error: str = "strip_not_found"


class StripList(msgspec.Struct, frozen=True):
    """All strips by name."""

    strips: dict[str, StripStatus]


Statuses = dict[str, Any]  # a StripStatus, or StripMissing; a union of the two has no schema


class Wled:
    """Light strips."""

    def __init__(self, strips: Strips, klippy: Klippy, topics: Topics) -> None:
        self.components = ("wled",) if strips.all else ()
        self._strips, self._topics = strips, topics
        self.crew = Crew()
        if strips.all:
            klippy.offer("set_wled_state", self._state_asked_by_macro)
            klippy.offer("set_wled", self._color_asked_by_macro)

    @property
    def controls(self) -> list[Control]:
        """A light for each strip; it works also while Klippy is down."""
        return [self._control(strip) for strip in self._strips.all.values()]

    @rpc("machine.wled.strips", "GET", access=Access.READ)
    async def strips(self, call: Call) -> StripList:
        """Every strip with its state."""
        return StripList({name: _shown(strip) for name, strip in self._strips.all.items()})

    @rpc("machine.wled.status", "GET", access=Access.READ)
    async def status(self, call: Call, *, strips: Names) -> Statuses:
        """The states of several strips."""
        return self._shown(strips)

    @rpc("machine.wled.on", "POST", access=Access.CONTROL)
    async def on(self, call: Call, *, strips: Names) -> Statuses:
        """Switch several strips on; one that fails tells it, and keeps no other from its turn."""
        return await self._all(strips, Wish(on=True))

    @rpc("machine.wled.off", "POST", access=Access.CONTROL)
    async def off(self, call: Call, *, strips: Names) -> Statuses:
        """Switch several strips off."""
        return await self._all(strips, Wish(on=False))

    @rpc("machine.wled.toggle", "POST", access=Access.CONTROL)
    async def toggle(self, call: Call, *, strips: Names) -> Statuses:
        """Switch several strips over."""
        return await self._all(strips, Wish(on="t"))

    @rpc("machine.wled.get_strip", "GET", path="/machine/wled/strip", access=Access.READ)
    async def get_strip(self, call: Call, *, strip: StripName) -> dict[str, StripStatus]:
        """The state of one strip."""
        return {strip: _shown(self._strips.get(strip))}

    @rpc("machine.wled.post_strip", "POST", path="/machine/wled/strip", access=Access.CONTROL)
    async def post_strip(
        self,
        call: Call,
        *,
        strip: StripName,
        action: Action,
        preset: Preset | None = None,
        brightness: Byte | None = None,
        intensity: Byte | None = None,
        speed: Byte | None = None,
        color: Rgb | None = None,
    ) -> dict[str, StripStatus]:
        """Switch one strip, or (`control`) change how it shines without switching it."""
        found = self._strips.get(strip)
        await found.apply(
            _wish(
                action,
                preset=preset,
                brightness=brightness,
                intensity=intensity,
                speed=speed,
                color=None if color is None else tuple(bytes.fromhex(color)),
            )
        )
        return {strip: _shown(found)}

    async def _all(self, names: dict[str, Any], wish: Wish) -> Statuses:
        _some(names)
        strips = [self._strips.all[name] for name in names if name in self._strips.all]
        errors = await asyncio.gather(*(_failure(strip, wish) for strip in strips))
        failed = {strip.name: error for strip, error in zip(strips, errors, strict=True) if error}
        return {
            name: msgspec.structs.replace(one, status="error", error=failed[name])
            if name in failed and isinstance(one, StripStatus)
            else one
            for name, one in self._shown(names).items()
        }

    def _shown(self, names: dict[str, Any]) -> Statuses:
        _some(names)
        known = self._strips.all
        return {name: _shown(known[name]) if name in known else StripMissing() for name in names}

    def _control(self, strip: Strip) -> Control:
        async def act(command: LightCommand) -> None:
            await strip.apply(_lit(command, strip))

        key = f"wled_{strip.name}"
        mode = strip.settings.color_order.lower()
        return own(
            "light", key, strip.name, act, lambda: _light(strip),
            topic=self._topics.control_state(key), options=(mode,), always=True,
        )  # fmt: skip

    def _state_asked_by_macro(self, params: dict[str, Any]) -> None:
        """`action_call_remote_method("set_wled_state", strip="…", state="on", preset=3, brightness=80)`."""
        try:
            strip = self._strips.get(str(params.get("strip")))
            wish = _macro_wish(params)
        except BridgeError as error:
            log.warning("a macro's set_wled_state was not understood: %s", error)
            return
        self.crew.start(_attempt(strip, wish))

    def _color_asked_by_macro(self, params: dict[str, Any]) -> None:
        """`action_call_remote_method("set_wled", strip="…", red=1, green=0.5, index=3, transmit=0)`."""
        try:
            strip = self._strips.get(str(params.get("strip")))
            color, index = _macro_color(params, strip), _macro_index(params, strip)
        except BridgeError as error:
            log.warning("a macro's set_wled was not understood: %s", error)
            return
        self.crew.start(_attempt_light(strip, color, index, show=params.get("transmit", 1) in (1, "1", True)))


def _some(names: dict[str, Any]) -> None:
    if not names:
        raise BadParams("Name at least one strip")


def _wish(action: Action, **how: Any) -> Wish:
    given = {name: value for name, value in how.items() if value is not None and value != NONE}
    if action == "control":
        if not given:
            raise BadParams("'control' needs preset, brightness, intensity, speed or color")
        return Wish(**given)
    if action == "off":
        return Wish(on=False)
    return Wish(on="t" if action == "toggle" else True, **given)


def _macro_wish(params: dict[str, Any]) -> Wish:
    """What a macro wants; -1 stands for what it leaves as it is."""
    state = params.get("state")
    action = {"true": "on", "false": "off"}.get(str(state).lower(), str(state).lower())
    how: dict[str, int] = {}
    for name, most in (("preset", 250), ("brightness", FULL), ("intensity", FULL), ("speed", FULL)):
        value = params.get(name, NONE)
        if isinstance(value, bool) or not isinstance(value, int) or not NONE <= value <= most:
            raise BadParams(f"{name}: expected a whole number from 0 to {most}")
        how[name] = value
    if state is None:
        return _wish("on" if how["preset"] != NONE else "control", **how)
    if action not in ("on", "off", "toggle"):
        raise BadParams("state: expected on, off or toggle")
    return _wish(action, **how)  # type: ignore[arg-type]  # one of the actions


def _macro_color(params: dict[str, Any], strip: Strip) -> Color:
    names = ("red", "green", "blue", *(("white",) if strip.settings.color_order == "RGBW" else ()))
    values = [params.get(name, 0.0) for name in names]
    for name, value in zip(names, values, strict=True):
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not number or not 0 <= value <= 1:
            raise BadParams(f"{name}: expected a number from 0 to 1")
    return tuple(round(value * FULL) for value in values)


def _macro_index(params: dict[str, Any], strip: Strip) -> int | None:
    index, most = params.get("index"), strip.settings.chain_count
    if index is None:
        return None
    if isinstance(index, bool) or not isinstance(index, int) or not 1 <= index <= most:
        raise BadParams(f"index: expected a light from 1 to {most}")
    return index


async def _attempt(strip: Strip, wish: Wish) -> None:
    if (error := await _failure(strip, wish)) is not None:
        log.warning("a macro's set_wled_state failed: %s", error)


async def _attempt_light(strip: Strip, color: Color, index: int | None, *, show: bool) -> None:
    try:
        await strip.light(color, index, show=show)
    except BridgeError as error:
        log.warning("a macro's set_wled failed: %s", error)


async def _failure(strip: Strip, wish: Wish) -> str | None:
    try:
        await strip.apply(wish)
    except BridgeError as error:
        return str(error)
    return None


def _shown(strip: Strip) -> StripStatus:
    state = strip.state
    status: Any = "init" if state is None else "on" if state.on else "off"
    return StripStatus(
        strip=strip.name,
        status=status if strip.error is None else "error",
        chain_count=strip.settings.chain_count,
        preset=state.preset if state else NONE,
        brightness=state.brightness if state else NONE,
        intensity=state.intensity if state else NONE,
        speed=state.speed if state else NONE,
        error=strip.error,
    )


def _lit(command: LightCommand, strip: Strip) -> Wish:
    color = command.color
    wanted: Color | None = None
    if color is not None:
        white = (color.w or 0,) if strip.settings.color_order == "RGBW" else ()
        wanted = (color.r, color.g, color.b, *white)
    off = command.state == "OFF" or command.brightness == 0
    return Wish(on=not off, brightness=command.brightness or None, color=wanted)


def _light(strip: Strip) -> LightState:
    state = strip.state if strip.error is None else None
    if state is None:
        return LightState(state=None, brightness=None)
    mode: Any = strip.settings.color_order.lower()
    color = dict(zip(mode, (*state.color, 0), strict=False))
    brightness = state.brightness if state.brightness >= 0 else None
    return LightState("ON" if state.on else "OFF", brightness, mode, color)
