"""`klipper-bridge acl`: the rules that a broker needs for this instance."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from bridge.config import Config, load
from bridge.folders import Folders
from bridge.identity import identify
from bridge.mqtt.acl import Foreign, acl
from bridge.mqtt.topics import Topics, is_concrete

USER = "printer"  # where the configuration names none
WRITTEN = ("command_topic", "query_topic")


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
    plain = msgspec.to_builtins(config)
    named = [one for section in ("power", "sensors") for one in _topics(plain.get(section))]
    return Foreign(
        reads=sorted({topic for name, topic in named if name not in WRITTEN}),
        writes=sorted({topic for name, topic in named if name in WRITTEN}),
    )


def _topics(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _topics(item, str(key))
    elif isinstance(value, list):
        for item in value:
            yield from _topics(item, name)
    elif isinstance(value, str) and name.endswith("topic") and is_concrete(value):
        yield name, value
