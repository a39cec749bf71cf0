"""The table, part seven: what can be done to the machine below."""

from collections.abc import Iterable

from bridge.mqtt.topics import Topics
from ha_discovery import naming
from ha_discovery.entity import Entity, Level
from ha_discovery.rows_around import OwnTopic

# Home Assistant takes no null for what is not known, only nothing at all
KNOWN = "{{dict(value_json.items()|rejectattr(1,'none'))|tojson}}"


def update_rows(components: Iterable[str]) -> list[Entity]:
    """An update entity for each component; its button is there where MQTT may press it."""
    return [
        Entity(
            component="update",
            key=f"update_{naming.slug(name)}",
            name=naming.title(name),
            state=OwnTopic(Topics.update, name),
            sends=f"update_{name}",
            level=Level.BRIDGE,
            category="config",
            template=KNOWN,
            extra={"payload_install": "PRESS"},
        )
        for name in components
    ]
