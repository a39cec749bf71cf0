"""The machine below on its topic: seldom, and at once when it matters."""

from typing import Any

import msgspec
import pytest

from bridge.mqtt.host import BANDS, MqttHost, is_news
from bridge.mqtt.payloads import HostStats
from tests.conftest import Running
from tests.mqtt.watching import settled
from tests.wire import Ear

STATS = HostStats(12.0, 0.5, 40.0, 1000, 44.5, 60.5, 12.5, 33.0, False, None, "2026-11-20T12:00:00+01:00")


class Sheet:
    """What was said."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    def show(self, payload: Any) -> None:
        self.said.append(payload)


def changed(**figures: Any) -> HostStats:
    return msgspec.structs.replace(STATS, **figures)


@pytest.mark.parametrize("name", BANDS)
def test_a_figure_is_news_when_it_leaves_its_dead_band(name):
    now = getattr(STATS, name)
    assert not is_news(STATS, changed(**{name: now + BANDS[name] * 0.9}))
    assert is_news(STATS, changed(**{name: now - BANDS[name]}))
    assert is_news(STATS, changed(**{name: None}))


def test_a_minute_passes_between_two_messages_but_throttling_is_told_at_once():
    sheet = Sheet()
    host = MqttHost(sheet)
    for cpu in (12.0, 90.0, 10.0, 99.0):
        host.offer(changed(cpu=cpu))
    assert sheet.said == [STATS]
    host.offer(changed(throttled=True))
    assert sheet.said == [STATS, changed(throttled=True)]


async def test_the_machine_is_told_once_and_has_a_device_of_its_own(bridge: Running, mqtt: Ear) -> None:
    told = (await mqtt.message(bridge.topics.host_stats)).json
    assert set(told) == set(HostStats.__struct_fields__)
    assert 0 <= told["cpu"] <= 100
    assert told["memory"] > 0
    assert told["disk_free"] > 0
    config = (await mqtt.message(bridge.topics.device(f"{bridge.bridge.identity.unique}_host"))).json
    assert config["avty"] == [{"t": bridge.topics.status, "val_tpl": "{{value_json.server}}"}]
    assert {"CPU", "Memory used", "Bridge", "Rediscover"} <= {
        part["name"] for part in config["cmps"].values()
    }
    await settled(mqtt, bridge)
    await mqtt.say(bridge.topics.birth, "online")
    await mqtt.message(bridge.topics.host_stats)
    assert len(mqtt.on(bridge.topics.host_stats)) == 1
