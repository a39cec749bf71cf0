"""A long print over a bad cable."""

from pathlib import Path

import pytest

from bridge.klippy.simulator.firmware import LineFaults
from tests.klippy.serial.bench import bench, moves

pytestmark = pytest.mark.torture


@pytest.mark.parametrize(
    ("dialect", "faults"),
    [
        ("marlin", LineFaults(damage=0.01)),
        ("marlin_plain", LineFaults(damage=0.01)),
        ("reprap", LineFaults(damage=0.01)),
        ("marlin", LineFaults(damage=0.01, lose_bytes=0.002, lose_ok=0.002, noise=0.02, storm=3)),
        ("marlin_plain", LineFaults(damage=0.01, lose_bytes=0.002, lose_ok=0.002, noise=0.02, storm=3)),
    ],
    ids=["marlin", "plain", "reprap", "marlin, all at once", "plain, all at once"],
)
async def test_twenty_thousand_lines_are_executed_once_each_and_in_order(
    dialect: str, faults: LineFaults, tmp_path: Path
) -> None:
    async with bench(tmp_path, dialect=dialect, faults=faults, speed=1e5, silence=1.0) as one:
        await one.print(moves(20_000))
        await one.ends(patience=200)
        assert one.printed() == moves(20_000)
        assert one.firmware.faults.damaged > 100
