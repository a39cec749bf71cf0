"""How the machine fares: one sample a second of the bridge and of everything below it."""

import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import msgspec
import psutil

from bridge.host.kernel import Kernel, told
from bridge.host.throttle import Throttled

SAMPLES = 30
ZONE = "/sys/class/thermal/thermal_zone0/temp"
COLDEST, HOTTEST = -100_000, 300_000  # thousandths of a degree that a processor can have
SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "soc_thermal", "acpitz")  # of other machines


class ProcessSample(msgspec.Struct, frozen=True):
    """The bridge's own use of the machine at one moment."""

    time: float
    cpu_usage: float  # percent of one core
    memory: int | None
    mem_units: str | None


class Traffic(msgspec.Struct, frozen=True):
    """Counters of one network interface; bandwidth in bytes a second."""

    rx_bytes: int
    tx_bytes: int
    rx_packets: int
    tx_packets: int
    rx_errs: int
    tx_errs: int
    rx_drop: int
    tx_drop: int
    bandwidth: float


class Memory(msgspec.Struct, frozen=True):
    """The machine's memory in kB."""

    total: int
    available: int
    used: int


class ProcStats(msgspec.Struct, frozen=True):
    """The load of bridge and machine."""

    moonraker_stats: Any  # the samples, or in the notification the newest one
    throttled_state: Throttled | None
    cpu_temp: float | None
    network: dict[str, Traffic]
    system_cpu_usage: dict[str, float]
    system_uptime: float
    system_memory: Memory
    websocket_connections: int


class Load:
    """The last thirty samples."""

    def __init__(self, kernel: Kernel) -> None:
        self.throttled: Throttled | None = None
        self._kernel = kernel
        self._process = psutil.Process()
        self._samples: deque[ProcessSample] = deque(maxlen=SAMPLES)
        self._network: dict[str, Traffic] = {}
        self._cpu: dict[str, float] = {}
        self._when = time.monotonic()

    def begin(self) -> None:
        """Begin the first interval."""
        told(self._process.cpu_percent, 0.0)
        told(_cores, list[float]())
        self.sample()

    def sample(self) -> None:
        """Take a sample of now."""
        now = time.monotonic()
        elapsed, self._when = max(now - self._when, 0.001), now
        resident = told(lambda: self._process.memory_info().rss // 1024, None)
        usage = round(told(self._process.cpu_percent, 0.0), 2)
        units = None if resident is None else "kB"
        self._samples.append(ProcessSample(time.time(), usage, resident, units))
        cores = told(_cores, list[float]())
        self._cpu = {
            "cpu": round(sum(cores) / max(len(cores), 1), 2),
            **{f"cpu{number}": load for number, load in enumerate(cores)},
        }
        self._network = dict(_traffic(self._network, elapsed))

    def newest(self, sockets: int) -> ProcStats:
        """How the machine fares, with the newest sample alone."""
        return self._stats(self._samples[-1], sockets)

    def all(self, sockets: int) -> ProcStats:
        """How the machine fares, with all samples."""
        return self._stats(list(self._samples), sockets)

    def _stats(self, samples: Any, sockets: int) -> ProcStats:
        return ProcStats(
            moonraker_stats=samples,
            throttled_state=self.throttled,
            cpu_temp=self._temperature(),
            network=self._network,
            system_cpu_usage=self._cpu,
            system_uptime=round(told(lambda: time.time() - psutil.boot_time(), 0.0), 2),
            system_memory=told(_memory, Memory(0, 0, 0)),
            websocket_connections=sockets,
        )

    def _temperature(self) -> float | None:
        if not self._kernel.exists(ZONE):
            return told(_sensor, None)
        found = self._kernel.number(ZONE)
        return None if found is None or not COLDEST <= found <= HOTTEST else round(found / 1000, 2)


def _cores() -> list[float]:
    return psutil.cpu_percent(percpu=True)


def _memory() -> Memory:
    memory = psutil.virtual_memory()
    return Memory(memory.total // 1024, memory.available // 1024, (memory.total - memory.available) // 1024)


def _sensor() -> float | None:
    found = psutil.sensors_temperatures()
    known = (one.current for name in SENSORS for one in found.get(name, ()))
    return next((round(float(value), 2) for value in known), None)


def _traffic(before: dict[str, Traffic], elapsed: float) -> Iterator[tuple[str, Traffic]]:
    counters: dict[str, Any] = told(lambda: psutil.net_io_counters(pernic=True), {})
    for name, now in counters.items():
        past = before.get(name)
        moved = 0 if past is None else now.bytes_recv + now.bytes_sent - past.rx_bytes - past.tx_bytes
        yield (
            name,
            Traffic(
                now.bytes_recv,
                now.bytes_sent,
                now.packets_recv,
                now.packets_sent,
                now.errin,
                now.errout,
                now.dropin,
                now.dropout,
                round(max(moved, 0) / elapsed, 2),
            ),
        )
