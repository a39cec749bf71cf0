"""Spoolman: the keeper of spools."""

from typing import Annotated

from msgspec import Meta

from bridge.config.section import Section

Interval = Annotated[float, Meta(ge=0.05, le=3600)]


class Spoolman(Section, frozen=True):
    """Where Spoolman is, and how often it is told."""

    server: Annotated[
        str | None, Meta(description="its address, such as http://spoolman.local:7912; null: there is none")
    ] = None
    sync_rate: Annotated[
        Interval, Meta(description="seconds between two reports of the filament that was used")
    ] = 5.0
    timeout: Annotated[Interval, Meta(description="seconds that an answer may take")] = 10.0
