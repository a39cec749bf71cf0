"""Light strips that run WLED, over HTTP or a serial cable."""

from typing import Annotated, Literal

from msgspec import Meta

from bridge.config.section import Seconds, Section

Byte = Annotated[int, Meta(ge=0, le=255)]


class Strip(Section, frozen=True):
    """What both kinds have in common."""

    chain_count: Annotated[int, Meta(ge=1, le=10_000, description="how many lights it has")] = 1
    color_order: Annotated[
        Literal["RGB", "RGBW"], Meta(description="RGBW: its lights have a white of their own")
    ] = "RGB"
    initial_state: Annotated[
        Literal["on", "off"] | None,
        Meta(description="what it becomes when the bridge starts; null: as it is"),
    ] = None
    initial_preset: Annotated[
        Annotated[int, Meta(ge=1, le=250)] | None, Meta(description="its preset then")
    ] = None
    initial_brightness: Annotated[Byte | None, Meta(description="its brightness then")] = None
    initial_color: Annotated[
        Annotated[str, Meta(pattern="^[0-9A-Fa-f]{6}([0-9A-Fa-f]{2})?$")] | None,
        Meta(description="its colour then, as RRGGBB or RRGGBBWW, in quotes"),
    ] = None
    restore: Annotated[
        bool, Meta(description="have it be what it was when the bridge ended; before initial_…")
    ] = False
    poll: Annotated[Seconds, Meta(description="seconds between two questions for its state")] = 10.0
    timeout: Annotated[Seconds, Meta(description="seconds that an answer may take")] = 5.0


class HttpStrip(Strip, frozen=True, kw_only=True, tag_field="type", tag="http"):
    """A strip in the network."""

    address: Annotated[str, Meta(min_length=1, description="such as wled.local or 192.168.1.20:80")]


class SerialStrip(Strip, frozen=True, kw_only=True, tag_field="type", tag="serial"):
    """A strip on a serial port; needs the extra `serial`."""

    port: Annotated[str, Meta(min_length=1, description="such as /dev/serial/by-id/…")]
    baud: Annotated[int, Meta(ge=9600, le=4_000_000, description="bits a second")] = 115_200


LightStrip = HttpStrip | SerialStrip
