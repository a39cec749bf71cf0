"""Thumbnails on the disk: what a G-code file carries goes to `.thumbs/`; a 32x32 is made where missing."""

import contextlib
import hashlib
import io
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bridge.gcode.bare import bare
from bridge.gcode.metadata import Thumbnail
from bridge.gcode.pictures import MAX_BYTES, MAX_SIDE, Picture, decode, find_blocks
from bridge.gcode.windows import read_windows

if TYPE_CHECKING:
    from PIL import Image  # 2 MB: loaded with the first picture

FOLDER = ".thumbs"
SMALL = (32, 32)
MAX_NAME = 255
# Pixels that are converted of all pictures of a file: Pillow decodes QOI slowly, in Python.
MAX_PIXELS = {"qoi": 512 * 1024, "jpg": 1024 * 1024}
_PILLOW_NAMES = {"png": "PNG", "jpg": "JPEG", "qoi": "QOI"}


def describe(pictures: Iterable[Picture], path: Path) -> list[Thumbnail]:
    """How a file's pictures are listed; a size that comes twice and a QOI not yet converted are left out."""
    listed: dict[tuple[int, int], Thumbnail] = {}
    for picture in pictures:
        size = (picture.width, picture.height)
        if picture.format != "qoi" and size not in listed:
            name = _file_name(path.stem, picture)
            listed[size] = Thumbnail(*size, len(picture.data), f"{FOLDER}/{name}")
    return list(listed.values())


def extract_thumbnails(path: Path, target: Path) -> list[Thumbnail]:
    """Write the pictures of a G-code file to the folder `target`, and list them; blocking.

    QOI pictures become PNG; when none is 32x32, one is made of the largest and listed first.
    """
    windows = read_windows(path)
    if windows.binary:
        return []
    found = [picture for block in find_blocks(windows.head) if (picture := decode(block))]
    return write_thumbnails(found, path, target)


def thumbnails_of_image(image: Path, path: Path, target: Path) -> list[Thumbnail]:
    """As `extract_thumbnails`, for a picture that came beside the G-code file `path` (UFP)."""
    with image.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    opened = _open(data, "png") if len(data) <= MAX_BYTES else None
    found = [Picture(opened.width, opened.height, "png", data)] if opened else []
    return write_thumbnails(found, path, target)


def write_thumbnails(pictures: list[Picture], path: Path, target: Path) -> list[Thumbnail]:
    """Write these pictures of the G-code file `path` to the folder `target`, and list them."""
    ready = _displayable(pictures)
    sizes = {(picture.width, picture.height) for picture in ready}
    if ready and SMALL not in sizes:
        largest = max(ready, key=lambda picture: picture.width * picture.height)
        small = _small(largest)
        ready = [small, *ready] if small else ready
    if ready:
        target.mkdir(parents=True, exist_ok=True)
    for picture in ready:
        _write(target, _file_name(path.stem, picture), picture.data)
    return describe(ready, path)


def rename_thumbnails(pictures: list[Thumbnail], before: Path, path: Path, target: Path) -> list[Thumbnail]:
    """The file that has these pictures was moved out of the folder `before` to `path`: they follow it."""
    renamed: list[Thumbnail] = []
    for picture in pictures:
        source = before / picture.relative_path
        name = _name(path.stem, picture.width, picture.height, source.suffix)
        target.mkdir(parents=True, exist_ok=True)
        try:
            source.replace(target / name)
        except FileNotFoundError:
            continue
        renamed.append(msgspec.structs.replace(picture, relative_path=f"{FOLDER}/{name}"))
    return renamed


def remove_thumbnails(pictures: list[Thumbnail], target: Path) -> None:
    """The file that has these pictures is gone: they and an empty folder go too."""
    for picture in pictures:
        (target / Path(picture.relative_path).name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # others are still in it
        target.rmdir()


def largest_png(path: Path, limit: int) -> bytes | None:
    """The largest picture of a G-code file as PNG of at most `limit` bytes, or None; blocking."""
    windows = read_windows(path)
    found = [] if windows.binary else [p for block in find_blocks(windows.head) if (p := decode(block))]
    left = dict(MAX_PIXELS)
    for picture in sorted(found, key=lambda one: one.width * one.height, reverse=True):
        png = picture if picture.format == "png" else _converted(picture, left)
        if png is not None and len(png.data) <= limit:
            return png.data
    return None


def _converted(picture: Picture, left: dict[str, int]) -> Picture | None:
    """The picture as PNG, if so many pixels are `left` to be converted."""
    opened = _open(picture.data, picture.format)
    if opened is None or opened.width * opened.height > left[picture.format]:
        return None
    left[picture.format] -= opened.width * opened.height
    return _as_png(opened, (picture.width, picture.height))


def _displayable(pictures: list[Picture]) -> list[Picture]:
    """One picture a size, none of them QOI, which browsers do not show."""
    ready: dict[tuple[int, int], Picture] = {}
    left = dict(MAX_PIXELS)
    for picture in pictures:
        size = (picture.width, picture.height)
        shown: Picture | None = picture
        if size not in ready and picture.format == "qoi":
            shown = _converted(picture, left)
        if shown and size not in ready:
            ready[size] = shown
    return list(ready.values())


def _small(picture: Picture) -> Picture | None:
    """The picture within 32x32, transparent where it does not reach."""
    from PIL import Image  # noqa: PLC0415 - weight

    opened = _open(picture.data, picture.format)
    if opened is None:
        return None
    try:
        opened.draft("RGB", (64, 64))
        image = opened.convert("RGBA")
    except (OSError, ValueError, SyntaxError):
        return None
    image.thumbnail(SMALL, Image.Resampling.LANCZOS)
    canvas = Image.new("RGBA", SMALL, (0, 0, 0, 0))
    canvas.paste(image, ((SMALL[0] - image.width) // 2, (SMALL[1] - image.height) // 2))
    return _as_png(canvas, SMALL)


def _open(data: bytes, kind: str) -> "Image.Image | None":
    """A picture by its header, if that names a sane size; nothing is decoded yet."""
    from PIL import Image  # noqa: PLC0415 - weight

    needed = bare(data, kind)
    if needed is None:
        return None
    try:
        opened = Image.open(io.BytesIO(needed), formats=[_PILLOW_NAMES[kind]])
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None
    return opened if opened.width <= MAX_SIDE and opened.height <= MAX_SIDE else None


def _as_png(image: "Image.Image", size: tuple[int, int]) -> Picture | None:
    data = io.BytesIO()
    try:
        image.save(data, "PNG")
    except (OSError, ValueError, SyntaxError):
        return None
    return Picture(*size, "png", data.getvalue())


def _write(folder: Path, name: str, data: bytes) -> None:
    """Atomically: a reader sees the old picture or the new one, and a link in its place is replaced."""
    digest = hashlib.blake2b(name.encode(), digest_size=16).hexdigest()
    part = (
        folder / f".{digest}.part"
    )  # what a kill has left is in the way of nothing, and gone with the next try
    part.unlink(missing_ok=True)
    try:
        with part.open("xb") as file:
            file.write(data)
        part.replace(folder / name)
    finally:
        part.unlink(missing_ok=True)


def _file_name(stem: str, picture: Picture) -> str:
    """`STEM-WxH.png`; a stem that would make it too long for the disk is cut and marked with its digest."""
    return _name(stem, picture.width, picture.height, ".jpg" if picture.format == "jpg" else ".png")


def _name(stem: str, width: int, height: int, suffix: str) -> str:
    end = f"-{width}x{height}{suffix}"
    raw = stem.encode("utf-8", "replace")
    if len(raw) + len(end) <= MAX_NAME:
        return raw.decode() + end
    mark = "-" + hashlib.blake2b(raw, digest_size=4).hexdigest()
    kept = raw[: MAX_NAME - len(end) - len(mark)].decode("utf-8", "ignore")
    return kept + mark + end
