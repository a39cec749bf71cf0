"""A Python environment gets packages in a copy, which then takes its place: it is never half installed."""

import asyncio
import logging
import shutil
from importlib import metadata
from pathlib import Path

from bridge.config import hidden
from bridge.errors import DeviceFailed, NotFound
from bridge.programs import Done, Say, run
from bridge.threads import to_its_end
from bridge.updates import swap

log = logging.getLogger(__name__)

PATIENCE = 1800.0  # seconds that pip may take, with a compiler on a small machine
PROVING = 120.0
QUIETLY = ("--disable-pip-version-check", "--no-input", "--no-color")
LABEL = ".made-for"  # what an environment was made for
FIRST_LINE = 200


class Environment:
    """One virtual environment."""

    def __init__(self, path: str) -> None:
        self.path = Path(path).expanduser()

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.path / "bin/python"

    @property
    def label(self) -> str | None:
        """What it was made for, where that may have to be taken back."""
        try:
            return (self.path / LABEL).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None

    @property
    def before(self) -> "Environment":
        """The one that it has taken the place of."""
        return Environment(str(swap.previous(self.path)))

    def version(self, project: str) -> str | None:
        """The version of a package that is installed."""
        places = [str(place) for place in self.path.glob("lib/python3*/site-packages")]
        known = (_record(one) for one in metadata.distributions(path=places))
        return next((version for name, version in known if name == _plain(project)), None)

    async def pip(self, *words: str, python: Path | None = None, say: Say | None = None) -> Done:
        """Run pip, with its answer in the result; logins in addresses are masked."""
        interpreter = python or self.python
        if not interpreter.exists():
            raise NotFound(f"There is no Python environment at {self.path.name}; python3 -m venv makes one")
        told = None if say is None else lambda line: say(hidden(line))
        done = await run(str(interpreter), "-m", "pip", *QUIETLY, *words, patience=PATIENCE, say=told)
        return Done(done.code, done.out, hidden(done.errors))

    async def install(self, *words: str, say: Say, proof: tuple[str, ...] = (), label: str = "") -> None:
        """Have pip install into a copy; when it and `proof` are content the copy takes the place."""
        if not self.python.exists():
            raise NotFound(f"There is no Python environment at {self.path.name}; python3 -m venv makes one")
        room = await asyncio.to_thread(lambda: 2 * swap.size(self.path))
        made = await asyncio.to_thread(swap.prepare, self.path, room)
        try:
            say(f"Copying the Python environment {self.path.name}")
            await asyncio.to_thread(shutil.copytree, self.path, made, symlinks=True, dirs_exist_ok=True)
            python = made / "bin/python"
            done = await self.pip("install", *words, python=python, say=say)
            if done.code:
                raise DeviceFailed(f"pip: {done.said}")
            if proof and (done := await run(str(python), *proof, patience=PROVING)).code:
                raise DeviceFailed(f"the new version does not start, the old one stays: {done.last}")
            await asyncio.to_thread(_settle, made, self.path, label)
            await to_its_end(swap.replace, self.path, made)
        except shutil.Error as error:  # a list of all files that could not be copied
            raise DeviceFailed(f"{self.path.name} could not be copied whole") from error
        finally:
            await asyncio.to_thread(shutil.rmtree, made, ignore_errors=True)

    def rollback(self) -> None:
        """Back to the environment before."""
        if not swap.previous(self.path).exists():
            raise NotFound(f"No earlier {self.path.name} is kept")
        swap.exchange(self.path, swap.previous(self.path))

    def confirm(self) -> None:
        """What it was made for is done."""
        (self.path / LABEL).unlink(missing_ok=True)

    def undo(self, label: str) -> None:
        """What it was made for did not come to its end: back to the one before, where it was replaced."""
        swap.heal(self.path)
        if label and self.label == label and swap.previous(self.path).exists():
            log.warning("%s goes back to what it was", self.path.name)
            self.rollback()
            shutil.rmtree(swap.previous(self.path), ignore_errors=True)


def _settle(made: Path, path: Path, label: str) -> None:
    """Scripts name their interpreter; they shall name the one at the final place."""
    for script in (made / "bin").iterdir():
        if script.is_symlink() or not script.is_file():
            continue
        head, line, rest = script.read_bytes().partition(b"\n")
        if head.startswith(b"#!") and len(head) < FIRST_LINE and bytes(made) in head:
            script.write_bytes(head.replace(bytes(made), bytes(path)) + line + rest)
    if label:
        (made / LABEL).write_text(label, encoding="utf-8")
    else:
        (made / LABEL).unlink(missing_ok=True)


def _record(one: metadata.Distribution) -> tuple[str, str | None]:
    """Name and version of a package; none where its record is damaged."""
    try:
        return _plain(one.metadata["Name"] or ""), one.version
    except (OSError, ValueError, LookupError, TypeError):  # what is no UTF-8 is a ValueError
        return "", None


def _plain(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_")
