"""A zip file of a release: fetched, checked, unpacked beside what it will replace."""

import asyncio
import hashlib
import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from bridge.errors import BadRequest, BridgeError, NotFound, Unprocessable
from bridge.programs import Say
from bridge.updates import swap
from bridge.updates.releases import Asset, Release, Releases

LARGEST, UNPACKED, ENTRIES = 512 << 20, 2 << 30, 50_000  # bytes, bytes, files
CHUNK, MODE_SHIFT, LINK, TYPE = 65_536, 16, 0o120000, 0o170000
EXECUTABLE = 0o111
TENTH = 10


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
    if asset.digest is not None and asset.digest.startswith("sha256:"):
        return asset.digest.removeprefix("sha256:").lower()
    beside = next((one for one in release.assets if one.name == f"{asset.name}.sha256"), None)
    if beside is None:
        return None
    async with releases.opened(beside) as answer:
        words = (await answer.content.read(CHUNK)).decode(errors="replace").split()
    return words[0].lower() if words else ""


def unpack(file: Path, path: Path, keep: Iterable[str]) -> Path:
    """A fresh folder with what is in the zip, and of the present one what shall be kept. For a thread."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            size = sum(entry.file_size for entry in entries)
            if len(entries) > ENTRIES or size > UNPACKED:
                raise Unprocessable(f"{file.name.lstrip('.')} holds more than anybody needs")
            made = swap.prepare(path, size + (32 << 20))
            for entry in entries:
                _extract(archive, entry, made)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise Unprocessable(f"The download is no good zip file: {error}") from error
    if not any(made.iterdir()):
        raise Unprocessable("The download is an empty zip file")
    for name in keep:
        _carry_over(path, made, name)
    return made


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


def _carry_over(path: Path, made: Path, name: str) -> None:
    inside = PurePosixPath(name)
    if inside.is_absolute() or ".." in inside.parts or not inside.parts:
        raise BadRequest(f"persistent_files: '{name}' is no path below the component's own")
    old, new = path / inside, made / inside
    if old.is_dir():
        shutil.rmtree(new, ignore_errors=True)
        shutil.copytree(old, new, symlinks=True)
    elif old.exists():
        new.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(old, new)
