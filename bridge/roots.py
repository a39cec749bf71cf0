"""The roots that clients see: gcodes, config, logs, …; here a path is resolved inside them or refused."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bridge.errors import BadRequest, Forbidden, NotFound

MAX_NAME = 255  # bytes of UTF-8 in one name, as file systems have it
MAX_PATH = 4096
MAX_DEPTH = 100  # names in one path
MAX_SHOWN = 200  # characters of a foreign name in a message

# Control characters, line and paragraph separators, bytes that are no UTF-8, and the backslash.
_REFUSED = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\\\\]")
_TEMPORARY = re.compile(r"\.[0-9a-f]{32}\.part\Z")


@dataclass(frozen=True)
class Root:
    """One tree of files under a name; the changes of a `watched` one are told to clients."""

    name: str
    folder: Path
    writable: bool
    watched: bool = True

    @property
    def permissions(self) -> str:
        """`rw` or `r`, as clients read it."""
        return "rw" if self.writable else "r"


@dataclass(frozen=True)
class Place:
    """A path inside a root; an empty path is the root itself. Nothing needs to be there."""

    root: Root
    path: str
    file: Path

    @property
    def shown(self) -> str:
        """As clients write it."""
        return f"{self.root.name}/{self.path}" if self.path else self.root.name

    def beside(self, name: str) -> "Place":
        """Another name in the same folder."""
        folder = self.path.rpartition("/")[0]
        return Place(self.root, f"{folder}/{name}" if folder else name, self.file.with_name(name))

    def below(self, name: str) -> "Place":
        """A name in this folder."""
        return Place(self.root, f"{self.path}/{name}" if self.path else name, self.file / name)


class Roots:
    """All roots by their names; what is `reserved` does not exist for clients."""

    def __init__(self, roots: Mapping[str, Root], reserved: tuple[Path, ...] = ()) -> None:
        self._roots = dict(roots)
        self._reserved = tuple(_folded(os.path.realpath(path)) for path in reserved)

    @property
    def names(self) -> list[str]:
        """The names of the roots, in their order."""
        return list(self._roots)

    def __iter__(self) -> Iterator[Root]:
        return iter(tuple(self._roots.values()))

    def add(self, root: Root) -> bool:
        """Add a root, or give it another folder; whether that changed anything."""
        known, self._roots[root.name] = self._roots.get(root.name), root
        return known != root

    def get(self, name: str) -> Root:
        """The root of that name."""
        root = self._roots.get(name)
        if root is None:
            raise NotFound(f"There is no root '{shown(name)}'; there are {', '.join(self._roots)}")
        return root

    def resolve(self, name: str, path: str) -> Path:
        """The place of `path` in the root `name`, whether or not anything is there; nothing outside of it.

        Raises BadRequest for a path that is none, Forbidden for one that leads out of the root.
        """
        return self.place(name, checked(path)).file

    def locate(self, text: str) -> Place:
        """The place that `root/path` names; the path may be empty."""
        name, _, path = text.partition("/")
        if not name:
            raise BadRequest("The path begins with the name of a root, such as gcodes/part.gcode")
        return self.place(name, checked(path, folder=True))

    def place(self, name: str, parts: tuple[str, ...]) -> Place:
        """The place below the root `name` under names that are `checked`."""
        root = self.get(name)
        folder = os.path.realpath(root.folder)
        file = Path(folder, *parts)
        real = os.path.realpath(file)
        if real != folder and not real.startswith(folder.rstrip("/") + "/"):
            raise Forbidden(f"'{shown('/'.join(parts))}' leads out of {name}")
        if self.is_reserved(real):
            raise NotFound(f"{shown('/'.join((name, *parts)))} does not exist")
        return Place(root, "/".join(parts), file)

    def file(self, name: str, path: str) -> Path:
        """An existing file."""
        place = self.resolve(name, path)
        if not place.is_file():
            raise NotFound(f"{shown(f'{name}/{path}')} does not exist")
        return place

    def is_reserved(self, real: str) -> bool:
        """Whether a resolved path is hidden from clients; its case does not matter, as disks differ."""
        folded = _folded(real)
        return any(folded == hidden or folded.startswith(f"{hidden}/") for hidden in self._reserved)

    def holds_reserved(self, real: str) -> bool:
        """Whether something below a resolved folder is hidden from clients."""
        folded = _folded(real).rstrip("/") + "/"
        return any(hidden.startswith(folded) for hidden in self._reserved)


def checked(path: str, *, folder: bool = False) -> tuple[str, ...]:
    """The names of a relative path; a leading slash is forgiven, as clients write it.

    With `folder` the path may be empty or end in a slash.
    """
    if len(path) > MAX_PATH:
        raise BadRequest(f"The path has {len(path)} characters, at most {MAX_PATH} are taken")
    parts = tuple(part for part in path.split("/") if part)
    if len(parts) > MAX_DEPTH:
        raise BadRequest(f"The path has {len(parts)} names, at most {MAX_DEPTH} are taken")
    if not folder and not parts:
        raise BadRequest("The path is empty")
    if not folder and path.endswith("/"):
        raise BadRequest(f"'{shown(path)}' ends in a slash: it names no file")
    for part in parts:
        _check_name(part)
    return parts


def _check_name(name: str) -> None:
    if name in (".", ".."):
        raise BadRequest("'.' and '..' are not taken in a path")
    if _REFUSED.search(name):
        raise BadRequest("A name holds no backslashes and no control characters")
    if len(name.encode()) > MAX_NAME:
        raise BadRequest(f"A name has at most {MAX_NAME} bytes of UTF-8")
    if is_temporary(name):
        raise BadRequest("Names of that form are taken for files that are being written")


def is_listed(name: str) -> bool:
    """Whether a name on the disk can be asked for; others, and files that are being written, are not told."""
    return _REFUSED.search(name) is None and not is_temporary(name)


def is_temporary(name: str) -> bool:
    """Whether it is the name of a file that is being written."""
    return _TEMPORARY.fullmatch(name) is not None


def shown(text: str) -> str:
    """Foreign text for a message: short, without control characters."""
    clean = "".join(char if char.isprintable() else "?" for char in text[:MAX_SHOWN])
    return clean + ("…" if len(text) > MAX_SHOWN else "")


def _folded(path: str) -> str:
    return str(path).casefold().rstrip("/")
