"""The table, part five: the machine below and the bridge itself, a device of their own."""

from functools import partial

from bridge.mqtt.payloads import HostStats
from ha_discovery import templates
from ha_discovery.entity import Level
from ha_discovery.row import Row, announcements, button, flag, health, host, member, of_bridge, sensor, text

_host = partial(sensor, state=host, level=Level.BRIDGE)
_problem = partial(flag, state=host, level=Level.BRIDGE, device_class="problem", category="diagnostic")
_count = partial(
    sensor, state=health, level=Level.BRIDGE, category="diagnostic", enabled=False,
    state_class="total_increasing", precision=0,
)  # fmt: skip

# member of HostStats -> its row: a machine that does not tell it has none
HOST: dict[str, Row] = {
    "cpu": _host(key="cpu", label="CPU", template=member("cpu"), unit="%", precision=0, icon="mdi:chip"),
    "load": _host(key="load", label="Load", template=member("load"), precision=2, enabled=False,
                  category="diagnostic", icon="mdi:gauge"),
    "memory": _host(key="memory", label="Memory used", template=member("memory"), unit="%", precision=0,
                    icon="mdi:memory"),
    "memory_free": _host(key="memory_free", label="Memory free", template=member("memory_free"), unit="MiB",
                         device_class="data_size", precision=0, category="diagnostic", enabled=False),
    "cpu_temperature": _host(key="cpu_temperature", label="CPU temperature",
                             template=member("cpu_temperature"), unit="°C", device_class="temperature",
                             precision=0),
    "disk": _host(key="disk", label="Disk used", template=member("disk"), unit="%", precision=0,
                  icon="mdi:harddisk"),
    "disk_free": _host(key="disk_free", label="Disk free", template=member("disk_free"), unit="GiB",
                       device_class="data_size", precision=1, category="diagnostic", enabled=False),
    "network": _host(key="network", label="Network", template=member("network"), unit="kB/s",
                     device_class="data_rate", precision=0, category="diagnostic", enabled=False),
    "throttled": _problem(key="throttled", label="Throttled",
                          template=templates.on_off("value_json.throttled")),
    "undervoltage": _problem(key="undervoltage", label="Undervoltage",
                             template=templates.on_off("value_json.undervoltage")),
    "booted_at": of_bridge(key="booted", label="Booted", template=templates.plain("value_json.booted_at"),
                           state=host, device_class="timestamp", category="diagnostic", enabled=False),
}  # fmt: skip

BRIDGE: tuple[Row, ...] = (
    flag(key="bridge_online", label="Bridge", state=lambda topics: topics.status, level=Level.ALWAYS,
         template="{{'ON' if value_json.server=='online' else 'OFF'}}", device_class="connectivity",
         category="diagnostic"),
    text(key="bridge_version", label="Bridge version", state=health, level=Level.BRIDGE,
         category="diagnostic", template=templates.text("value_json.version"), enabled=False,
         icon="mdi:tag-outline"),
    text(key="bridge_error", label="Bridge error", state=health, level=Level.BRIDGE, category="diagnostic",
         template=templates.text("value_json.last_error"), enabled=False,
         attributes=templates.whole_text("value_json.last_error"), icon="mdi:alert-circle-outline"),
    sensor(key="bridge_uptime", label="Bridge uptime", state=health, level=Level.BRIDGE, unit="s",
           device_class="duration", precision=0, category="diagnostic", enabled=False,
           template=member("uptime")),
    _count(key="bridge_published", label="Messages published", template=member("counters.published"),
           icon="mdi:message-arrow-right-outline"),
    _count(key="bridge_rejected", label="Requests rejected", template=member("counters.rejected"),
           icon="mdi:message-off-outline"),
    _count(key="bridge_dropped", label="Messages dropped", template=member("counters.dropped"),
           icon="mdi:message-alert-outline"),
    _count(key="bridge_reconnects", label="Reconnects", template=member("counters.reconnects"),
           icon="mdi:connection"),
    of_bridge(key="announcements", label="Announcements", state=announcements, category="diagnostic",
              template=templates.plain("value_json.waiting"), attributes="", icon="mdi:bullhorn-outline"),
    button(key="rediscover", label="Rediscover", sends="rediscover", level=Level.BRIDGE, category="config",
           icon="mdi:magnify-scan"),
    button(key="bridge_restart", label="Bridge restart", sends="bridge_restart", level=Level.BRIDGE,
           category="config", device_class="restart"),
    button(key="host_shutdown", label="Shut down", sends="host_shutdown", level=Level.BRIDGE,
           category="config", enabled=False, icon="mdi:power"),
    button(key="host_reboot", label="Reboot", sends="host_reboot", level=Level.BRIDGE, category="config",
           device_class="restart", enabled=False, icon="mdi:restart"),
    Row(component="select", key="log_level", label="Log level", sends="log_level", level=Level.BRIDGE,
        category="config", enabled=False, icon="mdi:text-box-search-outline"),
)  # fmt: skip


def rows(stats: HostStats | None) -> tuple[Row, ...]:
    """The rows of this machine: of what it tells, and of the bridge."""
    told = () if stats is None else (row for name, row in HOST.items() if getattr(stats, name) is not None)
    return (*told, *BRIDGE)


CONTROLS = frozenset(row.sends for row in BRIDGE if row.sends)
