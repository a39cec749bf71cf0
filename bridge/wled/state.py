"""What a strip is, out of WLED's JSON, and what it shall become, as WLED's JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bridge.config.wled import Strip as Settings
from bridge.errors import DeviceFailed

Color = tuple[int, ...]  # red, green, blue, perhaps white; 0 to 255
NONE = -1


@dataclass(frozen=True)
class StripState:
    """As the strip tells it; -1 is not known, or none."""

    on: bool
    brightness: int = NONE
    preset: int = NONE
    intensity: int = NONE
    speed: int = NONE
    color: Color = (255, 255, 255)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a strip shall become; None: as it is."""

    on: bool | Literal["t"] | None = None
    brightness: int | None = None
    preset: int | None = None
    intensity: int | None = None
    speed: int | None = None
    color: Color | None = None
    leds: Mapping[int, Color] | None = None  # single lights, from 0

    def message(self) -> dict[str, Any]:
        """For WLED; the segments are those that are selected in it."""
        top = {"on": self.on, "bri": self.brightness, "ps": self.preset}
        segment: dict[str, Any] = {"ix": self.intensity, "sx": self.speed}
        if self.color is not None:
            segment |= {"col": [list(self.color)], "fx": 0}
        if self.leds:
            segment["i"] = [part for index, color in self.leds.items() for part in (index, _hex(color))]
        segment = {name: value for name, value in segment.items() if value is not None}
        found = {name: value for name, value in top.items() if value is not None}
        return {**found, **({"seg": segment} if segment else {}), "v": True}


def read(answer: Any, before: StripState | None) -> StripState:
    """What an answer of WLED says, or DeviceFailed."""
    found = answer.get("state", answer) if isinstance(answer, dict) else None
    if not isinstance(found, dict) or not isinstance(found.get("on"), bool):
        raise DeviceFailed("its answer is not WLED's")
    segment = _first(found.get("seg"))
    colors = segment.get("col")
    color = _color(colors[0]) if isinstance(colors, list) and colors else None
    return StripState(
        on=found["on"],
        brightness=_byte(found.get("bri")),
        preset=_byte(found.get("ps")),
        intensity=_byte(segment.get("ix")),
        speed=_byte(segment.get("sx")),
        color=color or (before.color if before else StripState.color),
    )


def initial(settings: Settings, kept: StripState | None) -> Wish | None:
    """What it becomes when the bridge starts."""
    if settings.restore and kept is not None:
        return as_it_was(kept)
    wish = Wish(
        on=None if settings.initial_state is None else settings.initial_state == "on",
        brightness=settings.initial_brightness,
        preset=settings.initial_preset,
        color=None if settings.initial_color is None else tuple(bytes.fromhex(settings.initial_color)),
    )
    return None if wish == Wish() else wish


def as_it_was(kept: StripState) -> Wish:
    """A wish for an earlier state."""
    preset = kept.preset if kept.preset > 0 else None
    return Wish(
        on=kept.on,
        brightness=kept.brightness if kept.brightness >= 0 else None,
        preset=preset,
        color=kept.color if preset is None else None,
    )


def _hex(color: Color) -> str:
    return bytes(color).hex().upper()


def _first(segments: Any) -> dict[str, Any]:
    """The main segment, which WLED shows first."""
    first = segments[0] if isinstance(segments, list) and segments else segments
    return first if isinstance(first, dict) else {}


def _byte(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255 else NONE  # noqa: PLR2004


def _color(value: Any) -> Color | None:
    if not isinstance(value, list) or len(value) not in (3, 4):
        return None
    parts = [_byte(part) for part in value]
    return tuple(parts) if NONE not in parts else None
