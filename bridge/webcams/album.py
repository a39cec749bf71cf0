"""All cameras: those of the configuration, and those that clients keep in the namespace `webcams`."""

import asyncio
import logging
import uuid
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from bridge.config.webcams import Webcams as Settings
from bridge.errors import BadParams, BadRequest, BridgeError, ConfigError, NotFound
from bridge.signals import Signal
from bridge.store import Store
from bridge.store.namespaces import MISSING, Namespaces
from bridge.webcams.webcam import Webcam, checked, configured, kept, restored

log = logging.getLogger(__name__)

NAMESPACE: Final = "webcams"
MOST = 100


class Album:
    """Knows every camera; what clients change is on the disk before it is answered."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.changed: Signal[list[Webcam]] = Signal("webcams")
        self._configured = [_configured(name, one) for name, one in settings.cameras.items()]
        self._kept: dict[str, Webcam] = {}
        self._namespaces = Namespaces(store)
        self._turn = asyncio.Lock()

    @property
    def all(self) -> list[Webcam]:
        """The configured ones first; of two of one name the first."""
        names = {one.name for one in self._configured}
        return [*self._configured, *(one for one in self._kept.values() if one.name not in names)]

    async def open(self) -> None:
        """Read what clients have kept."""
        self._kept = await self._read()

    async def reload(self) -> None:
        """Somebody may have written into the namespace."""
        async with self._turn:
            found = await self._read()
            if found != self._kept:
                self._kept = found
                self.changed.emit(self.all)

    def find(self, uid: str | None, name: str | None) -> Webcam:
        """The camera of that id, else of that name, or NotFound."""
        if uid is None and name is None:
            raise BadParams("Missing argument 'uid'")
        for one in self.all:
            if one.uid == uid if uid is not None else one.name == name:
                return one
        raise NotFound(f"There is no webcam '{(uid or name or '')[:100]}'")

    async def save(self, uid: str | None, fields: Mapping[str, Any]) -> Webcam:
        """Make a camera, or change the fields of the one with that id, else of that name."""
        async with self._turn:
            webcam = checked(self._changed(uid, fields))
            if any(one.name == webcam.name and one.uid != webcam.uid for one in self.all):
                raise BadRequest(f"There is another webcam '{webcam.name}'")
            await self._namespaces.put(NAMESPACE, (webcam.uid,), kept(webcam))
            self._kept[webcam.uid] = webcam
            self.changed.emit(self.all)
            return webcam

    async def remove(self, uid: str | None, name: str | None) -> Webcam:
        """Forget a camera that clients have added."""
        async with self._turn:
            webcam = _own(self.find(uid, name))
            if await self._namespaces.remove(NAMESPACE, (webcam.uid,)) is MISSING:
                log.debug("the webcam %s was not in the database any more", webcam.uid)
            self._kept.pop(webcam.uid, None)
            self.changed.emit(self.all)
            return webcam

    def _changed(self, uid: str | None, fields: Mapping[str, Any]) -> Webcam:
        name = fields.get("name")
        before = None if uid is None else _own(self.find(uid, None))
        if before is None and name is not None:
            before = next((_own(one) for one in self.all if one.name == name), None)
        if before is not None:
            return msgspec.structs.replace(before, **fields)
        for needed in ("name", "stream_url"):
            if fields.get(needed) is None:
                raise BadParams(f"Missing argument '{needed}'")
        if len(self._kept) >= MOST:
            raise BadRequest(f"There are {MOST} webcams already; delete one first")
        return Webcam(uid=str(uuid.uuid4()), **fields)

    async def _read(self) -> dict[str, Webcam]:
        found: dict[str, Webcam] = {}
        for uid, stored in list((await self._namespaces.items(NAMESPACE)).items())[:MOST]:
            try:
                found[uid] = restored(uid, stored)
            except (BridgeError, msgspec.ValidationError) as error:
                log.warning("the webcam %.100s in the database is left out: %s", uid, error)
        return found


def _configured(name: str, settings: Any) -> Webcam:
    try:
        return configured(name, settings)
    except BadParams as error:
        field = str(error).split("'")[1]
        raise ConfigError(f"webcams.cameras.{name}.{field}: {str(error).partition(': ')[2]}") from error


def _own(webcam: Webcam) -> Webcam:
    """The camera, if clients may change it."""
    if webcam.source == "config":
        raise BadRequest(f"Webcam '{webcam.name}' is in the bridge's configuration; change it there")
    return webcam
