"""The topics of a plug: its own, or those of a preset with its names filled in."""

from dataclasses import dataclass

from bridge.config.power import MqttSwitch
from bridge.errors import ConfigError
from bridge.mqtt.topics import is_concrete
from bridge.power.mqtt_presets import MQTT_PRESETS


@dataclass(frozen=True)
class PlugTopics:
    """Where it is told something, where it tells its state, and where it is asked for that."""

    command: str
    state: str | None
    query: str | None


def topics_of(settings: MqttSwitch, where: str) -> PlugTopics:
    """All topics of a plug, or ConfigError that names the option below `where`."""
    preset = MQTT_PRESETS[settings.preset]
    output = preset.output if settings.output is None else settings.output

    def filled(option: str, topic: str | None) -> str | None:
        if topic is None:
            return None
        if "{device}" in topic and not settings.device:
            raise ConfigError(f"{where}.device: missing; {settings.preset} needs the plug's name")
        made = topic.replace("{device}", settings.device or "").replace("{output}", output)
        if not is_concrete(made):
            raise ConfigError(f"{where}.{option}: '{made}' is no topic; wildcards are not taken here")
        return made

    command = filled("command_topic", settings.command_topic or preset.command_topic)
    if command is None:
        raise ConfigError(f"{where}.command_topic: missing; without it nothing can be switched")
    return PlugTopics(
        command,
        filled("state_topic", settings.state_topic or preset.state_topic),
        filled("query_topic", settings.query_topic or preset.query_topic),
    )
