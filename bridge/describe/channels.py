"""The MQTT topics as a table: what each one carries, which way, and how (docs/mqtt.md is its contract)."""

from dataclasses import dataclass
from typing import Any

from bridge.describe.envelopes import RpcFailure, RpcRequest, RpcResult
from bridge.mqtt import payloads
from bridge.mqtt.topics import Topics

JSON, TEXT, PNG, JPEG = "application/json", "text/plain", "image/png", "image/jpeg"

TEMPLATE = Topics("{instance}", discovery="{prefix}")

PARAMETERS = {
    "instance": "The name of this bridge: the option `instance`, else the host's name.",
    "prefix": "Home Assistant's discovery prefix: the option `homeassistant.prefix`.",
    "client": "Any name that a client chooses for its private answers; one level.",
    "object": "A printer object as Klippy names it; `% + # /` are percent-encoded, blanks stay.",
    "field": "A field of the printer object; `% + # /` are percent-encoded.",
    "device": "A power device by its name in the configuration; `% + # /` are percent-encoded.",
    "sensor": "A sensor by its name in the configuration; `% + # /` are percent-encoded.",
    "component": "A component by its name in the configuration, or `system`.",
    "webcam": "A camera by its name; `% + # /` are percent-encoded.",
    "key": "The key of a control, as the list of controls has it.",
    "unique": "The unique id of a Home Assistant device.",
}


@dataclass(frozen=True)
class Message:
    """One kind of payload of a topic."""

    name: str
    type: Any
    summary: str
    content: str = JSON


@dataclass(frozen=True)
class Channel:
    """One topic; what the bridge sends is retained unless the row says otherwise."""

    name: str
    address: str
    summary: str
    messages: tuple[Message, ...]
    sends: bool = True
    retained: bool = True
    reply: str | None = None
    """The channel of the answers."""
    event: bool = False
    """Its payload is an Event whose `data` is the message's type."""


def channels() -> list[Channel]:
    """Every topic but the events."""
    return [*_requests(), *_controls(), *_states(), *_jobs(), *_home_assistant()]


def event_channel(name: str, data: Any, summary: str) -> Channel:
    """The topic of one event."""
    return Channel(
        f"event_{name}",
        TEMPLATE.event(name),
        summary,
        (Message("event", data, summary),),
        retained=False,
        event=True,
    )


def _requests() -> list[Channel]:
    asked = (
        Message("request", RpcRequest, "One JSON-RPC 2.0 request."),
        Message("batch", list[RpcRequest], "Several requests; each is answered by its part."),
    )
    answered = (
        Message("result", RpcResult, "The request was carried out."),
        Message("failure", RpcFailure, "The request failed, or was not carried out."),
        Message("batch", list[dict[str, Any]], "Results and failures, in the order of the requests."),
    )
    where = "answered on the MQTT 5 Response Topic with its Correlation Data, else"
    return [
        Channel(
            "request",
            TEMPLATE.request,
            f"JSON-RPC requests, {where} on the shared response topic. Never retained.",
            asked,
            sends=False,
            reply="response",
        ),
        Channel(
            "client_request",
            f"{TEMPLATE.request}/{{client}}",
            f"JSON-RPC requests of one client, {where} on the client's own response topic. Never retained.",
            asked,
            sends=False,
            reply="client_response",
        ),
        Channel("response", TEMPLATE.response, "Shared answers.", answered, retained=False),
        Channel(
            "client_response",
            TEMPLATE.client_response("{client}"),
            "The answers of one client.",
            answered,
            retained=False,
        ),
    ]


def _controls() -> list[Channel]:
    return [
        Channel(
            "controls",
            TEMPLATE.controls,
            "The list of controls, with the limits of Klipper's own configuration.",
            (Message("list", list[payloads.ControlRow], "All controls."),),
        ),
        Channel(
            "control",
            TEMPLATE.control("{key}"),
            "One plain value for one control. Empty, retained and out-of-range ones are refused.",
            (
                Message("value", str, "A number, `ON` or `OFF`, an option, `PRESS`, or a text.", TEXT),
                Message("light", payloads.LightCommand, "What a light takes."),
                Message("macro", payloads.MacroCommand, "A macro's parameters."),
            ),
            sends=False,
        ),
        Channel(
            "control_state",
            TEMPLATE.control_state("{key}"),
            "What a control is set to, where no field of a printer object tells it: selects and lights.",
            (
                Message("value", payloads.ControlValue, "An option; null: none of them."),
                Message("light", payloads.LightState, "A light as it is."),
            ),
        ),
    ]


def _states() -> list[Channel]:
    return [
        Channel(
            "status",
            TEMPLATE.status,
            "Whether the bridge is online; its last will, too.",
            (Message("status", payloads.Status, "Online or offline."),),
        ),
        Channel(
            "availability",
            TEMPLATE.availability,
            "`online` only while Klippy is ready.",
            (Message("availability", payloads.Availability, "Online or offline, without quotes.", TEXT),),
        ),
        Channel(
            "klippy_info",
            TEMPLATE.klippy_info,
            "Klippy's state, message and version.",
            (Message("info", payloads.KlippyInfo, "Klippy's state."),),
        ),
        Channel(
            "state",
            TEMPLATE.state("{object}", "{field}"),
            "One field of one printer object, for the objects of `mqtt.state.objects`.",
            (Message("value", payloads.StateValue, "Its value."),),
        ),
        Channel(
            "combined",
            TEMPLATE.combined,
            "Changes of all chosen objects in one message, when `mqtt.state.combined` is on.",
            (Message("delta", payloads.Combined, "What changed."),),
            retained=False,
        ),
        Channel(
            "health",
            TEMPLATE.health,
            "The bridge's own health, on change and each minute.",
            (Message("health", payloads.Health, "Its health."),),
        ),
    ]


def _jobs() -> list[Channel]:
    return [
        Channel(
            "job_current",
            TEMPLATE.job_current,
            "The running job; everything is null while none runs.",
            (Message("job", payloads.JobCurrent, "The job."),),
        ),
        Channel(
            "job_last",
            TEMPLATE.job_last,
            "The record of the last job, published before the event that tells of its end.",
            (Message("record", payloads.JobRecord, "The record."),),
        ),
        Channel(
            "job_thumbnail",
            TEMPLATE.job_thumbnail,
            "A picture of the job until the next one starts; empty where there is none.",
            (Message("picture", bytes, "PNG, at most 128 kB.", PNG),),
        ),
        Channel(
            "job_totals",
            TEMPLATE.job_totals,
            "All jobs together.",
            (Message("totals", payloads.JobTotals, "The totals."),),
        ),
        Channel(
            "queue",
            TEMPLATE.queue,
            "The job queue.",
            (Message("queue", payloads.Queue, "Its state and its jobs."),),
        ),
        Channel(
            "power",
            TEMPLATE.power("{device}"),
            "One power device, for those of the section `power`.",
            (Message("power", payloads.Power, "Its state, and whether a job locks it."),),
        ),
        Channel(
            "sensor",
            TEMPLATE.sensor("{sensor}"),
            "The figures of one sensor, for those of the section `sensors`; every 10 s at most.",
            (Message("figures", payloads.SensorFigures, "Its figures."),),
        ),
        Channel(
            "spool",
            TEMPLATE.spool,
            "The spool in use, where Spoolman is configured.",
            (Message("spool", payloads.Spool, "What is known of it."),),
        ),
        Channel(
            "webcam_snapshot",
            TEMPLATE.webcam_snapshot("{webcam}"),
            "Pictures of one camera while a job runs, and one when it has ended.",
            (Message("picture", bytes, "JPEG or what the camera gives, at most `webcams.max_bytes`.", JPEG),),
            retained=False,
        ),
        Channel(
            "webcam_url",
            TEMPLATE.webcam_url("{webcam}"),
            "Where the picture of one camera is, where `webcams.homeassistant` is `url`.",
            (Message("url", str, "An address.", TEXT),),
        ),
        Channel(
            "announcements",
            TEMPLATE.announcements,
            "How many announcements wait, and the newest of them, whenever that changes.",
            (Message("announcements", payloads.Announcements, "Those that nobody has dismissed."),),
        ),
        Channel(
            "host_stats",
            TEMPLATE.host_stats,
            "The machine below, when a figure has changed by more than a little, at most once a minute.",
            (Message("stats", payloads.HostStats, "How it fares."),),
        ),
        Channel(
            "update",
            TEMPLATE.update("{component}"),
            "One component that is kept up to date, for those of the section `updates`.",
            (Message("update", payloads.Update, "What is there, and what could be."),),
        ),
    ]


def _home_assistant() -> list[Channel]:
    return [
        Channel(
            "device",
            TEMPLATE.device("{unique}"),
            "The discovery message of one Home Assistant device.",
            (Message("device", dict[str, Any], "The device, its origin and its components."),),
        ),
        Channel(
            "birth",
            TEMPLATE.birth,
            "Home Assistant says that it has started; config, availability and state are published again.",
            (Message("birth", payloads.Availability, "Online or offline, without quotes.", TEXT),),
            sends=False,
        ),
    ]
