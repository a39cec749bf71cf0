"""Every control of the simulated printer: a good value becomes its G-code, a bad one nothing and an event."""

import logging
from pathlib import Path

import pytest

from bridge.klippy.simulator import Simulator
from tests.conftest import Running, Start
from tests.mqtt.watching import settled
from tests.wire import Ear, until

BY_REQUEST = {  # not G-code, but requests of Klippy's own
    "pause": "PAUSE",
    "resume": "RESUME",
    "cancel": "CANCEL_PRINT",
}
GOOD: dict[str, list[tuple[str, str]]] = {  # control -> values and the G-code they become
    "home": [("PRESS", "G28")],
    "home_x": [("PRESS", "G28 X")],
    "home_y": [("PRESS", "G28 Y")],
    "home_z": [("PRESS", "G28 Z")],
    "heaters_off": [("PRESS", "TURN_OFF_HEATERS")],
    "motors_off": [("PRESS", "M84")],
    "query_endstops": [("PRESS", "QUERY_ENDSTOPS")],
    "extruder_target": [
        ("210", "SET_HEATER_TEMPERATURE HEATER=extruder TARGET=210"),
        ("60.5", "SET_HEATER_TEMPERATURE HEATER=extruder TARGET=60.5"),
        ("off", "SET_HEATER_TEMPERATURE HEATER=extruder TARGET=0"),
        ("heat", "SET_HEATER_TEMPERATURE HEATER=extruder TARGET=60.5"),
        ("0", "SET_HEATER_TEMPERATURE HEATER=extruder TARGET=0"),
    ],
    "heater_bed_target": [("60.0", "SET_HEATER_TEMPERATURE HEATER=heater_bed TARGET=60")],
    "heater_generic_chamber_target": [("45", "SET_HEATER_TEMPERATURE HEATER=chamber TARGET=45")],
    "temperature_fan_chamber_fan_target": [
        ("50", "SET_TEMPERATURE_FAN_TARGET TEMPERATURE_FAN=chamber_fan TARGET=50")
    ],
    "extruder_pressure_advance": [("0.045", "SET_PRESSURE_ADVANCE EXTRUDER=extruder ADVANCE=0.045")],
    "fan_speed": [("100", "M106 S255"), ("50", "M106 S127.5"), ("0", "M106 S0")],
    "fan_generic_exhaust_speed": [("33", "SET_FAN_SPEED FAN=exhaust SPEED=0.33")],
    "pin_caselight": [("75", "SET_PIN PIN=caselight VALUE=0.75")],
    "pin_relay": [("ON", "SET_PIN PIN=relay VALUE=1"), ("OFF", "SET_PIN PIN=relay VALUE=0")],
    "light_status": [
        ('{"state":"ON","brightness":255,"color":{"r":255,"g":0,"b":51}}', "SET_LED LED=status RED=1 GREEN=0 BLUE=0.2 SYNC=0"),
        ("OFF", "SET_LED LED=status RED=0 GREEN=0 BLUE=0 SYNC=0"),
    ],
    "filament_sensor_spool": [("OFF", "SET_FILAMENT_SENSOR SENSOR=spool ENABLE=0")],
    "speed_factor": [("120", "M220 S120")],
    "flow_factor": [("95", "M221 S95")],
    "z_offset": [("-0.05", "SET_GCODE_OFFSET Z=-0.05"), ("0.1", "SET_GCODE_OFFSET Z=0.1")],
    "message": [('hello; "you" \\ M112 {x}', 'SET_DISPLAY_TEXT MSG="hello; \\"you\\" \\\\ M112 {x}"')],
    "bed_mesh_profile": [("default", 'BED_MESH_PROFILE LOAD="default"'), ("no mesh", "BED_MESH_CLEAR")],
    "macro_GREET": [
        ("PRESS", "GREET"),
        ('{"params": {"name": "a b; M112", "COUNT": 2, "x": 1.5, "y": true}}', 'GREET NAME="a b; M112" COUNT=2 X=1.5 Y=1'),
    ],
    "macro_END_PRINT": [("PRESS", "END_PRINT")],
    "macro_ASK": [("PRESS", "ASK")],
    "macro_START_PRINT": [('{"params": {"BED": 0, "EXTRUDER": 0}}', "START_PRINT BED=0 EXTRUDER=0")],
    "macro_PUBLISH": [('{"params": {"TOPIC": "a/b"}}', 'PUBLISH TOPIC="a/b"')],
    "macro_CALL_OUT": [
        ('{"params": {"METHOD": "set_device_power"}}', 'CALL_OUT METHOD="set_device_power"'),
    ],
}  # fmt: skip
ENDING = {"macro_BREAK": "BREAK", "macro_STOP_ALL": "STOP_ALL"}  # G-code that fails, or ends it all
BAD_FOR_ALL = [
    "",
    " ",
    "NaN",
    "Infinity",
    "1_0",
    "PRESS\nM112",
    "null",
    "{",
    "\x00",
    "press",
    "{}",
    "[]",
    "ON ;M112",
]
BAD: dict[str, list[str]] = {  # beside those
    "extruder_target": ["-1", "301", "1e9", "ON", "PRESS", "210\nM112", "٣", "1" * 50],
    "heater_bed_target": ["131", "heat"],  # nobody has said how warm
    "heater_generic_chamber_target": ["90.1"],
    "temperature_fan_chamber_fan_target": ["81", "off"],
    "extruder_pressure_advance": ["-0.1", "2.5"],
    "fan_speed": ["101", "-1", "ON"],
    "fan_generic_exhaust_speed": ["101"],
    "pin_caselight": ["ON", "100.5"],
    "pin_relay": ["1", "on", "true"],
    "light_status": ['{"brightness":256}', '{"state":"on"}', '{"color":{"r":1}}', '{"brightness":-1}', "1"],
    "filament_sensor_spool": ["0"],
    "speed_factor": ["0", "301"],
    "flow_factor": ["201"],
    "z_offset": ["2.1", "-2.1"],
    "message": ["x" * 256, "two\nlines", "two\u2028lines"],
    "bed_mesh_profile": ["nobody's", "—"],
    "exclude_object": ["—", "TOWER"],
    "print_file": ["—", "nothing.gcode", "../bridge.db", "/etc/passwd"],
    "macro_GREET": [
        '{"params": {"a b": 1}}', '{"params": {"A": "x\\ny"}}', '{"params": {"A": null}}', '{"params": {"A": [1]}}',
        '{"params": {"A": "\\u2028"}}', '{"params": {"": 1}}', '{"params": {"A=1 B": 1}}', '{"param": {}}', '{"params": 1}',
    ],
    "log_level": ["loud"],
    "emergency_stop": ["ON"],
}  # fmt: skip
TAKES_TEXT = {"message": {"NaN", "Infinity", "1_0", "null", "{", "press", "{}", "[]", "ON ;M112"}}
ELSEWHERE = {  # tested where their effect is seen
    "emergency_stop", "firmware_restart", "host_restart", "exclude_object", "print_file", "queue_start", "queue_pause",
    "reset_totals", "bridge_restart", "rediscover", "log_level", *BY_REQUEST,
}  # fmt: skip


async def listed(bridge: Running, mqtt: Ear) -> list[str]:
    return [row["key"] for row in (await mqtt.message(bridge.topics.controls)).json]


async def test_the_table_below_knows_every_control(bridge: Running, mqtt: Ear) -> None:
    await until(lambda: "extruder_target" in {row.key for row in bridge.bridge.controls.rows})
    keys = {row.key for row in bridge.bridge.controls.rows}
    assert keys == GOOD.keys() | ENDING.keys() | ELSEWHERE
    topics = bridge.topics
    for row in bridge.bridge.controls.rows:
        assert row.kind == "button" or row.state_topic is not None, row.key
        if row.state_topic is not None:
            told = await mqtt.message(row.state_topic)
            assert told.topic.startswith((f"{topics.instance}/klipper/state/", f"{topics.instance}/control/"))


async def test_a_good_value_becomes_its_g_code_and_nothing_else(
    bridge: Running, klippy: Simulator, mqtt: Ear
) -> None:
    await settled(mqtt, bridge)
    for key, values in GOOD.items():
        for value, line in values:
            before = len(klippy.executed)
            await mqtt.say(bridge.topics.control(key), value)
            await until(lambda n=before: len(klippy.executed) > n)
            assert klippy.executed[before] == line, key
            if key.endswith("target"):  # `heat` goes on with the last target that was seen
                wanted = float(line.rpartition("=")[2])
                state = (
                    key.removesuffix("_target").replace("generic_", "generic ").replace("fan_ch", "fan ch")
                )
                await until(lambda s=state, w=wanted: bridge.bridge.cache.get(s, "target") == w)
    for key, line in BY_REQUEST.items():
        await mqtt.say(bridge.topics.control(key), "PRESS")
        await until(lambda last=line: klippy.executed[-1] == last)
    assert mqtt.on(bridge.topics.event("control_rejected")) == []


async def test_a_macro_that_fails_or_ends_it_all_is_told_with_its_reason(
    bridge: Running, klippy: Simulator, mqtt: Ear
) -> None:
    await settled(mqtt, bridge)
    for key in ENDING:
        await mqtt.say(bridge.topics.control(key), "PRESS")
        told = await mqtt.message(
            bridge.topics.event("control_rejected" if key == "macro_BREAK" else "klippy_shutdown")
        )
        assert "on purpose" in str(told.json["data"])
    assert list(klippy.executed) == list(ENDING.values())


async def test_a_bad_value_becomes_no_g_code_but_an_event(
    bridge: Running, klippy: Simulator, mqtt: Ear
) -> None:
    await settled(mqtt, bridge)
    said = []
    for row in bridge.bridge.controls.rows:
        bad = [value for value in BAD_FOR_ALL if value not in TAKES_TEXT.get(row.key, set())]
        for value in (*bad, *BAD.get(row.key, [])):
            said.append(row.key)
            await mqtt.say(bridge.topics.control(row.key), value, qos=0)
    await mqtt.until(lambda: len(mqtt.on(bridge.topics.event("control_rejected"))) >= len(said), patience=8)
    told = [m.json["data"]["control"] for m in mqtt.on(bridge.topics.event("control_rejected"))]
    assert sorted(told) == sorted(said)
    assert list(klippy.executed) == []


async def test_the_same_values_over_json_rpc(bridge: Running, klippy: Simulator, mqtt: Ear) -> None:
    await settled(mqtt, bridge)

    async def setting(number: int, key: str, value: object) -> dict[str, object]:
        ask = {
            "jsonrpc": "2.0",
            "method": "printer.control.set",
            "params": {"control": key, "value": value},
            "id": number,
        }
        await mqtt.say(f"{bridge.topics.request}/me", ask)
        reply = bridge.topics.client_response("me")
        return (await mqtt.message(reply, where=lambda m: m.json["id"] == number)).json

    good = [("extruder_target", 50), ("pin_relay", True), ("fan_speed", 12.5), ("light_status", {"state": "OFF"}),
            ("macro_GREET", {"params": {"NAME": "x"}}), ("bed_mesh_profile", "no mesh")]  # fmt: skip
    for number, (key, value) in enumerate(good):
        assert "result" in await setting(number, key, value), key
    assert len(klippy.executed) == len(good)
    bad = [("extruder_target", True), ("extruder_target", None), ("extruder_target", [50]), ("pin_relay", 1),
           ("message", 5), ("message", {"a": 1}), ("bed_mesh_profile", 0), ("light_status", [])]  # fmt: skip
    for number, (key, value) in enumerate(bad, 100):
        assert (await setting(number, key, value))["error"]["code"] == -32602, key
    assert len(klippy.executed) == len(good)


async def test_a_value_that_was_set_is_told_at_once(bridge: Running, mqtt: Ear) -> None:
    await settled(mqtt, bridge)
    for key, value, told in (
        ("fan_generic_exhaust_speed", "40", ("fan_generic exhaust", "speed", 0.4)),
        ("pin_caselight", "10", ("output_pin caselight", "value", 0.1)),
        ("speed_factor", "150", ("gcode_move", "speed_factor", 1.5)),
    ):
        await mqtt.say(bridge.topics.control(key), value)
        *field, wanted = told
        topic = bridge.topics.state(*field)
        await mqtt.message(topic, where=lambda m, w=wanted: m.json["value"] == w, patience=1.0)


async def test_a_light_tells_what_it_shows(bridge: Running, mqtt: Ear) -> None:
    topic = bridge.topics.control_state("light_status")
    first = (await mqtt.message(topic)).json
    assert first == {
        "state": "ON",
        "brightness": 128,
        "color_mode": "rgb",
        "color": {"r": 0, "g": 255, "b": 0},
    }
    await mqtt.say(bridge.topics.control("light_status"), '{"state":"OFF"}')
    off = (await mqtt.message(topic, where=lambda m: m.json["state"] == "OFF")).json
    assert off == {"state": "OFF", "brightness": 0, "color_mode": "rgb", "color": {"r": 0, "g": 255, "b": 0}}
    await mqtt.say(bridge.topics.control("light_status"), '{"state":"ON","brightness":51}')
    again = (await mqtt.message(topic, where=lambda m: m.json["brightness"] == 51)).json
    assert again["color"] == {"r": 0, "g": 255, "b": 0}  # the last colour comes back


@pytest.mark.torture
async def test_a_mesh_that_is_new_is_an_option_before_it_is_chosen(
    bridge: Running, klippy: Simulator, mqtt: Ear
) -> None:
    await settled(mqtt, bridge)
    await mqtt.say(bridge.topics.control("bed_mesh_profile"), "default")
    state = bridge.topics.control_state("bed_mesh_profile")
    await mqtt.message(state, where=lambda m: m.json["value"] == "default")
    script = {
        "jsonrpc": "2.0",
        "method": "printer.gcode.script",
        "params": {"script": "BED_MESH_PROFILE SAVE=cold\nBED_MESH_PROFILE LOAD=cold"},
        "id": 1,
    }
    await mqtt.say(bridge.topics.request, script)
    config = bridge.topics.device(bridge.bridge.identity.unique)
    described = await mqtt.message(config, where=lambda m: b'"cold"' in m.payload)
    chosen = await mqtt.message(state, where=lambda m: m.json["value"] == "cold", patience=6)
    assert described.when < chosen.when
    assert ["no mesh", "default", "cold"] in [c.get("ops") for c in described.json["cmps"].values()]


async def test_a_file_to_print_is_chosen_by_its_name(
    start: Start, klippy: Simulator, mqtt: Ear, tmp_path: Path
) -> None:
    (tmp_path / "data" / "gcodes" / "sub").mkdir(parents=True)
    (tmp_path / "data" / "gcodes" / "sub" / "a b.gcode").write_text("G28\n" + "G1 X200 F600\nG1 X0\n" * 400)
    bridge = await start()
    row = next(row for row in bridge.bridge.controls.rows if row.key == "print_file")
    assert row.options == ("sub/a b.gcode",)
    await settled(mqtt, bridge)
    await mqtt.say(bridge.topics.control("print_file"), "sub/a b.gcode")
    await mqtt.message(bridge.topics.event("print_started"))
    state = bridge.topics.control_state("print_file")
    await mqtt.message(state, where=lambda m: m.json["value"] == "sub/a b.gcode")
    await mqtt.say(bridge.topics.control("print_file"), "sub/a b.gcode")
    told = await mqtt.message(bridge.topics.event("control_rejected"))
    assert "printing" in told.json["data"]["reason"]
    await mqtt.say(bridge.topics.control("cancel"), "PRESS")
    await mqtt.message(state, where=lambda m: m.json["value"] is None)


async def test_an_object_of_a_print_can_be_left_out(bridge: Running, klippy: Simulator, mqtt: Ear) -> None:
    await settled(mqtt, bridge)
    script = "EXCLUDE_OBJECT_DEFINE NAME=left\nEXCLUDE_OBJECT_DEFINE NAME=right"
    ask = {"jsonrpc": "2.0", "method": "printer.gcode.script", "params": {"script": script}, "id": 1}
    await mqtt.say(bridge.topics.request, ask)

    def options(row: dict[str, object]) -> object:
        return row["options"] if row["key"] == "exclude_object" else None

    await mqtt.message(bridge.topics.controls, where=lambda m: ["LEFT", "RIGHT"] in map(options, m.json))
    await mqtt.say(bridge.topics.control("exclude_object"), "LEFT")
    await until(lambda: "EXCLUDE_OBJECT NAME=LEFT" in klippy.executed)
    await mqtt.message(bridge.topics.controls, where=lambda m: ["RIGHT"] in map(options, m.json))


async def test_a_baby_step_moves_an_axis_that_is_homed(bridge: Running, klippy: Simulator, mqtt: Ear) -> None:
    await mqtt.say(bridge.topics.control("home"), "PRESS")
    await until(lambda: "z" in (bridge.bridge.cache.get("toolhead", "homed_axes") or ""))
    await mqtt.say(bridge.topics.control("z_offset"), "0.02")
    await until(lambda: "SET_GCODE_OFFSET Z=0.02 MOVE=1" in klippy.executed)


@pytest.fixture
def log_level():
    """Puts the level of the log back."""
    before = logging.getLogger().level
    yield
    logging.getLogger().setLevel(before)


async def test_the_queue_and_the_bridge_have_their_controls(
    bridge: Running, mqtt: Ear, log_level: None
) -> None:
    await settled(mqtt, bridge)
    await mqtt.say(bridge.topics.control("queue_pause"), "PRESS")
    await mqtt.message(bridge.topics.queue, where=lambda m: m.json["state"] == "paused")
    await mqtt.say(bridge.topics.control("queue_start"), "PRESS")
    await mqtt.message(bridge.topics.queue, where=lambda m: m.json["state"] == "ready")
    await mqtt.say(bridge.topics.control("log_level"), "warning")
    await mqtt.message(bridge.topics.control_state("log_level"), where=lambda m: m.json["value"] == "warning")
    assert logging.getLogger().level == logging.WARNING
    for key in ("bridge_restart", "reset_totals"):  # of classes that MQTT may not call
        await mqtt.say(bridge.topics.control(key), "PRESS")
        told = await mqtt.message(
            bridge.topics.event("control_rejected"), where=lambda m, k=key: m.json["data"]["control"] == k
        )
        assert "mqtt.allow" in told.json["data"]["reason"]


async def test_a_class_that_is_allowed_has_its_buttons_and_they_do_what_they_say(
    start: Start, klippy: Simulator, mqtt: Ear, tmp_path: Path
) -> None:
    (tmp_path / "data" / "gcodes" / "a.gcode").write_text("G28\n")
    bridge = await start(mqtt={"allow": ["read", "control", "files", "admin"]})
    host = bridge.topics.device(f"{bridge.bridge.identity.unique}_host")
    config = await mqtt.message(host, where=lambda m: b"bridge_restart" in m.payload)
    assert b'"rediscover"' in config.payload
    await mqtt.say(bridge.topics.control("print_file"), "a.gcode")
    await mqtt.message(bridge.topics.job_totals, where=lambda m: m.json["jobs"] == 1)
    mqtt.forget()
    await mqtt.say(bridge.topics.control("reset_totals"), "PRESS")
    await mqtt.message(bridge.topics.job_totals, where=lambda m: m.json["jobs"] == 0)
    assert bridge.restarts == []
    await mqtt.say(bridge.topics.control("bridge_restart"), "PRESS")
    await until(lambda: bridge.restarts == [bridge.name])
    assert mqtt.on(bridge.topics.event("control_rejected")) == []
