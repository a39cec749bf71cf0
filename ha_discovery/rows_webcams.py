"""The table, part seven: cameras, by pictures over MQTT or by their address."""

from collections.abc import Iterable

from bridge.mqtt.topics import Topics
from ha_discovery import naming
from ha_discovery.entity import Entity, Level
from ha_discovery.rows_around import OwnTopic


def webcam_rows(names: Iterable[str], *, by_address: bool) -> list[Entity]:
    """A camera for each name, or a picture that Home Assistant fetches itself."""
    return [
        Entity(
            component="image" if by_address else "camera",
            key=f"webcam_{naming.slug(name)}",
            name=naming.title(naming.with_noun(name, "camera")),
            state=OwnTopic(Topics.webcam_url if by_address else Topics.webcam_snapshot, name),
            state_as=("url_topic" if by_address else "topic", ""),
            icon="mdi:webcam",
            level=Level.BRIDGE,
        )
        for name in names
    ]
