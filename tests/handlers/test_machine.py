"""machine.*: what is told of the host by itself."""

import asyncio
import contextlib
from pathlib import Path
from types import SimpleNamespace

from bridge.handlers.machine import Machine
from bridge.host.kernel import Kernel
from bridge.host.throttle import FIRMWARE, Throttled
from bridge.services.desk import ServiceDesk
from bridge.services.provider import Nobody
from tests.host.trees import raspberry
from tests.wire import until


async def test_throttling_is_notified_when_it_begins_changes_and_is_over(tmp_path: Path) -> None:
    kernel = Kernel(raspberry(tmp_path))
    desk = ServiceDesk(
        Nobody(), kernel, allowed=[], klipper=None, klippy_process=lambda: None, renew=lambda: None
    )
    machine = Machine(SimpleNamespace(count=0), desk, kernel, firmware_interval=0.01)  # type: ignore[arg-type]
    told: list[Throttled] = []
    machine.throttled.connect(told.append)
    await machine.open()
    running = asyncio.ensure_future(machine.run())
    firmware = Path(f"{tmp_path}{FIRMWARE}")

    def says(bits: str) -> None:
        firmware.with_name("new").write_text(f"{bits}\n")
        firmware.with_name("new").replace(firmware)

    await until(lambda: len(told) == 1)
    says("50004")
    await until(lambda: len(told) == 2)
    says("0")
    await until(lambda: len(told) == 3)
    says("4")
    await until(lambda: len(told) == 4)
    assert [one.bits for one in told] == [0x50005, 0x50004, 0, 4]  # once for each, not with every look
    assert "Under-Voltage Detected" in told[0].flags
    assert "Under-Voltage Detected" not in told[1].flags
    assert told[2].flags == []
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
