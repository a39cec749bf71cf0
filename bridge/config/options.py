"""Every option with its type, bounds, default and one line of what it is: one frozen Struct a section."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bridge.config.announcements import Announcements
from bridge.config.extensions import Extensions
from bridge.config.machine import Machine
from bridge.config.notifiers import Notifier
from bridge.config.power import PowerDevice
from bridge.config.section import QoS, Seconds, Section
from bridge.config.sensors import Sensor
from bridge.config.serial import SerialPrinter
from bridge.config.spoolman import Spoolman
from bridge.config.updates import Updates
from bridge.config.webcams import Webcams
from bridge.config.wled import LightStrip
from bridge.config.zeroconf import Zeroconf

CONFIDENTIAL = "_confidential"  # no option, so nobody can set it in the file
Rate = Annotated[float, Meta(gt=0, le=1000)]


class Klippy(Section, frozen=True):
    """Where Klippy's API socket is, or the serial port of a printer that has none."""

    socket: Annotated[str, Meta(min_length=1, description="Klippy's API socket, klippy.py's option -a")] = (
        "~/printer_data/comms/klippy.sock"
    )
    serial: Annotated[
        str | None,
        Meta(description="a printer without Klippy: its serial port, such as /dev/ttyUSB0; docs/serial.md"),
    ] = None
    baud: Annotated[
        Annotated[int, Meta(ge=1200, le=4_000_000)] | Literal["auto"],
        Meta(description="speed of the serial port; auto: it is found out"),
    ] = "auto"
    printer: SerialPrinter = SerialPrinter()
    request_timeout: Annotated[
        Seconds, Meta(description="seconds Klippy may take to answer; G-code scripts have no limit")
    ] = 10.0


class Tls(Section, frozen=True):
    """TLS to the broker; its certificate is verified unless the loud switch says otherwise."""

    ca: Annotated[
        str | None, Meta(description="file of the authority to trust; default: this system's authorities")
    ] = None
    cert: Annotated[str | None, Meta(description="file of our own certificate, if the broker asks")] = None
    key: Annotated[str | None, Meta(description="file of the key that belongs to `cert`")] = None
    insecure_skip_verification: Annotated[
        bool, Meta(description="take any certificate: anybody can then pose as the broker")
    ] = False


class MqttState(Section, frozen=True):
    """Which printer objects are published below klipper/state/, and how quietly."""

    objects: Annotated[
        dict[str, list[str] | None] | None,
        Meta(
            description="printer object -> its fields, null for all; beside what the discovered entities read"
        ),
    ] = None
    combined: Annotated[
        bool, Meta(description="also publish every change on klipper/status, as Moonraker's joint status")
    ] = False
    policy: Annotated[
        Literal["quiet", "full"],
        Meta(description="quiet: rounded and rationed; full: every change at once, as Moonraker does"),
    ] = "quiet"
    printing_per_second: Annotated[
        Rate, Meta(description="figures a second while printing; changes of state are extra")
    ] = 2.0
    idle_per_minute: Annotated[
        Rate, Meta(description="figures a minute while idle; changes of state are extra")
    ] = 6.0


class MqttClientRules(Section, frozen=True):
    """Rules of their own for the requests on moonraker/api/request/{client}."""

    allow: Annotated[
        list[str] | None,
        Meta(description="classes and patterns that this client may call; default: mqtt.allow"),
    ] = None
    deny: Annotated[
        list[str], Meta(description="classes and patterns that it may not call, besides mqtt.deny")
    ] = msgspec.field(default_factory=list)


class Mqtt(Section, frozen=True):
    """The broker, and who may do what over it."""

    host: Annotated[str, Meta(min_length=1, description="name or address of the broker")] = "127.0.0.1"
    port: Annotated[
        Annotated[int, Meta(ge=1, le=65_535)] | None,
        Meta(description="its port; default 1883, with TLS 8883"),
    ] = None
    username: Annotated[str | None, Meta(description="user at the broker")] = None
    password: Annotated[str | None, Meta(description="its password; best as `!secret mqtt_password`")] = None
    client_id: Annotated[
        str | None, Meta(description="MQTT client id; default: made from the id kept on disk")
    ] = None
    protocol: Annotated[
        Literal["auto", "5", "3.1.1"], Meta(description="version of MQTT; auto: 5 first, 3.1.1 if refused")
    ] = "auto"
    keepalive: Annotated[int, Meta(ge=5, le=3600, description="seconds between signs of life")] = 30
    qos: Annotated[QoS, Meta(description="quality of service of what is published")] = 1
    max_payload: Annotated[
        int, Meta(ge=1024, le=268_435_455, description="bytes; a larger answer becomes an error of its size")
    ] = 262_144
    allow: Annotated[
        list[str],
        Meta(
            description="what may be called over MQTT: classes (read, control, files, admin) and patterns "
            "of methods, such as server.files.*"
        ),
    ] = msgspec.field(default_factory=lambda: ["read", "control"])
    deny: Annotated[
        list[str],
        Meta(description="classes and patterns that may not be called over MQTT, whatever else allows them"),
    ] = msgspec.field(default_factory=list)
    clients: Annotated[
        dict[str, MqttClientRules],
        Meta(description="rules for single clients, by the name in moonraker/api/request/{client}"),
    ] = msgspec.field(default_factory=dict)
    controls: Annotated[bool, Meta(description="whether Home Assistant gets buttons for the controls")] = True
    tls: Annotated[Tls | None, Meta(description="TLS; `{}` is enough for a public certificate")] = None
    state: MqttState = MqttState()


class Http(Section, frozen=True):
    """HTTP and WebSocket, for Moonraker's clients."""

    enabled: Annotated[bool, Meta(description="whether there is an HTTP server at all")] = True
    host: Annotated[
        str, Meta(min_length=1, description="address to listen on; 0.0.0.0: all of this machine's")
    ] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535, description="port to listen on; 0: any free one")] = 7125
    trusted: Annotated[
        list[str],
        Meta(description="addresses, networks and host names that need no key; default: this machine"),
    ] = msgspec.field(default_factory=lambda: ["127.0.0.0/8", "::1/128"])
    api_key: Annotated[
        str | None,
        Meta(
            description="key that lets in from anywhere, as X-Api-Key; default: one is made and kept in "
            "bridge/api_key below `data`"
        ),
    ] = None
    force_logins: Annotated[
        bool, Meta(description="whether also trusted addresses have to log in, once there is a user")
    ] = False
    hosts: Annotated[
        list[str], Meta(description="names under which browsers find this server, such as printer.example")
    ] = msgspec.field(default_factory=list)
    cors_origins: Annotated[
        list[str], Meta(description="web pages of other hosts that may call, such as http://ui.example")
    ] = msgspec.field(default_factory=list)
    proxies: Annotated[list[str], Meta(description="reverse proxies whose X-Forwarded-For is believed")] = (
        msgspec.field(default_factory=list)
    )
    max_body: Annotated[
        int, Meta(ge=1024, le=1_073_741_824, description="bytes of a request that is not an upload")
    ] = 4_194_304
    max_connections: Annotated[int, Meta(ge=1, le=10_000, description="open connections at once")] = 512
    max_connections_per_address: Annotated[
        int,
        Meta(ge=1, le=10_000, description="of them from one address; those of http.proxies are not counted"),
    ] = 256


class HomeAssistant(Section, frozen=True):
    """Home Assistant's MQTT discovery."""

    enabled: Annotated[bool, Meta(description="whether the printer is announced")] = True
    prefix: Annotated[str, Meta(description="Home Assistant's discovery prefix")] = "homeassistant"
    name: Annotated[str | None, Meta(description="name of the device; default: the instance's")] = None
    macros: Annotated[
        list[str],
        Meta(description="macros whose buttons are enabled from the start; all others are there, disabled"),
    ] = msgspec.field(default_factory=list)


class Stores(Section, frozen=True):
    """How much the server remembers, in memory."""

    temperature_store_size: Annotated[
        int, Meta(ge=1, le=86_400, description="temperatures per sensor, one a second")
    ] = 1200
    gcode_store_size: Annotated[int, Meta(ge=1, le=100_000, description="lines of the console")] = 1000


class FileRoot(Section, frozen=True):
    """One more folder that clients may see."""

    name: Annotated[str, Meta(pattern="^[a-z0-9_]{1,32}$", description="its name among the roots")]
    path: Annotated[str, Meta(min_length=1, description="the folder")]
    writable: Annotated[bool, Meta(description="whether clients may change what is in it")] = False


class Files(Section, frozen=True):
    """Files: what clients see and send."""

    gcodes: Annotated[
        str | None,
        Meta(description="folder of G-code, Klipper's virtual_sdcard; default: gcodes/ below `data`"),
    ] = None
    roots: Annotated[list[FileRoot], Meta(description="more folders that clients may see")] = msgspec.field(
        default_factory=list
    )
    max_upload: Annotated[int, Meta(ge=1024, description="bytes of one upload")] = 1_073_741_824
    queue_uploads: Annotated[
        bool, Meta(description="queue what is uploaded to be printed while the printer cannot print it")
    ] = False
    object_processing: Annotated[
        bool, Meta(description="mark objects in uploads for EXCLUDE_OBJECT where the slicer has not")
    ] = False
    octoprint: Annotated[bool, Meta(description="also speak OctoPrint's API, as slicers do")] = True
    check_sdcard: Annotated[
        bool, Meta(description="start no print when Klipper prints from another folder than `gcodes`")
    ] = True


class JobQueue(Section, frozen=True):
    """What happens between two queued jobs; by itself nothing: somebody has to clear the bed."""

    load_on_startup: Annotated[bool, Meta(description="start the queue when Klippy becomes ready")] = False
    automatic_transition: Annotated[bool, Meta(description="load the next job when one is complete")] = False
    job_transition_delay: Annotated[
        float, Meta(ge=0, le=86_400, description="seconds before a job is started")
    ] = 0.0
    job_transition_gcode: Annotated[str, Meta(description="G-code that runs before a job is started")] = ""


class Logging(Section, frozen=True):
    """How much is logged, and where besides stderr."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="the least grave that is logged")
    ] = "info"
    file: Annotated[bool, Meta(description="also into logs/klipper-bridge.log below `data`")] = True
    max_bytes: Annotated[
        int, Meta(ge=10_000, le=1_000_000_000, description="size at which that file is put aside")
    ] = 2_000_000
    backups: Annotated[int, Meta(ge=0, le=100, description="older files that are kept")] = 3


class Config(Section, frozen=True, dict=True):
    """The whole configuration; config/bridge.example.yaml shows every option."""

    @property
    def confidential(self) -> frozenset[str]:
        """Texts that came by `!secret`; whatever they are, they are shown nowhere."""
        found: frozenset[str] = self.__dict__.get(CONFIDENTIAL, frozenset())
        return found

    instance: Annotated[
        str | None, Meta(description="first level of every topic; default: this machine's name")
    ] = None
    data: Annotated[
        str, Meta(min_length=1, description="folder of gcodes/, config/, logs/; ours are in bridge/ below it")
    ] = "~/printer_data"
    klippy: Klippy = Klippy()
    mqtt: Mqtt = Mqtt()
    http: Http = Http()
    homeassistant: HomeAssistant = HomeAssistant()
    server: Stores = Stores()
    files: Files = Files()
    job_queue: JobQueue = JobQueue()
    power: Annotated[
        dict[str, PowerDevice], Meta(description="switches by name; docs/power.md shows each kind")
    ] = msgspec.field(default_factory=dict)
    sensors: Annotated[
        dict[str, Sensor], Meta(description="sensors by name; docs/power.md shows an energy meter")
    ] = msgspec.field(default_factory=dict)
    spoolman: Spoolman = Spoolman()
    machine: Machine = Machine()
    updates: Updates = Updates()
    webcams: Webcams = Webcams()
    extensions: Extensions = Extensions()
    announcements: Announcements = Announcements()
    wled: Annotated[
        dict[str, LightStrip], Meta(description="light strips by name; docs/around.md shows both kinds")
    ] = msgspec.field(default_factory=dict)
    notifiers: Annotated[
        dict[str, Notifier], Meta(description="services that are told, by name; docs/around.md shows some")
    ] = msgspec.field(default_factory=dict)
    zeroconf: Zeroconf = Zeroconf()
    logging: Logging = Logging()
