"""What a device says of itself as on or off."""

from collections.abc import Set as AbstractSet
from typing import Final

from bridge.config.secrets import HIDDEN, NONE
from bridge.errors import DeviceFailed
from bridge.template import Template

ON: Final = frozenset({"on", "true", "1", "1.0", "yes"})
OFF: Final = frozenset({"off", "false", "0", "0.0", "no"})
SILENT: Final = frozenset({"", "none", "null"})
SHOWN = 60  # characters


class Reading:
    """Reads on or off from a message by a template, and two words where the usual ones do not fit."""

    def __init__(
        self, template: str, where: str, on: str | None, off: str | None, secrets: AbstractSet[str] = NONE
    ) -> None:
        self._template = Template(template, where)
        self._secrets = sorted((one.lower() for one in secrets), key=len, reverse=True)
        self._on = ON if on is None else frozenset({on.strip().lower()})
        self._off = OFF if off is None else frozenset({off.strip().lower()})

    def of(self, payload: bytes) -> bool | None:
        """True, false, or None for a message that does not tell; DeviceFailed for one that is odd."""
        text = self._template.render(payload).lower()
        if text in self._on:
            return True
        if text in self._off:
            return False
        if text in SILENT:
            return None
        for secret in self._secrets:  # a page may repeat the address that was asked for
            text = text.replace(secret, HIDDEN)
        raise DeviceFailed(f"it says '{text[:SHOWN]}', which is neither on nor off")
