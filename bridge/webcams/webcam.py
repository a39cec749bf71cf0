"""One camera as clients see it, and as it is kept."""

import unicodedata
import uuid
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urljoin, urlsplit

import msgspec
from msgspec import Meta

from bridge.config.webcams import Webcam as Settings
from bridge.errors import BadParams

SCHEMES = frozenset({"", "http", "https", "ws", "wss", "rtsp", "rtsps", "rtmp", "srt", "webrtc"})
# what web UIs called the fields when they wrote them into the database themselves
LEGACY: Mapping[str, str] = {
    "urlStream": "stream_url",
    "urlSnapshot": "snapshot_url",
    "flipX": "flip_horizontal",
    "flipY": "flip_vertical",
    "targetFps": "target_fps",
    "targetFpsIdle": "target_fps_idle",
    "aspectRatio": "aspect_ratio",
    "extraData": "extra_data",
}
MOST_EXTRA = 10_000  # bytes, as JSON
_KEPT = {name: legacy for legacy, name in LEGACY.items()}
_CONFIGURED = uuid.UUID("6f1c7a52-9d0e-4c0c-8a57-3f7a6f0f2f51")  # makes the ids of configured cameras

Name = Annotated[str, Meta(min_length=1, max_length=100)]
Url = Annotated[str, Meta(max_length=2000)]
Fps = Annotated[int, Meta(ge=0, le=240)]
Rotation = Literal[0, 90, 180, 270]
AspectRatio = Annotated[str, Meta(pattern=r"^(\d{1,4}:\d{1,4})?$")]


class Webcam(msgspec.Struct, frozen=True, kw_only=True):
    """A camera; relative addresses are the web UI's own."""

    name: Name
    location: Annotated[str, Meta(max_length=100)] = "printer"
    service: Annotated[str, Meta(max_length=100)] = "mjpegstreamer"
    enabled: bool = True
    icon: Annotated[str, Meta(max_length=100)] = "mdiWebcam"
    target_fps: Fps = 15
    target_fps_idle: Fps = 5
    stream_url: Url = ""
    snapshot_url: Url = ""
    flip_horizontal: bool = False
    flip_vertical: bool = False
    rotation: Rotation = 0
    aspect_ratio: AspectRatio = "4:3"
    extra_data: dict[str, Any] = msgspec.field(default_factory=dict)
    source: Literal["config", "database"] = "database"
    uid: str


def configured(name: str, settings: Settings) -> Webcam:
    """A camera of the configuration; its id stays while its name does."""
    fields = {field: getattr(settings, field) for field in settings.__struct_fields__}
    return checked(Webcam(name=name, source="config", uid=str(uuid.uuid5(_CONFIGURED, name)), **fields))


def checked(webcam: Webcam) -> Webcam:
    """The same, or BadParams that names the field."""
    if any(unicodedata.category(char) == "Cc" for char in webcam.name):
        raise BadParams("Argument 'name': a name has no control characters")
    for field in ("stream_url", "snapshot_url"):
        _check_address(field, getattr(webcam, field))
    if len(msgspec.json.encode(webcam.extra_data)) > MOST_EXTRA:
        raise BadParams(f"Argument 'extra_data': larger than {MOST_EXTRA} bytes")
    if not webcam.stream_url and not webcam.snapshot_url:
        raise BadParams("Argument 'stream_url': a camera has the address of a stream or of a picture")
    return webcam


def _check_address(field: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        fits = parts.scheme in SCHEMES and (not parts.scheme or bool(parts.netloc))
        _ = parts.port
    except ValueError:
        fits = False
    if not fits or not url.isprintable():
        raise BadParams(f"Argument '{field}': expected an address such as /webcam/ or http://camera/stream")


def kept(webcam: Webcam) -> dict[str, Any]:
    """A camera as the namespace `webcams` has it, in the words of the UIs that read it there."""
    fields = msgspec.to_builtins(webcam)
    del fields["uid"], fields["source"]
    return {_KEPT.get(name, name): value for name, value in fields.items()}


def restored(uid: str, stored: Any) -> Webcam:
    """A camera of the namespace, whoever wrote it; ValidationError or BadParams where it is none."""
    if not isinstance(stored, dict):
        raise BadParams("Argument 'value': a camera is an object")
    fields = {LEGACY.get(name, name): value for name, value in stored.items() if value is not None}
    known = {name: value for name, value in fields.items() if name in Webcam.__struct_fields__}
    return checked(msgspec.convert({**known, "uid": uid, "source": "database"}, Webcam, strict=False))


def absolute(base: str, url: str) -> str:
    """An address as others than the web UI need it; empty stays empty."""
    return urljoin(f"{base.rstrip('/')}/", url) if url else ""
