"""The picture that goes with a message: of the file, or of a camera."""

import asyncio
import logging

from bridge.errors import BridgeError, NotFound
from bridge.gcode.library import Library
from bridge.gcode.thumbnails import largest_png
from bridge.lifecycle import Nagger
from bridge.notifiers.service import Picture
from bridge.webcams.album import Album
from bridge.webcams.snapshots import Snapshots
from bridge.webcams.webcam import Webcam

log = logging.getLogger(__name__)

MOST = 4_194_304  # bytes


class Pictures:
    """Finds them; a message goes out without one rather than not at all."""

    def __init__(self, album: Album, snapshots: Snapshots, library: Library) -> None:
        self._album, self._snapshots, self._library = album, snapshots, library
        self._nag = Nagger(log)

    async def look(self, attach: str, filename: str | None) -> Picture | None:
        """What `attach` names, as it is now."""
        try:
            return await (self._thumbnail(filename) if attach == "thumbnail" else self._snapshot(attach))
        except (BridgeError, OSError) as error:
            self._nag.warn(f"a message goes out without its picture: {error}")
            return None

    async def _thumbnail(self, filename: str | None) -> Picture | None:
        if not filename:
            return None
        content = await asyncio.to_thread(largest_png, self._library.path(filename), MOST)
        return None if content is None else Picture(content, "image/png", "thumbnail.png")

    async def _snapshot(self, attach: str) -> Picture:
        content, kind = await self._snapshots.fetch(self._webcam(attach), MOST)
        return Picture(content, kind, f"webcam.{kind.partition('/')[2].replace('jpeg', 'jpg')}")

    def _webcam(self, attach: str) -> Webcam:
        name = attach.partition(":")[2]
        if name:
            return self._album.find(None, name)
        for webcam in self._album.all:
            if webcam.enabled and webcam.snapshot_url:
                return webcam
        raise NotFound("no webcam has a snapshot_url")
