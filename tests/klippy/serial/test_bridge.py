"""The whole bridge over a printer on a serial line: topics, entities, uploads, jobs, as with Klippy."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.klippy.simulator.firmware import SimulatedFirmware
from tests.conftest import Running, Start
from tests.filing import Filing, body, part
from tests.ha_discovery.rules import faults
from tests.klippy.serial.bench import moves
from tests.wire import Ear, until

LINES = moves(40)
CONTENT = ("\n".join([";LAYER_COUNT:2", ";LAYER:0", *LINES[:20], ";LAYER:1", *LINES[20:]]) + "\n").encode()
# Long enough to be caught printing.
LONG = ("G28\n" + "G1 X10 F3000\nG1 X200 F3000\n" * 2000).encode()


@pytest.fixture
async def firmware(tmp_path: Path) -> AsyncIterator[SimulatedFirmware]:
    async with SimulatedFirmware(tmp_path / "tty", speed=1000.0, waits_every=0.1) as one:
        yield one


@pytest.fixture
async def bridge(firmware: SimulatedFirmware, start: Start, tmp_path: Path) -> Running:
    return await start(klippy={"serial": str(tmp_path / "tty"), "baud": 250_000})


async def test_home_assistant_takes_the_device_as_it_is(bridge: Running, mqtt: Ear) -> None:
    prefix, topics = f"ha-{bridge.name}", bridge.topics
    await mqtt.until(lambda: any(m.topic.endswith("/config") and m.payload for m in mqtt.on(prefix)))
    await mqtt.message(topics.state("extruder", "temperature"))
    messages = [m.json for m in mqtt.on(prefix) if m.topic.endswith("/config") and m.payload]
    for message in messages:
        assert faults(message) == []
    parts = {part["p"] for message in messages for part in message["cmps"].values()}
    assert {"climate", "sensor", "button", "number", "fan", "select", "binary_sensor"} <= parts


async def test_every_state_topic_of_the_description_is_there(bridge: Running, mqtt: Ear) -> None:
    unique = bridge.bridge.identity.unique
    config = (await mqtt.message(bridge.topics.device(unique))).json
    topics = {c[key] for c in config["cmps"].values() for key in ("stat_t", "json_attr_t") if key in c}
    topics |= {row["t"] for row in config["avty"]}
    topics.remove(bridge.topics.all_events)  # events are never retained
    assert len(topics) > 10
    await mqtt.until(lambda: topics <= mqtt.retained().keys())


async def test_a_target_that_is_set_over_mqtt_reaches_the_printer_and_comes_back(
    bridge: Running, mqtt: Ear, firmware: SimulatedFirmware
) -> None:
    await mqtt.message(bridge.topics.state("extruder", "target"))
    await mqtt.say(f"{bridge.name}/control/extruder_target/set", "200")
    await mqtt.message(bridge.topics.state("extruder", "target"), where=lambda m: m.json["value"] == 200)
    assert firmware.machine.nozzle.target == 200


async def test_a_slicer_uploads_and_prints(
    bridge: Running, files: Filing, mqtt: Ear, firmware: SimulatedFirmware
) -> None:
    form = body([part("print", "true"), part("file", CONTENT, filename="cube.gcode")])
    status, _, _ = await files.post("/api/files/local", form)
    assert status == 201
    done = await mqtt.message(bridge.topics.event("print_complete"))
    assert done.json["data"]["file"] == "cube.gcode"
    assert [line for line in firmware.executed if line.startswith("G1")] == LINES
    history = await files.call("server.history.list")
    assert [(job["filename"], job["status"]) for job in history["jobs"]] == [("cube.gcode", "completed")]
    stats = (await files.call("printer.objects.query", objects={"print_stats": None}))["status"][
        "print_stats"
    ]
    assert stats["info"] == {"total_layer": 2, "current_layer": 2}


async def test_a_cable_that_is_pulled_while_it_prints_ends_the_job(
    bridge: Running, files: Filing, mqtt: Ear, firmware: SimulatedFirmware
) -> None:
    await files.upload("long.gcode", LONG)
    await files.call("printer.print.start", filename="long.gcode")
    await until(lambda: len(firmware.executed) > 20)
    firmware.terminal.unplug()
    await mqtt.message(bridge.topics.event("klippy_disconnected"))
    firmware.replug()
    last = await mqtt.message(bridge.topics.job_last, where=lambda m: m.json["result"] is not None)
    assert (last.json["file"], last.json["result"]) == ("long.gcode", "klippy_disconnect")
    await until(lambda: bridge.bridge.klippy.ready)
    history = await files.call("server.history.list")
    assert [job["status"] for job in history["jobs"]] == ["klippy_disconnect"]
    stats = (await files.call("printer.objects.query", objects={"print_stats": None}))["status"][
        "print_stats"
    ]
    assert stats["state"] == "standby"


async def test_an_emergency_stop_overtakes_a_wait_for_heat_and_a_restart_heals(
    bridge: Running, files: Filing, mqtt: Ear, firmware: SimulatedFirmware
) -> None:
    firmware.machine.nozzle.pace = 0.001
    await files.upload("hot.gcode", b"M109 S200\n" + LONG)
    await files.call("printer.print.start", filename="hot.gcode")
    await until(lambda: "M109 S200" in firmware.executed)
    await files.call("printer.emergency_stop")
    await until(lambda: firmware.killed)
    last = await mqtt.message(bridge.topics.job_last, where=lambda m: m.json["result"] is not None)
    assert last.json["result"] == "klippy_shutdown"
    assert (await files.call("printer.info"))["state"] == "shutdown"
    assert "FIRMWARE_RESTART" in (await files.refused("printer.gcode.script", script="G28"))["message"]
    await files.call("printer.firmware_restart")
    await until(lambda: not bridge.bridge.klippy.ready or bridge.bridge.klippy_link.connected)
    await until(lambda: not firmware.killed and bridge.bridge.klippy.ready)
    await files.call("printer.gcode.script", script="G28")


async def test_what_klippy_answers_is_answered(bridge: Running, files: Filing) -> None:
    assert "PAUSE" in await files.call("printer.gcode.help")
    assert (await files.call("printer.query_endstops.status"))["z_min"] == "TRIGGERED"
    found = (await files.call("printer.objects.list"))["objects"]
    wanted = {"webhooks", "toolhead", "extruder", "heater_bed", "fan", "print_stats", "virtual_sdcard",
              "display_status", "idle_timeout", "pause_resume", "configfile", "gcode_move"}  # fmt: skip
    assert wanted <= set(found)
    await files.call("printer.gcode.script", script="G28\nG1 X10 Y20 Z3 F3000\nM117 hello")
    status = (await files.call("printer.objects.query", objects={"toolhead": None, "display_status": None}))[
        "status"
    ]
    assert status["toolhead"]["homed_axes"] == "xyz"
    assert status["toolhead"]["position"][:3] == [10, 20, 3]
    assert status["display_status"]["message"] == "hello"
    assert "Marlin 2.1.2.5" in (await files.call("printer.info"))["software_version"]
