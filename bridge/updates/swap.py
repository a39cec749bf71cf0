"""A folder is replaced in one step: at every moment there is a whole one under its name."""

import contextlib
import ctypes
import errno
import os
import shutil
import stat
import tempfile
from pathlib import Path

from bridge.errors import BadRequest, NoSpace

AT_HERE, EXCHANGE = -100, 2
UNSUPPORTED = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)
MARK = ".being-put-in-place"
OPEN_TO_READ = 0o755  # a web server is somebody else


def previous(path: Path) -> Path:
    """Where the one before is kept."""
    return path.with_name(f".{path.name}.previous")


def prepare(path: Path, room: int) -> Path:
    """An empty folder of its own beside `path`, or an error that says what is in the way."""
    made: Path | None = None
    if path.exists() and not path.is_dir():
        raise BadRequest(f"{path.name} is a file, where a folder should be; nothing was replaced")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{path.name}.new-", dir=path.parent))
        made.chmod(stat.S_IMODE(path.stat().st_mode) if path.is_dir() else OPEN_TO_READ)
        free = shutil.disk_usage(made).free
    except OSError as error:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)
        raise BadRequest(f"Beside {path.name} nothing can be written: {error.strerror}") from error
    if free < room:
        made.rmdir()
        raise NoSpace(f"The disk has {free >> 20} MB left; {room >> 20} MB are needed beside {path.name}")
    return made


def replace(path: Path, made: Path) -> None:
    """Put what was made in place, and keep the one that was there."""
    _settle_on_disk(made)
    if not path.exists():
        made.rename(path)
        return
    _remove(previous(path))
    _remove(_ready(path))
    (made / MARK).touch()  # by which `heal` knows the new one from the old one
    made.rename(_ready(path))
    exchange(path, _ready(path))
    _ready(path).rename(previous(path))
    (path / MARK).unlink()


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
    away = _away(one)
    _remove(away)
    one.rename(away)
    other.rename(one)
    away.rename(other)


def heal(path: Path) -> None:
    """After a crash: put back what was on its way, and clear away what was half made."""
    away = _away(path)
    if away.exists():
        if path.exists():
            _remove(previous(path))
            away.rename(previous(path))
        else:
            away.rename(path)
    if (_ready(path) / MARK).exists():
        _remove(_ready(path))
    elif _ready(path).exists():
        _remove(previous(path))
        _ready(path).rename(previous(path))
    if path.is_dir():
        (path / MARK).unlink(missing_ok=True)
    if path.parent.is_dir():
        for left in path.parent.glob(f".{_literally(path.name)}.new-*"):
            _remove(left)


def size(path: Path) -> int:
    """Bytes of all files below a folder."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(Path(folder) / name).st_size
    return total


def _ready(path: Path) -> Path:
    return path.with_name(f".{path.name}.ready")


def _away(path: Path) -> Path:
    return path.with_name(f".{path.name}.away")


def _remove(path: Path) -> None:
    if path.is_symlink():  # what was replaced may have been a link to a folder
        path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)


def _settle_on_disk(folder: Path) -> None:
    """A power cut after the exchange must not find empty files: names reach the disk before contents do."""
    library = ctypes.CDLL(None, use_errno=True)
    if hasattr(library, "syncfs"):
        handle = os.open(folder, os.O_RDONLY)
        try:
            library.syncfs(handle)
        finally:
            os.close(handle)


def _literally(name: str) -> str:
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in name)
