"""server.webcams.*: which cameras there are, for web UIs and apps."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from bridge.config.options import LOGIN_IN_URL
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

    def __init__(self, album: Album, snapshots: Snapshots) -> None:
        self.changed: Notice[WebcamList] = Notice(
            "notify_webcams_changed", WebcamList, "A camera was added, changed or removed"
        )
        self._album, self._snapshots = album, snapshots
        album.changed.connect(lambda webcams: self.changed.emit(WebcamList(webcams)))

    @rpc("server.webcams.list", "GET", access=Access.READ)
    async def listing(self, call: Call) -> WebcamList:
        """Every camera; over MQTT without the logins that its addresses may hold."""
        return WebcamList([_shown(call, one) for one in self._album.all])

    @rpc("server.webcams.get_item", "GET", path="/server/webcams/item", access=Access.READ)
    async def get_item(
        self, call: Call, *, uid: Uid | None = None, name: OldName | None = None
    ) -> WebcamItem:
        """One camera, by its id or its name."""
        return WebcamItem(_shown(call, self._album.find(uid, name)))

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
        return WebcamItem(_shown(call, await self._album.save(uid, fields)))

    @rpc("server.webcams.delete_item", "DELETE", path="/server/webcams/item", access=Access.FILES)
    async def delete_item(
        self, call: Call, *, uid: Uid | None = None, name: OldName | None = None
    ) -> WebcamItem:
        """Remove a camera that a client has added."""
        return WebcamItem(_shown(call, await self._album.remove(uid, name)))

    @rpc("server.webcams.test", "POST", access=Access.CONTROL)
    async def test(self, call: Call, *, uid: Uid | None = None, name: OldName | None = None) -> WebcamTest:
        """Fetch a picture of a camera, and tell its addresses in full."""
        webcam = _shown(call, found := self._album.find(uid, name))
        try:
            await self._snapshots.fetch(found, MOST)
        except BridgeError:
            reachable = False
        else:
            reachable = True
        address = self._snapshots.address
        return WebcamTest(webcam.name, reachable, address(webcam.snapshot_url), address(webcam.stream_url))


def _shown(call: Call, webcam: Webcam) -> Webcam:
    """Browsers need the login of a camera; a broker is no place for it."""
    return without_login(webcam) if call.client.door is Door.MQTT else webcam


def without_login(webcam: Webcam) -> Webcam:
    """A camera whose addresses hold no password."""
    return msgspec.structs.replace(
        webcam,
        stream_url=LOGIN_IN_URL.sub("***", webcam.stream_url),
        snapshot_url=LOGIN_IN_URL.sub("***", webcam.snapshot_url),
    )
