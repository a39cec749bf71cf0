"""The names of what is not whole yet: told to nobody, and known again by the bridge that gave them."""

import hashlib
import uuid
from pathlib import Path

from bridge.roots import is_temporary

_DIGITS = 8  # for whose name it is, and as many for the start it is of


class Names:
    """Those of one start of one instance; a clock that is wrong, or another bridge, makes no difference."""

    def __init__(self, instance: str) -> None:
        self._instance = hashlib.sha256(instance.encode()).hexdigest()[:_DIGITS]
        self._start = uuid.uuid4().hex[:_DIGITS]

    def new(self, folder: Path) -> Path:
        """A new name in a folder."""
        return folder / f".{self._instance}{self._start}{uuid.uuid4().hex[: 2 * _DIGITS]}.part"

    @staticmethod
    def spare(folder: Path) -> Path:
        """A name that no start takes away: for a moment what has it may be the only one there is."""
        return folder / f".{uuid.uuid4().hex}.part"

    def is_left(self, name: str) -> bool:
        """Whether an earlier start of the same instance gave it."""
        ours, now = f".{self._instance}", f".{self._instance}{self._start}"
        return is_temporary(name) and name.startswith(ours) and not name.startswith(now)
