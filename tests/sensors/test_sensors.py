"""Sensors on a real broker, in the API, in the job's record and in Home Assistant."""

from pathlib import Path

import pytest

from bridge.errors import ConfigError
from bridge.klippy.simulator import Simulator, write_sample
from tests.conftest import Running, Start
from tests.power.calls import Refused, availability, call, entities
from tests.wire import Ear, until

METER = {
    "meter": {
        "name": "Plug",
        "topic": "tele/plug/SENSOR",
        "values": {
            "power": {"template": "{{ value_json.ENERGY.Power }}", "units": "W"},
            "total": {
                "template": "{{ value_json.ENERGY.Total }}",
                "units": "kWh",
                "kind": "energy",
                "name": "Energy",
            },
            "mood": {"topic": "plug/mood"},
        },
        "history": {
            "max_power": {"value": "power", "strategy": "maximum", "report_maximum": True, "precision": 1},
            "avg_power": {"value": "power", "strategy": "average", "exclude_paused": True, "precision": 1},
        },
    }
}


async def say(mqtt: Ear, power: float, total: float) -> None:
    await mqtt.say(
        "tele/plug/SENSOR", {"Time": "2026-01-01T00:00:00", "ENERGY": {"Power": power, "Total": total}}
    )


def figures(bridge: Running) -> dict:
    return bridge.bridge.surroundings._sensors["meter"].figures


async def test_the_api_shows_figures_parameters_and_fields(
    klippy: Simulator, start: Start, mqtt: Ear
) -> None:
    bridge = await start(sensors=METER)
    assert (await call(bridge, "server.sensors.info", sensor="meter"))["values"] == {
        "power": None,
        "total": None,
        "mood": None,
    }
    await say(mqtt, 120.5, 3.25)
    await mqtt.say("plug/mood", "fine")
    await until(lambda: figures(bridge)["mood"] == "fine")
    listed = (await call(bridge, "server.sensors.list"))["sensors"]
    assert listed == {
        "meter": {
            "id": "meter",
            "friendly_name": "Plug",
            "type": "mqtt",
            "values": {"power": 120.5, "total": 3.25, "mood": "fine"},
        }
    }
    more = await call(bridge, "server.sensors.info", sensor="meter", extended=True)
    assert more["parameter_info"][0] == {"name": "power", "units": "W", "friendly_name": "power"}
    fields = {one["field"]: one for one in more["history_fields"]}
    assert fields["energy"]["strategy"] == "delta"
    assert fields["energy"]["units"] == "kWh"
    assert fields["energy"]["parameter"] == "total"
    assert fields["avg_power"]["exclude_paused"] is True
    assert fields["max_power"]["units"] == "W"
    assert "sensor" in (await call(bridge, "server.info"))["components"]
    with pytest.raises(Refused, match="There is no sensor 'toaster'"):
        await call(bridge, "server.sensors.info", sensor="toaster")


async def test_each_second_is_stored_and_changes_are_told(klippy: Simulator, start: Start, mqtt: Ear) -> None:
    bridge = await start(sensors=METER)
    updates = []
    bridge.bridge.registry.noticed.connect(
        lambda one: updates.append(one) if one.method == "notify_sensor_update" else None
    )
    await say(mqtt, 5, 1)
    await until(lambda: updates)
    assert updates[0].params == [{"meter": {"power": 5, "total": 1, "mood": None}}]
    stored = (await call(bridge, "server.sensors.measurements", sensor="meter"))["meter"]
    assert stored["power"][-1] == 5
    assert (await mqtt.message(bridge.topics.sensor("meter"))).json == {
        "figures": {"power": 5, "total": 1, "mood": None}
    }
    assert not mqtt.on(bridge.topics.event("sensor_update"))


async def test_a_job_has_its_energy_and_fields_in_its_record(
    klippy: Simulator, start: Start, mqtt: Ear, tmp_path
) -> None:
    bridge = await start(sensors=METER)
    write_sample(tmp_path / "data" / "gcodes" / "a.gcode", size=30, layers=100, heat=False)
    await say(mqtt, 10, 7.0)
    await until(lambda: figures(bridge)["total"] == 7.0)
    await call(bridge, "printer.print.start", filename="a.gcode")
    await until(lambda: bridge.bridge.tracker.current is not None)
    for power, total in ((100, 7.1), (300, 7.25), (200, 0.0), (200, 7.3)):
        await say(mqtt, power, total)
    await until(lambda: figures(bridge)["total"] == 7.3)
    await call(bridge, "printer.print.cancel")
    last = await mqtt.message(bridge.topics.job_last, where=lambda m: m.json["result"] == "cancelled")
    assert last.json["energy"] == pytest.approx(0.3)
    (job,) = (await call(bridge, "server.history.list"))["jobs"]
    found = {one["name"]: one for one in job["auxiliary_data"]}
    assert found["energy"]["provider"] == "sensor meter"
    assert found["energy"]["units"] == "kWh"
    assert found["max_power"]["value"] == 300
    assert found["avg_power"]["value"] == pytest.approx((10 + 100 + 300 + 200 + 200) / 5)
    totals = (await call(bridge, "server.history.totals"))["auxiliary_totals"]
    assert {"provider": "sensor meter", "field": "energy", "maximum": 0.3, "total": 0.3} in totals


async def finished(
    bridge: Running, mqtt: Ear, tmp_path: Path, readings: dict[str, tuple[float, ...]]
) -> dict:
    """A job that is printing, then paused, then cancelled, with these readings; its fields by name."""
    write_sample(tmp_path / "data" / "gcodes" / "a.gcode", size=200, layers=200, heat=False)
    mqtt.forget()
    await call(bridge, "printer.print.start", filename="a.gcode")
    await until(lambda: bridge.bridge.tracker.current is not None)
    for state, powers in readings.items():
        if state == "paused":
            await call(bridge, "printer.print.pause")
        await until(lambda paused=state == "paused": bridge.bridge.tracker.paused is paused)
        for power in powers:
            await say(mqtt, power, 1)
            await until(lambda power=power: figures(bridge)["power"] == power)
    await call(bridge, "printer.print.cancel")
    await mqtt.message(bridge.topics.job_last, where=lambda m: m.json["result"] == "cancelled")
    (job, *_) = (await call(bridge, "server.history.list", order="desc"))["jobs"]
    return {one["name"]: one["value"] for one in job["auxiliary_data"]}


async def test_pauses_totals_maxima_and_decimals_are_as_configured(
    klippy: Simulator, start: Start, mqtt: Ear, tmp_path: Path
) -> None:
    most = {"value": "power", "strategy": "maximum"}
    history = {
        "all": {"value": "power", "strategy": "accumulate", "report_total": True, "precision": 1},
        "moving": {"value": "power", "strategy": "accumulate", "exclude_paused": True},
        "peak": {**most, "report_maximum": True, "exclude_paused": True},
        "silent": most,
    }
    meter = {"topic": "tele/plug/SENSOR", "values": {"power": {"template": "{{ value_json.ENERGY.Power }}"}}}
    bridge = await start(sensors={"meter": {**meter, "history": history}})
    first = await finished(bridge, mqtt, tmp_path, {"printing": (10.25, 20), "paused": (400.5,)})
    assert first == {"all": 430.8, "moving": 30.25, "peak": 20, "silent": 400.5}
    second = await finished(bridge, mqtt, tmp_path, {"printing": (5, 6)})
    assert second == {"all": 11.0, "moving": 11.0, "peak": 20, "silent": 400.5}  # as they stood at the start
    totals = (await call(bridge, "server.history.totals"))["auxiliary_totals"]
    assert {one["field"]: (one["total"], one["maximum"]) for one in totals} == {
        "all": (441.8, None),
        "peak": (None, 20),
    }


async def test_a_reading_in_another_unit_is_left_out_and_said_once(
    klippy: Simulator, start: Start, mqtt: Ear, caplog
) -> None:
    bridge = await start(
        sensors={"meter": {"topic": "m/total", "values": {"total": {"units": "kWh", "kind": "energy"}}}}
    )
    for payload in ("5.0 kWh", "5200 Wh", "5300 Wh", "banana", "5.5 kWh"):
        await mqtt.say("m/total", payload)
    await until(lambda: figures(bridge)["total"] == 5.5)
    said = [r.getMessage() for r in caplog.records if "sensor meter" in r.getMessage()]
    assert said == [
        "sensor meter, total: it counts 'Wh', not kWh; the reading is left out",
        "sensor meter, total: 'banana' is no number in kWh",
    ]


async def test_home_assistant_gets_a_meter_for_its_energy_dashboard(
    klippy: Simulator, start: Start, mqtt: Ear
) -> None:
    bridge = await start(sensors=METER)
    found = await entities(bridge, mqtt, "Plug Energy")
    meter = found["Plug Energy"]
    assert (meter["device_class"], meter["state_class"]) == ("energy", "total_increasing")
    assert meter["unit_of_measurement"] == "kWh"
    assert meter["state_topic"] == bridge.topics.sensor("meter")
    assert availability(meter) == [bridge.topics.status]
    assert found["Plug power"]["device_class"] == "power"
    assert found["Last job energy"]["state_topic"] == bridge.topics.job_last


@pytest.mark.parametrize(
    ("sensor", "message"),
    [
        ({"values": {"a": {}}}, "sensors.meter.topic: missing; where are the figures to be heard?"),
        ({"topic": "a/+", "values": {"a": {}}}, "sensors.meter.values.a.topic: 'a/+' is no topic"),
        (
            {"topic": "a", "values": {"a": {"kind": "energy", "units": "W"}}},
            "sensors.meter.values.a.units: 'W' is no energy",
        ),
        (
            {"topic": "a", "values": {"a": {"kind": "energy"}}},
            "sensors.meter.values.a.units: missing; a meter counts Wh",
        ),
        (
            {"topic": "a", "values": {"a": {}}, "history": {"b": {"value": "c"}}},
            "sensors.meter.history.b.value: there is no figure 'c'",
        ),
        (
            {
                "topic": "a",
                "values": {"a": {"kind": "energy", "units": "Wh"}},
                "history": {"energy": {"value": "a"}},
            },
            "sensors.meter: the field 'energy' of the job's record is there twice",
        ),
    ],
)
async def test_a_mistake_in_the_configuration_names_its_path(
    sensor: dict, message: str, start: Start
) -> None:
    with pytest.raises(ConfigError) as caught:
        await start(sensors={"meter": sensor})
    assert str(caught.value).startswith(message)


async def test_two_meters_are_one_too_many(start: Start) -> None:
    meter = {"topic": "a", "values": {"a": {"kind": "energy", "units": "Wh"}}}
    with pytest.raises(ConfigError, match="only one meter counts the printer's energy, not one and two"):
        await start(sensors={"one": meter, "two": meter})


async def test_the_energy_of_a_job_survives_a_restart_of_the_bridge(
    klippy: Simulator, start: Start, mqtt: Ear, tmp_path
) -> None:
    bridge = await start(sensors=METER)
    write_sample(tmp_path / "data" / "gcodes" / "a.gcode", size=200, layers=200, heat=False)
    await say(mqtt, 10, 7.0)
    await until(lambda: figures(bridge)["total"] == 7.0)
    await call(bridge, "printer.print.start", filename="a.gcode")
    await until(lambda: bridge.bridge.tracker.current is not None)
    await say(mqtt, 10, 7.1)
    await until(lambda: figures(bridge)["total"] == 7.1)
    await bridge.end()
    again = await start(sensors=METER, instance="meter2")
    await until(lambda: again.bridge.tracker.current is not None)
    await say(mqtt, 10, 7.4)
    await until(lambda: figures(again)["total"] == 7.4)
    await call(again, "printer.print.cancel")
    last = await mqtt.message(again.topics.job_last, where=lambda m: m.json["result"] == "cancelled")
    assert last.json["energy"] == pytest.approx(0.4)
