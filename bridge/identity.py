"""Who this instance is: its name, and an id that outlives every rename, kept on disk."""

import logging
import re
import socket
import uuid
from dataclasses import dataclass
from pathlib import Path

from bridge import durable
from bridge.errors import ConfigError

log = logging.getLogger(__name__)

MAX_ID = 32  # characters; what is longer was not written by us
MAX_NAME = 64

_FOREIGN = re.compile(r"[^A-Za-z0-9_-]+")
_ID = re.compile(r"[0-9a-z]{8,32}")


@dataclass(frozen=True)
class Identity:
    """An instance: `name` is its first topic level, `unique` its id for brokers and Home Assistant."""

    name: str
    unique: str


def identify(name: str | None, folder: Path) -> Identity:
    """The identity of the instance that keeps its things in `folder`; its id is made at the first start."""
    path = folder / "id"
    try:
        return Identity(instance_name(name), _recall(path) or _make(path))
    except OSError as error:
        raise ConfigError(f"data: {path} cannot be used: {error.strerror}") from error


def instance_name(configured: str | None) -> str:
    """The name of the configuration, else the host's."""
    return configured or clean(socket.gethostname())


def clean(name: str) -> str:
    """A host's name as a level of a topic."""
    return _FOREIGN.sub("-", name.partition(".")[0]).strip("-")[:MAX_NAME] or "printer"


def _recall(path: Path) -> str | None:
    """The id of an earlier start."""
    try:
        with path.open("rb") as file:
            found = file.read(MAX_ID + 2).decode(errors="replace").strip()
    except FileNotFoundError:
        return None
    if _ID.fullmatch(found):
        return found
    log.warning("%s holds no id; making a new one, so Home Assistant will see a new device", path)
    return None


def _make(path: Path) -> str:
    """A new id, on disk before anybody hears of it: not even a power cut may leave half of it."""
    made = uuid.uuid4().hex[:16]
    durable.write(path, f"{made}\n".encode())
    return made
