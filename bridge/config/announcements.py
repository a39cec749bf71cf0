"""Announcements: which feeds are read; without one the bridge asks nobody."""

from typing import Annotated

import msgspec
from msgspec import Meta

from bridge.config.section import Seconds, Section


class Announcements(Section, frozen=True):
    """Feeds, and how often they are read."""

    feeds: Annotated[
        dict[str, str],
        Meta(description="addresses of RSS, Atom or JSON feeds by name; none: nothing is fetched"),
    ] = msgspec.field(default_factory=dict)
    address: Annotated[
        str | None,
        Meta(description="of feeds that clients add, with {name} in it; null: those stay silent"),
    ] = None
    interval: Annotated[float, Meta(ge=60, le=604_800, description="seconds between two looks at a feed")] = (
        14_400.0
    )
    timeout: Annotated[Seconds, Meta(description="seconds that a feed may take to answer")] = 10.0
