"""What the bridge publishes, topic by topic: the Structs are encoded as they are, and exported as schemas."""

from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

Time = Annotated[float, Meta(description="Unix seconds")]
Count = Annotated[int, Meta(ge=0)]
Availability = Literal["online", "offline"]
KlippyStateName = Literal["ready", "startup", "shutdown", "error", "disconnected"]
ControlKind = Literal["number", "switch", "button", "select", "light", "text"]


class Payload(msgspec.Struct, frozen=True):
    """What all payloads share: no key is ever missing, null is what is not known."""


class Status(Payload, frozen=True):
    """Whether the bridge is online; `offline` is its last will, too."""

    server: Availability


class KlippyInfo(Payload, frozen=True):
    """Klippy's state; the message is Klippy's own and may have several lines."""

    state: KlippyStateName
    message: str
    version: str | None


class StateValue(Payload, frozen=True):
    """One field of one printer object."""

    eventtime: Annotated[float | None, Meta(description="Klippy's monotonic clock, in seconds")]
    time: Time
    value: Annotated[Any, Meta(description="as Klippy has it, rounded by its kind; null: not known")]


class Combined(Payload, frozen=True):
    """What changed since the last message, by printer object and field."""

    eventtime: Annotated[float | None, Meta(description="Klippy's monotonic clock, in seconds")]
    status: dict[str, dict[str, Any]]


Share = Annotated[float | None, Meta(description="percent, from 0 to 100")]
Seconds = Annotated[float | None, Meta(description="seconds")]
Millimetres = Annotated[float | None, Meta(description="mm")]
DateTime = Annotated[str | None, Meta(description="ISO 8601 with offset")]


class JobCurrent(Payload, frozen=True):
    """The running job; everything is null while none runs."""

    file: Annotated[str | None, Meta(description="relative to the gcodes root")] = None
    state: Literal["printing", "paused"] | None = None
    progress: Share = None
    elapsed: Annotated[float | None, Meta(description="seconds since the start, pauses included")] = None
    print_time: Annotated[float | None, Meta(description="seconds of printing, without pauses")] = None
    remaining: Annotated[
        Annotated[float, Meta(ge=0)] | None, Meta(description="seconds; null: nothing to tell it by")
    ] = None
    eta_at: DateTime = None
    estimate_source: Annotated[
        Literal["slicer", "file", "filament"] | None, Meta(description="what `remaining` is told by")
    ] = None
    layer: int | None = None
    layers: int | None = None
    filament_used: Millimetres = None
    slicer_estimate: Annotated[float | None, Meta(description="seconds the slicer thought it would take")] = (
        None
    )
    object_height: Millimetres = None
    started_at: DateTime = None
    thumbnail: Annotated[bool | None, Meta(description="whether job/thumbnail shows this job")] = None


class JobRecord(Payload, frozen=True):
    """The last job that ended; everything is null while there was none."""

    file: str | None = None
    result: (
        Literal["completed", "cancelled", "error", "klippy_shutdown", "klippy_disconnect", "interrupted"]
        | None
    ) = None
    started_at: DateTime = None
    ended_at: DateTime = None
    elapsed: Seconds = None
    print_time: Seconds = None
    slicer_estimate: Seconds = None
    estimate_error: Annotated[
        float | None, Meta(description="seconds by which the print took longer than the slicer thought")
    ] = None
    filament_used: Millimetres = None
    filament_total: Annotated[float | None, Meta(description="mm that the slicer thought it would take")] = (
        None
    )
    energy: Annotated[float | None, Meta(description="kWh, where a meter is configured")] = None
    spool: Annotated[Any, Meta(description="the ids of the spools that were used")] = None
    error: Annotated[str | None, Meta(description="the reason, where there is one")] = None
    user: str | None = None


class JobTotals(Payload, frozen=True):
    """All jobs together, as long as nobody has begun the totals anew."""

    jobs: Count
    time: Annotated[float, Meta(ge=0, description="seconds, pauses included")]
    print_time: Annotated[float, Meta(ge=0, description="seconds of printing")]
    filament: Annotated[float, Meta(ge=0, description="m")]
    longest_job: Annotated[float, Meta(ge=0, description="seconds, pauses included")]
    longest_print: Annotated[float, Meta(ge=0, description="seconds of printing")]


class QueuedJob(Payload, frozen=True):
    """A job that waits."""

    file: str
    job_id: str
    added_at: DateTime


class Queue(Payload, frozen=True):
    """The job queue."""

    state: Literal["ready", "loading", "starting", "paused"]
    reason: Annotated[str | None, Meta(description="why it paused by itself")]
    jobs: list[QueuedJob]


class Power(Payload, frozen=True):
    """A power device; `init` is one whose state is not known yet."""

    state: Literal["on", "off", "init", "error"]
    locked: Annotated[bool, Meta(description="whether it cannot be switched off now: a job runs")]
    reason: Annotated[str | None, Meta(description="of an error")] = None


class SensorFigures(Payload, frozen=True):
    """What a sensor says, by the names of its figures; null: it has not spoken yet."""

    figures: dict[str, Any]


class Spool(Payload, frozen=True):
    """The spool in use, as Spoolman has it."""

    connected: Annotated[bool, Meta(description="whether Spoolman answers")]
    spool_id: int | None = None
    name: str | None = None
    vendor: str | None = None
    material: str | None = None
    color: Annotated[str | None, Meta(description="RRGGBB in hex")] = None
    remaining_weight: Annotated[float | None, Meta(description="g")] = None
    remaining_length: Annotated[float | None, Meta(description="mm")] = None


class HealthBroker(Payload, frozen=True):
    """The broker, and how it is spoken to."""

    address: Annotated[str, Meta(description="host and port")]
    protocol: Annotated[Literal["5", "3.1.1"] | None, Meta(description="the version of MQTT")]
    connected_since: Annotated[float | None, Meta(description="Unix seconds")]


class HealthCounters(Payload, frozen=True):
    """What happened since the bridge started."""

    requests: Annotated[Count, Meta(description="messages on the request topics")]
    rejected: Annotated[Count, Meta(description="requests that were not carried out, or had no answer")]
    dropped: Annotated[Count, Meta(description="messages that could not be published")]
    published: Count
    reconnects: Annotated[Count, Meta(description="connections to the broker after the first")]
    klippy_dropped_frames: Annotated[Count, Meta(description="messages of Klippy that could not be read")]
    denied: Annotated[Count, Meta(description="calls over MQTT that mqtt.allow or mqtt.deny refused")]
    unauthorized: Annotated[Count, Meta(description="requests over HTTP that were answered with 401")]
    failed_logins: Annotated[Count, Meta(description="wrong passwords and API keys")]
    overloads: Annotated[
        Count, Meta(description="requests over HTTP and WebSockets that were too large, too deep or too many")
    ]


class HealthQueues(Payload, frozen=True):
    """What waits now."""

    requests: Annotated[Count, Meta(description="requests under way or waiting")]
    events: Annotated[Count, Meta(description="events that wait for the broker")]
    state: Annotated[Count, Meta(description="values that wait for their turn")]


class Health(Payload, frozen=True):
    """The bridge's own health."""

    version: str
    unique_id: Annotated[str, Meta(description="stays with the installation; tells two of one name apart")]
    time: Time
    uptime: Annotated[float, Meta(ge=0, description="seconds")]
    klippy: KlippyStateName
    broker: HealthBroker
    counters: HealthCounters
    queues: HealthQueues
    last_error: str | None


class HostStats(Payload, frozen=True):
    """The machine that the bridge runs on."""

    cpu: Share
    load: Annotated[float | None, Meta(description="mean of the last minute; 1 is one busy core")]
    memory: Share
    memory_free: Annotated[int | None, Meta(description="MiB")]
    cpu_temperature: Annotated[float | None, Meta(description="°C")]
    disk: Share
    disk_free: Annotated[float | None, Meta(description="GiB, where the G-code files are")]
    network: Annotated[float | None, Meta(description="kB/s, in and out")]
    throttled: Annotated[bool | None, Meta(description="slowed down for heat or a weak power supply, now")]
    undervoltage: Annotated[bool | None, Meta(description="the power supply is too weak, now")]
    booted_at: DateTime


class Announcements(Payload, frozen=True):
    """What people should know: how much of it nobody has dismissed, and the newest of that."""

    waiting: Count
    title: str | None = None
    description: str | None = None
    url: str | None = None
    priority: Literal["normal", "high"] | None = None
    date: Time | None = None


class Update(Payload, frozen=True):
    """A component that is kept up to date; exactly the keys that Home Assistant's update entities take."""

    installed_version: str | None
    latest_version: Annotated[str | None, Meta(description="as of the last look")]
    title: str
    release_url: Annotated[str | None, Meta(description="where one reads about the latest version")] = None
    in_progress: Annotated[bool, Meta(description="whether it is being updated")] = False
    update_percentage: Annotated[float | None, Meta(description="null: not known")] = None


class ControlRow(Payload, frozen=True):
    """One control: what it is called, what it takes, and where its state is."""

    key: Annotated[str, Meta(description="its level in the topic `{instance}/control/{key}/set`")]
    kind: ControlKind
    name: Annotated[str, Meta(description="for people")]
    unit: str | None = None
    min: float | None = None
    max: float | None = None
    step: float | None = None
    options: Annotated[tuple[str, ...] | None, Meta(description="what a select takes")] = None
    state_topic: Annotated[str | None, Meta(description="null: nothing can be read back")] = None


class LightColor(Payload, frozen=True):
    """A colour in parts from 0 to 255."""

    r: Annotated[int, Meta(ge=0, le=255)]
    g: Annotated[int, Meta(ge=0, le=255)]
    b: Annotated[int, Meta(ge=0, le=255)]
    w: Annotated[int, Meta(ge=0, le=255)] | None = None


class LightCommand(Payload, frozen=True):
    """What a light takes; what is left out stays as it is."""

    state: Literal["ON", "OFF"] | None = None
    brightness: Annotated[int, Meta(ge=0, le=255)] | None = None
    color: LightColor | None = None


class LightState(Payload, frozen=True, omit_defaults=True):
    """A light as it is; `color` is the one it shows at full brightness, and while it is off the last one.

    What is not known is left out: Home Assistant warns of a colour that is null.
    """

    state: Literal["ON", "OFF"] | None
    brightness: Annotated[int, Meta(ge=0, le=255)] | None
    color_mode: Literal["brightness", "rgb", "rgbw"] | None = None
    color: dict[str, int] | None = None


class MacroCommand(Payload, frozen=True, forbid_unknown_fields=True):
    """A macro's parameters by name; numbers and truth stay what they are, texts are put in quotes."""

    params: dict[str, str | int | float | bool]


class ControlValue(Payload, frozen=True):
    """What a control is set to; null: nothing, or nothing known."""

    value: Any


class Event(Payload, frozen=True):
    """Something happened once; an equal `boot` and `seq` is a repeat to be dropped."""

    time: Time
    boot: Annotated[str, Meta(description="another one at each start of the bridge")]
    seq: Annotated[int, Meta(ge=0, description="ascends by one an event")]
    event: Annotated[str, Meta(description="the name that the topic ends in")]
    data: Any


class Nothing(Payload, frozen=True):
    """No data: the name says it all."""


class PrintEvent(Payload, frozen=True):
    """The print at the moment of the event."""

    file: Annotated[str | None, Meta(description="relative to the gcodes root")]
    print_duration: Annotated[float | None, Meta(description="seconds, without pauses")]
    total_duration: Annotated[float | None, Meta(description="seconds")]
    filament_used: Annotated[float | None, Meta(description="mm")]
    message: Annotated[str | None, Meta(description="Klippy's reason for an error")]


class FilamentRunout(Payload, frozen=True):
    """Which sensor sees no filament."""

    sensor: Annotated[str, Meta(description="the printer object, such as filament_switch_sensor spool")]


class KlippyShutdown(Payload, frozen=True):
    """Why Klippy has shut down."""

    message: str | None


class ControlRejected(Payload, frozen=True):
    """A value that a control refused; nothing was done."""

    control: Annotated[str, Meta(description="the key")]
    value: Annotated[str, Meta(description="as it came, shortened")]
    reason: str


class RequestRejected(Payload, frozen=True):
    """A request that was not carried out, or could not be answered."""

    topic: str
    method: Annotated[str | None, Meta(description="null: it could not be read")]
    reason: str


@dataclass(frozen=True)
class EventKind:
    """An event that is made for automation: the type of its data, and when it comes."""

    data: type[Payload]
    summary: str


EVENTS: Final[dict[str, EventKind]] = {
    "print_started": EventKind(PrintEvent, "A print has started."),
    "print_paused": EventKind(PrintEvent, "The print has paused."),
    "print_resumed": EventKind(PrintEvent, "The print goes on."),
    "print_complete": EventKind(PrintEvent, "The print is finished."),
    "print_cancelled": EventKind(PrintEvent, "The print was cancelled."),
    "print_error": EventKind(PrintEvent, "The print has failed."),
    "filament_runout": EventKind(FilamentRunout, "A filament sensor has lost its filament."),
    "klippy_shutdown": EventKind(KlippyShutdown, "Klippy has shut down; it needs a restart."),
    "emergency_stop": EventKind(Nothing, "Somebody has stopped the printer in an emergency."),
    "control_rejected": EventKind(ControlRejected, "A control has refused a value."),
    "request_rejected": EventKind(
        RequestRejected, "A request was not carried out, or could not be answered."
    ),
}
"""Made by the bridge; one of the same name as a notification takes its place."""

_TOO_OFTEN: Final = frozenset({"notify_status_update", "notify_proc_stat_update", "notify_sensor_update"})


def event_of(notification: str) -> str | None:
    """The event that a `notify_…` is published as; None: it is none."""
    return None if notification in _TOO_OFTEN else notification.removeprefix("notify_")
