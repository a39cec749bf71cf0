"""How apps find the bridge in the local network."""

from typing import Annotated

from msgspec import Meta

from bridge.config.section import Section


class Zeroconf(Section, frozen=True):
    """The announcement; needs the extra `zeroconf`, and an address that others reach."""

    enabled: Annotated[
        bool,
        Meta(description="whether apps find the bridge by themselves; never while it listens on loopback"),
    ] = True
    name: Annotated[str | None, Meta(description="what they show; default: the instance's name")] = None
