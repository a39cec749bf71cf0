"""Streaming over a serial line: what a line costs, and how long the firmware waits for the next one.

    .venv/bin/python -m bench.serial_line

The firmware is a process of its own that does nothing but answer `ok`. First it answers at once: the cost of
a line and the most lines a second. Then it takes as long for each line as a port of 250,000 baud does.
"""

import asyncio
import contextlib
import json
import os
import resource
import sys
import tempfile
import time
import tty
from pathlib import Path

from bridge.config import Klippy
from bridge.klippy.serial.link import SerialLink

LINES = 20_000
SLOTS = 4
SECONDS_A_BYTE = 10 / 250_000


def firmware(path: str, *, advanced: bool, paced: bool) -> None:
    """Answer every line; at the end say how long each one was waited for, in microseconds."""
    near, far = os.openpty()
    tty.setraw(far)
    Path(path).symlink_to(os.ttyname(far))
    waits, rest, count, said = [], b"", 0, time.perf_counter()
    while True:
        data = os.read(near, 4096)
        waits.append(time.perf_counter() - said)
        *lines, rest = (rest + data).split(b"\n")
        for line in filter(None, lines):
            if paced:
                end = time.perf_counter() + (len(line) + 1) * SECONDS_A_BYTE
                while time.perf_counter() < end:
                    pass
            if b"M115" in line:
                os.write(near, b"FIRMWARE_NAME:Marlin bench\nCap:AUTOREPORT_TEMP:1\n")
            count += 1
            number = line[1 : line.index(b" ")].decode() if line[:1] == b"N" else "0"
            os.write(near, f"ok N{number} P15 B{SLOTS - 1}\n".encode() if advanced else b"ok\n")
            said = time.perf_counter()
            if b"M400" in line:
                waits = sorted(waits[20:])
                figures = {q: round(waits[int(len(waits) * q / 100)] * 1e6) for q in (50, 99)}
                print(json.dumps({"median": figures[50], "p99": figures[99], "max": round(waits[-1] * 1e6)}))
                sys.stdout.flush()


async def measure(*, advanced: bool, paced: bool) -> dict[str, float]:
    """One print against a firmware process."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        lines = (f"G1 X{i % 200}.{i % 1000:03d} Y{i // 200}.125 E{i / 100:.5f}" for i in range(LINES))
        (here / "a.gcode").write_text("\n".join(lines) + "\n")
        options = [str(here / "tty"), str(int(advanced)), str(int(paced))]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.serial_line", *options, stdout=asyncio.subprocess.PIPE
        )
        while not (here / "tty").exists():
            await asyncio.sleep(0.01)
        link = SerialLink(Klippy(serial=str(here / "tty"), baud=250_000), here)
        crew = asyncio.ensure_future(link.crew.run())
        await link.connect()
        began, cpu = time.perf_counter(), _cpu()
        await link.request("gcode/script", {"script": "SDCARD_PRINT_FILE FILENAME=a.gcode"}, unlimited=True)
        assert process.stdout is not None
        waits = json.loads(await process.stdout.readline())
        wall, used = time.perf_counter() - began, _cpu() - cpu
        link.close()
        process.kill()
        await process.wait()
        crew.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await crew
    return {
        "lines/s": round(LINES / wall),
        "CPU us/line": round(used / LINES * 1e6, 1),
        "share of a core %": round(100 * used / wall, 1),
        **{f"gap {name} us": wait for name, wait in waits.items()},
    }


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def main() -> None:
    """All four cases."""
    for advanced in (True, False):
        for paced in (False, True):
            name = f"{'advanced' if advanced else 'plain'} ok, {'250,000 baud' if paced else 'flat out'}"
            print(f"{name:32} {await measure(advanced=advanced, paced=paced)}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        firmware(sys.argv[1], advanced=sys.argv[2] == "1", paced=sys.argv[3] == "1")
    else:
        try:
            import uvloop

            uvloop.run(main())
        except ImportError:
            asyncio.run(main())
