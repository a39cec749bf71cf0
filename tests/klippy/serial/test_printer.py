"""What the printer is asked, and what it is heard to say."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.config.serial import SerialPrinter
from bridge.klippy.serial.port import Greeting, Port
from bridge.klippy.serial.printer import FACTORS_EVERY, Printer
from bridge.klippy.simulator.firmware import SimulatedFirmware
from tests.wire import until


class Bench:
    """A clock that the test turns, and how often the printer was given up."""

    def __init__(self) -> None:
        self.now = 100.0
        self.losses: list[str] = []

    def __call__(self) -> float:
        return self.now


@contextlib.asynccontextmanager
async def printer_at(firmware: SimulatedFirmware, path: Path, bench: Bench) -> AsyncIterator[Printer]:
    async with firmware:
        port = await Port.open(str(path), 250_000)
        known, _ = await Greeting(port, None).exchange([250_000], 5.0)
        printer = Printer(port, known, SerialPrinter(), bench.losses.append, bench)
        try:
            await printer.prepare()
            yield printer
        finally:
            printer.close("the test is over")


@pytest.mark.parametrize("dialect", ["marlin", "marlin_plain", "reprap"])
async def test_a_factor_that_is_turned_at_the_display_is_seen_within_a_minute(
    dialect: str, tmp_path: Path
) -> None:
    bench, firmware = Bench(), SimulatedFirmware(tmp_path / "tty", dialect=dialect)
    async with printer_at(firmware, tmp_path / "tty", bench) as printer:
        motion = printer.motion
        assert (motion.speed_factor, motion.flow_factor) == (1.0, 1.0)
        firmware.machine.speed_factor, firmware.machine.flow_factor = 150.0, 95.0
        said: list[str] = []
        printer.said.connect(said.append)
        bench.now += FACTORS_EVERY + 1
        await until(lambda: (motion.speed_factor, motion.flow_factor) == (1.5, 0.95))
        assert said == []  # nobody asked
    assert FACTORS_EVERY <= 30


async def test_klipper_is_never_asked_for_its_factors_for_it_would_set_them(tmp_path: Path) -> None:
    bench, firmware = Bench(), SimulatedFirmware(tmp_path / "tty", dialect="klipper")
    async with printer_at(firmware, tmp_path / "tty", bench) as printer:
        asked = firmware.asked["M105"]
        bench.now += FACTORS_EVERY + 1
        await until(lambda: firmware.asked["M105"] > asked)
        assert printer.firmware.tells_factors is False
        assert firmware.asked["M220"] == firmware.asked["M221"] == 0


@pytest.mark.parametrize("says_so", [True, False])
async def test_a_printer_that_says_that_it_is_busy_is_not_given_up(says_so: bool, tmp_path: Path) -> None:
    bench, firmware = Bench(), SimulatedFirmware(tmp_path / "tty", dialect="marlin_plain", waits_every=None)
    async with printer_at(firmware, tmp_path / "tty", bench) as printer:
        heard = asyncio.Event()
        printer.waits_for_user.connect(lambda _: heard.set())
        firmware.pause()  # it does nothing more of its own
        move = asyncio.ensure_future(printer.tell(b"G1 X1"))
        await until(lambda: printer.sender.under_way)
        for _ in range(5):
            bench.now += printer.settings.silence * (0.95 if says_so else 1.05)
            if says_so:
                heard.clear()
                firmware.say("echo:busy: paused for user")
                await heard.wait()
            printer.sender.look()
        assert bool(bench.losses) is not says_so
        assert bool(printer.sender.tally.probes) is not says_so
        if says_so:
            firmware.resume()
        else:
            move.cancel()
        await asyncio.wait([move])
