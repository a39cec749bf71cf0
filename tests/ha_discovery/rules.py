"""What Home Assistant demands of a device-based discovery message, as a checker that knows nothing of our code.

The rules are those seen on Home Assistant 2025.4 to 2026.11; a message that passes loads there without a line in the log.
"""

import json
import re
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

from tests.ha_discovery.rendering import template_faults

MAX_BYTES = 64_000

SHORT = {
    "avty": "availability", "avty_mode": "availability_mode", "avty_t": "availability_topic",
    "avty_tpl": "availability_template", "cmd_t": "command_topic", "cmd_tpl": "command_template",
    "cmps": "components", "def_ent_id": "default_entity_id", "dev": "device", "dev_cla": "device_class",
    "e": "encoding", "en": "enabled_by_default", "ent_cat": "entity_category", "exp_aft": "expire_after",
    "frc_upd": "force_update", "ic": "icon", "json_attr_t": "json_attributes_topic",
    "json_attr_tpl": "json_attributes_template", "o": "origin", "obj_id": "object_id", "off_dly": "off_delay",
    "ops": "options", "p": "platform", "pl_avail": "payload_available", "pl_not_avail": "payload_not_available",
    "pl_off": "payload_off", "pl_on": "payload_on", "pl_prs": "payload_press", "ret": "retain",
    "stat_cla": "state_class", "stat_t": "state_topic", "sug_dsp_prc": "suggested_display_precision", "t": "topic",
    "act_t": "action_topic", "act_tpl": "action_template", "atype": "automation_type",
    "curr_temp_t": "current_temperature_topic", "curr_temp_tpl": "current_temperature_template",
    "mode_cmd_t": "mode_command_topic", "mode_stat_t": "mode_state_topic", "mode_stat_tpl": "mode_state_template",
    "temp_cmd_t": "temperature_command_topic", "temp_stat_t": "temperature_state_topic",
    "temp_stat_tpl": "temperature_state_template", "pct_cmd_t": "percentage_command_topic",
    "pct_stat_t": "percentage_state_topic", "pct_val_tpl": "percentage_value_template",
    "stat_val_tpl": "state_value_template", "stype": "subtype",
    "uniq_id": "unique_id", "unit_of_meas": "unit_of_measurement", "val_tpl": "value_template",
}  # fmt: skip
DEVICE_SHORT = {
    "cns": "connections", "cu": "configuration_url", "hw": "hw_version", "ids": "identifiers", "mdl": "model",
    "mdl_id": "model_id", "mf": "manufacturer", "sa": "suggested_area", "sn": "serial_number", "sw": "sw_version",
}  # fmt: skip
ORIGIN_SHORT = {"sw": "sw_version", "url": "support_url"}

SHARED = {
    "availability", "availability_mode", "availability_template", "availability_topic", "payload_available",
    "payload_not_available", "state_topic", "command_topic", "qos", "encoding",
}  # fmt: skip
TOP = {"device", "origin", "components"} | SHARED
DEVICE = {*DEVICE_SHORT.values(), "name", "via_device"}
ORIGIN = {"name", "sw_version", "support_url"}
AVAILABILITY = {"topic", "value_template", "payload_available", "payload_not_available"}
MODES = {"all", "any", "latest"}

BASE = {"platform", "unique_id", "name", "default_entity_id", "availability", "availability_mode", "qos", "icon",
        "entity_category", "enabled_by_default", "json_attributes_topic", "json_attributes_template"}  # fmt: skip
ENTITY = BASE | {"device_class"}
STATE, COMMAND = (
    {"state_topic", "value_template"},
    {"command_topic", "command_template", "retain", "optimistic"},
)
KEYS = {
    "sensor": ENTITY | STATE | {
        "unit_of_measurement", "state_class", "suggested_display_precision", "options", "expire_after",
        "force_update", "last_reset_value_template",
    },
    "binary_sensor": ENTITY | STATE | {"payload_on", "payload_off", "off_delay", "expire_after", "force_update"},
    "button": ENTITY | {"command_topic", "command_template", "payload_press", "retain"},
    "number": ENTITY | STATE | COMMAND | {"min", "max", "step", "mode", "unit_of_measurement", "payload_reset"},
    "switch": ENTITY | STATE | COMMAND | {"payload_on", "payload_off", "state_on", "state_off"},
    "select": BASE | STATE | COMMAND | {"options"},
    "text": BASE | STATE | COMMAND | {"min", "max", "mode", "pattern"},
    "notify": BASE | {"command_topic", "command_template", "retain"},
    "image": BASE | {"image_topic", "image_encoding", "content_type", "url_topic", "url_template"},
    "event": ENTITY | STATE | {"event_types"},
    "device_automation": {"platform", "automation_type", "type", "subtype", "topic", "payload", "value_template", "qos"},
    "light": BASE | COMMAND | {"schema", "state_topic", "brightness", "supported_color_modes", "effect",
                               "brightness_scale"},
    "fan": BASE | {"command_topic", "state_topic", "state_value_template", "payload_on", "payload_off", "optimistic",
                   "retain", "percentage_command_topic", "percentage_command_template", "percentage_state_topic",
                   "percentage_value_template", "speed_range_min", "speed_range_max"},
    "climate": BASE | {
        "temperature_command_topic", "temperature_state_topic", "temperature_state_template", "min_temp", "max_temp",
        "temp_step", "temperature_unit", "precision", "modes", "mode_command_topic", "mode_command_template",
        "mode_state_topic", "mode_state_template", "action_topic", "action_template", "current_temperature_topic",
        "current_temperature_template", "optimistic", "retain",
    },
    "update": ENTITY | STATE | {"command_topic", "payload_install", "title", "latest_version_topic",
                                "latest_version_template", "release_summary", "release_url", "entity_picture"},
    "camera": BASE | {"topic", "image_encoding"},
}  # fmt: skip
NEEDED = {
    "sensor": {"state_topic"}, "binary_sensor": {"state_topic"}, "button": {"command_topic"},
    "number": {"command_topic"}, "switch": {"command_topic"}, "select": {"command_topic", "options"},
    "text": {"command_topic"}, "notify": {"command_topic"}, "image": {"image_topic"},
    "event": {"state_topic", "event_types"}, "light": {"command_topic"}, "fan": {"command_topic"},
    "device_automation": {"automation_type", "type", "subtype", "topic"}, "climate": set(), "update": set(),
    "camera": {"topic"},
}  # fmt: skip
NAMELESS = {"device_automation"}
READ_ONLY = {"sensor", "binary_sensor", "image", "event", "camera"}

MEASURED, ANY = {"measurement"}, {"measurement", "total", "total_increasing"}
SENSOR_CLASSES: dict[str, tuple[set[str], set[str]]] = {  # class -> units, state classes
    "temperature": ({"°C", "°F", "K"}, MEASURED),
    "humidity": ({"%"}, MEASURED),
    "atmospheric_pressure": ({"hPa", "Pa", "kPa", "bar", "mbar"}, MEASURED),
    "duration": ({"d", "h", "min", "s", "ms", "μs"}, ANY),
    "distance": ({"mm", "cm", "m", "km"}, ANY),
    "speed": ({"mm/s", "m/s", "km/h"}, MEASURED),
    "data_rate": ({"B/s", "kB/s", "MB/s", "KiB/s", "MiB/s"}, MEASURED),
    "data_size": ({"B", "kB", "MB", "GB", "KiB", "MiB", "GiB"}, ANY),
    "power_factor": ({"%"}, MEASURED),
    "frequency": ({"Hz", "kHz", "MHz"}, MEASURED),
    "voltage": ({"V", "mV"}, MEASURED),
    "current": ({"A", "mA"}, MEASURED),
    "power": ({"mW", "W", "kW", "MW"}, MEASURED),
    "energy": ({"Wh", "kWh", "MWh", "J", "kJ", "MJ", "GJ"}, {"total", "total_increasing"}),
    "weight": ({"mg", "g", "kg", "oz", "lb"}, MEASURED),
    "apparent_power": ({"VA"}, MEASURED),
    "pressure": ({"Pa", "hPa", "kPa", "bar", "mbar"}, MEASURED),
    "illuminance": ({"lx"}, MEASURED),
    "enum": (set(), set()),
    "timestamp": (set(), set()),
}
BINARY_CLASSES = {"running", "problem", "connectivity", "update", "heat", "moving", "occupancy", "presence", "power",
                  "plug", "tamper", "door"}  # fmt: skip
BUTTON_CLASSES = {"identify", "restart", "update"}

_ID = re.compile(r"[a-zA-Z0-9_-]+")
_OBJECT = re.compile(r"(?!_)[a-z0-9_]+(?<!_)")


def expanded(message: dict[str, Any]) -> dict[str, Any]:
    """The message with full names everywhere."""
    full = _long(message, SHORT)
    full["device"] = _long(full.get("device", {}), DEVICE_SHORT)
    full["origin"] = _long(full.get("origin", {}), ORIGIN_SHORT)
    full["components"] = {key: _long(value, SHORT) for key, value in full.get("components", {}).items()}
    for part in (full, *full["components"].values()):
        if isinstance(part.get("availability"), list):
            part["availability"] = [_long(item, SHORT) for item in part["availability"]]
    return full


def faults(message: dict[str, Any], *, stubs: bool = False, max_bytes: int = MAX_BYTES) -> list[str]:
    """Everything Home Assistant would complain of; `stubs` allows components that are being withdrawn."""
    found = []
    size = len(json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode())
    if size > max_bytes:
        found.append(f"{size} bytes are too many")
    full = expanded(message)
    found += [f"unknown top-level key {key}" for key in sorted(full.keys() - TOP)]
    found += (
        _device_faults(full["device"]) + _origin_faults(full["origin"]) + _availability_faults("shared", full)
    )
    components = full["components"]
    if not components:
        found.append("no components")
    live = {key: part for key, part in components.items() if not (stubs and part.keys() == {"platform"})}
    for key, part in components.items():
        if not _ID.fullmatch(key):
            found.append(f"component key {key!r} is illegal")
        found += [
            f"{key}: {fault}"
            for fault in (_component_faults(part) if key in live else _platform_faults(part))
        ]
    return found + _together_faults(live, full["device"].get("name", ""))


def _device_faults(device: dict[str, Any]) -> list[str]:
    found = [f"unknown device key {key}" for key in sorted(device.keys() - DEVICE)]
    ids = device.get("identifiers")
    if not (isinstance(ids, list) and ids and all(isinstance(one, str) and one for one in ids)):
        found.append("device has no identifiers")
    found += [
        f"device {key} is no text"
        for key, value in device.items()
        if key != "identifiers" and not _text(value)
    ]
    url = device.get("configuration_url")
    if url is not None and (
        urlsplit(url).scheme not in ("http", "https", "homeassistant") or not urlsplit(url).hostname
    ):
        found.append("configuration_url is no URL")
    return found


def _origin_faults(origin: dict[str, Any]) -> list[str]:
    found = [f"unknown origin key {key}" for key in sorted(origin.keys() - ORIGIN)]
    if not _text(origin.get("name")):
        found.append("origin has no name")
    return found + [f"origin {key} is no text" for key, value in origin.items() if not _text(value)]


def _availability_faults(where: str, part: dict[str, Any]) -> list[str]:
    found = []
    listed = part.get("availability")
    if where == "shared" and not listed:
        found.append("no shared availability")
    if listed is not None and "availability_topic" in part:
        found.append(f"{where}: availability list and topic exclude each other")
    if part.get("availability_mode", "latest") not in MODES:
        found.append(f"{where}: availability_mode {part['availability_mode']!r}")
    for item in listed or ():
        found += [f"{where}: unknown availability key {key}" for key in item.keys() - AVAILABILITY]
        if not _topic(item.get("topic")):
            found.append(f"{where}: availability topic {item.get('topic')!r}")
    return found


def _platform_faults(part: dict[str, Any]) -> list[str]:
    return (
        [] if part.get("platform") in KEYS else [f"platform {part.get('platform')!r} is not one of the known"]
    )


def _component_faults(part: dict[str, Any]) -> list[str]:
    platform = part.get("platform")
    if platform not in KEYS:
        return _platform_faults(part)
    needed = NEEDED[platform] | (set() if platform in NAMELESS else {"unique_id"})
    if "url_topic" in part:
        needed = needed - {"image_topic"}  # one of the two
    found = [f"unknown key {key}" for key in sorted(part.keys() - KEYS[platform])]
    found += [f"{key} is missing" for key in sorted(needed - part.keys())]
    found += _topic_faults(part)
    found += [f"{key} is null" for key, value in part.items() if value is None and key != "name"]
    found += _id_faults(part)
    if not isinstance(part.get("enabled_by_default", False), bool) or part.get("qos", 0) not in (0, 1, 2):
        found.append("enabled_by_default or qos is odd")
    if not re.fullmatch(r"mdi:[a-z0-9-]+", part.get("icon", "mdi:x")):
        found.append(f"icon {part['icon']!r}")
    if part.get("entity_category", "diagnostic") not in (
        {"diagnostic"} if platform in READ_ONLY else {"diagnostic", "config"}
    ):
        found.append(f"entity_category {part['entity_category']!r}")
    if part.get("retain") or part.get("optimistic"):
        found.append("a retained command would be repeated at each connect, an optimistic state is invented")
    return found + _availability_faults("own", part) + _CHECKS[platform](part) + template_faults(part)


def _topic_faults(part: dict[str, Any]) -> list[str]:
    found = []
    for key, value in part.items():
        if key != "topic" and not key.endswith("_topic"):
            continue
        wild = part["platform"] == "event" and isinstance(value, str)
        if not _topic(value.replace("+", "x") if wild else value):
            found.append(f"{key} is not a concrete topic: {value!r}")
    return found


def _id_faults(part: dict[str, Any]) -> list[str]:
    wanted = part.get("default_entity_id")
    if wanted is None:
        return []
    domain, _, name = str(wanted).partition(".")
    good = domain == part["platform"] and _OBJECT.fullmatch(name) and len(f"{domain}.{name}") <= 255
    return [] if good else [f"default_entity_id {wanted!r}"]


def _nothing_faults(_part: dict[str, Any]) -> list[str]:
    return []


def _number_faults(part: dict[str, Any]) -> list[str]:
    found = []
    low, high, step = (part.get(key, default) for key, default in (("min", 1), ("max", 100), ("step", 1)))
    if not (all(isinstance(one, int | float) for one in (low, high, step)) and low < high and step >= 0.001):
        found.append(f"limits {low!r} to {high!r} by {step!r}")
    if part.get("mode", "auto") not in ("auto", "box", "slider"):
        found.append(f"mode {part['mode']!r}")
    device_class, unit = part.get("device_class"), part.get("unit_of_measurement")
    if device_class is not None and unit not in SENSOR_CLASSES.get(device_class, (set(), set()))[0]:
        found.append(f"unit {unit!r} is wrong for {device_class!r}")
    return found


def _select_faults(part: dict[str, Any]) -> list[str]:
    options = part.get("options")
    good = isinstance(options, list) and options and len(set(options)) == len(options)
    return [] if good and all(map(_text, options)) and "None" not in options else [f"options {options!r}"]


def _text_faults(part: dict[str, Any]) -> list[str]:
    return [] if 0 <= part.get("min", 0) < part.get("max", 255) <= 255 else ["length of the text"]


def _image_faults(part: dict[str, Any]) -> list[str]:
    return [] if re.fullmatch(r"image/[a-z]+", part.get("content_type", "image/jpeg")) else ["content_type"]


def _event_faults(part: dict[str, Any]) -> list[str]:
    types = part.get("event_types")
    return [] if isinstance(types, list) and types and all(map(_text, types)) else ["event_types"]


def _trigger_faults(part: dict[str, Any]) -> list[str]:
    good = part.get("automation_type") == "trigger" and _text(part.get("type")) and _text(part.get("subtype"))
    return [] if good else ["not a trigger"]


def _light_faults(part: dict[str, Any]) -> list[str]:
    modes = part.get("supported_color_modes")
    good = isinstance(modes, list) and modes and set(modes) <= {"brightness", "rgb", "rgbw", "onoff"}
    alone = not ({"brightness", "onoff"} & set(modes or ())) or len(modes or ()) == 1
    return [] if good and alone and part.get("schema") == "json" else [f"color modes {modes!r}"]


def _fan_faults(part: dict[str, Any]) -> list[str]:
    return [key for key in ("payload_on", "payload_off") if not _text(part.get(key, "x"))]


def _climate_faults(part: dict[str, Any]) -> list[str]:
    found = []
    if not part.get("min_temp", 7) < part.get("max_temp", 35) or part.get("temp_step", 1) <= 0:
        found.append("limits of the temperature")
    if not set(part.get("modes", [])) <= {"auto", "off", "cool", "heat", "dry", "fan_only"}:
        found.append(f"modes {part['modes']!r}")
    if part.get("temperature_unit", "C") not in ("C", "F"):
        found.append("temperature_unit")
    return found


def _sensor_faults(part: dict[str, Any]) -> list[str]:
    found = []
    device_class, unit, state_class = (
        part.get(key) for key in ("device_class", "unit_of_measurement", "state_class")
    )
    if state_class is not None and state_class not in ANY:
        found.append(f"state_class {state_class!r}")
    if device_class is not None and device_class not in SENSOR_CLASSES:
        return [*found, f"device_class {device_class!r}"]
    if device_class is not None:
        units, state_classes = SENSOR_CLASSES[device_class]
        if (unit not in units) if units else (unit is not None):
            found.append(f"unit {unit!r} is wrong for {device_class}")
        if state_class is not None and state_class not in state_classes:
            found.append(f"state_class {state_class!r} is wrong for {device_class}")
    precision = part.get("suggested_display_precision")
    if precision is not None and (not isinstance(precision, int) or precision < 0):
        found.append(f"precision {precision!r}")
    options = part.get("options")
    if (device_class == "enum") != (options is not None):
        found.append("enum and options belong together")
    if options is not None and (
        not options or len(set(options)) != len(options) or not all(map(_text, options))
    ):
        found.append(f"options {options!r}")
    if device_class in ("enum", "timestamp") and precision is not None:
        found.append("a precision without a number")
    return found


def _binary_faults(part: dict[str, Any]) -> list[str]:
    wrong = part.get("device_class") not in BINARY_CLASSES | {None}
    return [f"device_class {part['device_class']!r}"] if wrong else []


def _button_faults(part: dict[str, Any]) -> list[str]:
    wrong = part.get("device_class") not in BUTTON_CLASSES | {None}
    return [f"device_class {part['device_class']!r}"] if wrong else []


_CHECKS = {
    "sensor": _sensor_faults,
    "binary_sensor": _binary_faults,
    "button": _button_faults,
    "number": _number_faults,
    "switch": _nothing_faults,
    "select": _select_faults,
    "text": _text_faults,
    "notify": _nothing_faults,
    "image": _image_faults,
    "event": _event_faults,
    "device_automation": _trigger_faults,
    "light": _light_faults,
    "fan": _fan_faults,
    "climate": _climate_faults,
    "update": _nothing_faults,
    "camera": _nothing_faults,
}


def entity_id(part: dict[str, Any], device: str) -> str:
    """What the entity will be called: as it asks for, else by the names."""
    words = f"{device} {part.get('name') or ''}".lower()
    return (
        part.get("default_entity_id") or f"{part['platform']}.{re.sub('[^a-z0-9]+', '_', words).strip('_')}"
    )


def _together_faults(components: dict[str, dict[str, Any]], device: str) -> list[str]:
    parts = [part for part in components.values() if part.get("platform") not in NAMELESS]
    found = []
    ids = Counter((part.get("platform"), part.get("unique_id")) for part in parts)
    found += [f"unique_id {value!r} is not unique" for (_, value), count in ids.items() if count > 1]
    named = Counter(entity_id(part, device) for part in parts if _is_plain(part, device))
    found += [f"entity id {value!r} is not unique" for value, count in named.items() if count > 1]
    found += [
        f"{part['name']!r} needs a default_entity_id"
        for part in parts
        if "default_entity_id" not in part and not _is_plain(part, device)
    ]
    names = [part.get("name") for part in parts]
    folded = Counter((part.get("platform"), (part.get("name") or "").casefold()) for part in parts)
    found += [f"name {name!r} is used {count} times" for name, count in folded.items() if count > 1]
    for name in names:
        if name is not None and (not _text(name) or name != name.strip()):
            found.append(f"name {name!r}")
        elif name is not None and device and f"{name} ".casefold().startswith(f"{device} ".casefold()):
            found.append(f"name {name!r} repeats the device's")
    return found


def _is_plain(part: dict[str, Any], device: str) -> bool:
    """Whether its id is known: asked for, or of names that everybody folds alike."""
    known = "default_entity_id" in part
    return known or re.fullmatch(r"[A-Za-z0-9_ ()-]*", f"{device}{part.get('name') or ''}") is not None


def _long(part: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {names.get(key, key): value for key, value in part.items()}


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _topic(value: Any) -> bool:
    """Whether Home Assistant and brokers take it: concrete, and no control character or noncharacter in it."""
    if not _text(value) or len(value.encode(errors="replace")) > 65_535:
        return False
    return not any(
        char in "+#" or ord(char) < 0x20 or 0x7F <= ord(char) <= 0x9F or 0xD800 <= ord(char) <= 0xDFFF
        or 0xFDD0 <= ord(char) <= 0xFDEF or ord(char) & 0xFFFE == 0xFFFE
        for char in value
    )  # fmt: skip
