"""A zip file of a release: fetched, checked, unpacked beside what it will replace."""

import asyncio
import hashlib
import lzma
import re
import shutil
import struct
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from bridge.errors import BadRequest, BridgeError, NoSpace, NotFound, Unprocessable
from bridge.outgoing import body_of
from bridge.programs import Say
from bridge.updates.releases import Asset, Release, Releases

LARGEST, UNPACKED, ENTRIES = 512 << 20, 2 << 30, 50_000  # bytes, bytes, files
SPARE = 32 << 20  # bytes that stay free
CHUNK, MODE_SHIFT, LINK, TYPE = 65_536, 16, 0o120000, 0o170000
EXECUTABLE = 0o111
TENTH = 10
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    lzma.LZMAError,
    NotImplementedError,  # a method of packing that nobody here knows
    RuntimeError,  # encrypted
    EOFError,
    ValueError,
    IndexError,
    OverflowError,
)


def asset_of(release: Release, wanted: str | None) -> Asset:
    """The zip file of a release: the one that is named, else the only one."""
    zips = [one for one in release.assets if one.name.endswith(".zip")]
    if wanted is not None:
        zips = [one for one in release.assets if one.name == wanted]
    if not zips:
        raise NotFound(f"Release {release.tag_name} has no file {wanted or '*.zip'}")
    if len(zips) > 1:
        names = ", ".join(one.name for one in zips[:5])
        raise BadRequest(
            f"Release {release.tag_name} has several zip files ({names}); set the option `asset`"
        )
    return zips[0]


async def fetch(releases: Releases, release: Release, asset: Asset, target: Path, say: Say) -> None:
    """Bring a file here and check it; what does not fit is gone again."""
    say(f"Downloading {asset.name} of {release.tag_name}")
    try:
        found = await _download(releases, asset, target, say)
        wanted = await _checksum(releases, release, asset)
        if wanted is not None and wanted != found:
            raise Unprocessable(f"{asset.name} is not what its checksum says; it is thrown away")
        if asset.size and target.stat().st_size != asset.size:
            raise Unprocessable(f"{asset.name} has not the size that was told; it is thrown away")
        say("Its checksum is right" if wanted is not None else "No checksum is published; its size is right")
    except (BridgeError, OSError):
        target.unlink(missing_ok=True)
        raise


async def _download(releases: Releases, asset: Asset, target: Path, say: Say) -> str:
    digest, size, told = hashlib.sha256(), 0, 0
    async with releases.opened(asset) as answer:
        with target.open("wb") as file:
            async for chunk in answer.content.iter_chunked(CHUNK):
                size += len(chunk)
                if size > LARGEST:
                    raise Unprocessable(f"{asset.name} is larger than {LARGEST >> 20} MB")
                digest.update(chunk)
                await asyncio.to_thread(file.write, chunk)
                tenth = size * TENTH // asset.size if asset.size else 0
                if tenth > told:
                    told = tenth
                    say(f"{asset.name}: {min(told, TENTH) * TENTH} %")
    return digest.hexdigest()


async def _checksum(releases: Releases, release: Release, asset: Asset) -> str | None:
    """What the host, or a file beside it, says that it should be."""
    if asset.digest is not None:
        return asset.digest.removeprefix("sha256:").lower()  # by another method it fits nothing
    beside = next((one for one in release.assets if one.name == f"{asset.name}.sha256"), None)
    if beside is None:
        return None
    async with releases.opened(beside) as answer:
        text = (await body_of(answer, CHUNK)).decode(errors="replace")
    found = re.search(r"\b[0-9a-fA-F]{64}\b", text)
    return found[0].lower() if found else "none"


def unpack(file: Path, path: Path, made: Path, keep: Iterable[str]) -> None:
    """Fill a fresh folder with what is in the zip, and what shall be kept of the present. For a thread."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            size = sum(entry.file_size for entry in entries)
            if len(entries) > ENTRIES or size > UNPACKED:
                raise Unprocessable("The download holds more than anybody needs; it is thrown away")
            if shutil.disk_usage(made).free < size + SPARE:
                raise NoSpace(f"The disk has no room for the {size >> 20} MB of {path.name}")
            for entry in entries:
                _extract(archive, entry, made)
            if not entries:
                raise Unprocessable("The download is an empty zip file")
    except BROKEN as error:
        raise Unprocessable(f"The download is no good zip file: {str(error)[:100]}") from error
    carry_over(path, made, keep)


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, made: Path) -> None:
    name = PurePosixPath(entry.filename)
    if name.is_absolute() or ".." in name.parts or "\\" in entry.filename:
        raise Unprocessable(f"The download has a file that leads elsewhere: {entry.filename[:80]}")
    mode = entry.external_attr >> MODE_SHIFT
    if mode & TYPE == LINK:
        raise Unprocessable(f"The download has a link: {entry.filename[:80]}")
    target = Path(archive.extract(entry, made))
    if target.is_file() and mode & EXECUTABLE:
        target.chmod(target.stat().st_mode | EXECUTABLE)


def carry_over(path: Path, made: Path, keep: Iterable[str]) -> None:
    """What shall be kept of one folder is put into another in place of what is there. For a thread."""
    for name in keep:
        inside = PurePosixPath(name)
        if inside.is_absolute() or ".." in inside.parts or not inside.parts:
            raise BadRequest(f"persistent_files: '{name}' is no path below the component's own")
        old, new = path / inside, made / inside
        if not (old.is_symlink() or old.exists()):
            continue
        if new.is_dir():
            shutil.rmtree(new)
        new.unlink(missing_ok=True)
        new.parent.mkdir(parents=True, exist_ok=True)
        if old.is_symlink():
            new.symlink_to(old.readlink())
        elif old.is_dir():
            shutil.copytree(old, new, symlinks=True)
        else:
            shutil.copy2(old, new)
