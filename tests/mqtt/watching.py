"""How tests look at the traffic of a bridge."""

from bridge.mqtt.payloads import EVENTS
from tests.conftest import Running
from tests.wire import Ear


async def settled(mqtt: Ear, bridge: Running) -> None:
    """Wait until the bridge has said all it has to say at the start, and forget it."""
    await mqtt.message(bridge.topics.health, where=lambda m: m.json["klippy"] == "ready")
    await mqtt.say(f"end/{bridge.name}", "")  # whatever was retained comes before it
    await mqtt.message(f"end/{bridge.name}")
    mqtt.forget()


BOOKKEEPING = ("gcode_response", "history_changed", "job_queue_changed")


def events(mqtt: Ear, bridge: Running) -> list[str]:
    """The names of the events that people automate on, and of Klippy's coming and going, in their order."""
    names = [m.json["event"] for m in mqtt.on(f"{bridge.name}/event/")]
    return [name for name in names if name in EVENTS or name in ("klippy_ready", "klippy_disconnected")]
