"""The table, part one: the job, its record, the queue, and what Klipper says of itself."""

from functools import partial

from ha_discovery import templates
from ha_discovery.entity import Level, While
from ha_discovery.row import (
    Kind,
    Row,
    choice,
    duration,
    flag,
    job,
    klippy,
    last,
    length,
    member,
    queue,
    sensor,
    switch,
    text,
    told,
    totals,
)

KLIPPER_STATES = ("ready", "startup", "shutdown", "error", "disconnected")
PRINT_STATES = ("standby", "printing", "paused", "complete", "cancelled", "error")
IDLE_STATES = ("Idle", "Ready", "Printing")
QUEUE_STATES = ("ready", "loading", "starting", "paused")
RESULTS = ("completed", "cancelled", "error", "klippy_shutdown", "klippy_disconnect", "interrupted")

_long_text = partial(text, attributes=templates.whole_text())
_state = choice(PRINT_STATES)
_job = partial(Row, state=job)
_last = partial(Row, state=last, level=Level.BRIDGE)
_totals = partial(sensor, state=totals, level=Level.BRIDGE, enabled=False, state_class="total_increasing")
_queue = partial(Row, state=queue, level=Level.BRIDGE)
_SOURCE = "{{{'source':value_json.estimate_source}|tojson}}"
_WAITING = "{{{'jobs':value_json.jobs|map(attribute='file')|list}|tojson}}"

# Of no object: they tell why the printer is not there, so they need the bridge only.
KLIPPER: tuple[Row, ...] = (
    told(KLIPPER_STATES, "value_json.state")(
        key="klipper_state", label="Klipper state", state=klippy, level=Level.BRIDGE,
        category="diagnostic", icon="mdi:printer-3d",
    ),
    text(
        key="klipper_message", label="Klipper message", state=klippy, level=Level.BRIDGE,
        template=templates.text("value_json.message"), attributes=templates.whole_text("value_json.message"),
        category="diagnostic", enabled=False, icon="mdi:message-alert-outline",
    ),
)  # fmt: skip

_FILAMENT = Kind(noun="filament", bare="Filament", rows=(
    flag(field="filament_detected", label="{name}", device_class="occupancy"),
    flag(field="filament_detected", key="{slug}_runout", label="{name} runout", device_class="problem",
         template=templates.on_off(inverted=True),
         only_while=While("", "enabled", templates.is_true("online", "offline"))),
    switch(field="enabled", key="set_{slug}", label="{name} detection", sends="filament_sensor_{section}",
           template=templates.on_off(), category="config", enabled=False, icon="mdi:printer-3d-nozzle-alert"),
    flag(field="enabled", label="{name} detection", category="diagnostic", enabled=False,
         replaced_by="filament_sensor_{section}"),
))  # fmt: skip

_JOB = (
    text(key="print_file", label="File name", state=job, template=templates.text("value_json.file"),
         icon="mdi:file-outline"),
    sensor(key="progress", label="Progress", state=job, template=member("progress"), unit="%", precision=1,
           icon="mdi:progress-clock"),
    duration(key="time_left", label="Time left", state=job, template=member("remaining"),
             attributes=_SOURCE, icon="mdi:timer-sand"),
    _job(key="eta", label="ETA", template=templates.plain("value_json.eta_at"), device_class="timestamp",
         icon="mdi:clock-end"),
    _job(key="started", label="Started", template=templates.plain("value_json.started_at"),
         device_class="timestamp", enabled=False, icon="mdi:clock-start"),
    duration(key="print_duration", label="Print duration", state=job, template=member("print_time")),
    duration(key="elapsed", label="Elapsed time", state=job, template=member("elapsed"), enabled=False),
    duration(key="projected_total", label="Projected total duration", state=job, enabled=False,
             template=templates.total("elapsed", "remaining")),
    duration(key="slicer_estimate", label="Slicer estimate", state=job, enabled=False, state_class=None,
             template=member("slicer_estimate")),
    duration(key="slicer_time_left", label="Slicer time left", state=job, enabled=False,
             template=templates.difference("slicer_estimate", "print_time")),
    sensor(key="current_layer", label="Current layer", state=job, template=member("layer"), precision=0,
           icon="mdi:layers-edit"),
    sensor(key="total_layers", label="Total layers", state=job, template=member("layers"), precision=0,
           state_class=None, icon="mdi:layers"),
    length(key="filament_used", label="Filament used", state=job, template=member("filament_used"),
           precision=0),
    length(key="object_height", label="Object height", state=job, template=member("object_height"),
           state_class=None, precision=1, enabled=False, icon="mdi:arrow-expand-vertical"),
    Row(component="image", key="thumbnail", label="Thumbnail", level=Level.BRIDGE,
        state=lambda topics: topics.job_thumbnail, state_as=("image_topic", ""),
        extra={"content_type": "image/png"}),
    told(RESULTS, "value_json.result")(
        key="last_job", label="Last job", state=last, level=Level.BRIDGE, attributes="",
        icon="mdi:printer-3d-nozzle-outline"),
    _last(key="last_job_file", label="Last job file", template=templates.text("value_json.file"),
          enabled=False, icon="mdi:file-check-outline"),
    _last(key="last_job_ended", label="Last job ended", template=templates.plain("value_json.ended_at"),
          device_class="timestamp", enabled=False),
    duration(key="last_job_duration", label="Last job duration", state=last, template=member("elapsed"),
             level=Level.BRIDGE, enabled=False, state_class=None),
    length(key="last_job_filament", label="Last job filament", state=last, template=member("filament_used"),
           level=Level.BRIDGE, enabled=False, state_class=None, precision=0),
    _last(key="last_job_error", label="Last job error", template=templates.text("value_json.error"),
          category="diagnostic", enabled=False, icon="mdi:alert-circle-outline"),
    told(QUEUE_STATES, "value_json.state")(
        key="queue_state", label="Queue state", state=queue, level=Level.BRIDGE, enabled=False,
        icon="mdi:tray-full"),
    _queue(key="queue_jobs", label="Jobs in queue", template=templates.count("value_json.jobs"),
           attributes=_WAITING, state_class="measurement", icon="mdi:tray-full"),
    _totals(key="total_jobs", label="Total jobs", template=member("jobs"), icon="mdi:counter"),
    _totals(key="total_print_time", label="Total print time", template=member("print_time"), unit="s",
            device_class="duration", precision=0),
    _totals(key="total_filament", label="Total filament used", template=member("filament"), unit="m",
            device_class="distance", precision=1),
    _totals(key="longest_print", label="Longest print", template=member("longest_print"), unit="s",
            device_class="duration", precision=0, state_class="measurement"),
)  # fmt: skip

JOB: dict[str, Kind] = {
    "print_stats": Kind((
        _state(field="state", key="print_state", label="Print state", icon="mdi:printer-3d-nozzle"),
        flag(field="state", key="printing", label="Printing", device_class="running", enabled=False,
             template=templates.one_of(("printing",), "ON", "OFF")),
        _long_text(field="message", key="print_message", label="Print message", category="diagnostic",
                   enabled=False, icon="mdi:message-text-outline"),
        *_JOB,
    )),
    "display_status": Kind((
        Row(component="text", field="message", key="set_display_message", label="Display message",
            sends="message", template=templates.text(blank=""), category="config", enabled=False,
            icon="mdi:message-outline"),
        Row(component="notify", key="notify", label="Display", sends="message", icon="mdi:message-outline"),
        _long_text(field="message", key="display_message", label="Display message", category="diagnostic",
                   enabled=False, icon="mdi:message-outline", replaced_by="message"),
    )),
    "pause_resume": Kind((
        flag(field="is_paused", key="paused", label="Paused", category="diagnostic", enabled=False,
             icon="mdi:pause-circle-outline"),
    )),
    "idle_timeout": Kind((
        choice(IDLE_STATES)(field="state", key="idle_state", label="Idle state", category="diagnostic",
                            enabled=False, icon="mdi:timer-sand"),
    )),
    "exclude_object": Kind((
        Row(component="select", key="set_exclude_object", label="Exclude object", sends="exclude_object",
            enabled=False, icon="mdi:selection-remove"),
        text(field="current_object", key="current_object", label="Current object", category="diagnostic",
             enabled=False, icon="mdi:shape-outline"),
        sensor(field="excluded_objects", key="excluded_objects", label="Excluded objects", precision=0,
               template=templates.count(), category="diagnostic", enabled=False, icon="mdi:selection-remove"),
    )),
    "filament_switch_sensor": _FILAMENT,
    "filament_motion_sensor": _FILAMENT,
    "hall_filament_width_sensor": Kind((
        length(field="Diameter", key="filament_diameter", label="Filament diameter"),
        sensor(field="Raw", key="filament_width_raw", label="Filament width raw", category="diagnostic",
               enabled=False, precision=0),
        flag(field="is_active", key="filament_width_active", label="Filament width sensor",
             device_class="running", category="diagnostic", enabled=False),
    )),
}  # fmt: skip
