"""server.webcams.*: which cameras there are, for web UIs and apps."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from bridge.config import Discretion
from bridge.errors import BridgeError
from bridge.rpc import Access, Call, Door, Notice, rpc
from bridge.webcams.album import Album
from bridge.webcams.snapshots import Snapshots
from bridge.webcams.webcam import AspectRatio, Fps, Name, Rotation, Url, Webcam

MOST = 8_388_608  # bytes of a picture that only shows that there is one

Uid = Annotated[str, Meta(description="the id of a camera")]
OldName = Annotated[str, Meta(description="its name, where the id is not given")]
Word = Annotated[str, Meta(max_length=100)]


class WebcamList(msgspec.Struct, frozen=True):
    """All cameras."""

    webcams: list[Webcam]


class WebcamItem(msgspec.Struct, frozen=True):
    """One camera."""

    webcam: Webcam


class WebcamTest(msgspec.Struct, frozen=True):
    """Whether there is a picture, and the addresses as this machine reaches them."""

    name: str
    snapshot_reachable: bool
    snapshot_url: str
    stream_url: str


class Webcams:
    """Cameras of the configuration and of clients."""

    components = ("webcam",)

    def __init__(self, album: Album, snapshots: Snapshots, discretion: Discretion) -> None:
        self.changed: Notice[WebcamList] = Notice(
            "notify_webcams_changed", WebcamList, "A camera was added, changed or removed"
        )
        self._album, self._snapshots, self._discretion = album, snapshots, discretion
        album.changed.connect(lambda webcams: self.changed.emit(WebcamList(webcams)))

    @rpc("server.webcams.list", "GET", access=Access.READ)
    async def listing(self, call: Call) -> WebcamList:
        """Every camera; over MQTT without the secrets that its addresses may hold."""
        return WebcamList([self._shown(call, one) for one in self._album.all])

    @rpc("server.webcams.get_item", "GET", path="/server/webcams/item", access=Access.READ)
    async def get_item(
        self, call: Call, *, uid: Uid | None = None, name: OldName | None = None
    ) -> WebcamItem:
        """One camera, by its id or its name."""
        return WebcamItem(self._shown(call, self._album.find(uid, name)))

    @rpc("server.webcams.post_item", "POST", path="/server/webcams/item", access=Access.FILES)
    async def post_item(
        self,
        call: Call,
        *,
        uid: Uid | None = None,
        name: Name | None = None,
        location: Word | None = None,
        icon: Word | None = None,
        enabled: bool | None = None,
        service: Word | None = None,
        target_fps: Fps | None = None,
        target_fps_idle: Fps | None = None,
        stream_url: Url | None = None,
        snapshot_url: Url | None = None,
        flip_horizontal: bool | None = None,
        flip_vertical: bool | None = None,
        rotation: Rotation | None = None,
        aspect_ratio: AspectRatio | None = None,
        extra_data: dict[str, Any] | None = None,
    ) -> WebcamItem:
        """Add a camera (`name` and `stream_url` are needed) or change what is given of one that is there."""
        given: dict[str, Any] = {
            "name": name,
            "location": location,
            "icon": icon,
            "enabled": enabled,
            "service": service,
            "target_fps": target_fps,
            "target_fps_idle": target_fps_idle,
            "stream_url": stream_url,
            "snapshot_url": snapshot_url,
            "flip_horizontal": flip_horizontal,
            "flip_vertical": flip_vertical,
            "rotation": rotation,
            "aspect_ratio": aspect_ratio or None,
            "extra_data": extra_data,
        }
        fields = {field: value for field, value in given.items() if value is not None}
        return WebcamItem(self._shown(call, await self._album.save(uid, fields)))

    @rpc("server.webcams.delete_item", "DELETE", path="/server/webcams/item", access=Access.FILES)
    async def delete_item(
        self, call: Call, *, uid: Uid | None = None, name: OldName | None = None
    ) -> WebcamItem:
        """Remove a camera that a client has added."""
        return WebcamItem(self._shown(call, await self._album.remove(uid, name)))

    @rpc("server.webcams.test", "POST", access=Access.CONTROL)
    async def test(self, call: Call, *, uid: Uid | None = None, name: OldName | None = None) -> WebcamTest:
        """Fetch a picture of a camera, and tell its addresses in full."""
        webcam = self._shown(call, found := self._album.find(uid, name))
        try:
            await self._snapshots.fetch(found, MOST)
        except BridgeError:
            reachable = False
        else:
            reachable = True
        addresses = (self._snapshots.address(url) for url in (webcam.snapshot_url, webcam.stream_url))
        snapshot, stream = (self._public(call, address) for address in addresses)
        return WebcamTest(webcam.name, reachable, snapshot, stream)

    def _shown(self, call: Call, webcam: Webcam) -> Webcam:
        """Browsers need the login of a camera; a broker is no place for it."""
        return without_secrets(webcam, self._discretion) if call.client.door is Door.MQTT else webcam

    def _public(self, call: Call, address: str) -> str:
        return str(self._discretion.plain(address)) if call.client.door is Door.MQTT else address


def without_secrets(webcam: Webcam, discretion: Discretion) -> Webcam:
    """A camera whose addresses hold no password, token, or what came by `!secret`."""
    return msgspec.structs.replace(
        webcam,
        stream_url=discretion.plain(webcam.stream_url),
        snapshot_url=discretion.plain(webcam.snapshot_url),
        extra_data=discretion.plain(webcam.extra_data),
    )
