"""docs/mqtt.md: its list of events is what is published."""

import re
from pathlib import Path

from bridge.app import describe_registry
from bridge.mqtt.payloads import EVENTS, event_of

TEXT = (Path(__file__).parent.parent.parent / "docs/mqtt.md").read_text(encoding="utf-8")
EVENTS_TEXT = TEXT.partition("\n## Events\n")[2].partition("\n## ")[0]
NAMES = re.compile(r"`([a-z0-9_]+)`")
SILENT = {"status_update", "proc_stat_update", "sensor_update"}


def rows() -> dict[str, str]:
    """The table: what is said of the data, by the event."""
    cells = re.findall(r"^\| (`.*`) \| (.*) \|$", EVENTS_TEXT, re.MULTILINE)
    return {name: data for names, data in cells for name in NAMES.findall(names)}


def test_every_event_that_is_published_is_in_the_list_and_no_other() -> None:
    notices = {event_of(name) for name in describe_registry().notices} - {None}
    assert set(rows()) == notices | EVENTS.keys()


def test_the_notifications_that_are_no_events_are_named() -> None:
    assert {name for name in SILENT if event_of(f"notify_{name}") is not None} == set()
    told = EVENTS_TEXT.partition("but for three")[2].partition("\n\n")[0]
    assert set(NAMES.findall(told)) >= SILENT
    silent = {name for name in describe_registry().notices if event_of(name) is None}
    assert silent <= {f"notify_{name}" for name in SILENT}


def test_the_data_of_the_bridge_s_own_events_is_as_it_is_written() -> None:
    for name, kind in EVENTS.items():
        assert set(NAMES.findall(rows()[name])) == set(kind.data.__struct_fields__), name
