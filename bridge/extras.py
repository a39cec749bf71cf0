"""Packages that only some configurations need: loaded by whoever needs them."""

import importlib
from typing import Any

from bridge.errors import ConfigError


def extra(package: str, name: str, where: str) -> Any:
    """An optional package, or ConfigError that names the extra it comes with and the option that wants it."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ConfigError(f"{where}: needs a package; pip install 'klipper-bridge[{name}]'") from error
