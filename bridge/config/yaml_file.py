"""A YAML file as plain data: `!secret` and ${NAME} filled in, no surprises, nothing that blows up."""

import os
import re
from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from bridge.errors import ConfigError

MAX_SIZE = 100_000  # bytes; the largest sensible configuration has a tenth of it
MAX_TEXT = 4096  # characters of one value

_VARIABLE = re.compile(r"\$(?P<escaped>\$)?\{(?P<inside>[^}]*)\}?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Secret(str):
    """A value that came from secrets.yaml: it is never shown and never filled in."""

    __slots__ = ()


class _Loader(yaml.SafeLoader):
    """YAML without surprises: no key twice, no aliases, `!secret` from the file beside."""

    secrets_file: Path | None = None  # None: this is that file
    secrets: Mapping[str, Any] | None = None

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse aliases: a few lines of them can stand for billions of values."""
        parser: Any = self  # its own methods have no types
        if parser.check_event(yaml.AliasEvent):
            raise ConfigError(f"{_place(parser.peek_event())}: an alias (`*name`); write the value itself")
        node: yaml.Node | None = super().compose_node(parent, index)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - not ours to change
        """Say where a value stands that looks like a date or a number and is none."""
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError, KeyError, AttributeError) as error:
            raise ConfigError(f"{_place(node)}: the value cannot be read; put it in quotes") from error

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - not ours to change
        """Refuse a key that stands twice; the second would silently win."""
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise ConfigError(f"{_place(key_node)}: expected the name of an option, a text")
            if key in seen:
                raise ConfigError(f"{_place(key_node)}: the key '{key}' stands twice")
            seen.add(key)
        return super().construct_mapping(node, deep)

    def secret(self, node: yaml.Node) -> Any:
        """The value that `!secret name` stands for."""
        if self.secrets_file is None:
            raise ConfigError(
                f"{_place(node)}: `!secret` has no meaning in this file; write the value itself"
            )
        if not isinstance(node, yaml.ScalarNode) or not node.value:
            raise ConfigError(f"{_place(node)}: expected `!secret name`")
        if self.secrets is None:
            self.secrets = _read_secrets(self.secrets_file, _place(node))
        if node.value not in self.secrets:
            raise ConfigError(
                f"{_place(node)}: there is no `{node.value}:` in {self.secrets_file.name}; add it there"
            )
        return _marked(self.secrets[node.value])


_Loader.add_constructor("!secret", _Loader.secret)


NO_FILE = "there is no such file; config/bridge.minimal.yaml is one to start from"


def read(path: Path, missing: str = NO_FILE) -> str:
    """The text of a configuration file, or a ConfigError that says why there is none."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SIZE + 1)
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: {missing}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{path}: cannot be read: {reason}") from error
    if len(content) > MAX_SIZE:
        raise ConfigError(f"{path}: larger than {MAX_SIZE} bytes; this cannot be a configuration")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path.name}, line {line}: not UTF-8; save the file in that encoding") from error


def plain(text: str, path: Path) -> Any:
    """The data in `text`; `path` names it in errors and says where secrets.yaml is."""
    return _parse(text, path.name, path.with_name("secrets.yaml"))


def fill(value: Any, path: str = "") -> Any:
    """`${NAME}` in every text replaced by the environment's NAME; `$${` is a plain `${`."""
    if isinstance(value, dict):
        return {key: fill(item, f"{path}.{key}" if path else str(key)) for key, item in value.items()}
    if isinstance(value, list):
        return [fill(item, f"{path}[{index}]") for index, item in enumerate(value)]
    if not isinstance(value, str):
        return value
    filled = str(value) if isinstance(value, Secret) else _VARIABLE.sub(lambda m: _variable(m, path), value)
    if len(filled) > MAX_TEXT:
        raise ConfigError(f"{path}: {len(filled)} characters long, at most {MAX_TEXT} are taken")
    if "\0" in filled or any("\ud800" <= char <= "\udfff" for char in filled):
        raise ConfigError(f"{path}: holds a character that no text may have")
    return filled


def secrets(value: Any) -> Iterator[str]:
    """Every text in the data that came by `!secret`."""
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from secrets(item)
    elif isinstance(value, Secret) and value:
        yield str(value)


def _marked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _marked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_marked(item) for item in value]
    return Secret(value) if isinstance(value, str) else value


def _variable(found: re.Match[str], path: str) -> str:
    if found["escaped"]:
        return found[0][1:]
    name = found["inside"]
    if not _NAME.fullmatch(name) or not found[0].endswith("}"):
        raise ConfigError(f"{path}: expected a name, as in ${{NAME}}; write `$${{` for a plain `${{`")
    value = os.environ.get(name)
    if value is None:
        raise ConfigError(f"{path}: the environment has no variable {name}; set it, or write the value here")
    return value


def _parse(text: str, name: str, secrets_file: Path | None) -> Any:
    loader = _Loader("")
    try:
        loader = _Loader(text)
        loader.name, loader.secrets_file = name, secrets_file
        return loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}, line {mark.line + 1}" if mark else name
        raise ConfigError(f"{where}: not valid YAML: {_clearly(error)}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(
            f"{name}, line {line}: a character that YAML does not take; retype the line"
        ) from error
    except RecursionError as error:
        raise ConfigError(f"{name}: nested too deeply; this cannot be a configuration") from error
    finally:
        loader.dispose()


def _clearly(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or error.context or "it cannot be read"
    if "'\\t'" in problem:
        return "a tab; indent with blanks"
    if "constructor" in problem:
        return "a tag that is not known here; only `!secret name` is"
    return problem


def _read_secrets(path: Path, wanted_at: str) -> Mapping[str, Any]:
    missing = f"there is no such file, and `!secret` ({wanted_at}) reads it; create it"
    found = _parse(read(path, missing), path.name, None)
    if not isinstance(found, dict):
        raise ConfigError(f"{path.name}: expected lines of `name: value`")
    return found


def _place(found: yaml.Node | yaml.Event) -> str:
    mark: Any = found.start_mark
    return f"{mark.name}, line {mark.line + 1}"
