"""Packages that only some configurations need: loaded by whoever needs them."""

import importlib
from importlib import metadata
from typing import Any

from bridge.errors import ConfigError


def extra(package: str, name: str, where: str) -> Any:
    """An optional package, or ConfigError that says how to get it and names the option that wants it."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ConfigError(f"{where}: needs a package; {remedy(name)}") from error


def remedy(name: str) -> str:
    """How to get what an extra brings, wherever the bridge itself was installed from."""
    mark = f'extra == "{name}"'
    asked = (line.partition(";") for line in metadata.requires("klipper-bridge") or ())
    wanted = [package.strip() for package, _, when in asked if mark in when.replace("'", '"')]
    return "in the bridge's environment: pip install " + " ".join(f"'{one}'" for one in wanted)
