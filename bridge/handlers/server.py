"""server.*: the bridge itself, its stores and its connections (seed 004, Query Server Info and following)."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bridge import __version__
from bridge.clients import SocketTable
from bridge.config import Config, Discretion
from bridge.errors import BadRequest
from bridge.klippy.console import Console, ConsoleLine
from bridge.klippy.printer_link import PrinterLink
from bridge.klippy.state import Klippy
from bridge.klippy.temperatures import TemperatureStore
from bridge.rpc import SOCKET_ONLY, Access, Call, rpc

API_VERSION = (1, 5, 0)  # of Moonraker's API that is kept compatible


class ServerInfo(msgspec.Struct, frozen=True):
    """The state of the server, in the fields of 2021 and of today."""

    klippy_connected: bool
    klippy_state: str
    components: list[str]
    failed_components: list[str]
    registered_directories: list[str]
    warnings: list[str]
    websocket_count: int
    moonraker_version: str
    missing_klippy_requirements: list[str]
    api_version: tuple[int, int, int]
    api_version_string: str
    plugins: list[str]
    failed_plugins: list[str]
    bridge_version: str


class FileSections(msgspec.Struct, frozen=True):
    """A configuration file and the sections in it."""

    filename: str
    sections: list[str]


class ServerConfig(msgspec.Struct, frozen=True):
    """The configuration under Moonraker's section names; secrets are masked."""

    config: dict[str, Any]
    orig: dict[str, Any]
    files: list[FileSections]


class GcodeStore(msgspec.Struct, frozen=True):
    """Console lines, the oldest first."""

    gcode_store: list[ConsoleLine]


class WebsocketId(msgspec.Struct, frozen=True):
    """The number of the WebSocket that asked."""

    websocket_id: int


class ConnectionId(msgspec.Struct, frozen=True):
    """The number of the WebSocket that introduced itself."""

    connection_id: int


class Server:
    """The bridge as a server: what it is, what it remembers, who is connected."""

    components = ("server", "data_store", "websockets")

    def __init__(
        self,
        *,
        config: Config,
        discretion: Discretion,
        config_name: str,
        klippy: Klippy,
        link: PrinterLink,
        temperatures: TemperatureStore,
        console: Console,
        sockets: SocketTable,
        components: list[str],
        warnings: Callable[[], list[str]],
        directories: Callable[[], list[str]],
        restart: Callable[[], None],
    ) -> None:
        self._config, self._config_name, self._discretion = config, config_name, discretion
        self._klippy, self._link = klippy, link
        self._temperatures, self._console, self._sockets = temperatures, console, sockets
        self._components, self._warnings, self._directories = components, warnings, directories
        self._restart = restart

    @rpc("server.info", "GET", access=Access.READ)
    async def info(self, call: Call) -> ServerInfo:
        """Whether Klippy is connected and ready, and what this server offers."""
        return ServerInfo(
            klippy_connected=self._link.connected,
            klippy_state=self._klippy.info.state.value,
            components=self._components,
            failed_components=[],
            registered_directories=self._directories(),
            warnings=self._warnings(),
            websocket_count=self._sockets.count,
            moonraker_version=MOONRAKER_VERSION,
            missing_klippy_requirements=self._klippy.machine.missing if self._klippy.ready else [],
            api_version=API_VERSION,
            api_version_string=".".join(map(str, API_VERSION)),
            plugins=self._components,
            failed_plugins=[],
            bridge_version=__version__,
        )

    @rpc("server.config", "GET", access=Access.READ)
    async def config(self, call: Call) -> ServerConfig:
        """The whole configuration, also what was left at its default; secrets are masked."""
        sections = moonraker_sections(self._config, self._discretion)
        return ServerConfig(
            config=sections, orig=sections, files=[FileSections(self._config_name, list(sections))]
        )

    @rpc("server.restart", "POST", access=Access.ADMIN)
    async def restart(self, call: Call) -> Literal["ok"]:
        """Restart the bridge and read its configuration again; refused while that has a mistake."""
        self._restart()
        return "ok"

    @rpc("server.temperature_store", "GET", access=Access.READ)
    async def temperature_store(
        self,
        call: Call,
        *,
        include_monitors: Annotated[
            bool, Meta(description="also sensors that report only now and then")
        ] = False,
    ) -> dict[str, dict[str, list[float | None]]]:
        """Temperatures, targets, powers and speeds of every sensor, one value a second, the oldest first."""
        return self._temperatures.snapshot(monitors=include_monitors)

    @rpc("server.gcode_store", "GET", access=Access.READ)
    async def gcode_store(
        self,
        call: Call,
        *,
        count: Annotated[int, Meta(ge=0, description="how many of the newest lines; default all")]
        | None = None,
    ) -> GcodeStore:
        """What was sent to Klippy's console and what it answered."""
        return GcodeStore(self._console.last(count))

    @rpc("server.websocket.id", access=Access.READ, doors=SOCKET_ONLY)
    async def websocket_id(self, call: Call) -> WebsocketId:
        """The number of the WebSocket that asks."""
        client = self._sockets.of(call.client)
        if client is None:
            raise BadRequest("Only a WebSocket has an id")
        return WebsocketId(client.id)

    @rpc("server.connection.identify", access=Access.READ, doors=SOCKET_ONLY, public=True)
    async def identify(
        self,
        call: Call,
        *,
        client_name: str,
        version: str,
        type: Annotated[  # noqa: A002 - the name of the API
            Literal["web", "mobile", "desktop", "display", "bot", "agent", "other"],
            Meta(description="kind of client"),
        ],
        url: str,
        access_token: str | None = None,
        api_key: str | None = None,
    ) -> ConnectionId:
        """Say who one is; with a key or a token also prove it."""
        client = self._sockets.of(call.client)
        if client is None:
            raise BadRequest("Only a WebSocket can identify itself")
        await client.identify(
            name=client_name,
            version=version,
            kind=type,
            url=url,
            api_key=api_key,
            access_token=access_token,
        )
        return ConnectionId(client.id)


MOONRAKER_VERSION = f"v0.11.0-klipper-bridge-{__version__}"  # clients compare its first part


def moonraker_sections(config: Config, discretion: Discretion) -> dict[str, Any]:
    """Our configuration under the names that Moonraker's clients look for, secrets masked."""
    stores = config.server
    plain: dict[str, Any] = discretion.plain(config)
    http, mqtt = plain["http"], plain["mqtt"]
    return {
        "server": {
            "host": http["host"],
            "port": http["port"],
            "klippy_uds_address": plain["klippy"]["socket"],
            "max_upload_size": config.files.max_upload // 1_048_576,  # MB
            "max_websocket_connections": http["max_connections"],
            "enable_debug_logging": config.logging.level == "debug",
        },
        "data_store": {
            "temperature_store_size": stores.temperature_store_size,
            "gcode_store_size": stores.gcode_store_size,
        },
        "file_manager": {
            "queue_gcode_uploads": config.files.queue_uploads,
            "enable_object_processing": config.files.object_processing,
            "check_klipper_config_path": False,
        },
        **({"octoprint_compat": {"enable_ufp": True}} if config.files.octoprint else {}),
        "authorization": {
            "trusted_clients": http["trusted"],
            "cors_domains": http["cors_origins"],
            "force_logins": http["force_logins"],
            "default_source": "moonraker",
        },
        "mqtt": {
            "address": mqtt["host"],
            "port": mqtt["port"],
            "username": mqtt["username"],
            "password": mqtt["password"],
            "mqtt_protocol": mqtt["protocol"],
            "instance_name": plain["instance"],
            "default_qos": mqtt["qos"],
            "enable_moonraker_api": True,
            "publish_split_status": True,
        },
        "announcements": {"subscriptions": list(plain["announcements"]["feeds"])},
        **({"zeroconf": {"mdns_hostname": plain["zeroconf"]["name"]}} if config.zeroconf.enabled else {}),
        "job_queue": plain["job_queue"],
        **_named("power", plain["power"]),
        **_named("sensor", plain["sensors"]),
        **({"spoolman": plain["spoolman"]} if config.spoolman.server else {}),
        **_named("webcam", plain["webcams"]["cameras"]),
        **_named("notifier", plain["notifiers"]),
        **_named("wled", plain["wled"]),
        "bridge": plain,
    }


def _named(kind: str, sections: dict[str, Any]) -> dict[str, Any]:
    return {f"{kind} {name}": options for name, options in sections.items()}
