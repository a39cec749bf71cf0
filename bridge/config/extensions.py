"""Agents: programs beside the printer that others may ask something of."""

from typing import Annotated

from msgspec import Meta

from bridge.config.section import Seconds, Section


class Extensions(Section, frozen=True):
    """How long agents are waited for."""

    timeout: Annotated[Seconds, Meta(description="seconds that an agent may take to answer")] = 60.0
