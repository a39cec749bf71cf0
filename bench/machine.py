"""Processes on this machine: starting and ending them, what they cost, free ports, a private broker."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import psutil

PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))


class Process:
    """A child process with its own children."""

    def __init__(self, command: list[str], log: Path, env: dict[str, str] | None = None) -> None:
        self._command, self._log = command, log
        with log.open("ab") as output:
            self._child = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **(env or {})}
            )
        self._process = psutil.Process(self._child.pid)

    def check(self) -> None:
        """RuntimeError with its last words when it has ended."""
        if self._child.poll() is not None:
            words = self._log.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{' '.join(self._command)} ended with {self._child.returncode}:\n{words}")

    def cpu(self) -> float:
        """Seconds of CPU so far, by the nanosecond clock; of children also those that have ended."""
        total = 0.0
        for process in (self._process, *self._process.children(recursive=True)):
            try:
                total += time.clock_gettime((~process.pid << 3) | 2)  # Linux: the process's CPU clock
                times = process.cpu_times()
            except (psutil.Error, OSError):
                continue
            total += times.children_user + times.children_system
        return total

    def written(self) -> int:
        """Bytes that went to a disk so far, by the kernel's count."""
        return int(self._process.io_counters().write_bytes)

    def rss(self) -> float:
        """Megabytes of resident memory."""
        processes = (self._process, *self._process.children(recursive=True))
        return sum(process.memory_info().rss for process in processes) / 1e6

    def stop(self) -> float:
        """SIGTERM, at last SIGKILL; the seconds that took."""
        began = time.monotonic()
        if self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(10)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
        return time.monotonic() - began


def free_port() -> int:
    """A port that nobody uses just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, seconds: float = 10) -> None:
    """Return as soon as somebody listens."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError(f"nobody listens on port {port}")


def broker(folder: Path) -> tuple[Process, int]:
    """A private mosquitto without limits and delays: the servers are measured, not its defaults."""
    program = shutil.which("mosquitto", path=PATH)
    if program is None:
        raise SystemExit("the benchmark needs the broker mosquitto; on Debian: apt-get install mosquitto")
    port = free_port()
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nset_tcp_nodelay true\n"
        "max_queued_messages 0\nmax_inflight_messages 0\nlog_type error\n"
    )
    process = Process([program, "-c", str(config)], folder / "mosquitto.log")
    wait_for_port(port)
    return process, port
