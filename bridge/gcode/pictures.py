"""Pictures inside G-code comments: found by their marks, decoded with bounds. Pure."""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_BLOCKS = 32
MAX_BYTES = 4 * 1024 * 1024  # of one decoded picture
MAX_SIDE = 2048

# `; thumbnail begin 300x300 N`, `; thumbnail_JPG begin …`, `; thumbnail begin 300 300 N` (Cura's script,
# Kiri:Moto), `; png begin 200*200 N …` (Creality).
_BEGIN = re.compile(
    rb"\n;[ \t]{0,4}(?:thumbnail(?:_[A-Za-z]{1,8})?|png|jpe?g|qoi) begin[ \t]{1,4}"
    rb"([0-9]{1,5})[ ]?[x* ][ ]?([0-9]{1,5})[^\n]{0,100}\n",
    re.IGNORECASE,
)
_END = re.compile(rb"\n;[ \t]{0,4}(?:thumbnail(?:_[A-Za-z]{1,8})?|png|jpe?g|qoi) end", re.IGNORECASE)
_MAGIC = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpg", b"qoif": "qoi"}


@dataclass(frozen=True)
class Block:
    """Where one picture's comment lines are, from the line break before the first to the end of the last."""

    start: int
    end: int
    width: int
    height: int
    text: bytes


@dataclass(frozen=True)
class Picture:
    """One picture: its format is what its first bytes say, its size what the slicer says."""

    width: int
    height: int
    format: str
    data: bytes


def find_blocks(head: bytes | bytearray) -> Iterator[Block]:
    """The blocks that have both marks, in order; the search ends at the first that has no end."""
    at = 0
    for _ in range(MAX_BLOCKS):
        begin = _BEGIN.search(head, at)
        end = _END.search(head, begin.end() - 1) if begin else None
        if not begin or not end:
            return
        width, height = int(begin[1]), int(begin[2])
        yield Block(begin.start(), end.end(), width, height, bytes(head[begin.end() : end.start()]))
        at = end.end()


def decode(block: Block) -> Picture | None:
    """The picture of a block, or None for anything that is none."""
    if not (0 < block.width <= MAX_SIDE and 0 < block.height <= MAX_SIDE):
        return None
    if len(block.text) > MAX_BYTES * 3 // 2:
        return None
    try:
        data = binascii.a2b_base64(block.text.translate(None, b"; \t\r\n"), strict_mode=True)
    except binascii.Error:
        return None
    kind = next((name for magic, name in _MAGIC.items() if data.startswith(magic)), None)
    return Picture(block.width, block.height, kind, data) if kind and len(data) <= MAX_BYTES else None


def without_blocks(head: bytearray, blocks: list[Block]) -> bytearray:
    """The head without its pictures, which are most of it."""
    if not blocks:
        return head
    rest, at = bytearray(), 0
    for block in blocks:
        rest += head[at : block.start]
        at = block.end
    rest += head[at:]
    return rest
