"""What OctoPrint's clients ask to know whom they talk to: version, login, settings, connection, profiles."""

from collections.abc import Callable
from typing import Any

from bridge import __version__
from bridge.errors import Conflict
from bridge.http_compat import answers, web
from bridge.http_compat.guard import Visitor
from bridge.http_compat.octoprint.desk import Desk, Json, allow
from bridge.http_compat.octoprint.printer import no_card
from bridge.http_compat.routes import Routes
from bridge.rpc import Access, encode

SERVER = "1.5.0"  # OctoPrint's version that is imitated
VERSION: Json = {"server": SERVER, "api": "0.1", "text": f"OctoPrint (klipper-bridge {__version__})"}
USER: Json = {
    "_is_external_client": False,
    "_login_mechanism": "apikey",
    "name": "_api",
    "active": True,
    "user": True,
    "admin": True,
    "apikey": None,
    "permissions": [],
    "groups": ["admins", "users"],
    "session": "",
}
CURRENT_USER: Json = {"name": "_api", "permissions": [], "groups": ["admins", "users"]}
# Cura uploads its package, with a picture in it, where this plugin is said to be.
UFP: Json = {
    "align_inline_thumbnail": False,
    "inline_thumbnail": False,
    "inline_thumbnail_align_value": "left",
    "inline_thumbnail_scale_value": "50",
    "installed": True,
    "installed_version": "0.2.2",
    "scale_inline_thumbnail": False,
    "state_panel_thumbnail": True,
}
SETTINGS: Json = {
    "plugins": {"UltimakerFormatPackage": UFP},
    "feature": {"sdSupport": False, "temperatureGraph": False},
}
NO_WEBCAM: Json = {
    "webcamEnabled": False,
    "streamUrl": "",
    "snapshotUrl": "",
    "flipH": False,
    "flipV": False,
    "rotate90": False,
}
PROFILE: Json = {
    "id": "_default",
    "name": "Default",
    "color": "default",
    "model": "Default",
    "default": True,
    "current": True,
    "heatedBed": True,
    "heatedChamber": False,
}
OPTIONS: Json = {
    "ports": ["KLIPPER"],
    "baudrates": [],
    "printerProfiles": [{"name": "Default", "id": "_default"}],
    "portPreference": "KLIPPER",
    "baudratePreference": None,
    "printerProfilePreference": "_default",
    "autoconnect": True,
}


class ServerPages:
    """What does not depend on the printer, and its connection."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def add_to(self, routes: Routes) -> None:
        """Offer the pages."""
        pages: dict[str, Callable[[], Any]] = {
            "/api/version": lambda: VERSION,
            "/api/server": self._server,
            "/api/login": lambda: USER,
            "/api/currentuser": lambda: CURRENT_USER,
            "/api/connection": self._connection,
            "/api/printerprofiles": lambda: {"profiles": {"_default": PROFILE}},
            "/api/printerprofiles/_default": lambda: PROFILE,
            "/api/printer/sd": no_card,
        }
        for path, tell in pages.items():
            routes.add("GET", path, self._desk.told(tell))
        routes.add("GET", "/api/settings", self._settings)
        routes.add("POST", "/api/login", self._login)
        routes.add("POST", "/api/logout", self._logout)
        connect = {"connect": self._connect, "disconnect": self._disconnect, "fake_ack": self._nothing}
        routes.add("POST", "/api/connection", self._desk.commanded(connect))

    def _server(self) -> Json:
        return {
            "server": SERVER,
            "version": SERVER,
            "safemode": None if self._desk.state.operational else "settings",
        }

    async def _settings(self, _request: web.BaseRequest, _query: str, visitor: Visitor) -> web.StreamResponse:
        """With the first camera that is on: OctoPrint knows but one."""
        found = await self._desk.call("server.webcams.list", visitor)
        webcam = next((_webcam(one) for one in found.webcams if one.enabled), NO_WEBCAM)
        return answers.raw(encode(SETTINGS | {"webcam": webcam}))

    def _connection(self) -> Json:
        up = self._desk.state.operational
        current = {
            "state": self._desk.state.text,
            "port": "KLIPPER" if up else None,
            "baudrate": None,
            "printerProfile": "_default",
        }
        return {"current": current, "options": OPTIONS}

    async def _login(self, _request: web.BaseRequest, _query: str, visitor: Visitor) -> web.StreamResponse:
        """Whoever may call is logged in; what the body says does not matter."""
        allow(visitor, Access.READ)
        return answers.raw(encode(USER))

    async def _logout(self, _request: web.BaseRequest, _query: str, _visitor: Visitor) -> web.StreamResponse:
        return answers.empty()

    async def _connect(self, _given: Json, visitor: Visitor) -> None:
        """A printer that is not operational is restarted; that is how Klipper connects."""
        if not self._desk.state.operational:
            await self._desk.call("printer.firmware_restart", visitor)

    async def _disconnect(self, _given: Json, visitor: Visitor) -> None:
        allow(visitor, Access.CONTROL)
        raise Conflict("Klipper keeps its connection to the printer; it cannot be told to hang up")

    async def _nothing(self, _given: Json, visitor: Visitor) -> None:
        allow(visitor, Access.CONTROL)


def _webcam(one: Any) -> Json:
    """A camera in OctoPrint's terms; it turns pictures by 90 degrees to the left, or not at all."""
    half = one.rotation in (90, 180)
    return {
        "webcamEnabled": True,
        "streamUrl": one.stream_url,
        "snapshotUrl": one.snapshot_url,
        "flipH": one.flip_horizontal is not half,
        "flipV": one.flip_vertical is not half,
        "rotate90": one.rotation in (90, 270),
    }
