"""Mistakes in a configuration, told so that they can be mended: the path, what is wanted, what was got."""

import os
import re
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from msgspec import inspect

from bridge.config import maps
from bridge.config.options import Config
from bridge.config.secrets import hidden, is_secret_option
from bridge.config.yaml_file import Secret
from bridge.errors import ConfigError

MAX_SOCKET_PATH = 107  # bytes that Linux takes
LONGEST_SHOWN = 60
CLASSES = ("read", "control", "files", "admin")

_INSTANCE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_HOST = re.compile(r"[^\s/@\[\]]+|\[[0-9A-Fa-f:.]+\]")
_HOST_AND_PORT = re.compile(r"[^:]+:\d*|\[.*")
_PATTERN = re.compile(r"\*|[a-z0-9_*]+(\.[a-z0-9_*]+)+")
_STEP = re.compile(r"[^.\[\]]+|\[\.\.\.\]")


def explain(message: str, raw: Any) -> str:
    """A message of msgspec's with the path in front and the offending value behind, secrets left out."""
    text, _, where = message.partition(" - at `$")
    path = where.rstrip("`").lstrip(".")
    steps = _STEP.findall(path)
    if maps.ENTRY in steps:
        return _entry(path.partition(maps.ENTRY)[0], raw)
    if text.startswith("Object contains unknown field"):
        return _unknown(path, text.split("`")[1])
    found, kind = maps.dig(raw, steps), _type_at(steps)
    return f"{path}: {_wanted(text, kind)}, got {shown(found, steps[-1])}{_advice(kind, found)}"


def shown(value: Any, option: str = "") -> str:
    """A value for people; a secret as `***`."""
    if isinstance(value, Secret) or is_secret_option(option):
        return "***"
    if value is None or isinstance(value, dict | list):
        return {type(None): "nothing", dict: "options", list: "a list"}[type(value)]
    value = hidden(value) if isinstance(value, str) else value
    text = repr(value) if isinstance(value, str | int | float) else str(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def check(config: Config, raw: Any) -> None:
    """What types cannot say."""
    mqtt = raw.get("mqtt")
    if mqtt and "tls" in mqtt and mqtt["tls"] is None:
        raise ConfigError(
            "mqtt.tls: empty, which could mean both; write `tls: {}` for TLS, or leave the line out"
        )
    for test in (_paths, _broker, _tls, _rules, _roots):
        test(config)
    _instance(config, shown(raw.get("instance")))
    _discovery(config, shown(maps.dig(raw, ["homeassistant", "prefix"])))


def _entry(table: str, raw: Any) -> str:
    """What is wrong below a table of names of the user's own."""
    found = maps.culprit(Config, raw, "")
    if found is None or table in (found.path, "mqtt.state.objects"):
        return f"{table}: each object takes a list of its fields, or null for all of them"
    if found.text.startswith("Object contains unknown field"):
        option = found.text.split("`")[1]
        near = get_close_matches(option, found.options, n=1)
        hint = f"did you mean `{near[0]}`?" if near else "check the spelling and the indentation"
        return f"{found.path}.{option}: unknown option; {hint}"
    text = found.text.replace("`", "").replace(" | null", "").replace("Expected", "expected")
    if found.choices:
        text = f"expected {' or '.join(found.choices)}"
    if text.startswith("Object missing required field"):
        return f"{found.path}.{text.rpartition(' ')[2]}: missing"
    quotes = (
        "; put it in quotes"
        if isinstance(found.value, bool | int | float) and (found.choices or "str" in text)
        else ""
    )
    option = found.path.rpartition(".")[2]
    return f"{found.path}: {text.partition(', got')[0]}, got {shown(found.value, option)}{quotes}"


def _unknown(section: str, option: str) -> str:
    fields = getattr(_type_at(_STEP.findall(section)), "fields", ())
    near = get_close_matches(option, [field.encode_name for field in fields], n=1)
    hint = f"did you mean `{near[0]}`?" if near else "check the spelling and the indentation"
    return f"{section + '.' if section else ''}{option}: unknown option; {hint}"


def _wanted(text: str, kind: Any) -> str:
    if isinstance(kind, inspect.LiteralType):
        return f"expected {' or '.join(map(str, kind.values))}"
    if isinstance(kind, inspect.StructType):
        return "expected its options, indented below it"
    if isinstance(kind, inspect.DictType):
        return "expected lines of `name: value` below it"
    if isinstance(kind, inspect.ListType):
        return "expected a list such as [a, b]"
    return text.partition(", got")[0].replace("`", "").replace(" | null", "").replace("Expected", "expected")


def _advice(kind: Any, found: Any) -> str:
    """Quotes make a text of what YAML takes for a number, a date or a switch."""
    if found is None or isinstance(found, str | dict | list):
        return ""
    wants_text = isinstance(kind, inspect.StrType) or str(found) in getattr(kind, "values", ())
    return "; put it in quotes" if wants_text else ""


def _type_at(steps: list[str]) -> Any:
    """The type of the option at a path."""
    current: Any = inspect.type_info(Config)
    for step in steps:
        current = _bare(current)
        if isinstance(current, inspect.StructType):
            current = next((field.type for field in current.fields if field.encode_name == step), None)
        elif isinstance(current, inspect.ListType):
            current = current.item_type
    return _bare(current)


def _bare(kind: Any) -> Any:
    """A type without its description and without null."""
    while isinstance(kind, inspect.Metadata | inspect.UnionType):
        if isinstance(kind, inspect.Metadata):
            kind = kind.type
        else:
            kind = next(one for one in kind.types if not isinstance(one, inspect.NoneType))
    return kind


def _instance(config: Config, written: str) -> None:
    name = config.instance
    if name is None:
        return
    if not _INSTANCE.fullmatch(name):
        raise ConfigError(f"instance: expected letters, digits, `_`, `-` and `.`, at most 64, got {written}")
    if name == config.homeassistant.prefix.partition("/")[0]:
        raise ConfigError(f"instance: {written} is Home Assistant's prefix; choose another name")


def _paths(config: Config) -> None:
    """Paths with a `~` that leads nowhere, and a socket that no system call could name."""
    _expanded("data", config.data)
    path = _expanded("klippy.socket", config.klippy.socket)
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        raise ConfigError(
            f"klippy.socket: the path is longer than {MAX_SOCKET_PATH} bytes, which Linux refuses"
        )


def _expanded(option: str, text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"{option}: there is no such user as the one behind `~`") from error


def _broker(config: Config) -> None:
    mqtt = config.mqtt
    if not _HOST.fullmatch(mqtt.host) or _HOST_AND_PORT.fullmatch(mqtt.host):
        raise ConfigError(
            "mqtt.host: expected a name or an address alone; the port is mqtt.port, user and password are "
            "mqtt.username and mqtt.password"
        )
    if mqtt.password is not None and not mqtt.username:
        raise ConfigError("mqtt.username: missing; mqtt.password alone is no login")
    if mqtt.client_id == "":
        raise ConfigError("mqtt.client_id: empty; leave it out for one made from the id kept on disk")


def _tls(config: Config) -> None:
    tls = config.mqtt.tls
    if tls is None:
        return
    if (tls.cert is None) != (tls.key is None):
        there, missing = ("cert", "key") if tls.key is None else ("key", "cert")
        raise ConfigError(f"mqtt.tls.{missing}: missing; `{there}` needs it")
    for option, text in (("ca", tls.ca), ("cert", tls.cert), ("key", tls.key)):
        if text is not None:
            _readable(f"mqtt.tls.{option}", text)


def _readable(option: str, text: str) -> None:
    try:
        with _expanded(option, text).open("rb"):
            pass
    except OSError as error:
        raise ConfigError(f"{option}: the file cannot be read: {error.strerror}") from error


def _rules(config: Config) -> None:
    """Classes and patterns of methods."""
    mqtt = config.mqtt
    lists = [("mqtt.allow", mqtt.allow), ("mqtt.deny", mqtt.deny)]
    for name, own in mqtt.clients.items():
        if not name:
            raise ConfigError("mqtt.clients: a client without a name; it is the last level of its topic")
        lists += [(f"mqtt.clients.{name}.allow", own.allow or []), (f"mqtt.clients.{name}.deny", own.deny)]
    for option, entries in lists:
        for index, entry in enumerate(entries):
            if entry not in CLASSES and not _PATTERN.fullmatch(entry):
                raise ConfigError(
                    f"{option}[{index}]: expected {', '.join(CLASSES)} or methods such as server.files.*, "
                    f"got {shown(entry)}"
                )


def _roots(config: Config) -> None:
    """Names of additional roots."""
    taken = ["gcodes", "config", "logs"]
    for index, root in enumerate(config.files.roots):
        if root.name in taken:
            raise ConfigError(f"files.roots[{index}].name: there is a root {shown(root.name)} already")
        taken.append(root.name)


def _discovery(config: Config, written: str) -> None:
    prefix = config.homeassistant.prefix
    if not prefix or set("+#\0") & set(prefix) or prefix.startswith(("/", "$")) or prefix.endswith("/"):
        raise ConfigError(
            f"homeassistant.prefix: expected a topic without wildcards and outer `/`, got {written}"
        )
