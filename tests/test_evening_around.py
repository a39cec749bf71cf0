"""An evening as Home Assistant drives it, over MQTT alone: power, print, lock, cooling down, power off."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.klippy.simulator import Simulator, write_sample
from tests.conftest import Running, Start
from tests.power.calls import call
from tests.spoolman.stand_in import spoolman
from tests.wire import Ear, Mosquitto, ear, until

COOL = 50.0  # °C


class Plug:
    """A metering Tasmota plug; what it feeds is a printer."""

    def __init__(self, voice: Ear, printer: Simulator) -> None:
        self.voice, self.printer = voice, printer
        self.is_on = False
        self.total = 17.0  # kWh

    async def live(self) -> None:
        seen = 0
        while True:
            await self.voice.until(lambda known=seen: len(self.voice.heard) > known, patience=60)
            wish, seen = self.voice.heard[seen].payload, seen + 1
            if wish in (b"ON", b"OFF") and (wish == b"ON") != self.is_on:
                self.is_on = wish == b"ON"
                await (self.printer.start() if self.is_on else self.printer.stop())
            await self.voice.say("stat/evening/POWER", "ON" if self.is_on else "OFF")

    async def measure(self, kwh: float) -> None:
        self.total += kwh
        await self.voice.say("tele/evening/SENSOR", {"ENERGY": {"Total": round(self.total, 3), "Power": 140}})


@contextlib.asynccontextmanager
async def plugged(port: int, printer: Simulator) -> AsyncIterator[Plug]:
    async with ear(port, "cmnd/evening/POWER") as voice:
        one = Plug(voice, printer)
        living = asyncio.ensure_future(one.live())
        try:
            yield one
        finally:
            living.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await living
            if one.is_on:
                await printer.stop()


async def switch_off_when_cool(home: Ear, bridge: Running) -> None:
    """The automation: after the print, and below 50 °C, the switch goes off."""
    topics = bridge.topics
    await home.message(topics.event("print_complete"), patience=8)
    state = topics.state("extruder", "temperature")
    await home.until(lambda: (now := home.latest(state)) is not None and now.json["value"] < COOL, patience=8)
    await home.say(topics.control("power_plug"), "OFF")


@pytest.mark.timeout(30)
async def test_an_evening(start: Start, broker: Mosquitto, mqtt: Ear, tmp_path: Path) -> None:
    gcodes = tmp_path / "data" / "gcodes"
    write_sample(gcodes / "evening.gcode", size=20, layers=5, bed=60, nozzle=210)
    printer = Simulator(tmp_path / "klippy.sock", gcodes, speed=100.0, noise=0.0)
    async with plugged(broker.port, printer) as plug, spoolman() as keeper:
        bridge = await start(
            wait=False,
            power={
                "plug": {
                    "type": "mqtt",
                    "preset": "tasmota",
                    "device": "evening",
                    "locked_while_printing": True,
                }
            },
            sensors={
                "meter": {
                    "topic": "tele/evening/SENSOR",
                    "values": {
                        "total": {
                            "template": "{{ value_json.ENERGY.Total }}",
                            "units": "kWh",
                            "kind": "energy",
                        }
                    },
                }
            },
            spoolman={"server": keeper.url, "sync_rate": 0.1},
            mqtt={"state": {"policy": "full"}},
        )
        topics = bridge.topics
        await mqtt.message(topics.power("plug"), where=lambda m: m.json["state"] == "off")
        await plug.measure(0.0)
        await call(bridge, "server.spoolman.post_spool_id", spool_id=1)

        # power on; Klippy connects without anybody's help
        await mqtt.say(topics.control("power_plug"), "ON")
        await mqtt.message(topics.availability, where=lambda m: m.payload == b"online")
        assert plug.is_on

        # the print, which cannot be switched off
        automation = asyncio.ensure_future(switch_off_when_cool(mqtt, bridge))
        await mqtt.say(topics.control("print_file"), "evening.gcode")
        await mqtt.message(topics.power("plug"), where=lambda m: m.json["locked"])
        await mqtt.say(topics.control("power_plug"), "OFF")
        refused = await mqtt.message(topics.event("control_rejected"))
        assert "locked while a job is printing" in refused.json["data"]["reason"]
        assert plug.is_on
        await plug.measure(0.125)

        # its end, its record, and the power off when it is cool
        last = await mqtt.message(
            topics.job_last, where=lambda m: m.json["result"] == "completed", patience=8
        )
        assert last.json["energy"] == pytest.approx(0.125)
        assert last.json["spool"] == [1]
        await automation
        await mqtt.message(
            topics.power("plug"),
            where=lambda m: (
                m.json == {"state": "off", "locked": False, "reason": None} and m.when > last.when
            ),
        )
        assert not plug.is_on
        await until(lambda: keeper.used[1] == pytest.approx(last.json["filament_used"], abs=2.0))
        assert mqtt.latest(topics.availability).payload == b"offline"
        order = [m.topic for m in mqtt.heard if m.topic in (topics.job_last, topics.event("print_complete"))]
        assert order[-2:] == [topics.job_last, topics.event("print_complete")]
