"""server.logs.*: begin the logs anew."""

import asyncio
import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec
from msgspec import Meta

from bridge.errors import BadParams
from bridge.rpc import Access, Call, rpc

log = logging.getLogger(__name__)

OURSELVES, KLIPPER = "moonraker", "klipper"
NAMES = {OURSELVES: OURSELVES, "klipper-bridge": OURSELVES, KLIPPER: KLIPPER}
KEPT = 5  # logs of Klipper's that were put aside


class RolledOver(msgspec.Struct, frozen=True):
    """Whose logs were begun anew, and why others were not."""

    rolled_over: list[str]
    failed: dict[str, str]


class Logs:
    """Puts logs aside; nobody has to be restarted for it."""

    def __init__(self, roll_ours: Callable[[], str], klippy_log: Callable[[], Path]) -> None:
        self._roll_ours, self._klippy_log = roll_ours, klippy_log
        self._turn = asyncio.Lock()

    @rpc("server.logs.rollover", "POST", access=Access.ADMIN)
    async def rollover(
        self,
        call: Call,
        *,
        application: Annotated[
            str | None, Meta(description="moonraker (the bridge) or klipper; null: both")
        ] = None,
    ) -> RolledOver:
        """Put logs aside and begin them anew."""
        if application is not None and application not in NAMES:
            raise BadParams("Argument 'application': expected moonraker or klipper")
        wanted = (OURSELVES, KLIPPER) if application is None else (NAMES[application],)
        done, failed = [], {}
        async with self._turn:
            for name in wanted:
                roll = self._roll_ours if name == OURSELVES else self._roll_klippers
                if reason := await asyncio.to_thread(roll):
                    failed[name] = reason
                else:
                    done.append(name)
        return RolledOver(done, failed)

    def _roll_klippers(self) -> str:
        """Klipper appends to its file for ever: what is in it is copied, then it is made empty."""
        path = self._klippy_log()
        aside = path.with_name(f"{path.name}.{time.strftime('%Y-%m-%d-%H%M%S')}")
        try:
            with path.open("r+b") as file, aside.open("xb") as copy:
                _move(file, copy, aside)
            for old in sorted(path.parent.glob(f"{path.name}.????-??-??-??????"))[:-KEPT]:
                old.unlink()
        except FileExistsError:
            return "klippy.log: it was put aside a moment ago"
        except OSError as error:
            return f"klippy.log: {error.strerror or error}"
        log.info("Klipper's log was put aside as %s", aside.name)
        return ""


def _move(file: BinaryIO, copy: BinaryIO, aside: Path) -> None:
    """All of it or, on a full disk, nothing."""
    try:
        shutil.copyfileobj(file, copy)
        copy.flush()
    except OSError:
        aside.unlink()
        raise
    file.truncate(0)
