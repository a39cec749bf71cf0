"""Files that are there whole or not at all, also after a power cut."""

import contextlib
import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)

EVERYBODY = 0o666  # less what the process' umask takes away


def write(path: Path, content: bytes, *, mode: int = EVERYBODY) -> None:
    """Replace the file by this content; the old one stays when that fails."""
    fresh = path.with_name(f"{path.name}.new")
    try:
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
            file.write(content)
        replace(fresh, path)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise


def replace(fresh: Path, path: Path) -> None:
    """Put a finished file in its place."""
    sync(fresh)
    rename(fresh, path)


def rename(fresh: Path, path: Path) -> None:
    """Give what is on the disk its name there."""
    fresh.replace(path)
    try:
        sync(path.parent)
    except OSError as error:  # the new one is in its place all the same: whoever waits is not told otherwise
        log.warning("a power cut now may bring the %s of before back: %s", path.name, error)


def sync(path: Path) -> None:
    """Wait until a file, or a folder's names, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
