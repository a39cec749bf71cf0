"""Renders templates as Home Assistant does, stricter: what is undefined may not even be touched."""

import json
from datetime import datetime
from functools import cache
from typing import Any, get_args

import msgspec
from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bridge.mqtt import payloads
from bridge.mqtt.payloads import (
    EVENTS,
    Announcements,
    ControlValue,
    Event,
    Health,
    HealthBroker,
    HealthCounters,
    HealthQueues,
    HostStats,
    JobCurrent,
    JobRecord,
    JobTotals,
    KlippyInfo,
    Power,
    Queue,
    QueuedJob,
    SensorFigures,
    Spool,
    StateValue,
    Update,
)

_ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined)

ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, 0.5, -3.25, 1e300, 2.5, 350, "", "text", "PRESSED", "x" * 300, "<&'\">", [], [1],
    [1.5, None, "z"], [1, 2, 3, 4], {}, {"x": 1, "y": 0}, {"current_layer": 3, "total_layer": None},
    {"mcu_awake": 0.5}, {"mcu_task_avg": "x", "mcu_task_stddev": None},
)  # fmt: skip
TEXTS = (None, "", "text", "x" * 300, "<&'\">", "two\nlines")
NOW = "2026-11-20T12:00:00+01:00"
STATES = get_args(payloads.KlippyStateName)


def _health() -> list[Health]:
    counters = dict.fromkeys(HealthCounters.__struct_fields__, 3)
    queues = dict.fromkeys(HealthQueues.__struct_fields__, 0)
    return [
        Health(
            version="1", unique_id="x", time=1.5, uptime=9.5, klippy="ready",
            broker=HealthBroker("a:1", "5", None), counters=HealthCounters(**counters),
            queues=HealthQueues(**queues), last_error=text,
        )
        for text in TEXTS
    ]  # fmt: skip


def _queues() -> list[Queue]:
    job = QueuedJob(file="a<&'\">.gcode", job_id="0001", added_at=NOW)
    return [Queue("paused", None, []), Queue("ready", "why", [job, job])]


def _events() -> list[Event]:
    fields = {"file": "a.gcode", "print_duration": None, "message": "<&'\">"}
    return [Event(1.5, "b", 1, name, fields) for name in (*EVENTS, "gcode_response")] + [
        Event(1.5, "b", 2, "gcode_response", "// a line")
    ]


def _jobs() -> list[JobCurrent]:
    full = JobCurrent(
        file="x" * 300, state="printing", progress=12.5, elapsed=100, print_time=90, remaining=20.5, eta_at=NOW,
        estimate_source="slicer", layer=3, layers=9, filament_used=12.5, slicer_estimate=80.0,
        object_height=12.0, started_at=NOW, thumbnail=True,
    )  # fmt: skip
    return [JobCurrent(), full, JobCurrent(file="a.gcode", state="paused", elapsed=1, print_time=0)]


def _records() -> list[JobRecord]:
    results = ("completed", "cancelled", "error", "klippy_shutdown", "klippy_disconnect", "interrupted")
    return [
        JobRecord(),
        *(
            JobRecord(
                file="a.gcode", result=one, ended_at=NOW, elapsed=9.5, filament_used=1.0, error=TEXTS[n]
            )
            for n, one in enumerate(results)
        ),
    ]


def _stats() -> list[HostStats]:
    return [
        HostStats(*[None] * len(HostStats.__struct_fields__)),
        HostStats(12.0, 0.5, 40.0, 1000, 44.5, 60.5, 12.5, 33.0, False, True, NOW),
    ]


@cache
def payloads_of(topic: str) -> tuple[Any, ...]:
    """What the bridge may publish there."""
    whole = "/".join(topic.split("/")[1:])
    known: dict[str, Any] = {
        "moonraker/status": [{"server": "online"}, {"server": "offline"}],
        "klipper/info": [KlippyInfo(state, text or "", None) for state in STATES for text in TEXTS],
        "job/current": _jobs(),
        "job/last": _records(),
        "job/totals": [JobTotals(0, 0, 0, 0, 0, 0), JobTotals(3, 10, 9, 1.5, 8, 7)],
        "queue": _queues(),
        "spool": [
            Spool(connected=False),
            Spool(True, 3, "x" * 300, "V", "PLA", "ff0000", 812.5, 2_700_000.0),
        ],
        "announcements": [Announcements(0), *(Announcements(3, text, text, text) for text in TEXTS)],
        "host/stats": _stats(),
        "bridge/health": _health(),
        "event/+": _events(),
    }
    if whole.startswith("klipper/state/"):
        found: Any = [StateValue(1.5, 2.5, value) for value in ODD_VALUES]
    elif whole.startswith("control/"):
        found = [ControlValue(None)]
    elif whole.startswith("power/"):
        found = [Power(state, locked=False, reason=None) for state in ("on", "off", "init")]
        found += [Power("error", locked=True, reason=text) for text in TEXTS]
    elif whole.startswith("sensor/"):
        found = [SensorFigures(dict.fromkeys(("power", "total", "mood"), value)) for value in (None, 1.5, -3)]
    elif whole.startswith("update/"):
        found = [Update(None, None, "a"), Update("v1", "v2", "a", "https://x.example", True, 40)]
    else:
        found = known.get(whole, ())
    return tuple(msgspec.to_builtins(one) for one in found)


@cache
def _compiled(template: str) -> Any:
    return _ENVIRONMENT.from_string(template)


def render(template: str, payload: Any) -> str:
    """What Home Assistant takes from this payload."""
    return str(_compiled(template).render(value=json.dumps(payload), value_json=payload)).strip()


@cache
def _rendered(template: str, topic: str) -> tuple[str, ...]:
    return tuple(render(template, payload) for payload in payloads_of(topic))


TOPIC_OF = {
    "value_template": "state_topic",
    "state_value_template": "state_topic",
    "percentage_value_template": "percentage_state_topic",
}


def template_faults(part: dict[str, Any]) -> list[str]:
    """What is wrong with the templates of one component."""
    found = []
    for key in (key for key in part if key.endswith("_template")):
        topic = part.get(TOPIC_OF.get(key, key.replace("_template", "_topic")))
        if topic is None or not payloads_of(topic):
            found.append(f"{key} reads no topic of the bridge: {topic}")
            continue
        try:
            states = _rendered(part[key], topic)
        except (TemplateError, ValueError, TypeError) as error:
            found.append(f"{key} fails: {error!r}")
            continue
        found += [f"{key} gives {state!r}" for state in states if not _fits(part, key, state)]
    for item in part.get("availability", ()):
        template = item.get("value_template")
        if (
            template is not None
            and payloads_of(item["topic"])
            and not {*_rendered(template, item["topic"])} <= {"online", "offline"}
        ):
            found.append(f"availability by {item['topic']} is neither online nor offline")
    return found


def _fits(part: dict[str, Any], key: str, state: str) -> bool:
    if key == "json_attributes_template":
        return isinstance(json.loads(state), dict)
    if part["platform"] == "event":
        return state == "" or json.loads(state)["event_type"] in part["event_types"]
    if part["platform"] == "update":
        return None not in json.loads(state).values()  # it is voided by a null
    if part["platform"] == "text":
        return len(state) <= part["max"]
    if state == "None":
        return True
    check = _CHECKS.get((part["platform"], key)) or _CHECKS.get((part["platform"], ""))
    return check(part, state) if check is not None else _fits_sensor(part, state)


def _fits_sensor(part: dict[str, Any], state: str) -> bool:
    if part.get("device_class") == "enum":
        return state in part.get("options", ())
    if part.get("device_class") == "timestamp":
        return datetime.fromisoformat(state).tzinfo is not None
    if any(key in part for key in ("unit_of_measurement", "state_class", "suggested_display_precision")):
        return _is_number(state)
    return 0 < len(state) <= 255


def _is_number(state: str) -> bool:
    try:
        float(state)
    except ValueError:
        return False
    return True


_CHECKS = {
    ("binary_sensor", ""): lambda _part, state: state in ("ON", "OFF"),
    ("switch", ""): lambda _part, state: state in ("ON", "OFF"),
    ("number", ""): lambda part, state: _is_number(state) and part["min"] <= float(state) <= part["max"],
    ("select", ""): lambda part, state: state in part["options"],
    ("fan", "state_value_template"): lambda part, state: state in (part["payload_on"], part["payload_off"]),
    ("fan", "percentage_value_template"): lambda _part, state: state.isdigit() and int(state) <= 100,
    ("climate", "temperature_state_template"): lambda _part, state: _is_number(state),
    ("climate", "current_temperature_template"): lambda _part, state: _is_number(state),
    ("climate", "mode_state_template"): lambda part, state: state in part["modes"],
    ("climate", "action_template"): lambda _part, state: state in ("off", "heating", "idle"),
}
