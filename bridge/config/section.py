"""What every section of the configuration is made of."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

QoS = Literal[0, 1, 2]
Seconds = Annotated[float, Meta(gt=0, le=3600)]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all sections share: no unknown keys."""
