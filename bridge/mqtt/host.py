"""How the machine below fares, quietly: what has changed by more than a little, at most once a minute."""

import time
from collections.abc import Mapping
from typing import Any

from bridge.mqtt.payloads import HostStats
from bridge.mqtt.sheet import MqttSheet
from bridge.signals import Signal

EVERY = 60.0  # seconds
BANDS: Mapping[str, float] = {  # smaller changes are no news
    "cpu": 5.0,
    "load": 0.25,
    "memory": 1.0,
    "memory_free": 20.0,
    "cpu_temperature": 1.0,
    "disk": 0.5,
    "disk_free": 0.1,
    "network": 50.0,
}
EDGE = 1 - 1e-6  # a step of exactly the band is news, whatever the last bit of a float says
AT_ONCE = ("throttled", "undervoltage")


class MqttHost:
    """Takes a sample each second and lets few of them through."""

    def __init__(self, sheet: MqttSheet) -> None:
        self.said: Signal[HostStats] = Signal("news of the machine")
        self._sheet = sheet
        self._said: HostStats | None = None
        self._when = 0.0

    def offer(self, stats: HostStats) -> None:
        """The newest sample."""
        now = time.monotonic()
        due = now - self._when >= EVERY
        if self._said is None or self._is_urgent(self._said, stats) or (due and is_news(self._said, stats)):
            self._said, self._when = stats, now
            self._sheet.show(stats)
            self.said.emit(stats)

    @staticmethod
    def _is_urgent(before: HostStats, now: HostStats) -> bool:
        return any(getattr(before, name) != getattr(now, name) for name in AT_ONCE)


def is_news(before: HostStats, now: HostStats) -> bool:
    """Whether any figure has left its dead-band."""
    return any(_differ(getattr(before, name), getattr(now, name), band) for name, band in BANDS.items())


def _differ(before: Any, now: Any, band: float) -> bool:
    if before is None or now is None:
        return before is not now
    return bool(abs(now - before) >= band * EDGE)
