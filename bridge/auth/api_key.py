"""The API key: configured, or made at the first start and kept in a file of its own."""

import asyncio
import hmac
import logging
import re
import secrets
from pathlib import Path

from bridge.auth import secret_files
from bridge.errors import Conflict
from bridge.signals import Signal

log = logging.getLogger(__name__)

BYTES = 16
KEY_USER = "_API_KEY_USER_"  # who a caller with the key is

_KEY = re.compile(r"[\x21-\x7e]{8,200}")


class ApiKey:
    """One key, compared in constant time."""

    def __init__(self, configured: str | None, path: Path) -> None:
        self.changed: Signal[None] = Signal("API key")
        self.value = configured or ""
        self._path, self._configured = path, bool(configured)
        self._generation = 0
        self._renewing = asyncio.Lock()

    @property
    def session(self) -> str:
        """What ends when the key is renewed."""
        return f"key {self._generation}"

    async def open(self) -> None:
        """Read the key, or make it; a configured one needs neither."""
        if not self._configured:
            self.value = await asyncio.to_thread(self._recall_or_make)

    def matches(self, given: str) -> bool:
        """Whether `given` is the key."""
        right = hmac.compare_digest(given.encode(errors="replace"), self.value.encode())
        return right and bool(self.value)

    async def renew(self) -> str:
        """Another key; the present one is worth nothing from now on."""
        if self._configured:
            raise Conflict("The API key is set by http.api_key in the configuration; change it there")
        async with self._renewing:  # of two the one that is answered last is the one in the file
            made = self.value = await asyncio.to_thread(self._make)
        self._generation += 1
        self.changed.emit(None)
        return made

    def _recall_or_make(self) -> str:
        kept = (secret_files.recall(self._path) or b"").decode(errors="replace").strip()
        if _KEY.fullmatch(kept):
            return kept
        if kept:
            log.warning("%s holds no key; making a new one", self._path)
        return self._make()

    def _make(self) -> str:
        made = secrets.token_hex(BYTES)
        secret_files.keep(self._path, f"{made}\n".encode())
        return made
