"""The roots that clients see: gcodes, config, logs; one helper resolves a path inside them or refuses."""

import os
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bridge.errors import BadRequest, Forbidden, NotFound

MAX_NAME = 255  # bytes of UTF-8 in one name, as file systems have it
MAX_PATH = 4096


@dataclass(frozen=True)
class Root:
    """One tree of files under a name."""

    name: str
    folder: Path
    writable: bool


class Roots:
    """All roots by their names."""

    def __init__(self, roots: Mapping[str, Root], reserved: tuple[Path, ...] = ()) -> None:
        self._roots = dict(roots)
        self._reserved = tuple(Path(os.path.realpath(path)) for path in reserved)

    @property
    def names(self) -> list[str]:
        """The names of the roots, in their order."""
        return list(self._roots)

    def get(self, name: str) -> Root:
        """The root of that name."""
        root = self._roots.get(name)
        if root is None:
            raise NotFound(f"There is no root '{name[:64]}'; there are {', '.join(self._roots)}")
        return root

    def resolve(self, name: str, path: str) -> Path:
        """The place of `path` in the root `name`, whether or not anything is there; nothing outside of it.

        Raises BadRequest for a path that is none, Forbidden for one that leads out of the root.
        """
        root = self.get(name)
        parts = checked(path)
        folder = Path(os.path.realpath(root.folder))
        place = folder.joinpath(*parts)
        real = Path(os.path.realpath(place))
        if not real.is_relative_to(folder):
            raise Forbidden(f"'{path}' leads out of {name}")
        if any(real.is_relative_to(hidden) for hidden in self._reserved):
            raise NotFound(f"{name}/{path} does not exist")
        return place

    def file(self, name: str, path: str) -> Path:
        """An existing file."""
        place = self.resolve(name, path)
        if not place.is_file():
            raise NotFound(f"{name}/{path} does not exist")
        return place


def checked(path: str) -> tuple[str, ...]:
    """The names of a relative path; a leading slash is forgiven, as clients write it."""
    if len(path) > MAX_PATH:
        raise BadRequest(f"The path has {len(path)} characters, at most {MAX_PATH} are taken")
    parts = tuple(part for part in path.split("/") if part)
    if not parts:
        raise BadRequest("The path is empty")
    if path.endswith("/"):
        raise BadRequest(f"'{path}' ends in a slash: it names no file")
    for part in parts:
        _check_name(part)
    return parts


def _check_name(name: str) -> None:
    if name in (".", ".."):
        raise BadRequest("'.' and '..' are not taken in a path")
    if "\\" in name or any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in name):
        raise BadRequest("A name holds no backslashes and no control characters")
    if len(name.encode()) > MAX_NAME:
        raise BadRequest(f"A name has at most {MAX_NAME} bytes of UTF-8")
