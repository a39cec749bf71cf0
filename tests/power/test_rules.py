"""What switches devices by itself."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.config.power import MqttSwitch
from bridge.klippy.simulator import Simulator, write_sample
from bridge.klippy.simulator.life import Timing
from bridge.lifecycle import Backoff, Crew
from bridge.power.device import Device, See
from bridge.power.rules import Rules
from tests.conftest import Running, Start
from tests.filing import Filing, filing
from tests.power.calls import call, switch
from tests.wire import Ear, until


@pytest.fixture
async def klippy(tmp_path: Path) -> AsyncIterator[Simulator]:
    """One that restarts in no time."""
    gcodes = tmp_path / "data" / "gcodes"
    gcodes.mkdir(parents=True)
    timing = Timing(refused=0.05, startup=0.05)
    async with Simulator(
        tmp_path / "klippy.sock", gcodes, speed=100.0, noise=0.0, timing=timing
    ) as simulator:
        yield simulator


MUTE = {"type": "mqtt", "command_topic": "rules/plug"}


def plug(bridge: Running):
    return bridge.bridge.surroundings.rack.get("plug")


def finished(files: Filing) -> list[str]:
    """The files whose jobs were told as done."""
    changes = files.notes("notify_history_changed")
    return [one["job"]["filename"] for one in changes if one["action"] == "finished"]


async def long_print(bridge: Running, tmp_path: Path) -> None:
    write_sample(tmp_path / "data" / "gcodes" / "long.gcode", size=200, layers=200, heat=False)
    await call(bridge, "printer.print.start", filename="long.gcode")
    await until(lambda: bridge.bridge.tracker.current is not None)


async def test_a_shutdown_of_klippy_switches_off_also_what_a_print_had_locked(
    klippy: Simulator, start: Start, tmp_path: Path
) -> None:
    bridge = await start(power={"plug": {**MUTE, "off_when_shutdown": True, "locked_while_printing": True}})
    await switch(bridge, "on")
    await long_print(bridge, tmp_path)
    klippy.shut_down("MCU 'mcu' shutdown: Timer too close")
    await until(lambda: plug(bridge).state == "off")


async def test_a_klippy_that_is_well_again_in_time_keeps_the_power(
    klippy: Simulator, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    bridge = await start(power={"plug": {**MUTE, "off_when_shutdown": True, "off_when_shutdown_delay": 60}})
    await switch(bridge, "on")
    klippy.shut_down("for a moment")
    await until(lambda: not bridge.bridge.klippy.ready)
    assert "plug is not switched off" not in caplog.text
    await call(bridge, "printer.firmware_restart")
    await until(lambda: "plug is not switched off: Klippy is not shut down any more" in caplog.text)
    assert plug(bridge).state == "on"


async def test_a_klippy_that_stays_shut_down_costs_the_power_after_the_delay(
    klippy: Simulator, start: Start
) -> None:
    bridge = await start(power={"plug": {**MUTE, "off_when_shutdown": True, "off_when_shutdown_delay": 0.4}})
    await switch(bridge, "on")
    began = time.monotonic()
    klippy.shut_down("for good")
    await until(lambda: plug(bridge).state == "off")
    assert time.monotonic() - began >= 0.4


async def test_a_queued_job_switches_on(klippy: Simulator, start: Start, tmp_path: Path) -> None:
    bridge = await start(power={"plug": {**MUTE, "on_when_job_queued": True}})
    write_sample(tmp_path / "data" / "gcodes" / "a.gcode", size=10, layers=1)
    await call(bridge, "server.job_queue.post_job", filenames=["a.gcode"])
    await until(lambda: plug(bridge).state == "on")


async def test_an_upload_that_is_to_be_printed_without_power_waits_switches_on_and_is_printed(
    start: Start, tmp_path: Path
) -> None:
    bridge = await start(
        wait=False,
        power={"plug": {**MUTE, "on_when_job_queued": True}},
        files={"queue_uploads": True},
        job_queue={"load_on_startup": True, "automatic_transition": True},
    )
    await until(lambda: bridge.bridge.mqtt.up)
    async with filing(bridge) as files:
        for name, path in (("a.gcode", "/server/files/upload"), ("b.gcode", "/api/files/local")):
            await switch(bridge, "off")
            answer = await files.upload(name, path=path, print="true")
            assert (answer["print_started"], answer["print_queued"]) == (False, True), path
            assert "print_refused" not in answer
            await until(lambda: plug(bridge).state == "on")
        queue = await files.call("server.job_queue.status")
        assert [one["filename"] for one in queue["queued_jobs"]] == ["a.gcode", "b.gcode"]
        async with Simulator(tmp_path / "klippy.sock", files.gcodes, speed=100.0, noise=0.0):
            await files.until(lambda: finished(files) == ["a.gcode", "b.gcode"])


async def test_a_timer_switches_off_but_never_during_a_print_that_locks(
    klippy: Simulator, start: Start, tmp_path: Path
) -> None:
    bridge = await start(power={"plug": {**MUTE, "timer": 0.3, "locked_while_printing": True}})
    await switch(bridge, "off")
    await switch(bridge, "on")
    await until(lambda: plug(bridge).state == "off")
    await long_print(bridge, tmp_path)
    await switch(bridge, "on")
    rules = bridge.bridge.surroundings.rack.rules
    await until(lambda: rules._due == {"plug"})
    assert plug(bridge).state == "on"
    await call(bridge, "printer.print.cancel")
    await until(lambda: plug(bridge).state == "off")


async def test_a_klippy_without_its_mcu_is_restarted_after_power_on(
    klippy: Simulator, start: Start, mqtt: Ear
) -> None:
    bridge = await start(
        power={"plug": {**MUTE, "restart_klipper_when_powered": True, "restart_delay": 0.05}}
    )
    await switch(bridge, "off")
    klippy.lose_mcu()
    await until(lambda: not bridge.bridge.klippy.ready)
    await switch(bridge, "on")
    await until(lambda: bridge.bridge.klippy.ready)


TELLS = {**MUTE, "state_topic": "rules/state"}


async def obeyed(bridge: Running, mqtt: Ear) -> None:
    """Switch on what says nothing of itself before it is told to."""
    mqtt.forget()
    switching = asyncio.ensure_future(switch(bridge, "on"))
    await mqtt.message("rules/plug", where=lambda m: m.payload == b"ON")
    await mqtt.say("rules/state", "ON")
    assert await switching == "on"


@pytest.mark.parametrize("before", ["init", "error"])
async def test_a_timer_runs_when_what_it_was_before_is_not_known(
    klippy: Simulator, start: Start, mqtt: Ear, before: str
) -> None:
    bridge = await start(power={"plug": {**TELLS, "timer": 0.05}})
    if before == "error":
        await mqtt.say("rules/state", "banana")
    await until(lambda: plug(bridge).state == before)
    await obeyed(bridge, mqtt)
    await mqtt.message("rules/plug", where=lambda m: m.payload == b"OFF")


async def test_a_klippy_without_its_mcu_is_restarted_when_the_plug_s_state_was_not_known(
    klippy: Simulator, start: Start, mqtt: Ear
) -> None:
    bridge = await start(
        power={"plug": {**TELLS, "restart_klipper_when_powered": True, "restart_delay": 0.05}}
    )
    klippy.lose_mcu()
    await until(lambda: not bridge.bridge.klippy.ready)
    assert plug(bridge).state == "init"
    await obeyed(bridge, mqtt)
    await until(lambda: bridge.bridge.klippy.ready)


async def test_what_is_merely_found_on_was_switched_by_nobody(
    klippy: Simulator, start: Start, mqtt: Ear
) -> None:
    bridge = await start(power={"plug": {**TELLS, "timer": 60}})
    rules = bridge.bridge.surroundings.rack.rules
    for state, becomes in (("ON", "on"), ("banana", "error"), ("ON", "on")):
        await mqtt.say("rules/state", state)
        await until(lambda becomes=becomes: plug(bridge).state == becomes)
    assert rules._timers == {}
    for state, becomes in (("OFF", "off"), ("banana", "error"), ("ON", "on")):  # by hand, unseen
        await mqtt.say("rules/state", state)
        await until(lambda becomes=becomes: plug(bridge).state == becomes)
    assert list(rules._timers) == ["plug"]


@pytest.mark.torture
async def test_the_initial_state_is_brought_about_once(klippy: Simulator, start: Start, mqtt: Ear) -> None:
    bridge = await start(power={"plug": {**MUTE, "initial_state": "on"}})
    assert (await mqtt.message("rules/plug")).payload == b"ON"
    await until(lambda: plug(bridge).state == "on")
    assert await switch(bridge, "off") == "off"


async def test_what_is_in_its_initial_state_already_is_left_alone(
    klippy: Simulator, start: Start, mqtt: Ear
) -> None:
    """Else each start of the bridge would count as power on, and bring back a Klippy that was stopped."""
    other = {"type": "mqtt", "command_topic": "rules/other", "initial_state": "on"}
    bridge = await start(power={"plug": {**TELLS, "initial_state": "on", "timer": 60}, "other": other})
    await mqtt.message("rules/other")  # it is known by now whether a print is under way
    await mqtt.say("rules/state", "ON")
    await until(lambda: plug(bridge).state == "on")
    assert bridge.bridge.surroundings.rack.rules._timers == {}
    assert not [m for m in mqtt.heard if m.topic == "rules/plug"]


class Slow:
    """A plug that is on, and tells so when it is let."""

    tells = True

    def __init__(self) -> None:
        self.may_tell = asyncio.Event()
        self.orders: list[bool] = []
        self.see: See = lambda _on: None

    async def watch(self, see: See) -> None:
        self.see = see
        await self.may_tell.wait()
        see(True)
        await asyncio.Event().wait()

    async def switch(self, *, on: bool) -> None:
        self.orders.append(on)
        self.see(on)


@pytest.mark.parametrize("tells_at_last", [True, False])
async def test_a_plug_is_waited_for_also_behind_a_klippy_that_tells_nothing(
    tells_at_last: bool, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="bridge.power.rules")
    bridge = (await start(wait=False)).bridge
    link, crew = Slow(), Crew()
    settings = MqttSwitch(command_topic="unused", initial_state="on", timer=60)
    device = Device("plug", settings, link, lambda: False, Backoff(), str)
    first_sight = 1.0 if tells_at_last else 0.05
    rules = Rules(
        {"plug": device}, bridge.klippy, bridge.commands, bridge.tracker, crew, first_sight=first_sight
    )
    crew.begin_with(device.run())
    rules.begin()
    running = asyncio.ensure_future(crew.run())
    try:
        await until(lambda: "Klippy does not tell whether it prints" in caplog.text)
        if tells_at_last:
            link.may_tell.set()
        await until(lambda: device.state == "on")
        assert list(rules._timers) == ([] if tells_at_last else ["plug"])
        assert link.orders == ([] if tells_at_last else [True])
    finally:
        rules.close()
        running.cancel()
        await asyncio.wait([running])


async def test_the_initial_state_never_cuts_a_print_that_is_under_way(
    klippy: Simulator, start: Start, tmp_path: Path, caplog
) -> None:
    first = await start()
    await long_print(first, tmp_path)
    await first.end()
    settings = {**MUTE, "initial_state": "off", "locked_while_printing": True}
    caplog.set_level("INFO")
    await start(power={"plug": settings}, data=str(tmp_path / "other"))
    await until(lambda: "plug keeps its state: 'plug' is locked" in caplog.text)
