"""One G-code file's metadata, from its two ends only. Blocking: call it in a thread."""

import uuid
from hashlib import blake2b
from pathlib import Path
from typing import Any

from bridge.gcode import slicers
from bridge.gcode.metadata import Metadata
from bridge.gcode.pictures import decode, find_blocks, without_blocks
from bridge.gcode.source import Source
from bridge.gcode.thumbnails import describe
from bridge.gcode.windows import Windows, read_windows


def scan(path: Path) -> Metadata:
    """What the file tells about itself; any bytes will do, OSError where it cannot be read."""
    windows = read_windows(path)
    if windows.binary:
        return Metadata(size=windows.size, modified=windows.modified)
    blocks = list(find_blocks(windows.head))
    head = without_blocks(windows.head, blocks)
    found = slicers.detect(head)
    source = Source(head, None if windows.whole else windows.tail)
    fields: dict[str, Any] = slicers.read(source, found[0] if found else None)
    if found:
        fields |= {"slicer": found[0].name, "slicer_version": found[1] or None}
    pictures = (decode(block) for block in blocks)
    thumbnails = describe((picture for picture in pictures if picture), path)
    return Metadata(
        size=windows.size,
        modified=windows.modified,
        uuid=_identity(windows),
        file_processors=[],
        gcode_start_byte=windows.first_command(),
        gcode_end_byte=windows.last_command(),
        thumbnails=thumbnails or None,
        **fields,
    )


def _identity(windows: Windows) -> str:
    """An id that stays as long as the file does: another content or another time is another id."""
    digest = blake2b(repr((windows.size, windows.modified)).encode(), digest_size=16)
    digest.update(windows.head)
    digest.update(windows.tail)
    return str(uuid.UUID(bytes=digest.digest(), version=4))
