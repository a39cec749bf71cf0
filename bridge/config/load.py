"""From a file to a checked configuration, or to one ConfigError that says where and what is wrong."""

from pathlib import Path
from typing import Any

import msgspec

from bridge.config import mistakes, yaml_file
from bridge.config.options import CONFIDENTIAL, Config
from bridge.errors import ConfigError

_SECTIONS = frozenset(Config.__struct_fields__)


def load(path: Path) -> Config:
    """The configuration of a file."""
    return parse(yaml_file.read(path), path)


def parse(text: str, path: Path) -> Config:
    """The configuration in `text`; `path` names it in errors and locates secrets.yaml."""
    return convert(yaml_file.plain(text, path), path.name)


def convert(raw: Any, name: str) -> Config:
    """Plain data as a checked configuration; `name` is the file's."""
    if raw is None:
        raw = {}
    if not isinstance(raw, dict):
        raise ConfigError(
            f"{name}: expected sections such as `klippy:` and `mqtt:`, got {mistakes.shown(raw)}"
        )
    try:
        config = msgspec.convert(yaml_file.fill(_without_empty(raw)), Config, strict=False)
        mistakes.check(config, raw)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{name}: {mistakes.explain(str(error), raw)}") from error
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from error
    config.__dict__[CONFIDENTIAL] = frozenset(yaml_file.secrets(raw))
    return config


def _without_empty(raw: dict[str, Any]) -> dict[str, Any]:
    """A section whose options are all commented out is as good as none."""
    return {key: value for key, value in raw.items() if value is not None or key not in _SECTIONS}
