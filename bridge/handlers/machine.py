"""machine.*: the host below, what it is and how it fares (seed 004, Machine Commands)."""

import asyncio
import os
import platform
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import distro
import msgspec
import psutil

from bridge.clients import SocketTable
from bridge.rpc import Access, Call, Notice, rpc

INTERVAL = 1.0  # seconds; web UIs close a socket that is silent for 10 s
SAMPLES = 30


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
    throttled_state: dict[str, Any] | None
    cpu_temp: float | None
    network: dict[str, Traffic]
    system_cpu_usage: dict[str, float]
    system_uptime: float
    system_memory: Memory
    websocket_connections: int


class SystemInfo(msgspec.Struct, frozen=True):
    """What the machine is."""

    system_info: dict[str, Any]


class Machine:
    """The host: what it is and how it fares."""

    components = ("machine", "proc_stats")

    def __init__(self, sockets: SocketTable) -> None:
        self.sampled: Notice[ProcStats] = Notice(
            "notify_proc_stat_update", ProcStats, "A sample of the machine's load, each second"
        )
        self._sockets = sockets
        self._process = psutil.Process()
        self._samples: deque[ProcessSample] = deque(maxlen=SAMPLES)
        self._network: dict[str, Traffic] = {}
        self._cpu: dict[str, float] = {}
        self._when = time.monotonic()

    async def open(self) -> None:
        """Begin the first interval."""
        self._process.cpu_percent()
        psutil.cpu_percent(percpu=True)
        self._sample()

    async def run(self) -> None:
        """Sample each second, for ever."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + INTERVAL, loop.time())
            await asyncio.sleep(due - loop.time())
            self._sample()
            self.sampled.emit(self._stats(self._samples[-1]))

    async def close(self) -> None:
        """Nothing to give back."""

    @rpc("machine.proc_stats", "GET", access=Access.READ)
    async def proc_stats(self, call: Call) -> ProcStats:
        """The last thirty samples of the bridge's load, and the machine's."""
        return self._stats(list(self._samples))

    @rpc("machine.system_info", "GET", access=Access.READ)
    async def system_info(self, call: Call) -> SystemInfo:
        """Processor, memory, distribution, Python and network of the machine."""
        return SystemInfo(await asyncio.to_thread(_system_info))

    def _sample(self) -> None:
        now = time.monotonic()
        elapsed, self._when = max(now - self._when, 0.001), now
        resident = self._process.memory_info().rss // 1024
        self._samples.append(
            ProcessSample(time.time(), round(self._process.cpu_percent(), 2), resident, "kB")
        )
        cores = psutil.cpu_percent(percpu=True)
        self._cpu = {
            "cpu": round(sum(cores) / max(len(cores), 1), 2),
            **{f"cpu{number}": load for number, load in enumerate(cores)},
        }
        self._network = dict(_traffic(self._network, elapsed))

    def _stats(self, samples: Any) -> ProcStats:
        memory = psutil.virtual_memory()
        return ProcStats(
            moonraker_stats=samples,
            throttled_state=None,
            cpu_temp=_cpu_temperature(),
            network=self._network,
            system_cpu_usage=self._cpu,
            system_uptime=round(time.time() - psutil.boot_time(), 2),
            system_memory=Memory(
                memory.total // 1024, memory.available // 1024, (memory.total - memory.available) // 1024
            ),
            websocket_connections=self._sockets.count,
        )


def _traffic(before: dict[str, Traffic], elapsed: float) -> Iterator[tuple[str, Traffic]]:
    for name, now in psutil.net_io_counters(pernic=True).items():
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


def _cpu_temperature() -> float | None:
    text = _read("/sys/class/thermal/thermal_zone0/temp")
    try:
        return round(int(text) / 1000, 2) if text else None
    except ValueError:
        return None


def _system_info() -> dict[str, Any]:
    return {
        "python": {"version": list(sys.version_info), "version_string": sys.version.replace("\n", " ")},
        "cpu_info": _cpu_info(),
        "sd_info": {},
        "distribution": _distribution(),
        "virtualization": {"virt_type": "none", "virt_id": "none"},
        "network": _network(),
        "canbus": {},
        "provider": "none",
        "available_services": [],
        "service_state": {},
        "instance_ids": {"moonraker": "klipper-bridge", "klipper": "klipper"},
    }


def _cpu_info() -> dict[str, Any]:
    fields = dict(_fields(_read("/proc/cpuinfo")))
    return {
        "cpu_count": os.cpu_count(),
        "bits": platform.architecture()[0],
        "processor": platform.machine(),
        "cpu_desc": fields.get("model name", ""),
        "serial_number": fields.get("Serial", ""),
        "hardware_desc": fields.get("Hardware", ""),
        "model": fields.get("Model") or _read("/proc/device-tree/model").rstrip("\0"),
        "total_memory": psutil.virtual_memory().total // 1024,
        "memory_units": "kB",
    }


def _distribution() -> dict[str, Any]:
    return {
        "name": distro.name(pretty=True),
        "id": distro.id(),
        "version": distro.version(),
        "version_parts": distro.version_parts_dict() if hasattr(distro, "version_parts_dict") else _parts(),
        "like": distro.like(),
        "codename": distro.codename(),
        "release_info": {},
    }


def _parts() -> dict[str, str]:
    major, minor, build = distro.version_parts()
    return {"major": major, "minor": minor, "build_number": build}


def _network() -> dict[str, Any]:
    families = {socket.AF_INET: "ipv4", socket.AF_INET6: "ipv6"}
    found: dict[str, Any] = {}
    for name, addresses in psutil.net_if_addrs().items():
        known = [
            {
                "family": families[address.family],
                "address": address.address.partition("%")[0],
                "is_link_local": address.address.lower().startswith(("fe80:", "169.254.")),
            }
            for address in addresses
            if address.family in families
        ]
        hardware = next((a.address for a in addresses if a.family == psutil.AF_LINK), "")
        if known and name != "lo":
            found[name] = {"mac_address": hardware, "ip_addresses": known}
    return found


def _fields(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, _, value = line.partition(":")
        yield name.strip(), value.strip()


def _read(path: str) -> str:
    """A small file of the kernel's, empty where there is none."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
