"""A G-code file read as a stream: a bounded piece at a time, however long it is."""

from pathlib import Path

_PIECE = 8192
_LONGEST = 1024 * 1024  # a line beyond this is no G-code


class GcodeFile:
    """An open print file; `position` is the byte after the last line that was taken."""

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self._stream = path.open("rb")
        self.size = path.stat().st_size
        self.position = 0
        self._waiting = b""

    def next(self) -> tuple[str, int] | None:
        """The next line and how many bytes it takes, or None at the end; it is not yet taken."""
        while b"\n" not in self._waiting and len(self._waiting) < _LONGEST:
            piece = self._stream.read(_PIECE)
            if not piece:
                break
            self._waiting += piece
        if not self._waiting:
            return None
        line, mark, _ = self._waiting.partition(b"\n")
        return line.decode("utf-8", "replace").strip(), len(line) + len(mark)

    def take(self, length: int) -> None:
        """The line that `next` showed is dealt with."""
        self._waiting = self._waiting[length:]
        self.position += length

    def seek(self, position: int) -> None:
        """Go on elsewhere."""
        self._stream.seek(position)
        self.position, self._waiting = position, b""

    @property
    def progress(self) -> float:
        """From 0 to 1."""
        return self.position / self.size if self.size else 0.0

    def close(self) -> None:
        """Let the file go."""
        self._stream.close()


def find(folder: Path, name: str) -> GcodeFile | None:
    """Open a file below `folder` by its name, whatever the case of its letters."""
    wanted = name.strip().lstrip("/")
    here = (folder / wanted).resolve()
    if not here.is_relative_to(folder.resolve()):
        return None
    if here.is_file() and wanted:
        return GcodeFile(here, wanted)
    for path in sorted(folder.rglob("*")):
        known = path.relative_to(folder).as_posix()
        if known.lower() == wanted.lower() and path.is_file():
            return GcodeFile(path, known)
    return None
