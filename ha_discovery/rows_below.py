"""The table, part seven: what can be done to the machine below."""

from collections.abc import Iterable

from bridge.mqtt.topics import Topics
from ha_discovery import naming
from ha_discovery.entity import Entity, Level
from ha_discovery.rows_around import OwnTopic

# Home Assistant takes no null for what is not known, only nothing at all
KNOWN = "{{dict(value_json.items()|rejectattr(1,'none'))|tojson}}"

CHECK = Entity(
    component="button",
    key="check_updates",
    name="Check for updates",
    sends="update_refresh",
    level=Level.BRIDGE,
    category="diagnostic",
    icon="mdi:cloud-search-outline",
)


def update_rows(components: Iterable[str]) -> list[Entity]:
    """An update entity for each component, and a look at all; buttons are there where MQTT may press them."""
    rows = [
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
    return [*rows, CHECK] if rows else []
