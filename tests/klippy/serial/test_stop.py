"""An emergency stop gets through, whether the firmware listens while it is at work or not."""

import os
import tty
from pathlib import Path

import pytest

from bridge.errors import KlippyError
from bridge.klippy.serial.port import Port
from tests.klippy.serial.bench import bench
from tests.wire import until

HOT = "M109 S200"


async def stopped(dialect: str, tmp_path: Path, console: pytest.CaptureFixture[str]) -> list[str]:
    """Stop a printer that waits for heat; what became of its DTR, though a pseudo-terminal has none."""
    async with bench(tmp_path, dialect=dialect, connect=False) as one:
        one.link.path = f"spy://{one.link.path}"  # type: ignore[assignment] - pyserial's own eye on a port
        await one.link.connect()
        one.firmware.machine.nozzle.pace = 0.001
        await one.print([HOT])
        await until(lambda: HOT in one.firmware.executed)
        await one.ask("emergency_stop")
        if dialect in ("marlin", "klipper"):
            await until(lambda: one.firmware.killed)
            return _levels(console.readouterr().err)
        heard = ""

        def is_up() -> bool:
            nonlocal heard
            heard += console.readouterr().err
            return len(_levels(heard)) > 1

        await until(is_up)
        assert not one.firmware.killed  # it has not looked at M112 yet
        one.firmware.reset()
        await one.ask("info")
        await until(lambda: one.firmware.machine.nozzle.target == 0)
        before = len(one.said)
        one.firmware.say("echo: it has booted")
        await until(lambda: len(one.said) > before)
        assert one.losses == []
        assert (await one.ask("info"))["state"] == "shutdown"
        with pytest.raises(KlippyError, match="Shutdown due to webhooks request"):
            await one.script("G28")
        await one.ask("gcode/firmware_restart")
        await until(lambda: one.losses)
        return _levels(heard)


def _levels(log: str) -> list[str]:
    return [line.split()[-1] for line in log.splitlines() if " DTR " in line]


@pytest.mark.parametrize("dialect", ["marlin_plain", "reprap"])
async def test_a_printer_that_hears_m112_in_its_turn_only_is_reset_and_stays_stopped(
    dialect: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await stopped(dialect, tmp_path, capsys) == ["inactive", "active"]


@pytest.mark.parametrize("dialect", ["marlin", "klipper"])
async def test_a_printer_that_hears_m112_at_once_is_not_reset(
    dialect: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await stopped(dialect, tmp_path, capsys) == []


async def test_a_stop_overtakes_what_the_system_has_not_sent_yet(capsys: pytest.CaptureFixture[str]) -> None:
    near, far = os.openpty()
    try:
        tty.setraw(far)
        port = await Port.open(f"spy://{os.ttyname(far)}", 250_000)
        capsys.readouterr()
        port.write(b"G1 X1\n")
        port.overtake(b"\nM112\n")
        port.close()
    finally:
        os.close(near)
        os.close(far)
    log = capsys.readouterr().err.splitlines()
    done = [word for line in log for word in ("G1 X1", "reset_output_buffer", "M112") if word in line]
    assert done == ["G1 X1", "reset_output_buffer", "M112"]
