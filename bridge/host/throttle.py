"""Whether a Raspberry Pi holds itself back, as its firmware says."""

import logging
import re
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from bridge.errors import BridgeError
from bridge.host.kernel import Kernel
from bridge.programs import output

log = logging.getLogger(__name__)

FIRMWARE = "/sys/devices/platform/soc/soc:firmware/get_throttled"
PROGRAM = "vcgencmd"
FLAGS = {
    0: "Under-Voltage Detected",
    1: "Frequency Capped",
    2: "Currently Throttled",
    3: "Temperature Limit Active",
    16: "Previously Under-Volted",
    17: "Previously Frequency Capped",
    18: "Previously Throttled",
    19: "Previously Temperature Limited",
}

_BITS = re.compile(r"[0-9a-f]{1,8}")

Ask = Callable[[], Awaitable[str]]  # what the program answers; empty where there is none


class Throttled(msgspec.Struct, frozen=True):
    """The firmware's bits, and in words those that are set."""

    bits: int
    flags: list[str]


def throttled(bits: int) -> Throttled:
    """The bits with their words."""
    return Throttled(bits, [words for place, words in FLAGS.items() if bits >> place & 1])


def parsed(answer: str) -> int | None:
    """The bits of `throttled=0x50005`, or of the kernel's plain `50005`."""
    text = answer.strip().rpartition("=")[2].strip().lower().removeprefix("0x")
    return int(text, 16) if _BITS.fullmatch(text) else None


async def ask() -> str:
    """What the firmware's own program answers; empty where there is none, or it fails."""
    program = shutil.which(PROGRAM)
    if program is None:
        return ""
    try:
        return await output(program, "get_throttled", patience=5)
    except BridgeError as error:
        log.info("the firmware does not tell of throttling: %s", error)
        return ""


@dataclass
class Firmware:
    """Asks the kernel where it knows, else the firmware's own program; None: this machine has neither."""

    kernel: Kernel
    ask: Ask

    async def read(self) -> Throttled | None:
        """What it says now."""
        answer = self.kernel.text(FIRMWARE) or await self.ask()
        bits = parsed(answer) if answer else None
        return None if bits is None else throttled(bits)
