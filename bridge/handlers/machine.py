"""machine.*: the host below, what it is and how it fares (seed 004, Machine Commands)."""

import asyncio
import logging
from typing import Any

import msgspec

from bridge.clients import SocketTable
from bridge.host.about import about
from bridge.host.kernel import Kernel
from bridge.host.load import Load, ProcStats
from bridge.host.throttle import Firmware, Throttled, ask
from bridge.rpc import Access, Call, Notice, rpc
from bridge.services.desk import OURSELVES, ServiceDesk

log = logging.getLogger(__name__)

INTERVAL = 1.0  # seconds; web UIs close a socket that is silent for 10 s
FIRMWARE_INTERVAL = 5.0  # seconds between two questions for throttling
DESCRIBED_FOR = 60.0  # seconds in which the machine stays what it is


class SystemInfo(msgspec.Struct, frozen=True):
    """What the machine is."""

    system_info: dict[str, Any]


class Machine:
    """The host: what it is and how it fares."""

    components = ("machine", "proc_stats")

    def __init__(
        self,
        sockets: SocketTable,
        desk: ServiceDesk,
        kernel: Kernel,
        *,
        firmware_interval: float = FIRMWARE_INTERVAL,
    ) -> None:
        self.sampled: Notice[ProcStats] = Notice(
            "notify_proc_stat_update", ProcStats, "A sample of the machine's load, each second"
        )
        self.throttled: Notice[Throttled] = Notice(
            "notify_cpu_throttled", Throttled, "The machine began or ceased to hold itself back"
        )
        self._sockets, self._desk, self._kernel = sockets, desk, kernel
        self._load = Load(kernel)
        self._firmware, self._firmware_interval = Firmware(kernel, ask), firmware_interval
        self._about: dict[str, Any] = {}
        self._described = -DESCRIBED_FOR

    async def open(self) -> None:
        """Begin the first interval."""
        self._load.begin()

    async def run(self) -> None:
        """Sample each second, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._sample())
            group.create_task(self._watch_firmware())

    async def close(self) -> None:
        """Nothing to give back."""

    @rpc("machine.proc_stats", "GET", access=Access.READ)
    async def proc_stats(self, call: Call) -> ProcStats:
        """The last thirty samples of the bridge's load, and the machine's."""
        return self._load.all(self._sockets.count)

    @rpc("machine.system_info", "GET", access=Access.READ)
    async def system_info(self, call: Call) -> SystemInfo:
        """Processor, memory, distribution, network, SD card, CAN and services of the machine."""
        now = asyncio.get_running_loop().time()
        if now - self._described >= DESCRIBED_FOR:
            self._about = await asyncio.to_thread(about, self._kernel)
            self._described = now
        states = await self._desk.known()
        return SystemInfo(
            {
                **self._about,
                "provider": self._desk.provider.name,
                "available_services": list(states),
                "service_state": msgspec.to_builtins(states),
                "instance_ids": {"moonraker": OURSELVES[0], "klipper": self._desk.klipper},
            }
        )

    async def _sample(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + INTERVAL, loop.time())
            await asyncio.sleep(due - loop.time())
            self._load.sample()
            self.sampled.emit(self._load.newest(self._sockets.count))

    async def _watch_firmware(self) -> None:
        """Ask for as long as somebody answers; a machine that cannot tell is not asked again."""
        while (state := await self._firmware.read()) is not None:
            before, self._load.throttled = self._load.throttled, state
            if before is None or before.bits != state.bits:
                self._tell(before, state)
            await asyncio.sleep(self._firmware_interval)

    def _tell(self, before: Throttled | None, now: Throttled) -> None:
        if before is None and not now.bits:
            return
        log.warning("the machine's firmware tells of: %s", ", ".join(now.flags) or "nothing any more")
        self.throttled.emit(now)
