"""What is done to the disk, under names nobody sees until it is whole; blocking."""

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from bridge import durable
from bridge.errors import BadRequest, BridgeError, Forbidden, InternalError, NoSpace, NotFound
from bridge.roots import is_temporary

RESERVE = 4 * 1024 * 1024  # bytes that uploads leave free for the printer's logs and our database
SMALL = 1_048_576  # bytes: such a file, a configuration, is on the disk before it takes its name

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_SAID: dict[int, tuple[type[BridgeError], str]] = {
    errno.ENOENT: (NotFound, "{} does not exist"),
    errno.ENOTDIR: (NotFound, "{} does not exist"),
    errno.ELOOP: (NotFound, "{} does not exist"),
    errno.EACCES: (Forbidden, "{} cannot be changed: the bridge's user may not; check its owner"),
    errno.EPERM: (Forbidden, "{} cannot be changed: the bridge's user may not; check its owner"),
    errno.EROFS: (Forbidden, "{} cannot be changed: its disk is mounted read-only"),
    errno.EBUSY: (Forbidden, "{} cannot be changed: the system uses it"),
    errno.EISDIR: (BadRequest, "{} is a folder"),
    errno.EEXIST: (BadRequest, "{} exists already"),
    errno.ENOTEMPTY: (BadRequest, "{} is not empty"),
    errno.ENAMETOOLONG: (BadRequest, "{} has a name that is too long for its disk"),
    errno.EINVAL: (BadRequest, "{} cannot take that name, or go there"),
}


@contextlib.contextmanager
def speaking_of(what: str) -> Iterator[None]:
    """The system's errors in words for people; never with a path of this machine."""
    try:
        yield
    except OSError as error:
        raise said(error, what) from error


def said(error: OSError, what: str) -> BridgeError:
    """One error of the system about one file of a client."""
    number = error.errno or 0
    if number in _FULL:
        return NoSpace(
            "There is not enough space on the disk; nothing was written. Delete something and try again"
        )
    if number in _SAID:
        kind, text = _SAID[number]
        return kind(text.format(what))
    return InternalError(f"{what}: the disk fails: {error.strerror}")


def free_space(folder: Path) -> int:
    """Bytes that may still be written there."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def check_room(folder: Path, size: int, what: str = "") -> None:
    """Refuse what would not leave the reserve free; where the whole size is not known, say `what` it is."""
    free = free_space(folder)
    if size + RESERVE > free:
        raise NoSpace(
            f"There is no room for {what or f'{size} more bytes'}: the disk has {free} free, "
            f"{RESERVE} of which are kept for the printer's logs; delete something and try again"
        )


def settle(file: Path) -> None:
    """Have a small file on the disk before it replaces another: a power cut then leaves one or the other."""
    if file.stat().st_size <= SMALL:
        durable.sync(file)


def settle_all(path: Path) -> None:
    """Have a file, or all files of a folder, on the disk, whatever their size."""
    for one in (path, *path.rglob("*")):
        if one.is_file() and not one.is_symlink():
            durable.sync(one)


def copy(source: Path, target: Path, hidden: Callable[[str], bool] = lambda _path: False) -> None:
    """Copy a file or a folder to a name that does not exist; links stay links; nothing is left on errors.

    What is `hidden` is not copied, nor what is neither file nor folder.
    """

    def left_out(folder: str, names: list[str]) -> set[str]:
        return {name for name in names if _left_out(Path(folder, name)) or hidden(f"{folder}/{name}")}

    try:
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True, ignore=left_out)
        else:
            shutil.copy2(source, target)
    except shutil.Error as error:
        remove(target)
        first = error.args[0][0][2] if error.args and error.args[0] else ""
        raise OSError(
            errno.ENOSPC if "space" in str(first) else errno.EIO, "not everything was copied"
        ) from error
    except BaseException:
        remove(target)
        raise


def _left_out(path: Path) -> bool:
    return is_temporary(path.name) or not (path.is_symlink() or path.is_file() or path.is_dir())


def remove(target: Path) -> None:
    """Remove a file, or a folder with all that is in it, as far as that goes."""
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            target.unlink()
