"""What the printer is asked, and what it is heard to say."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.config.serial import SerialPrinter
from bridge.klippy.serial.port import Greeting, Port
from bridge.klippy.serial.printer import FACTORS_EVERY, Printer
from bridge.klippy.simulator.firmware import SimulatedFirmware
from tests.wire import until


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@contextlib.asynccontextmanager
async def printer_at(firmware: SimulatedFirmware, path: Path, clock: Clock) -> AsyncIterator[Printer]:
    async with firmware:
        port = await Port.open(str(path), 250_000)
        known, _ = await Greeting(port, None).exchange([250_000], 5.0)
        printer = Printer(port, known, SerialPrinter(), lambda _reason: None, clock)
        try:
            await printer.prepare()
            yield printer
        finally:
            printer.close("the test is over")


@pytest.mark.parametrize("dialect", ["marlin", "marlin_plain", "reprap"])
async def test_a_factor_that_is_turned_at_the_display_is_seen_within_a_minute(
    dialect: str, tmp_path: Path
) -> None:
    clock, firmware = Clock(), SimulatedFirmware(tmp_path / "tty", dialect=dialect)
    async with printer_at(firmware, tmp_path / "tty", clock) as printer:
        motion = printer.motion
        assert (motion.speed_factor, motion.flow_factor) == (1.0, 1.0)
        firmware.machine.speed_factor, firmware.machine.flow_factor = 150.0, 95.0
        said: list[str] = []
        printer.said.connect(said.append)
        clock.now += FACTORS_EVERY + 1
        await until(lambda: (motion.speed_factor, motion.flow_factor) == (1.5, 0.95))
        assert said == []  # nobody asked
    assert FACTORS_EVERY <= 30


async def test_klipper_is_never_asked_for_its_factors_for_it_would_set_them(tmp_path: Path) -> None:
    clock, firmware = Clock(), SimulatedFirmware(tmp_path / "tty", dialect="klipper")
    async with printer_at(firmware, tmp_path / "tty", clock) as printer:
        asked = firmware.asked["M105"]
        clock.now += FACTORS_EVERY + 1
        await until(lambda: firmware.asked["M105"] > asked)
        assert printer.firmware.tells_factors is False
        assert firmware.asked["M220"] == firmware.asked["M221"] == 0
