"""`klipper-bridge rediscover`: the running bridge describes its devices anew, also deleted ones."""

from pathlib import Path

from bridge.cli import call

PARAMS = (("control", "rediscover"), ("value", "PRESS"))


async def run(path: Path, timeout: float) -> int:
    """Press the bridge's own button."""
    return await call.run(path, "printer.control.set", PARAMS, timeout)
