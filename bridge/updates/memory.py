"""What is remembered of components over restarts, and what was begun and not ended."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import msgspec

from bridge import durable
from bridge.decoding import UNREADABLE
from bridge.threads import to_its_end

log = logging.getLogger(__name__)


class Record(msgspec.Struct):
    """What is known of one component."""

    begun: str | None = None  # the version that is there while an update goes on
    aim: str | None = None  # the version that update is for
    before: str | None = None  # the version before the last update
    latest: str | None = None
    link: str | None = None


class _File(msgspec.Struct):
    looked: float = 0.0  # Unix seconds of the last look outside
    components: dict[str, Record] = {}


class Memory:
    """One small file, written whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = _File()
        self._turn = asyncio.Lock()

    def load(self) -> None:
        """Read what was remembered; a damaged file is begun anew."""
        try:
            self._file = msgspec.json.decode(self._path.read_bytes(), type=_File)
        except FileNotFoundError:
            return
        except (OSError, *UNREADABLE) as error:
            log.warning("%s cannot be read, it is begun anew: %s", self._path.name, error)

    @property
    def looked(self) -> float:
        """When somebody last looked outside."""
        return self._file.looked

    async def note_look(self, when: float) -> None:
        """Somebody has looked outside."""
        self._file.looked = when
        await self._save()

    def of(self, name: str) -> Record:
        """What is known of a component."""
        return self._file.components.setdefault(name, Record())

    async def note(self, name: str, **known: Any) -> None:
        """Remember; it is on the disk when this returns."""
        record = self.of(name)
        if any(getattr(record, key) != value for key, value in known.items()):
            for key, value in known.items():
                setattr(record, key, value)
            await self._save()

    async def _save(self) -> None:
        content = msgspec.json.encode(self._file)
        async with self._turn:
            await to_its_end(self._write, content)

    def _write(self, content: bytes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        durable.write(self._path, content)
