"""The payloads are what docs/mqtt.md promises, byte for byte."""

import msgspec
import pytest

from bridge.mqtt.payloads import (
    EVENTS,
    ControlRow,
    Event,
    FilamentRunout,
    Health,
    HealthBroker,
    HealthCounters,
    HealthQueues,
    KlippyInfo,
    Nothing,
    StateValue,
    Status,
    event_of,
)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (Status("online"), b'{"server":"online"}'),
        (Status("offline"), b'{"server":"offline"}'),
        (
            KlippyInfo("shutdown", "MCU 'mcu' shutdown", None),
            b'{"state":"shutdown","message":"MCU \'mcu\' shutdown","version":null}',
        ),
        (StateValue(1.5, 2.5, 21.0), b'{"eventtime":1.5,"time":2.5,"value":21.0}'),
        (StateValue(None, 2.5, None), b'{"eventtime":null,"time":2.5,"value":null}'),
        (
            Event(2.5, "b00t", 7, "filament_runout", FilamentRunout("spool")),
            b'{"time":2.5,"boot":"b00t","seq":7,"event":"filament_runout","data":{"sensor":"spool"}}',
        ),
        (
            Event(2.5, "b00t", 8, "emergency_stop", Nothing()),
            b'{"time":2.5,"boot":"b00t","seq":8,"event":"emergency_stop","data":{}}',
        ),
    ],
)
def test_a_payload_is_encoded_as_promised(payload, expected):
    assert msgspec.json.encode(payload) == expected


def test_no_key_of_a_control_is_ever_missing():
    row = msgspec.to_builtins(ControlRow("pause", "button", "Pause"))
    assert list(row) == ["key", "kind", "name", "unit", "min", "max", "step", "options", "state_topic"]
    assert row["options"] is None


def test_health_tells_what_the_contract_lists():
    health = Health(
        version="1.2.3",
        unique_id="abc",
        time=2.5,
        uptime=1.5,
        klippy="ready",
        broker=HealthBroker("127.0.0.1:1883", "5", None),
        counters=HealthCounters(1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
        queues=HealthQueues(0, 0, 0),
        last_error=None,
    )
    found = msgspec.to_builtins(health)
    assert found["broker"] == {"address": "127.0.0.1:1883", "protocol": "5", "connected_since": None}
    assert found["counters"] == {
        "requests": 1,
        "rejected": 2,
        "dropped": 3,
        "published": 4,
        "reconnects": 5,
        "klippy_dropped_frames": 6,
        "denied": 7,
        "unauthorized": 8,
        "failed_logins": 9,
        "overloads": 10,
    }
    assert found["last_error"] is None


def test_notifications_are_events_without_their_prefix_and_the_frequent_ones_are_none():
    assert event_of("notify_klippy_shutdown") == "klippy_shutdown"
    assert event_of("notify_status_update") is None
    assert event_of("notify_proc_stat_update") is None


def test_every_event_of_the_contract_has_its_data():
    assert set(EVENTS) == {
        "print_started",
        "print_paused",
        "print_resumed",
        "print_complete",
        "print_cancelled",
        "print_error",
        "filament_runout",
        "klippy_shutdown",
        "emergency_stop",
        "control_rejected",
        "request_rejected",
    }
