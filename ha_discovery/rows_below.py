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


_ICONS = {"start": "mdi:play", "stop": "mdi:stop", "restart": "mdi:restart"}


def service_rows(services: Iterable[str]) -> list[Entity]:
    """Three buttons for each service, switched off: a press by mistake hurts."""
    return [
        Entity(
            component="button",
            key=f"service_{action}_{naming.slug(service)}",
            name=f"{action.capitalize()} {service}",
            sends=f"service_{action}_{service}",
            level=Level.BRIDGE,
            category="config",
            device_class="restart" if action == "restart" else None,
            enabled=False,
            icon=icon,
        )
        for service in services
        for action, icon in _ICONS.items()
    ]
