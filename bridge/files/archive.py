"""Zip archives of files and folders; blocking."""

import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

from bridge.files import disk
from bridge.files.entry import Look
from bridge.roots import Place, Roots

EARLIEST = (1980, 1, 1, 0, 0, 0)  # a zip knows no time before
LATEST = (2107, 12, 31, 23, 59, 58)
_PIECE = 1024 * 1024


def write(roots: Roots, places: list[Place], target: Path, *, store_only: bool) -> None:
    """Pack places under their names with the root's in front; nothing is left on errors."""
    method = zipfile.ZIP_STORED if store_only else zipfile.ZIP_DEFLATED
    try:
        with zipfile.ZipFile(target, "x", method) as packed:
            for place in _files(roots, places):
                _add(packed, place, method)
    except BaseException:
        disk.remove(target)
        raise


def _files(roots: Roots, places: list[Place]) -> Iterator[Place]:
    """Each file once, in the order asked for."""
    seen: set[str] = set()
    for place in places:
        for file in _below(roots, place):
            if file.shown not in seen:
                seen.add(file.shown)
                yield file


def _below(roots: Roots, place: Place) -> Iterator[Place]:
    if not place.file.is_dir():
        yield place
        return
    for folder, listing in Look(roots, place).walk():
        yield from (folder.below(name) for name, entry in sorted(listing.items()) if not entry.folder)


def _add(packed: zipfile.ZipFile, place: Place, method: int) -> None:
    with disk.speaking_of(place.shown), place.file.open("rb") as source:
        stamp = time.localtime(place.file.stat().st_mtime)[:6]
        entry = zipfile.ZipInfo(place.shown, min(max(stamp, EARLIEST), LATEST))
        entry.compress_type = method
        with packed.open(entry, "w", force_zip64=True) as out:
            while piece := source.read(_PIECE):
                out.write(piece)
