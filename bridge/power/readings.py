"""What a device says of itself as on or off."""

from collections.abc import Callable
from typing import Final

from bridge.errors import DeviceFailed
from bridge.template import Template

ON: Final = frozenset({"on", "true", "1", "1.0", "yes"})
OFF: Final = frozenset({"off", "false", "0", "0.0", "no"})
SILENT: Final = frozenset({"", "none", "null"})
SHOWN = 60  # characters


class Reading:
    """Reads on or off from a message by a template, and two words where the usual ones do not fit."""

    def __init__(
        self, template: str, where: str, on: str | None, off: str | None, hide: Callable[[str], str]
    ) -> None:
        self._template = Template(template, where)
        self._hide = hide
        self._on = ON if on is None else frozenset({on.strip().lower()})
        self._off = OFF if off is None else frozenset({off.strip().lower()})

    def of(self, payload: bytes) -> bool | None:
        """True, false, or None for a message that does not tell; DeviceFailed for one that is odd."""
        text = self._template.render(payload)
        word = text.lower()
        if word in self._on:
            return True
        if word in self._off:
            return False
        if word in SILENT:
            return None
        shown = self._hide(text)[:SHOWN]  # a page may repeat the address that was asked for
        raise DeviceFailed(f"it says '{shown}', which is neither on nor off")
