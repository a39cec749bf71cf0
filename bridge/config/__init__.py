"""The configuration: what can be set (options), how it is read (yaml_file), what can be wrong (mistakes)."""

from bridge.config.load import convert, load, parse
from bridge.config.options import (
    SECRET_KEYS,
    Config,
    HomeAssistant,
    Http,
    JobQueue,
    Klippy,
    Logging,
    Mqtt,
    MqttState,
    Stores,
    Tls,
    masked,
)

__all__ = [
    "SECRET_KEYS",
    "Config",
    "HomeAssistant",
    "Http",
    "JobQueue",
    "Klippy",
    "Logging",
    "Mqtt",
    "MqttState",
    "Stores",
    "Tls",
    "convert",
    "load",
    "masked",
    "parse",
]
