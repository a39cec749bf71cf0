"""The table, part one: the job, its progress, and what Klipper says of itself."""

from functools import partial

from bridge.mqtt.topics import Topics
from ha_discovery import templates
from ha_discovery.entity import Level
from ha_discovery.row import Kind, Row, choice, duration, flag, length, percentage, sensor, text

KLIPPER_STATES = ("ready", "startup", "shutdown", "error", "disconnected")
PRINT_STATES = ("standby", "printing", "paused", "complete", "cancelled", "error")
IDLE_STATES = ("Idle", "Ready", "Printing")


def _klippy_info(topics: Topics) -> str:
    return topics.klippy_info


_long_text = partial(text, attributes=templates.whole_text())
_print_state = choice(PRINT_STATES)
_progress = partial(
    percentage, field="progress", key="progress", label="Progress", precision=1, icon="mdi:progress-clock"
)

# Of no object: they tell why the printer is not there, so they need the bridge only.
KLIPPER: tuple[Row, ...] = (
    choice(KLIPPER_STATES, "value_json.state")(
        key="klipper_state", label="Klipper state", state=_klippy_info, level=Level.BRIDGE,
        category="diagnostic", icon="mdi:printer-3d",
    ),
    text(
        key="klipper_message", label="Klipper message", state=_klippy_info, level=Level.BRIDGE,
        template=templates.text("value_json.message"), attributes=templates.whole_text("value_json.message"),
        category="diagnostic", icon="mdi:message-alert-outline",
    ),
)  # fmt: skip

_FILAMENT = Kind(noun="filament", bare="Filament", rows=(
    flag(field="filament_detected", label="{name}", device_class="occupancy"),
    flag(field="enabled", label="{name} detection", category="diagnostic", enabled=False),
))  # fmt: skip

JOB: dict[str, Kind] = {
    "print_stats": Kind((
        _print_state(field="state", key="print_state", label="Print state", icon="mdi:printer-3d-nozzle"),
        _long_text(field="message", key="print_message", label="Print message", category="diagnostic",
                   enabled=False, icon="mdi:message-text-outline"),
        _long_text(field="filename", key="print_file", label="File name", icon="mdi:file-outline"),
        duration(field="print_duration", key="print_duration", label="Print duration"),
        duration(field="total_duration", key="total_duration", label="Total duration",
                 category="diagnostic", enabled=False),
        length(field="filament_used", key="filament_used", label="Filament used", precision=0),
        sensor(field="info", key="current_layer", label="Current layer", precision=0,
               template=templates.number(".current_layer"), icon="mdi:layers-edit"),
        sensor(field="info", key="total_layers", label="Total layers", precision=0, state_class=None,
               template=templates.number(".total_layer"), icon="mdi:layers"),
    )),
    "virtual_sdcard": Kind((_progress(),)),
    "display_status": Kind((
        _progress(unless=("virtual_sdcard",)),
        _long_text(field="message", key="display_message", label="Display message", category="diagnostic",
                   enabled=False, icon="mdi:message-outline"),
    )),
    "pause_resume": Kind((
        flag(field="is_paused", key="paused", label="Paused", category="diagnostic", enabled=False,
             icon="mdi:pause-circle-outline"),
    )),
    "idle_timeout": Kind((
        choice(IDLE_STATES)(field="state", key="idle_state", label="Idle state", category="diagnostic",
                            enabled=False, icon="mdi:timer-sand"),
    )),
    "filament_switch_sensor": _FILAMENT,
    "filament_motion_sensor": _FILAMENT,
}  # fmt: skip
