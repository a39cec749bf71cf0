"""The configuration: what can be set (options), how it is read (yaml_file), what can be wrong (mistakes)."""

from bridge.config.load import convert, load, parse
from bridge.config.options import (
    Config,
    FileRoot,
    Files,
    HomeAssistant,
    Http,
    JobQueue,
    Klippy,
    Logging,
    Mqtt,
    MqttState,
    Stores,
    Tls,
)
from bridge.config.secrets import Discretion, hidden, secrets_of

__all__ = [
    "Config",
    "Discretion",
    "FileRoot",
    "Files",
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
    "hidden",
    "load",
    "parse",
    "secrets_of",
]
