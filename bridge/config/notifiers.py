"""Notifiers: who is told what happens to a print, over any service that apprise knows."""

from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from bridge.config.section import Section

Event = Literal[
    "*",
    "started",
    "paused",
    "resumed",
    "complete",
    "cancelled",
    "error",
    "klippy_shutdown",
    "klippy_disconnect",
    "filament_runout",
    "gcode",
]


class Notifier(Section, frozen=True):
    """One service that messages go to; needs the extra `notifiers`."""

    SECRETS: ClassVar[frozenset[str]] = frozenset({"url"})

    url: Annotated[
        str, Meta(min_length=3, description="as apprise has it, such as ntfy://topic; best as `!secret …`")
    ]
    events: Annotated[
        list[Event],
        Meta(description='what it is told; "*" is all; a macro can always have it told something'),
    ] = msgspec.field(default_factory=lambda: ["*"])
    title: Annotated[
        str | None, Meta(description="a template, such as {{ printer }}: {{ event }}; default: by the event")
    ] = None
    body: Annotated[
        str | None, Meta(description="a template, such as {{ file }} took {{ job.elapsed | duration }}")
    ] = None
    attach: Annotated[
        Annotated[str, Meta(pattern="^(thumbnail|webcam|webcam:.+)$")] | None,
        Meta(description="a picture: thumbnail, webcam (the first one) or webcam:NAME"),
    ] = None
    format: Annotated[
        Literal["text", "markdown", "html"], Meta(description="what the body is written in")
    ] = "text"
    retry: Annotated[
        float,
        Meta(gt=0, le=600, description="seconds until a message that failed is tried again; twice at most"),
    ] = 5.0
