"""The configuration: what can be set (options), how it is read (yaml_file), what can be wrong (mistakes)."""

from bridge.config.load import convert, load, parse
from bridge.config.options import (
    LOGIN_IN_URL,
    SECRET_KEYS,
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
    masked,
    secret_fields,
)

__all__ = [
    "LOGIN_IN_URL",
    "SECRET_KEYS",
    "Config",
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
    "load",
    "masked",
    "parse",
    "secret_fields",
]
