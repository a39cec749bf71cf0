"""From rows to Home Assistant's device message, and from one such message to the next."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from bridge.mqtt.topics import Topics
from ha_discovery import naming
from ha_discovery.entity import Entity, Level

# Home Assistant's short forms, used throughout: 150 macros make a large message.
SHORT = {
    "platform": "p",
    "unique_id": "uniq_id",
    "default_entity_id": "def_ent_id",
    "device_class": "dev_cla",
    "state_class": "stat_cla",
    "unit_of_measurement": "unit_of_meas",
    "suggested_display_precision": "sug_dsp_prc",
    "options": "ops",
    "icon": "ic",
    "entity_category": "ent_cat",
    "enabled_by_default": "en",
    "state_topic": "stat_t",
    "command_topic": "cmd_t",
    "value_template": "val_tpl",
    "json_attributes_topic": "json_attr_t",
    "json_attributes_template": "json_attr_tpl",
    "availability": "avty",
    "availability_mode": "avty_mode",
    "topic": "t",
}
COMPONENTS, PLATFORM = "cmps", "p"

_SAFE_ID = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Identity:
    """Whose entities they are; `unique` outlives every rename."""

    unique: str
    name: str
    sw_version: str  # of the bridge
    klipper: str | None = None  # its version
    model: str | None = None
    configuration_url: str | None = None

    def __post_init__(self) -> None:
        if not _SAFE_ID.fullmatch(self.unique):
            raise ValueError(f"{self.unique!r} cannot be a discovery id: use letters, digits, _ and - only")


def device_message(rows: Iterable[Entity], topics: Topics, identity: Identity) -> dict[str, Any]:
    """The one message that describes the printer and all its entities."""
    named = _names(tuple(rows), identity.name)
    entity_ids = _entity_ids(named, identity.name)
    return {
        "dev": _device(identity),
        "o": {"name": "klipper-bridge", "sw": identity.sw_version},
        "avty": [_bridge_online(topics), _shortened({"topic": topics.availability})],
        "avty_mode": "all",
        "qos": 1,
        COMPONENTS: {
            row.key: _component(row, name, entity_id, topics, identity)
            for (row, name), entity_id in zip(named, entity_ids, strict=True)
        },
    }


def diff(previous: Mapping[str, Any] | None, new: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """The messages to publish, in this order and not at once, to get from the retained one to the new one.

    What is gone, or becomes another platform, is first withdrawn by its stub, then left out.
    """
    if previous == new:
        return ()
    before, after = _components(previous), _components(new)
    stubs = {
        key: {PLATFORM: old[PLATFORM]}
        for key, old in before.items()
        if len(old) > 1 and isinstance(old.get(PLATFORM), str) and old[PLATFORM] != _platform(after.get(key))
    }
    if not stubs:
        return (dict(new),)
    return {**new, COMPONENTS: {**after, **stubs}}, dict(new)


def _components(message: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    """The components of a message, of which the previous one may come from a damaged file."""
    listed = message.get(COMPONENTS) if isinstance(message, Mapping) else None
    if not isinstance(listed, Mapping):
        return {}
    return {key: dict(value) for key, value in listed.items() if isinstance(value, Mapping)}


def _platform(component: Mapping[str, Any] | None) -> Any:
    return component.get(PLATFORM) if component else None


def _device(identity: Identity) -> dict[str, Any]:
    known = {
        "ids": [identity.unique],
        "name": identity.name,
        "mf": "Klipper",
        "mdl": identity.model,
        "sw": identity.klipper,
        "cu": _web_address(identity.configuration_url),
    }
    return {key: value for key, value in known.items() if value}


def _web_address(url: str | None) -> str | None:
    """The address when it is one; Home Assistant drops the whole device for another."""
    try:
        parts = urlsplit(url or "")
    except ValueError:
        return None
    return url if parts.scheme in ("http", "https") and parts.hostname else None


def _component(row: Entity, name: str, entity_id: str, topics: Topics, identity: Identity) -> dict[str, Any]:
    keys = {
        "platform": row.component,
        "name": name or None,
        "unique_id": f"{identity.unique}_{row.key}",
        "default_entity_id": entity_id,
        **_ways(row, topics),
        **_look(row),
    }
    if row.level is Level.BRIDGE:
        keys["availability"] = [_bridge_online(topics)]
    return _shortened(keys)


def _bridge_online(topics: Topics) -> dict[str, Any]:
    return _shortened({"topic": topics.status, "value_template": "{{ value_json.server }}"})


def _names(rows: tuple[Entity, ...], device: str) -> list[tuple[Entity, str]]:
    """Rows with their names; Home Assistant puts the device's name before them, so they do not repeat it."""
    names = naming.distinct([naming.without_prefix(row.name, device) for row in rows], " ")
    return [(row, name.strip()) for row, name in zip(rows, names, strict=True)]


def _entity_ids(named: list[tuple[Entity, str]], device: str) -> list[str]:
    """What Home Assistant would call them, and the key where that is not unique."""
    prefix = naming.fold(device)[: naming.SLUG_LENGTH].rstrip("_") or "printer"
    wanted = [f"{row.component}.{prefix}_{naming.fold(name) or row.key}" for row, name in named]
    shared = Counter(wanted)
    chosen = [
        entity_id if shared[entity_id] == 1 else f"{row.component}.{prefix}_{row.key}"
        for (row, _), entity_id in zip(named, wanted, strict=True)
    ]
    return naming.distinct(chosen, "_")


def _ways(row: Entity, topics: Topics) -> dict[str, Any]:
    """The topics that a row reads and writes, and how to read them."""
    state = topics.state(*row.reads[0]) if row.reads else None
    if row.state is not None:
        state = row.state(topics)
    ways = {
        "state_topic": state,
        "value_template": row.template,
        "json_attributes_topic": state if row.attributes else None,
        "json_attributes_template": row.attributes,
        "command_topic": topics.control(row.sends) if row.sends else None,
    }
    return {key: value for key, value in ways.items() if value is not None}


def _look(row: Entity) -> dict[str, Any]:
    look = {
        "unit_of_measurement": row.unit,
        "device_class": row.device_class,
        "state_class": row.state_class,
        "suggested_display_precision": row.precision,
        "options": list(row.options) or None,
        "entity_category": row.category,
        "enabled_by_default": None if row.enabled else False,
        "icon": row.icon,
        **row.extra,
    }
    return {key: value for key, value in look.items() if value is not None}


def _shortened(keys: Mapping[str, Any]) -> dict[str, Any]:
    return {SHORT.get(key, key): value for key, value in keys.items()}
