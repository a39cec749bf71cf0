"""Files for the eyes of the bridge alone: mode 0600, whole or not there."""

import errno
import logging
import os
from pathlib import Path

from bridge import durable
from bridge.errors import ConfigError, InternalError, NoSpace

log = logging.getLogger(__name__)

PRIVATE = 0o600
MAX_SIZE = 4_000_000  # bytes; what is larger was not written by us


def recall(path: Path) -> bytes | None:
    """What was kept, or None; a file that others may read is closed to them."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"data: {path.name} cannot be read: {error.strerror}") from error
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor
        if os.fstat(descriptor).st_mode & 0o077:
            log.warning("%s could be read by others; it cannot any more", path)
            _close_to_others(descriptor, path)
        return file.read(MAX_SIZE)


def keep(path: Path, content: bytes) -> None:
    """Write it so that not even a power cut leaves half of it."""
    try:
        durable.write(path, content, mode=PRIVATE)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpace(f"The disk has no room for {path.name}; nothing was changed") from error
        raise InternalError(f"{path.name} cannot be written: {error.strerror}") from error


def _close_to_others(descriptor: int, path: Path) -> None:
    try:
        os.fchmod(descriptor, PRIVATE)
    except OSError as error:
        raise ConfigError(
            f"data: {path.name} can be read by others and is not ours to change; chmod 600 it"
        ) from error
