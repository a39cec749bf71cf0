"""UFP, Cura's package: a zip with G-code and a picture. Nothing is unpacked under a name from the archive."""

import errno
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO, BinaryIO

GCODE_MEMBERS = ("/3D/model.gcode", "3D/model.gcode")
PICTURE_MEMBERS = ("/Metadata/thumbnail.png", "Metadata/thumbnail.png")
MAX_DIRECTORY = 1024 * 1024  # Cura writes about ten entries, under 2 kB
MAX_PICTURE = 4 * 1024 * 1024
MAX_RATIO = 100  # G-code packs 3 to 10 times; deflate's best is 1,032
_PIECE = 256 * 1024
# What the standard library raises for odd archives: RuntimeError wants a password, ValueError is a bad name.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    struct.error,
    NotImplementedError,
    RuntimeError,
    ValueError,
)
_DAMAGED_TEXT = "The UFP package is damaged; please save it again from Cura."
_END = struct.Struct("<4s4H2LH")  # zip's end of central directory


class UfpError(ValueError):
    """The file is no UFP package that we take; the message is for people."""


def is_ufp(path: Path) -> bool:
    """Whether the file is a zip; nothing else that is uploaded as G-code is one."""
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def unpack(package: Path, gcode: Path, picture: Path, *, max_gcode: int) -> bool:
    """Write the package's G-code to `gcode` and its picture to `picture`; whether there was a picture.

    Both targets must not exist yet. On UfpError and OSError neither of them is left behind.
    """
    limit = min(max_gcode, max(package.stat().st_size, 1024) * MAX_RATIO)
    try:
        with package.open("rb") as file:
            _check_directory(file)
            with zipfile.ZipFile(file) as archive:
                return _unpack(archive, gcode, picture, limit)
    except UfpError:
        raise
    except OSError as error:
        if error.errno != errno.EINVAL:  # which is: the archive points before its own start
            raise
        raise UfpError(_DAMAGED_TEXT) from error
    except _DAMAGED as error:
        raise UfpError(_DAMAGED_TEXT) from error


def _unpack(archive: zipfile.ZipFile, gcode: Path, picture: Path, max_gcode: int) -> bool:
    text = _member(archive, GCODE_MEMBERS)
    if text is None:
        raise UfpError("The UFP package holds no /3D/model.gcode; please save it again from Cura.")
    _copy(archive, text, gcode, max_gcode)
    image = _member(archive, PICTURE_MEMBERS)
    if image is None or image.file_size > MAX_PICTURE:
        return False
    try:
        _copy(archive, image, picture, MAX_PICTURE)
    except BaseException:
        gcode.unlink(missing_ok=True)
        raise
    return True


def _check_directory(file: BinaryIO) -> None:
    """Refuse a directory of entries that would fill the memory: zipfile reads it whole."""
    size = file.seek(0, 2)
    start = max(size - _END.size - 0xFFFF, 0)
    file.seek(start)
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + _END.size > len(tail):
        raise UfpError("The UFP package is not complete; please upload it again.")
    length = _END.unpack_from(tail, at)[5]
    if length > MAX_DIRECTORY or b"PK\x06\x07" in tail[max(at - 20, 0) : at]:
        raise UfpError("The UFP package lists more entries than Cura writes.")


def _member(archive: zipfile.ZipFile, names: tuple[str, ...]) -> zipfile.ZipInfo | None:
    return next((entry for entry in archive.infolist() if entry.filename in names), None)


def _copy(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, limit: int) -> None:
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UfpError("The UFP package uses a compression that Cura does not write.")
    with archive.open(entry) as source, target.open("xb") as out:
        try:
            _stream(source, out, limit)
        except BaseException:
            target.unlink(missing_ok=True)
            raise


def _stream(source: IO[bytes], out: BinaryIO, limit: int) -> None:
    """Copy what really comes out of the archive, whatever size the archive claims."""
    written = 0
    while piece := source.read(_PIECE):
        written += len(piece)
        if written > limit:
            raise UfpError("The UFP package unpacks to more than is allowed; nothing was kept.")
        out.write(piece)
