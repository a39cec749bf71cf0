"""Status for whoever follows it: what changed since the last tick, as Klippy tells it."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from bridge.errors import KlippyError
from bridge.klippy.printer_link import StatusUpdate
from bridge.klippy.serial.objects import Objects

TICK = 0.25  # seconds
Fields = dict[str, list[str] | None]
Found = dict[str, dict[str, Any]]


class Ticker:
    """One subscription over all objects; a timer, no task."""

    def __init__(self, objects: Objects, tell: Callable[[StatusUpdate], None]) -> None:
        self.objects, self._tell = objects, tell
        self._wanted: Fields = {}
        self._told: Found = {}
        self._timer: asyncio.TimerHandle | None = None

    def query(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Values now."""
        return _answer(self._select(_wanted(params)))

    def subscribe(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Values now, and their changes from now on; it replaces what was wanted before."""
        self._wanted = _wanted(params)
        self._told = self._select(self._wanted)
        self.stop()
        self._timer = asyncio.get_running_loop().call_later(TICK, self._tick)
        return _answer(self._told)

    def stop(self) -> None:
        """Tell nobody any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def flush(self) -> None:
        """Tell now what has changed: news that cannot wait for a tick."""
        now = self._select(self._wanted)
        changed: Found = {}
        for name, fields in now.items():
            told = self._told.get(name, {})
            if fields != told:
                changed[name] = {
                    key: value for key, value in fields.items() if key not in told or told[key] != value
                }
        self._told = now
        if changed:
            self._tell(StatusUpdate(time.monotonic(), changed))

    def _tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(TICK, self._tick)
        self.flush()

    def _select(self, wanted: Fields) -> Found:
        found: Found = {}
        for name, fields in wanted.items():
            status = self.objects[name]() if name in self.objects else {}
            found[name] = dict(status) if fields is None else {key: status.get(key) for key in fields}
        return found


def _wanted(params: Mapping[str, Any]) -> Fields:
    """What is asked for, or KlippyError as Klippy puts it."""
    objects = params.get("objects")
    if objects is None:
        raise KlippyError("Missing Argument [objects]")
    if not isinstance(objects, Mapping):
        raise KlippyError("Invalid Argument Type [objects]")
    for fields in objects.values():
        if fields is not None and not isinstance(fields, list | tuple):
            raise KlippyError("Invalid argument")
    return {
        str(name): None if fields is None else [str(f) for f in fields] for name, fields in objects.items()
    }


def _answer(status: Found) -> dict[str, Any]:
    return {"eventtime": time.monotonic(), "status": status}
