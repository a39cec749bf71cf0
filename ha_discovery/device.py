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
    "action_topic": "act_t",
    "action_template": "act_tpl",
    "current_temperature_topic": "curr_temp_t",
    "current_temperature_template": "curr_temp_tpl",
    "mode_command_topic": "mode_cmd_t",
    "mode_state_topic": "mode_stat_t",
    "mode_state_template": "mode_stat_tpl",
    "temperature_command_topic": "temp_cmd_t",
    "temperature_state_topic": "temp_stat_t",
    "temperature_state_template": "temp_stat_tpl",
    "percentage_command_topic": "pct_cmd_t",
    "percentage_state_topic": "pct_stat_t",
    "percentage_value_template": "pct_val_tpl",
    "state_value_template": "stat_val_tpl",
    "payload_on": "pl_on",
    "payload_off": "pl_off",
    "automation_type": "atype",
    "subtype": "stype",
}
# Longer and rarer names stay as they are: a wrong short form would be dropped without a word.
COMPONENTS, PLATFORM = "cmps", "p"

UNNAMED = frozenset({"device_automation"})  # triggers, not entities
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_ ()-]{1,200}")
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
    maker: str = "Klipper"

    def __post_init__(self) -> None:
        if not _SAFE_ID.fullmatch(self.unique):
            raise ValueError(f"{self.unique!r} cannot be a discovery id: use letters, digits, _ and - only")


def device_message(
    rows: Iterable[Entity], topics: Topics, identity: Identity, *, printer: bool = True
) -> dict[str, Any]:
    """The one message that describes a device and all its entities: the printer, or the machine below."""
    named = _names(tuple(rows), identity.name)
    entity_ids = _entity_ids(named, identity.name)
    shared = [_bridge_online(topics)]
    if printer:
        shared.append({"t": topics.availability})
    return {
        "dev": _device(identity),
        "o": {"name": "klipper-bridge", "sw": identity.sw_version},
        "avty": shared,
        "avty_mode": "all",
        "qos": 1,
        COMPONENTS: {
            naming.short(row.key): _component(row, name, entity_id, topics, identity, shared)
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
        "mf": identity.maker,
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


def _component(
    row: Entity,
    name: str,
    entity_id: str | None,
    topics: Topics,
    identity: Identity,
    shared: list[dict[str, Any]],
) -> dict[str, Any]:
    if row.component in UNNAMED:
        return _shortened({"platform": row.component, **_ways(row, topics), **row.extra})
    keys = {
        "platform": row.component,
        "name": name or None,
        "unique_id": naming.identifier(identity.unique, row.key),
        **({} if entity_id is None else {"default_entity_id": entity_id}),
        **_ways(row, topics),
        **_look(row),
    }
    if row.level is Level.ALWAYS:
        keys["availability"] = [{"t": topics.status, "val_tpl": "online"}]
    elif row.level is Level.BRIDGE and len(shared) > 1:
        keys["availability"] = [_bridge_online(topics)]
    if row.only_while is not None:
        topic = topics.state(*row.reads[-1])
        keys["availability"] = [*shared, {"t": topic, "val_tpl": row.only_while.template}]
    return _shortened(keys)


def _bridge_online(topics: Topics) -> dict[str, Any]:
    return {"t": topics.status, "val_tpl": "{{value_json.server}}"}


def _names(rows: tuple[Entity, ...], device: str) -> list[tuple[Entity, str]]:
    """Rows with their names; Home Assistant puts the device's name before them, so they do not repeat it."""
    shown = [row for row in rows if row.component not in UNNAMED]
    names = naming.distinct([naming.without_prefix(row.name, device) for row in shown], " ")
    chosen = {row.key: name.strip() for row, name in zip(shown, names, strict=True)}
    return [(row, chosen.get(row.key, "")) for row in rows]


def _entity_ids(named: list[tuple[Entity, str]], device: str) -> list[str | None]:
    """The key where a name alone gives no id of its own; None where Home Assistant makes the same of it."""
    prefix = naming.fold(device)[: naming.SLUG_LENGTH].rstrip("_") or "printer"
    wanted = [f"{row.component}.{prefix}_{naming.fold(name) or row.key}" for row, name in named]
    shared = Counter(wanted)
    chosen = [
        entity_id if shared[entity_id] == 1 else f"{row.component}.{prefix}_{row.key}"
        for (row, _), entity_id in zip(named, wanted, strict=True)
    ]
    return [
        None if entity_id == _obvious(row.component, device, name) else entity_id
        for (row, name), entity_id in zip(named, naming.distinct(chosen, "_"), strict=True)
    ]


def _obvious(component: str, device: str, name: str) -> str | None:
    """The id that Home Assistant makes of plain names by itself."""
    whole = f"{device} {name}"
    return f"{component}.{naming.fold(whole)}" if name and _PLAIN_NAME.fullmatch(whole) else None


def _ways(row: Entity, topics: Topics) -> dict[str, Any]:
    """The topics that a row reads and writes, and how to read them."""
    state = row.state(topics) if row.state is not None else None
    if state is None and row.reads and row.template is not None:
        state = topics.state(*row.reads[0])
    topic_key, template_key = row.state_as
    ways = {topic_key: state, template_key: row.template if template_key else None}
    for also in row.also:
        ways[also.topic] = topics.state(row.reads[0][0], also.field)
        ways[also.template] = also.reading
    if row.attributes is not None:
        ways["json_attributes_topic"] = state
        ways["json_attributes_template"] = row.attributes or None
    if row.sends is not None:
        ways.update(dict.fromkeys(row.sends_as, topics.control(row.sends)))
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
        "icon": row.icon if row.enabled else None,  # what is switched off shall not take room
        **row.extra,
    }
    return {key: value for key, value in look.items() if value is not None}


def _shortened(keys: Mapping[str, Any]) -> dict[str, Any]:
    return {SHORT.get(key, key): value for key, value in keys.items()}
