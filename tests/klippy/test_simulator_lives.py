"""Restarts, shutdowns and errors of the simulator, as a client lives through them."""

import asyncio
import socket
from pathlib import Path

import pytest

from bridge.klippy.simulator import Simulator, Timing
from tests.klippy.simulator_client import FAST, machine, reconnected

SHUTDOWN_END = (
    "\nOnce the underlying issue is corrected, use the\n"
    '"FIRMWARE_RESTART" command to reset the firmware, reload the\n'
    "config, and restart the host software.\nPrinter is shutdown\n"
)


@pytest.mark.parametrize("how", ["gcode/restart", "gcode/firmware_restart"])
async def test_a_restart_is_answered_announced_and_refused_for_a_moment(tmp_path: Path, how: str) -> None:
    async with machine(tmp_path, timing=Timing(tick=0.05, refused=0.1, startup=0.2)) as (_, client):
        await client.listen()
        assert await client.result(how) == {}
        await client.until(lambda: client.closed)
        assert client.messages[-1]["params"] == {"response": "// Klipper state: Disconnect"}
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_unix_connection(str(client.path))

        async with reconnected(client.path) as again:
            assert (await again.result("info"))["state"] == "startup"
            assert (await again.refusal("G28")).startswith("\nPrinter is not ready\n")
            await again.listen()
            first = await again.subscribe({"webhooks": None})
            assert first["webhooks"]["state"] == "startup"
            await again.until(lambda: again.seen("webhooks", "state") == ["ready"])
            assert again.lines[-1] == "// Klipper state: Ready"
            news = [m for m in again.messages if "id" not in m]
            assert [m["method"] for m in news[-2:]] == ["output", "status"]
            assert (await again.result("info"))["state_message"] == "Printer is ready"


async def test_the_update_that_tells_ready_comes_a_little_after_the_line(tmp_path: Path) -> None:
    async with machine(tmp_path, timing=Timing(tick=0.25, refused=0.01, startup=0.1)) as (_, client):
        await client.result("gcode/firmware_restart")
        await client.until(lambda: client.closed)
        async with reconnected(client.path) as again:
            await again.listen()
            await again.subscribe({"webhooks": None})
            loop = asyncio.get_running_loop()
            await again.until(lambda: again.lines)
            line = loop.time()
            await again.until(again.updates)

            assert 0.1 < loop.time() - line < 0.22


async def test_what_waits_behind_a_restart_is_never_carried_out(tmp_path: Path) -> None:
    async with machine(tmp_path) as (simulator, client):
        client.send("gcode/script", {"script": "FIRMWARE_RESTART"})
        lost = client.send("gcode/script", {"script": "M117 lost"})
        await client.until(lambda: client.closed)

        assert list(simulator.executed) == ["FIRMWARE_RESTART"]
        assert lost not in [m.get("id") for m in client.messages]


async def test_subscriptions_and_registrations_end_with_a_restart(tmp_path: Path) -> None:
    async with machine(tmp_path) as (_, client):
        await client.result("register_remote_method", {"remote_method": "paging", "response_template": {}})
        await client.result("gcode/restart")
        await client.until(lambda: client.closed)
        async with reconnected(client.path) as again:
            await again.started()
            await again.script("CALL_OUT METHOD=paging\nM106")
            await again.result("info")

            assert [m for m in again.messages if "id" not in m] == []


async def test_a_shutdown_fails_scripts_and_shows_the_whole_message(tmp_path: Path) -> None:
    async with machine(tmp_path) as (_, client):
        await client.listen()
        await client.subscribe({"webhooks": None})
        assert await client.result("emergency_stop") == {}
        assert await client.result("emergency_stop") == {}
        message = "Shutdown due to webhooks request" + SHUTDOWN_END
        await client.until(lambda: client.seen("webhooks", "state_message") == [message])

        for script in ("G28", "M117 x", "M104 S0", "NOSUCH"):
            assert await client.refusal(script) == message
        assert await client.refusal("STATUS") == message.rstrip() + "\nKlipper state: Not ready"
        assert client.lines[0] == "// Klipper state: Shutdown"
        assert client.lines[1] == "// " + message.strip().replace("\n", "\n// ")
        assert client.lines[2] == "!! Shutdown due to webhooks request"
        assert await client.error("pause_resume/pause") == message
        assert await client.error("query_endstops/status") == message


@pytest.mark.parametrize("script", ["M105", "M112", "M114", "M115", "HELP", "RESPOND MSG=x", ""])
async def test_a_shutdown_allows_some_commands(tmp_path: Path, script: str) -> None:
    async with machine(tmp_path) as (_, client):
        await client.result("emergency_stop")

        await client.script(script)


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        ("M112", "Shutdown due to M112 command"),
        ("STOP_ALL", "Shutdown due to stopped on purpose"),
    ],
)
async def test_a_script_can_shut_the_machine_down(tmp_path: Path, cause: str, reason: str) -> None:
    async with machine(tmp_path) as (simulator, client):
        await client.script(f"M104 S200\n{cause}")

        assert (await client.result("info"))["state_message"] == reason + SHUTDOWN_END
        assert (await client.query("extruder"))["target"] == 0.0
        assert simulator.printer.state == "shutdown"


async def test_a_lost_mcu_is_healed_by_a_firmware_restart(tmp_path: Path) -> None:
    async with machine(tmp_path) as (_, client):
        await client.result("simulator/error", {"mcu": True})
        info = await client.result("info")
        assert (info["state"], info["state_message"]) == (
            "shutdown",
            "Lost communication with MCU 'mcu'" + SHUTDOWN_END,
        )

        await client.script("FIRMWARE_RESTART")
        await client.until(lambda: client.closed)
        async with reconnected(client.path) as again:
            await again.started()
            await again.script("G28")


async def test_a_plain_restart_after_an_emergency_stop_ends_in_error(tmp_path: Path) -> None:
    async with machine(tmp_path) as (_, client):
        await client.result("simulator/error", {"shutdown": "MCU 'mcu' shutdown: Timer too close"})
        await client.result("gcode/restart")
        await client.until(lambda: client.closed)
        async with reconnected(client.path) as again:
            await again.started()
            info = await again.result("info")
            assert info["state"] == "error"
            assert info["state_message"].startswith("Can not update MCU 'mcu' config as it is shutdown\n")
            assert len((await again.result("objects/list"))["objects"]) > 30
            await again.result("gcode/firmware_restart")
            await again.until(lambda: again.closed)
        async with reconnected(client.path) as third:
            await third.started()
            assert (await third.result("info"))["state"] == "ready"


async def test_a_config_that_cannot_be_read_leaves_three_objects_and_twelve_methods(tmp_path: Path) -> None:
    async with machine(tmp_path) as (simulator, client):
        await client.result("simulator/error", {"config": "Option 'pin' in section 'fan' must be specified"})
        await client.until(lambda: client.closed)
        async with reconnected(client.path) as again:
            await again.listen()
            await again.started()
            info = await again.result("info")
            assert info["state"] == "error"
            assert info["state_message"].startswith("Option 'pin' in section 'fan' must be specified\n")
            assert (await again.result("objects/list"))["objects"] == ["gcode", "webhooks", "configfile"]
            assert len((await again.result("list_endpoints"))["endpoints"]) == 12
            assert await again.refusal("G28") == info["state_message"]
            await again.script("M105")
            assert again.lines[-1] == "T:0"
            simulator.break_config(None)
            await again.until(lambda: again.closed)
        async with reconnected(client.path) as third:
            await third.started()
            assert (await third.result("info"))["state"] == "ready"


async def test_heat_outlives_a_restart(tmp_path: Path) -> None:
    async with machine(tmp_path, speed=500.0) as (simulator, client):
        await client.script("M109 S200")
        await client.result("gcode/firmware_restart")
        await client.until(lambda: client.closed)
        async with reconnected(client.path) as again:
            status = await again.query("extruder")

    assert status["target"] == 0.0
    assert status["temperature"] > 100
    assert simulator.printer.state in ("startup", "ready")


async def test_a_socket_file_of_a_dead_process_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "klippy.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
    async with machine(tmp_path) as (_, client):
        assert (await client.result("info"))["state"] == "ready"
    assert not path.exists()


async def test_a_socket_that_is_served_is_left_alone(tmp_path: Path) -> None:
    async with machine(tmp_path) as (_, client):
        with pytest.raises(OSError, match="Another process serves this socket"):
            await Simulator(client.path, tmp_path / "gcodes").start()
        await client.result("info")


async def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "klippy.sock"
    path.write_text("precious")
    with pytest.raises(FileExistsError):
        await Simulator(path, tmp_path, timing=FAST).start()
    assert path.read_text() == "precious"


async def test_run_serves_until_it_is_cancelled(tmp_path: Path) -> None:
    path = tmp_path / "klippy.sock"
    serving = asyncio.create_task(Simulator(path, tmp_path, timing=FAST).run())
    async with reconnected(path) as client:
        info = await client.result("info")
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        await client.until(lambda: client.closed)

    assert info["config_file"] == str(tmp_path.parent / "config" / "printer.cfg")
    assert info["log_file"] == str(tmp_path.parent / "logs" / "klippy.log")
