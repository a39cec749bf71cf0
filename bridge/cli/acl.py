"""`klipper-bridge acl`: the rules that a broker needs for this instance."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from bridge.config import Config, load
from bridge.config.power import MqttSwitch
from bridge.folders import Folders
from bridge.identity import identify
from bridge.mqtt.acl import Foreign, acl
from bridge.mqtt.topics import Topics, is_concrete
from bridge.power.mqtt_topics import topics_of

USER = "printer"  # where the configuration names none


async def run(path: Path) -> int:
    """Print the rules."""
    config = load(path)
    folders = Folders(Path(config.data).expanduser())
    folders.make()
    identity = identify(config.instance, folders.own)
    topics = Topics(identity.name, config.homeassistant.prefix)
    print(acl(topics, identity.unique, config.mqtt.username or USER, foreign(config)), end="")
    return 0


def foreign(config: Config) -> Foreign:
    """The topics of others that power devices and sensors use."""
    reads = {topic for sensor in config.sensors.values() for topic in _topics(msgspec.to_builtins(sensor))}
    writes: set[str] = set()
    for name, device in config.power.items():
        if isinstance(device, MqttSwitch):
            plug = topics_of(device, f"power.{name}")
            writes |= {topic for topic in (plug.command, plug.query) if topic is not None}
            reads |= {topic for topic in (plug.state,) if topic is not None}
    return Foreign(reads=sorted(reads), writes=sorted(writes))


def _topics(value: Any, name: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _topics(item, str(key))
    elif isinstance(value, list):
        for item in value:
            yield from _topics(item, name)
    elif isinstance(value, str) and name.endswith("topic") and is_concrete(value):
        yield value
