"""What the host and the MCU tell of themselves: load, statistics, end stops."""

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from bridge.klippy.simulator.dispatch import Command, Status

_ENDSTOPS = ("stepper_x", "stepper_y", "stepper_z")
_CONSTANTS = {"ADC_MAX": 4095, "CLOCK_FREQ": 50000000, "MCU": "simulator", "PWM_MAX": 32768}
_FREQUENCY = 50_000_000


class Host:
    """Statistics that are renewed each second, and what the end stops said last."""

    def __init__(self) -> None:
        self._renewed = float("-inf")
        self._turn = 0
        self._load: Status = {}
        self._mcu: Status = {}
        self._endstops: dict[str, int] = {}

    def commands(self) -> Iterable[Command]:
        """The commands it takes: none."""
        return ()

    def query_endstops(self, position: Sequence[float]) -> dict[str, str]:
        """What the end stops say with the head at a place."""
        hit = {name: int(place <= 0.0) for name, place in zip(_ENDSTOPS, position, strict=False)}
        self._endstops = hit
        return {name: "TRIGGERED" if touched else "open" for name, touched in hit.items()}

    def objects(self) -> Mapping[str, Callable[[], Status]]:
        """The printer objects it shows."""
        return {
            "mcu": self._mcu_status,
            "query_endstops": lambda: {"last_query": self._endstops},
            "system_stats": self._system_status,
            "manual_probe": lambda: {
                "is_active": False,
                "z_position": None,
                "z_position_lower": None,
                "z_position_upper": None,
            },
        }

    def _renew(self) -> None:
        now = time.monotonic()
        if now - self._renewed < 1.0:
            return
        self._renewed = now
        self._turn += 1
        self._load = {
            "sysload": os.getloadavg()[0],
            "cputime": time.process_time(),
            "memavail": os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1024,
        }
        self._mcu = {
            "mcu_awake": 0.001, "mcu_task_avg": 6e-06, "mcu_task_stddev": 8e-06,
            "bytes_write": 1800 + 6 * self._turn, "bytes_read": 12000 + 240 * self._turn,
            "bytes_retransmit": 0, "bytes_invalid": 0,
            "send_seq": 180 + self._turn, "receive_seq": 180 + self._turn, "retransmit_seq": 0,
            "srtt": 0.0, "rttvar": 0.0, "rto": 0.025, "ready_bytes": 0, "upcoming_bytes": 0,
            "freq": _FREQUENCY + self._turn % 7,
        }  # fmt: skip

    def _system_status(self) -> Status:
        self._renew()
        return self._load

    def _mcu_status(self) -> Status:
        self._renew()
        return {
            "mcu_version": "v0.13.0-simulator",
            "mcu_build_versions": "gcc: simulator",
            "mcu_constants": _CONSTANTS,
            "last_stats": self._mcu,
        }
