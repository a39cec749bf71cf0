"""`klipper-bridge simulate`: the simulated printer alone, for trying things without a real one."""

import errno
from pathlib import Path

from bridge.cli.run import stopped_by_signals
from bridge.klippy.simulator import Simulator
from bridge.klippy.simulator.firmware import SimulatedFirmware


async def serial(path: Path, speed: float, dialect: str) -> int:
    """Be a printer on a serial line, at `path`, until SIGTERM or SIGINT."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not path.is_symlink():
        raise FileExistsError(errno.EEXIST, "There is a file that is no link", str(path))
    with stopped_by_signals() as stop:
        async with SimulatedFirmware(path, dialect=dialect, speed=speed):
            print(f"A simulated printer is on the serial line {path}.", flush=True)
            await stop.event.wait()
    return 0


async def run(socket: Path, gcodes: Path, speed: float) -> int:
    """Serve Klippy's API on `socket` until SIGTERM or SIGINT."""
    for folder in (gcodes, socket.parent):
        folder.mkdir(parents=True, exist_ok=True)
    with stopped_by_signals() as stop:
        async with Simulator(socket, gcodes, speed=speed):
            print(f"A simulated Klippy listens on {socket}; its files are in {gcodes}.", flush=True)
            await stop.event.wait()
    return 0
