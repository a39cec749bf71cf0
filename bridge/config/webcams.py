"""Cameras: where their pictures are, and how often they go out over MQTT."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bridge.config.section import Seconds, Section

Rate = Annotated[int, Meta(ge=0, le=240)]


class Webcam(Section, frozen=True):
    """One camera; clients see it and cannot change it."""

    stream_url: Annotated[str, Meta(description="the moving picture, such as /webcam/?action=stream")] = ""
    snapshot_url: Annotated[str, Meta(description="one picture, such as /webcam/?action=snapshot")] = ""
    service: Annotated[str, Meta(description="how web UIs show the stream, such as webrtc-mediamtx")] = (
        "mjpegstreamer"
    )
    location: Annotated[str, Meta(description="what it looks at")] = "printer"
    icon: Annotated[str, Meta(description="its icon in web UIs")] = "mdiWebcam"
    enabled: Annotated[bool, Meta(description="whether it is shown")] = True
    target_fps: Annotated[Rate, Meta(description="pictures a second in a page that is looked at")] = 15
    target_fps_idle: Annotated[Rate, Meta(description="pictures a second in any other page")] = 5
    flip_horizontal: Annotated[bool, Meta(description="mirror left and right")] = False
    flip_vertical: Annotated[bool, Meta(description="mirror top and bottom")] = False
    rotation: Annotated[Literal[0, 90, 180, 270], Meta(description="degrees clockwise")] = 0
    aspect_ratio: Annotated[str, Meta(pattern=r"^\d{1,4}:\d{1,4}$", description="width to height")] = "4:3"
    extra_data: Annotated[dict[str, Any], Meta(description="what else web UIs shall be told")] = (
        msgspec.field(default_factory=dict)
    )


class Webcams(Section, frozen=True):
    """All cameras; clients add theirs beside them."""

    cameras: Annotated[dict[str, Webcam], Meta(description="cameras by name; docs/around.md shows one")] = (
        msgspec.field(default_factory=dict)
    )
    base_url: Annotated[
        str,
        Meta(description="where relative addresses such as /webcam/ begin for the bridge: your UI's server"),
    ] = "http://127.0.0.1"
    public_url: Annotated[
        str | None,
        Meta(description="where they begin for Home Assistant, such as http://printer.local; null: unknown"),
    ] = None
    homeassistant: Annotated[
        Literal["snapshot", "url", "none"],
        Meta(
            description="snapshot: pictures over MQTT while printing; url: Home Assistant fetches them itself"
        ),
    ] = "snapshot"
    interval: Annotated[
        float, Meta(ge=1, le=3600, description="seconds between two pictures of one camera")
    ] = 20.0
    max_bytes: Annotated[
        int, Meta(ge=1024, le=8_388_608, description="a larger picture is not published")
    ] = 262_144
    timeout: Annotated[Seconds, Meta(description="seconds that a picture may take")] = 5.0
