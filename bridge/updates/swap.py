"""A folder is replaced in one step: at every moment there is a whole one under its name."""

import contextlib
import ctypes
import errno
import os
import shutil
from pathlib import Path

from bridge.errors import BadRequest, NoSpace

AT_HERE, EXCHANGE = -100, 2
UNSUPPORTED = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)


def fresh(path: Path) -> Path:
    """Where the new one is made, on the same disk."""
    return path.with_name(f".{path.name}.new")


def previous(path: Path) -> Path:
    """Where the one before is kept."""
    return path.with_name(f".{path.name}.previous")


def replace(path: Path) -> None:
    """Put the fresh folder in place and keep the one that was there."""
    made, old = fresh(path), previous(path)
    if not path.exists():
        made.rename(path)
        return
    exchange(path, made)
    shutil.rmtree(old, ignore_errors=True)
    made.rename(old)


def exchange(one: Path, other: Path) -> None:
    """Each takes the other's name; in one step where the file system can do that."""
    library = ctypes.CDLL(None, use_errno=True)
    if hasattr(library, "renameat2"):
        failed = library.renameat2(AT_HERE, os.fsencode(one), AT_HERE, os.fsencode(other), EXCHANGE)
        if not failed:
            return
        number = ctypes.get_errno()
        if number not in UNSUPPORTED:
            raise OSError(number, os.strerror(number), str(one))
    away = one.with_name(f".{one.name}.away")
    shutil.rmtree(away, ignore_errors=True)
    one.rename(away)
    other.rename(one)
    away.rename(other)


def heal(path: Path) -> None:
    """After a crash: put back what was on its way, and clear away what was half made."""
    away = path.with_name(f".{path.name}.away")
    if away.exists():
        if path.exists():
            shutil.rmtree(previous(path), ignore_errors=True)
            away.rename(previous(path))
        else:
            away.rename(path)
    shutil.rmtree(fresh(path), ignore_errors=True)


def prepare(path: Path, room: int) -> Path:
    """An empty place for the new one, or an error that says what is in the way."""
    made = fresh(path)
    try:
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
        free = shutil.disk_usage(made).free
    except OSError as error:
        raise BadRequest(f"Beside {path.name} nothing can be written: {error.strerror}") from error
    if free < room:
        made.rmdir()
        raise NoSpace(f"The disk has {free >> 20} MB left; {room >> 20} MB are needed beside {path.name}")
    return made


def size(path: Path) -> int:
    """Bytes of all files below a folder."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(Path(folder) / name).st_size
    return total
