"""What the bridge writes to its disk, resting and printing: `python bench/disk.py [--seconds N]`.

By the kernel's count for its process; what lies on a memory disk is not counted.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

import aiohttp
import msgspec

sys.path.insert(0, str(Path(__file__).parent.parent))  # also when started from elsewhere

from bench.machine import Process, broker, free_port, wait_for_port
from bridge.klippy.simulator import Simulator, write_sample

SETTLED = 10.0  # seconds after its start
BEGIN = 15.0  # seconds of a print until its file is known and its record is written
HOUR, DAY = 3600.0, 86_400.0


class Written:
    """What a process has written since it was last asked."""

    def __init__(self, process: Process, log: Path) -> None:
        self._process, self._log = process, log
        self._before = self._now()

    def take(self) -> tuple[int, int]:
        """Bytes to the disk, and those of them in the log."""
        now, before = self._now(), self._before
        self._before = now
        return now[0] - before[0], now[1] - before[1]

    def _now(self) -> tuple[int, int]:
        return self._process.written(), self._log.stat().st_size


async def main(seconds: float) -> None:
    """Measure, and print."""
    folder = Path(tempfile.mkdtemp(prefix="klipper-bridge-disk-", dir=Path.cwd()))
    gcodes = folder / "data/gcodes"
    gcodes.mkdir(parents=True)
    write_sample(gcodes / "job.gcode", size=60, layers=400)
    mosquitto, mqtt_port = broker(folder)
    port, path = free_port(), folder / "bridge.yaml"
    socket = Path(tempfile.mkdtemp(prefix="klipper-bridge-")) / "klippy.sock"
    config = {
        "instance": "bench",
        "data": str(folder / "data"),
        "klippy": {"socket": str(socket)},
        "mqtt": {"host": "127.0.0.1", "port": mqtt_port},
        "http": {"port": port},
    }
    path.write_bytes(msgspec.yaml.encode(config))
    try:
        async with Simulator(socket, gcodes):
            words = [sys.executable, "-m", "bridge", "run", "--config", str(path)]
            process = Process(words, folder / "output.log")
            try:
                await asyncio.to_thread(wait_for_port, port)
                await asyncio.sleep(SETTLED)
                written = Written(process, folder / "data/logs/klipper-bridge.log")
                await asyncio.sleep(seconds)
                _show("at rest", written, DAY / seconds, "a day")
                await _start(port, "job.gcode")
                await asyncio.sleep(BEGIN)
                _show("the begin of a print", written, 1, "each")
                await asyncio.sleep(seconds)
                _show("in the print", written, HOUR / seconds, "an hour")
                process.check()
            finally:
                process.stop()
    finally:
        mosquitto.stop()
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(socket.parent, ignore_errors=True)


async def _start(port: int, name: str) -> None:
    url = f"http://127.0.0.1:{port}/printer/print/start"
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        await session.post(url, params={"filename": name})


def _show(name: str, written: Written, often: float, unit: str) -> None:
    disk, log = written.take()
    print(f"{name}: {disk / 1e3:.0f} kB, {log} bytes of them log; {disk * often / 1e6:.2f} MB {unit}")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=300.0)
    asyncio.run(main(options.parse_args().seconds))
