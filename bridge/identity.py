"""Who this instance is: its name, and an id that outlives every rename, kept on disk."""

import logging
import re
import socket
import uuid
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

_FOREIGN = re.compile(r"[^A-Za-z0-9_-]+")
_ID = re.compile(r"[0-9a-z]{8,32}")


@dataclass(frozen=True)
class Identity:
    """An instance: `name` is its first topic level, `unique` its id for brokers and Home Assistant."""

    name: str
    unique: str


def identify(name: str | None, folder: Path) -> Identity:
    """The identity of the instance that keeps its things in `folder`; its id is made at the first start."""
    return Identity(instance_name(name), _unique(folder / "id"))


def instance_name(configured: str | None) -> str:
    """The name of the configuration, else the host's."""
    return configured or clean(socket.gethostname())


def clean(name: str) -> str:
    """A host's name as a level of a topic."""
    return _FOREIGN.sub("-", name.partition(".")[0]).strip("-") or "printer"


def _unique(path: Path) -> str:
    try:
        found = path.read_text(encoding="utf-8").strip()
        if _ID.fullmatch(found):
            return found
        log.warning("%s holds no id; making a new one, so Home Assistant will see a new device", path.name)
    except FileNotFoundError:
        pass
    made = uuid.uuid4().hex[:16]
    path.write_text(made + "\n", encoding="utf-8")
    return made
