"""A serial link and its simulated printer, without anything above."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from bridge.config import Klippy
from bridge.config.serial import SerialPrinter
from bridge.klippy.serial.link import SerialLink
from bridge.klippy.simulator.firmware import LineFaults, SimulatedFirmware
from tests.wire import until


class Bench:
    def __init__(self, link: SerialLink, firmware: SimulatedFirmware, gcodes: Path) -> None:
        self.link, self.firmware, self.gcodes = link, firmware, gcodes
        self.said: list[str] = []
        self.losses: list[str] = []
        link.output.connect(self.said.append)
        link.lost.connect(self.losses.append)

    async def script(self, text: str) -> None:
        await self.link.request("gcode/script", {"script": text}, unlimited=True)

    async def ask(self, method: str, **params: Any) -> Any:
        return json.loads(bytes(await self.link.request(method, params, unlimited=True)))

    async def look(self, name: str) -> dict[str, Any]:
        answer = await self.ask("objects/query", objects={name: None})
        return answer["status"][name]

    @property
    def stats(self) -> Any:
        return self.link._life.job.stats

    def write(self, lines: list[str], name: str = "a.gcode") -> str:
        (self.gcodes / name).write_text("\n".join(lines) + "\n")
        return name

    async def print(self, lines: list[str], name: str = "a.gcode") -> None:
        self.write(lines, name)
        await self.script(f'SDCARD_PRINT_FILE FILENAME="{name}"')

    async def ends(self, state: str = "complete", *, patience: float = 20.0) -> None:
        await until(lambda: self.stats.state not in ("printing", "paused"), patience=patience)
        assert self.stats.state == state, self.stats.message

    def printed(self) -> list[str]:
        """What the printer has carried out of files."""
        return [line for line in self.firmware.executed if line not in ("M400", "M108")]


@contextlib.asynccontextmanager
async def bench(
    tmp_path: Path,
    *,
    faults: LineFaults | None = None,
    dialect: str = "marlin",
    speed: float = 1000.0,
    waits_every: float | None = 0.05,
    connect: bool = True,
    **printer: Any,
) -> AsyncIterator[Bench]:
    gcodes = tmp_path / "gcodes"
    gcodes.mkdir(exist_ok=True)
    settings = Klippy(
        serial=str(tmp_path / "tty"), baud=printer.pop("baud", 250_000), printer=SerialPrinter(**printer)
    )
    firmware = SimulatedFirmware(
        tmp_path / "tty",
        dialect=dialect,
        speed=speed,
        waits_every=waits_every,
        faults=faults,
        extruders=settings.printer.extruders,
    )
    async with firmware:
        link = SerialLink(settings, gcodes)
        crew = asyncio.ensure_future(link.crew.run())
        one = Bench(link, firmware, gcodes)
        try:
            if connect:
                await link.connect()
            yield one
        finally:
            link.close()
            crew.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await crew


def moves(count: int) -> list[str]:
    """Lines that all differ."""
    return [
        f"G1 X{index % 200}.{index % 10} Y{index // 200} E{index / 100:.2f} F6000" for index in range(count)
    ]
