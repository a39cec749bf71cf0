"""The table, part four: what happens, as one event entity and as triggers of the device."""

from bridge.mqtt.topics import Topics
from ha_discovery import templates
from ha_discovery.entity import Entity, Level

EVENTS = (
    "print_started",
    "print_paused",
    "print_resumed",
    "print_complete",
    "print_cancelled",
    "print_error",
    "filament_runout",
    "klippy_shutdown",
    "emergency_stop",
)


def _trigger(name: str) -> Entity:
    """Home Assistant shows it as `"print" complete`."""
    about, _, happened = name.partition("_")

    def topic(topics: Topics) -> str:
        return topics.event(name)

    return Entity(
        key=f"trigger_{name}",
        component="device_automation",
        state=topic,
        state_as=("topic", ""),
        extra={"automation_type": "trigger", "type": happened, "subtype": about},
    )


ANNOUNCED: tuple[Entity, ...] = (
    Entity(
        key="event",
        name="Event",
        component="event",
        state=lambda topics: topics.all_events,
        template=templates.event(EVENTS),
        level=Level.BRIDGE,
        icon="mdi:bell-ring-outline",
        extra={"event_types": list(EVENTS)},
    ),
    *map(_trigger, EVENTS),
)
