"""Renders value templates as Home Assistant does, stricter: what is undefined may not even be touched."""

import json
from functools import cache
from typing import Any

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

_ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined)

ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -3.25, 1e300, "", "text", "x" * 300, "<&'\">", [], [1], [1.5, None, "z"], [1, 2, 3, 4],
    {}, {"current_layer": 3, "total_layer": None}, {"mcu_awake": 0.5}, {"mcu_task_avg": "x", "mcu_task_stddev": None},
)  # fmt: skip
ODD_PAYLOADS: tuple[Any, ...] = (
    {},
    *({"eventtime": 1.5, "time": 2.5, "value": value} for value in ODD_VALUES),
    *({"state": value, "message": value, "version": None} for value in ODD_VALUES),
)


@cache
def _compiled(template: str) -> Any:
    return _ENVIRONMENT.from_string(template)


def render(template: str, payload: Any) -> str:
    """What Home Assistant takes from this payload."""
    return str(_compiled(template).render(value=json.dumps(payload), value_json=payload)).strip()


@cache
def _rendered(template: str) -> tuple[str, ...]:
    return tuple(render(template, payload) for payload in ODD_PAYLOADS)


def template_faults(part: dict[str, Any]) -> list[str]:
    """What is wrong with the templates of one component."""
    try:
        states = _rendered(part["value_template"]) if "value_template" in part else ()
        attributes = _rendered(part["json_attributes_template"]) if "json_attributes_template" in part else ()
    except (TemplateError, ValueError, TypeError) as error:
        return [f"a template fails: {error!r}"]
    found = [f"the state would be {state!r}" for state in states if not _fits(part, state)]
    return found + [
        f"no attributes: {text!r}" for text in attributes if not isinstance(json.loads(text), dict)
    ]


def _fits(part: dict[str, Any], state: str) -> bool:
    if state == "None":
        return True
    if part["platform"] == "binary_sensor":
        return state in (part.get("payload_on", "ON"), part.get("payload_off", "OFF"))
    if part.get("device_class") == "enum":
        return state in part.get("options", ())
    if any(key in part for key in ("unit_of_measurement", "state_class", "suggested_display_precision")):
        return _is_number(state)
    return 0 < len(state) <= 255


def _is_number(state: str) -> bool:
    try:
        float(state)
    except ValueError:
        return False
    return True
