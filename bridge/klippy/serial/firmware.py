"""Who is at the other end: name, version and capabilities by M115, and the manners that follow."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from bridge.klippy.serial.lines import FRAME, LONGEST

Dialect = Literal["marlin", "reprap", "klipper"]
_FIELD = re.compile(r"([A-Z][A-Z_]+):\s*(.*?)(?=\s+[A-Z][A-Z_]+:|$)")
_CAPABILITY = re.compile(r"Cap:([A-Z_]+):([01])")
_DIALECTS: tuple[tuple[str, Dialect], ...] = (("klipper", "klipper"), ("reprap", "reprap"))
TELL_FACTORS = ("marlin", "reprapfirmware")


@dataclass(frozen=True)
class Firmware:
    """What the printer says of itself; `dialect` is how one speaks to it."""

    name: str = "unknown firmware"
    machine: str = ""
    dialect: Dialect = "marlin"
    capabilities: frozenset[str] = field(default_factory=frozenset)

    @property
    def is_numbered(self) -> bool:
        """Whether lines carry numbers and checksums: a pseudo-terminal loses nothing."""
        return self.dialect != "klipper"

    @property
    def hears_at_once(self) -> bool:
        """Whether it takes M112 past what waits: Klipper does, others with a parser of their own for that."""
        return not self.is_numbered or self.can("EMERGENCY_PARSER")

    @property
    def tells_factors(self) -> bool:
        """Whether a bare M220 is a question: to Klipper and Repetier it is a command, back to 100 %."""
        return self.is_numbered and any(word in self.name.lower() for word in TELL_FACTORS)

    @property
    def window(self) -> int:
        """Lines that may be under way before it has told of its buffer."""
        return 4 if self.dialect == "klipper" else 1

    @property
    def longest(self) -> int:
        """Bytes of a command that it can hold."""
        return LONGEST - FRAME if self.is_numbered else 4096

    @property
    def version(self) -> str:
        """Its name in one line, as clients show it."""
        return f"{self.name} ({self.machine})" if self.machine else self.name

    def can(self, capability: str) -> bool:
        """Whether it has said so."""
        return capability in self.capabilities


def introduced(lines: Iterable[str], dialect: Dialect | None = None) -> Firmware:
    """The firmware that answered M115 with these lines; `dialect` where somebody knows better."""
    fields: dict[str, str] = {}
    capabilities = set()
    for line in lines:
        if (found := _CAPABILITY.search(line)) is not None:
            if found[2] == "1":
                capabilities.add(found[1])
        elif "FIRMWARE_NAME" in line:
            fields |= dict(_FIELD.findall(line[line.index("FIRMWARE_NAME") :]))
    name = fields.get("FIRMWARE_NAME", "unknown firmware")
    full = f"{name} {version}" if (version := fields.get("FIRMWARE_VERSION")) else name
    kind: Dialect = next((known for word, known in _DIALECTS if word in name.lower()), "marlin")
    return Firmware(full, fields.get("MACHINE_TYPE", ""), dialect or kind, frozenset(capabilities))
