"""A printer on a serial line: what it cannot tell of itself, and how it is treated."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bridge.config.section import Seconds, Section

Length = Annotated[float, Meta(gt=0, le=10_000)]
Degrees = Annotated[float, Meta(ge=0, le=600)]

PAUSE = ["M83", "G1 E-1 F1800", "G91", "G1 Z5 F600", "G90"]
RESUME = ["M83", "G1 E1 F1800"]
OFF = ["M104 S0", "M140 S0", "M107"]


class SerialPrinter(Section, frozen=True):
    """The printer behind klippy.serial; docs/serial.md tells more."""

    firmware: Annotated[
        Literal["auto", "marlin", "reprap", "klipper"],
        Meta(description="how one speaks to it; auto: what M115 says"),
    ] = "auto"
    width: Annotated[Length, Meta(description="mm in X")] = 220.0
    depth: Annotated[Length, Meta(description="mm in Y")] = 220.0
    height: Annotated[Length, Meta(description="mm in Z")] = 250.0
    extruders: Annotated[int, Meta(ge=1, le=8, description="heated nozzles")] = 1
    nozzle_max: Annotated[Degrees, Meta(description="°C that a nozzle may be told")] = 260.0
    bed_max: Annotated[Degrees, Meta(description="°C that the bed may be told; 0: it has no heater")] = 110.0
    chamber_max: Annotated[
        Degrees, Meta(description="°C that the chamber may be told; 0: it has no heater")
    ] = 0.0
    nozzle_diameter: Annotated[float, Meta(gt=0, le=5, description="mm")] = 0.4
    filament_diameter: Annotated[float, Meta(gt=0, le=5, description="mm")] = 1.75
    max_velocity: Annotated[Length, Meta(description="mm/s, for clients that show it")] = 200.0
    max_accel: Annotated[float, Meta(gt=0, le=1e6, description="mm/s², for clients that show it")] = 1000.0
    pause_gcode: Annotated[
        list[str], Meta(description="lines that run when a print is paused, such as a retraction and a park")
    ] = msgspec.field(default_factory=lambda: list(PAUSE))
    resume_gcode: Annotated[
        list[str], Meta(description="lines that run before it goes on; the position comes back by itself")
    ] = msgspec.field(default_factory=lambda: list(RESUME))
    cancel_gcode: Annotated[
        list[str], Meta(description="lines that run when a print was cancelled or has failed")
    ] = msgspec.field(default_factory=lambda: list(OFF))
    on_error: Annotated[
        Literal["stop", "pause", "ignore"],
        Meta(description="what becomes of a print when the printer reports an error in a line"),
    ] = "stop"
    filament_change: Annotated[
        Literal["firmware", "pause"],
        Meta(description="who deals with M600: the printer, or a pause with pause_gcode"),
    ] = "firmware"
    silence: Annotated[
        Seconds,
        Meta(description="seconds of silence until the printer is asked; slow commands get 30 times that"),
    ] = 10.0
    connect_timeout: Annotated[
        Seconds, Meta(description="seconds the printer may take to boot and answer")
    ] = 15.0
