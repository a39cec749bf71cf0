"""The pseudo-terminal that stands for a serial port: it can be pulled, and have the wrong speed."""

import array
import asyncio
import contextlib
import fcntl
import os
import tty
from collections.abc import Callable
from pathlib import Path

_TCGETS2 = 0x802C542A  # the only way to learn of speeds such as 250,000
_SPEED_AT = 10  # its place among the words of that structure
_STRUCTURE = bytes(44)
_CHUNK = 4096


class Terminal:
    """One end of a pair; the other one is at `path`."""

    def __init__(self, path: Path, heard: Callable[[bytes], None]) -> None:
        self._path, self._heard = path, heard
        self._near = self._far = -1
        self.plugged = False
        self.baud: int | None = None  # the speed that is understood; None: every one

    def plug(self) -> None:
        """Appear at `path`."""
        self._near, self._far = os.openpty()
        tty.setraw(self._far)
        os.set_blocking(self._near, False)
        self._path.unlink(missing_ok=True)
        self._path.symlink_to(os.ttyname(self._far))
        asyncio.get_running_loop().add_reader(self._near, self._read)
        self.plugged = True

    def unplug(self) -> None:
        """Be gone, as a cable that is pulled."""
        if not self.plugged:
            return
        self.plugged = False
        asyncio.get_running_loop().remove_reader(self._near)
        os.close(self._near)
        os.close(self._far)
        self._path.unlink(missing_ok=True)

    def write(self, data: bytes) -> None:
        """Say something; what nobody reads is lost."""
        if self.plugged:
            if not self._understood():
                data = bytes(byte ^ 0x9D for byte in data)
            with contextlib.suppress(OSError):
                os.write(self._near, data)

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            data = os.read(self._near, _CHUNK)
            if data and self._understood():
                self._heard(data)

    def _understood(self) -> bool:
        if self.baud is None:
            return True
        found = fcntl.ioctl(self._far, _TCGETS2, _STRUCTURE)
        return array.array("I", found)[_SPEED_AT] == self.baud
