"""The controls of other capabilities, of the bridge and of files; what is told of jobs and host."""

import asyncio
import logging
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bridge.controls.control import Control, button, own
from bridge.controls.files import PrintFile
from bridge.controls.inner import Inner
from bridge.files.index import GCODES, Index
from bridge.gcode.library import Library
from bridge.handlers.controls import Controls
from bridge.handlers.job_queue import JobQueue, QueueStatus
from bridge.handlers.machine import Machine
from bridge.host.kernel import told
from bridge.host.load import ProcStats
from bridge.jobs.ledger import Ledger
from bridge.jobs.watch import JobWatch
from bridge.lifecycle import Part
from bridge.mqtt.host import MqttHost
from bridge.mqtt.link import MqttLink
from bridge.mqtt.payloads import ControlValue, HostStats, JobTotals, Queue, QueuedJob
from bridge.mqtt.queue import at
from bridge.mqtt.sheet import MqttSheet
from bridge.mqtt.topics import Topics
from bridge.rpc import Registry
from ha_discovery.publisher import Discovery

LEVELS = ("debug", "info", "warning", "error")
GIB, KIB = 1 << 30, 1 << 10
SAME_BOOT = 30.0  # seconds by which clocks that are set may shift the moment of the boot


class Switchboard:
    """Puts what can be set on the list of controls, and what is told on its topics."""

    def __init__(
        self,
        link: MqttLink,
        topics: Topics,
        *,
        registry: Registry,
        controls: Controls,
        home: Discovery,
        index: Index,
        library: Library,
        queue: JobQueue,
        jobs: JobWatch,
        ledger: Ledger,
        machine: Machine,
        gcodes: Path,
        log_level: str,
        replay: Callable[[], None],
    ) -> None:
        self._totals_topic = MqttSheet(link, topics.job_totals)
        self._host_topic = MqttSheet(link, topics.host_stats)
        print_file = PrintFile(
            newest=lambda: newest_files(index),
            exists=lambda name: library.state(name) is not None,
            start=lambda name: queue.start_or_queue(name, None, may_queue=False),
            printing=lambda: jobs.active,
            show=controls.register,
            topic=topics.control_state("print_file"),
        )
        index.changed.connect(lambda _change: print_file.look_again())
        self.parts: list[Part] = [print_file, TotalsReader(ledger, self._totals_topic)]
        host, reader = MqttHost(self._host_topic), HostReader(gcodes)
        machine.sampled.connect(lambda stats: host.offer(reader.read(stats)))
        host.said.connect(home.show_host)

        def rediscover() -> None:
            home.rediscover()
            replay()

        controls.register(
            print_file.control(),
            *capability_controls(registry),
            *bridge_controls(topics, rediscover, log_level),
        )

    def publish(self) -> None:
        """Say it all again."""
        self._totals_topic.publish()
        self._host_topic.publish()


def capability_controls(registry: Registry) -> list[Control]:
    """Buttons for methods of other capabilities; each is of its method's class."""
    inner = Inner()

    def calls(key: str, name: str, method: str) -> Control:
        async def act() -> None:
            await registry.call(method, None, inner)

        return button(key, name, act, always=True, access=registry.methods[method].access)

    return [
        calls("queue_start", "Start queue", "server.job_queue.start"),
        calls("queue_pause", "Pause queue", "server.job_queue.pause"),
        calls("reset_totals", "Reset totals", "server.history.reset_totals"),
        calls("bridge_restart", "Bridge restart", "server.restart"),
    ]


def bridge_controls(topics: Topics, rediscover: Callable[[], None], level: str) -> list[Control]:
    """What the bridge itself can be told."""
    chosen = [level]

    async def discover() -> None:
        rediscover()

    async def log_at(name: str) -> None:
        chosen[0] = name
        logging.getLogger().setLevel(name.upper())

    key = "log_level"
    return [
        button("rediscover", "Rediscover", discover, always=True),
        own(
            "select", key, "Log level", log_at, lambda: ControlValue(chosen[0]),
            topic=topics.control_state(key), options=LEVELS, always=True,
        ),
    ]  # fmt: skip


@dataclass
class HostReader:
    """A sample of the machine as its topic has it."""

    folder: Path  # of the G-code files
    _booted: float = 0.0
    _traffic: int = 0
    _when: float = 0.0

    def read(self, stats: ProcStats) -> HostStats:
        """The figures that people look at, rounded."""
        memory = stats.system_memory
        free = self._disk()
        flags = None if stats.throttled_state is None else stats.throttled_state.flags
        return HostStats(
            cpu=round(stats.system_cpu_usage.get("cpu", 0.0)),
            load=round(told(os.getloadavg, (0.0, 0.0, 0.0))[0], 2),
            memory=round(memory.used / memory.total * 100, 1) if memory.total else None,
            memory_free=memory.available // KIB,
            cpu_temperature=None if stats.cpu_temp is None else round(stats.cpu_temp, 1),
            disk=None if free is None else round(100 - free[0] / free[1] * 100, 1),
            disk_free=None if free is None else round(free[0] / GIB, 1),
            network=self._network(stats),
            throttled=_flag(flags, "Currently Throttled"),
            undervoltage=_flag(flags, "Under-Voltage Detected"),
            booted_at=self._boot(stats),
        )

    def _disk(self) -> tuple[int, int] | None:
        try:
            usage = shutil.disk_usage(self.folder)
        except OSError:
            return None
        return (usage.free, usage.total) if usage.total else None

    def _network(self, stats: ProcStats) -> float | None:
        """Mean of all real interfaces since the last sample."""
        moved = sum(one.rx_bytes + one.tx_bytes for name, one in stats.network.items() if name != "lo")
        now = time.monotonic()
        before, self._traffic, when, self._when = self._traffic, moved, self._when, now
        if not before or now <= when:
            return 0.0
        return round(max(0, moved - before) / (now - when) / 1000, 1)

    def _boot(self, stats: ProcStats) -> str:
        booted = time.time() - stats.system_uptime
        if abs(booted - self._booted) > SAME_BOOT:
            self._booted = booted
        return datetime.fromtimestamp(self._booted, UTC).astimezone().isoformat("T", "seconds")


def _flag(flags: Any, name: str) -> bool | None:
    return name in flags if isinstance(flags, list) else None


class TotalsReader:
    """Tells the totals of all jobs when a job was written down, or somebody has begun them anew."""

    def __init__(self, ledger: Ledger, sheet: MqttSheet) -> None:
        self._ledger, self._sheet = ledger, sheet
        self._due = asyncio.Event()
        ledger.finished.connect(lambda _record: self._due.set())
        ledger.begun_anew.connect(lambda _none: self._due.set())

    async def open(self) -> None:
        """Tell what is in the store."""
        self._due.set()

    async def run(self) -> None:
        """Read the totals each time they may have changed."""
        while True:
            await self._due.wait()
            self._due.clear()
            found = await self._ledger.totals()
            self._sheet.show(
                JobTotals(
                    jobs=found["total_jobs"],
                    time=round(found["total_time"]),
                    print_time=round(found["total_print_time"]),
                    filament=round(found["total_filament_used"] / 1000, 2),
                    longest_job=round(found["longest_job"]),
                    longest_print=round(found["longest_print"]),
                )
            )

    async def close(self) -> None:
        """Nothing to give back."""


async def newest_files(index: Index) -> list[str]:
    """The paths below gcodes, the newest first."""
    found = await index.listing(GCODES)
    return [one.path for one in sorted(found, key=lambda one: one.modified, reverse=True)]


def queue_payload(status: QueueStatus) -> Queue:
    """The queue as its topic has it."""
    jobs = [QueuedJob(job.filename, job.job_id, at(job.time_added)) for job in status.queued_jobs]
    return Queue(state=status.queue_state, reason=status.reason, jobs=jobs)
