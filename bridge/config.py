"""The configuration: YAML with `!secret` and ${NAME} into frozen Structs; each error names its path."""

import os
import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml
from msgspec import Meta

from bridge.errors import ConfigError

Port = Annotated[int, Meta(ge=1, le=65_535)]
QoS = Literal[0, 1, 2]
AccessName = Literal["read", "control", "files", "admin"]
Fraction = Annotated[float, Meta(gt=0)]

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all sections share: no unknown keys."""


class Klippy(Section, frozen=True):
    """Where Klippy's API socket is."""

    socket: str = "~/printer_data/comms/klippy.sock"
    request_timeout: Fraction = 10.0  # seconds; G-code scripts have no limit


class Tls(Section, frozen=True):
    """TLS to the broker; certificates are verified unless the loud switch says otherwise."""

    ca: str | None = None  # default: the system's authorities
    cert: str | None = None
    key: str | None = None
    insecure_skip_verification: bool = False


class MqttState(Section, frozen=True):
    """Which printer objects are published below klipper/state/, and how quietly."""

    objects: dict[str, list[str] | None] | None = None  # default: what the discovered entities read
    combined: bool = False  # Moonraker's joint status on klipper/status
    policy: Literal["quiet", "full"] = "quiet"
    printing_per_second: Fraction = 2.0
    idle_per_minute: Fraction = 6.0


class Mqtt(Section, frozen=True):
    """The broker, and who may do what over it."""

    host: str = "127.0.0.1"
    port: Port | None = None  # default: 1883, with TLS 8883
    username: str | None = None
    password: str | None = None
    client_id: str | None = None  # default: made from the instance's unique id
    protocol: Literal["auto", "5", "3.1.1"] = "auto"
    keepalive: Annotated[int, Meta(ge=5, le=3600)] = 30
    qos: QoS = 1
    max_payload: Annotated[int, Meta(ge=1024)] = 262_144  # bytes
    allow: list[AccessName] = msgspec.field(default_factory=lambda: ["read", "control"])
    controls: bool = True
    tls: Tls | None = None
    state: MqttState = MqttState()


class Http(Section, frozen=True):
    """The HTTP and WebSocket doors for Moonraker's and OctoPrint's clients."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535)] = 7125  # 0: any free port
    trusted: list[str] = msgspec.field(default_factory=lambda: ["127.0.0.0/8", "::1/128"])
    api_key: str | None = None
    cors_origins: list[str] = msgspec.field(default_factory=list)
    proxies: list[str] = msgspec.field(default_factory=list)
    max_body: Annotated[int, Meta(ge=1024)] = 4_194_304  # bytes of a request that is not an upload
    max_connections: Annotated[int, Meta(ge=1)] = 512


class HomeAssistant(Section, frozen=True):
    """Home Assistant's MQTT discovery."""

    enabled: bool = True
    prefix: str = "homeassistant"
    name: str | None = None  # default: the instance's name


class Stores(Section, frozen=True):
    """How much the ring buffers of the server hold."""

    temperature_store_size: Annotated[int, Meta(ge=1, le=86_400)] = 1200  # seconds
    gcode_store_size: Annotated[int, Meta(ge=1, le=100_000)] = 1000  # lines


class Logging(Section, frozen=True):
    """Where and how much is logged; stderr always."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    file: bool = True  # logs/klipper-bridge.log below `data`
    max_bytes: Annotated[int, Meta(ge=10_000)] = 2_000_000
    backups: Annotated[int, Meta(ge=0, le=100)] = 3


class Config(Section, frozen=True):
    """The whole configuration; config/bridge.example.yaml shows every option."""

    instance: str | None = None  # default: the host's name
    data: str = "~/printer_data"
    klippy: Klippy = Klippy()
    mqtt: Mqtt = Mqtt()
    http: Http = Http()
    homeassistant: HomeAssistant = HomeAssistant()
    server: Stores = Stores()
    logging: Logging = Logging()


SECRET_KEYS = frozenset({"password", "api_key", "token", "secret", "key"})


class _Loader(yaml.SafeLoader):
    """YAML without surprises: no key twice, `!secret` from the file beside."""

    secrets_file: Path
    secrets: Mapping[str, Any] | None = None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - not ours to change
        """Refuse a key that stands twice; the second would silently win."""
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                raise ConfigError(f"{_place(key_node)}: the key {key!r} stands twice")
            seen.add(key if isinstance(key, Hashable) else repr(key))
        return super().construct_mapping(node, deep)

    def secret(self, node: yaml.Node) -> Any:
        """The value that `!secret name` stands for."""
        if self.secrets is None:
            self.secrets = _read_secrets(self.secrets_file)
        if not isinstance(node, yaml.ScalarNode) or node.value not in self.secrets:
            raise ConfigError(
                f"{_place(node)}: !secret {node.value} is not in {self.secrets_file.name}; add it there"
            )
        return self.secrets[node.value]


_Loader.add_constructor("!secret", _Loader.secret)


def load(path: Path) -> Config:
    """The configuration of a file, or a ConfigError that says where it is wrong and what was expected."""
    return parse(_read(path), path)


def parse(text: str, path: Path) -> Config:
    """The configuration in `text`; `path` names it in errors and locates secrets.yaml."""
    loader = _Loader(text)
    loader.name = path.name
    loader.secrets_file = path.with_name("secrets.yaml")
    try:
        raw = loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path.name}, line {mark.line + 1}" if mark else path.name
        raise ConfigError(f"{where}: not valid YAML: {error.problem or error.context}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{path.name}: not valid YAML: {error}") from error
    finally:
        loader.dispose()
    return convert({} if raw is None else raw, path.name)


def convert(raw: Any, name: str) -> Config:
    """Plain data as a checked configuration."""
    if not isinstance(raw, dict):
        raise ConfigError(
            f"{name}: expected sections such as `klippy:` and `mqtt:`, got {type(raw).__name__}"
        )
    try:
        config = msgspec.convert(_expand(raw, ""), Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{name}: {_explain(str(error), raw)}") from error
    _check(config, name)
    return config


def _check(config: Config, name: str) -> None:
    """What types cannot say."""
    if config.instance is not None and not _NAME.fullmatch(config.instance):
        raise ConfigError(
            f"{name}: instance: expected a name of letters, digits, `_`, `-` and `.`, got {config.instance!r}"
        )
    tls = config.mqtt.tls
    if tls is not None and (tls.cert is None) != (tls.key is None):
        raise ConfigError(f"{name}: mqtt.tls: `cert` and `key` go together; one of them is missing")
    prefix = config.homeassistant.prefix
    if not prefix or set("+#\0") & set(prefix) or prefix.startswith(("/", "$")) or prefix.endswith("/"):
        raise ConfigError(f"{name}: homeassistant.prefix: expected a topic without wildcards, got {prefix!r}")


def _expand(value: Any, path: str) -> Any:
    """`${NAME}` in strings replaced by the environment's NAME."""
    if isinstance(value, dict):
        return {key: _expand(item, f"{path}.{key}" if path else str(key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_expand(item, f"{path}[{index}]") for index, item in enumerate(value)]
    if not isinstance(value, str):
        return value

    def from_environment(match: re.Match[str]) -> str:
        found = os.environ.get(match[1])
        if found is None:
            raise ConfigError(f"{path}: the environment has no variable {match[1]}")
        return found

    return _VARIABLE.sub(from_environment, value)


def _explain(message: str, raw: Any) -> str:
    """The message of msgspec with the path in front and the offending value behind, secrets left out."""
    text, _, where = message.partition(" - at `$")
    path = where.rstrip("`").lstrip(".") or "the file"
    text = text.replace("`", "")
    text = text[:1].lower() + text[1:]
    if text.startswith("object contains unknown field"):
        unknown = text.removeprefix("object contains unknown field ")
        return (
            f"{path + '.' if where else ''}{unknown}: unknown option; check the spelling and the indentation"
        )
    found = _dig(raw, path)
    secret = path.rpartition(".")[2] in SECRET_KEYS
    shown = "" if found is None else f", got {'***' if secret else repr(found)}"
    return f"{path}: {text.partition(', got')[0]}{shown}"


def _dig(raw: Any, path: str) -> Any:
    for step in re.findall(r"[^.\[\]]+", path):
        if isinstance(raw, list) and step.isdigit() and int(step) < len(raw):
            raw = raw[int(step)]
        elif isinstance(raw, dict) and step in raw:
            raw = raw[step]
        else:
            return None
    return raw


def _place(node: yaml.Node) -> str:
    return f"{node.start_mark.name}, line {node.start_mark.line + 1}"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file; config/bridge.minimal.yaml is one to start from") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error


def _read_secrets(path: Path) -> Mapping[str, Any]:
    try:
        found = yaml.safe_load(_read(path))
    except yaml.YAMLError as error:
        raise ConfigError(f"{path.name}: not valid YAML") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{path.name}: expected lines of `name: value`")
    return found


def masked(value: Any, name: str = "") -> Any:
    """The configuration as plain data, every secret as `***`."""
    if isinstance(value, msgspec.Struct):
        return {field: masked(getattr(value, field), field) for field in value.__struct_fields__}
    if isinstance(value, dict):
        return {key: masked(item, str(key)) for key, item in value.items()}
    if isinstance(value, list):
        return [masked(item, name) for item in value]
    return "***" if name in SECRET_KEYS and value is not None else value
