"""`klipper-bridge simulate`: the simulated printer alone, for trying things without a real one."""

from pathlib import Path

from bridge.cli.run import stopped_by_signals
from bridge.klippy.simulator import Simulator


async def run(socket: Path, gcodes: Path, speed: float) -> int:
    """Serve Klippy's API on `socket` until SIGTERM or SIGINT."""
    for folder in (gcodes, socket.parent):
        folder.mkdir(parents=True, exist_ok=True)
    with stopped_by_signals() as stop:
        async with Simulator(socket, gcodes, speed=speed):
            print(f"A simulated Klippy listens on {socket}; its files are in {gcodes}.", flush=True)
            await stop.event.wait()
    return 0
