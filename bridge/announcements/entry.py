"""One announcement."""

from typing import Literal

import msgspec

OWN = "klipper-bridge"  # the feed of what the bridge itself has to say


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody has to tell the owners of printers."""

    entry_id: str
    url: str = ""
    title: str
    description: str = ""
    priority: Literal["normal", "high"] = "normal"
    date: float  # Unix seconds
    dismissed: bool = False
    date_dismissed: float | None = None
    dismiss_wake: float | None = None  # Unix seconds
    source: Literal["internal", "feed"] = "feed"
    feed: str
