"""Printing by streaming: every line once and in order, whatever the cable does to them."""

from pathlib import Path

import pytest

from bridge.klippy.simulator.firmware import LineFaults
from tests.klippy.serial.bench import bench, moves


async def test_a_file_is_printed_line_by_line(tmp_path: Path) -> None:
    async with bench(tmp_path) as one:
        await one.print(["; a comment", *moves(50), "", "G1 X5 ; and why"])
        await one.ends()
        assert one.printed() == [*moves(50), "G1 X5"]
        assert one.said[-1] == "Done printing file"


@pytest.mark.parametrize("dialect", ["marlin", "marlin_plain", "reprap", "klipper"])
async def test_every_firmware_is_printed_to(dialect: str, tmp_path: Path) -> None:
    async with bench(tmp_path, dialect=dialect) as one:
        await one.print(moves(100))
        await one.ends()
        assert one.printed() == moves(100)


@pytest.mark.parametrize("dialect", ["marlin", "marlin_plain", "reprap"])
async def test_damaged_lines_are_sent_again_and_none_is_executed_twice(dialect: str, tmp_path: Path) -> None:
    async with bench(tmp_path, dialect=dialect, faults=LineFaults(damage=0.01)) as one:
        await one.print(moves(1000))
        await one.ends()
        assert one.printed() == moves(1000)
        assert one.firmware.faults.damaged > 3
