"""What clients are told of files, under the names they read."""

from typing import Literal, Protocol

import msgspec

from bridge.files.entry import Entry
from bridge.roots import Place, Root

Action = Literal[
    "create_file",
    "create_dir",
    "delete_file",
    "delete_dir",
    "move_file",
    "move_dir",
    "modify_file",
    "root_update",
]


class Item(msgspec.Struct, frozen=True):
    """A file or folder; of one that is gone the figures are 0."""

    path: str  # relative to its root
    root: str
    modified: float  # Unix seconds
    size: int
    permissions: str


class SourceItem(msgspec.Struct, frozen=True):
    """Where something was before it was moved."""

    path: str
    root: str


class FileChange(msgspec.Struct, frozen=True, omit_defaults=True):
    """What happened to a file or a folder."""

    action: Action
    item: Item
    source_item: SourceItem | None = None


class FileInfo(msgspec.Struct, frozen=True):
    """A file in a list."""

    path: str
    modified: float
    size: int
    permissions: str


class Uploaded(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of an upload; `print_refused` is why a print that was wished for did not start."""

    item: Item
    action: Literal["create_file"]
    print_started: bool | msgspec.UnsetType = msgspec.UNSET  # told of G-code alone
    print_queued: bool | msgspec.UnsetType = msgspec.UNSET
    print_refused: str | None = None


class Started(Protocol):
    """What became of a wish to print."""

    @property
    def print_started(self) -> bool:
        """It prints."""

    @property
    def print_queued(self) -> bool:
        """It waits in the queue."""


def item(place: Place, entry: Entry) -> Item:
    """What is there."""
    return Item(place.path, place.root.name, entry.modified, entry.size, place.root.permissions)


def gone(root: Root, path: str) -> Item:
    """What is there no more."""
    return Item(path, root.name, 0.0, 0, "")
