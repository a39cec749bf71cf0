"""machine.services.*, shutdown and reboot: systemd, supervisord and nobody, with and without the right."""

import asyncio
import os
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.config.machine import Machine as Settings
from bridge.errors import ConfigError, Forbidden
from bridge.host.kernel import Kernel
from bridge.klippy.simulator import Simulator, write_sample
from bridge.services.choose import provider
from bridge.services.desk import ServiceDesk
from bridge.services.provider import Nobody
from bridge.services.rights import Rights
from tests.conftest import Running, Start
from tests.ha_discovery.rules import expanded, faults
from tests.power.calls import Refused, call, switch
from tests.services.programs import PKCHECK, SUDO, SUPERVISORCTL, SYSTEMCTL, Machine
from tests.wire import Ear, until

SYSTEMD = {"provider": "systemd", "services": ["crowsnest", "missing"]}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path, monkeypatch)
    made.program("systemctl", SYSTEMCTL)
    made.service("klipper")
    made.service("crowsnest", "inactive dead")
    made.service("ssh")
    return made


async def info(bridge: Running) -> dict:
    return (await call(bridge, "machine.system_info"))["system_info"]


async def test_services_are_told_started_stopped_and_only_those_of_the_list(
    klippy: Simulator, start: Start, machine: Machine, mqtt: Ear
) -> None:
    bridge = await start(machine=SYSTEMD)
    found = await info(bridge)
    assert found["provider"] == "systemd_cli"
    assert found["available_services"] == ["klipper", "crowsnest", "moonraker"]
    assert found["service_state"]["crowsnest"] == {"active_state": "inactive", "sub_state": "dead"}
    assert found["instance_ids"] == {"moonraker": "moonraker", "klipper": "klipper"}
    assert await call(bridge, "machine.services.start", service="crowsnest") == "ok"
    event = await mqtt.message(bridge.topics.event("service_state_changed"))
    assert event.json["data"] == {"crowsnest": {"active_state": "active", "sub_state": "running"}}
    await call(bridge, "machine.services.restart", service="klipper")
    await call(bridge, "machine.services.stop", service="crowsnest")
    assert machine.calls == [
        "start -- crowsnest.service",
        "restart -- klipper.service",
        "stop -- crowsnest.service",
    ]
    for name in ("ssh", "--force", "klipper; reboot", "../x", "$(reboot)"):
        with pytest.raises(Refused, match="not among the services") as caught:
            await call(bridge, "machine.services.restart", service=name)
        assert caught.value.code == 403
    assert len(machine.calls) == 3


async def test_the_bridge_is_restarted_as_a_process_and_never_stopped(
    klippy: Simulator, start: Start, machine: Machine
) -> None:
    bridge = await start(machine=SYSTEMD)
    for name in ("moonraker", "klipper-bridge"):
        assert await call(bridge, "machine.services.restart", service=name) == "ok"
    with pytest.raises(Refused, match="does not stop itself"):
        await call(bridge, "machine.services.stop", service="moonraker")
    assert machine.calls == []


async def test_the_machine_is_ended_by_a_call_a_button_and_a_macro(
    klippy: Simulator, start: Start, machine: Machine, mqtt: Ear
) -> None:
    bridge = await start(machine=SYSTEMD, mqtt={"allow": ["read", "control", "admin"]})
    await call(bridge, "machine.shutdown")
    await mqtt.say(bridge.topics.control("host_reboot"), "PRESS")
    await until(lambda: len(machine.calls) == 2)
    bridge.bridge.klippy._remotes["reboot_machine"]({})
    await until(lambda: len(machine.calls) == 3)
    bridge.bridge.klippy._remotes["shutdown_machine"]({})
    await until(lambda: len(machine.calls) == 4)
    assert machine.calls == ["poweroff", "reboot", "reboot", "poweroff"]


async def test_the_end_of_the_machine_is_a_switched_off_button_of_its_own_device(
    klippy: Simulator, start: Start, machine: Machine, mqtt: Ear
) -> None:
    bridge = await start(machine=SYSTEMD, mqtt={"allow": ["read", "control", "admin"]})
    unique = bridge.bridge.identity.unique
    host = await mqtt.message(bridge.topics.device(f"{unique}_host"))
    assert faults(host.json) == []
    shown = {one["name"]: one for one in expanded(host.json)["components"].values()}
    for name, key in (("Shut down", "host_shutdown"), ("Reboot", "host_reboot")):
        look = {"platform": "button", "enabled_by_default": False, "entity_category": "config"}
        assert shown[name].items() >= {**look, "command_topic": bridge.topics.control(key)}.items()
    assert shown["Reboot"]["device_class"] == "restart"
    printer = await mqtt.message(bridge.topics.device(unique))
    assert b"host_shutdown" not in printer.payload
    assert b"host_reboot" not in printer.payload
    await mqtt.say(shown["Shut down"]["command_topic"], "PRESS")
    await until(lambda: machine.calls == ["poweroff"])


async def test_services_that_are_there_and_may_be_touched_have_switched_off_buttons(
    klippy: Simulator, start: Start, machine: Machine, mqtt: Ear
) -> None:
    bridge = await start(machine=SYSTEMD, mqtt={"allow": ["read", "control", "admin"]})
    unique = bridge.bridge.identity.unique
    topic = bridge.topics.device(f"{unique}_host")
    host = await mqtt.message(topic)
    assert faults(host.json) == []
    shown = expanded(host.json)["components"].values()
    buttons = {one["name"]: one for one in shown if "/control/service_" in one.get("command_topic", "")}
    assert list(buttons) == [
        f"{action} {name}" for name in ("klipper", "crowsnest") for action in ("Start", "Stop", "Restart")
    ]
    assert {one["enabled_by_default"] for one in buttons.values()} == {False}
    for name in buttons:
        await mqtt.say(buttons[name]["command_topic"], "PRESS")
        await until(lambda n=name: machine.calls[-1:] == [f"{n.lower().replace(' ', ' -- ')}.service"])
    (machine.state / "breaks").touch()
    await mqtt.say(buttons["Start crowsnest"]["command_topic"], "PRESS")
    rejected = await mqtt.message(bridge.topics.event("control_rejected"))
    assert "exited with error code" in rejected.json["data"]["reason"]
    (machine.state / "crowsnest").unlink()
    bridge.bridge.below.desk.look_again()
    gone = await mqtt.message(topic, where=lambda m: b"service_stop_crowsnest" not in m.payload)
    assert b"service_stop_klipper" in gone.payload
    keys = [row.key for row in bridge.bridge.controls.rows if row.key.startswith("service_")]
    assert keys == [f"service_{action}_klipper" for action in ("start", "stop", "restart")]
    assert b"service_" not in (await mqtt.message(bridge.topics.device(unique))).payload


async def test_klippers_buttons_stay_what_they_are_whatever_its_unit_is_called(
    klippy: Simulator, start: Start, machine: Machine, mqtt: Ear
) -> None:
    machine.service("klipper-2")
    bridge = await start(
        machine={**SYSTEMD, "klipper_service": "klipper-2"}, mqtt={"allow": ["read", "control", "admin"]}
    )
    host = await mqtt.message(bridge.topics.device(f"{bridge.bridge.identity.unique}_host"))
    topic = bridge.topics.control("service_restart_klipper")
    assert topic in {one.get("cmd_t") for one in host.json["cmps"].values()}
    await mqtt.say(topic, "PRESS")
    await until(lambda: machine.calls == ["restart -- klipper-2.service"])


async def test_the_host_is_described_also_when_nobody_tells_its_services(
    klippy: Simulator, start: Start, machine: Machine, mqtt: Ear
) -> None:
    (machine.state / "deaf").touch()
    bridge = await start(machine=SYSTEMD, mqtt={"allow": ["read", "control", "admin"]})
    topic = bridge.topics.device(f"{bridge.bridge.identity.unique}_host")
    assert b"service_" not in (await mqtt.message(topic)).payload  # nobody waits for what is not told
    (machine.state / "deaf").unlink()
    bridge.bridge.below.desk.look_again()
    await mqtt.message(topic, where=lambda m: b"service_stop_klipper" in m.payload)


async def test_the_host_waits_for_its_services_so_that_no_button_goes_and_comes(
    klippy: Simulator, start: Start, machine: Machine, mqtt: Ear
) -> None:
    machine.program("systemctl", f'while [ -e "$STATE/late" ]; do sleep 0.02; done\n{SYSTEMCTL}')
    (machine.state / "late").touch()
    bridge = await start(machine=SYSTEMD, mqtt={"allow": ["read", "control", "admin"]})
    await mqtt.message(bridge.topics.host_stats)
    await until(lambda: bridge.bridge.home.is_calm)
    (machine.state / "late").unlink()
    host = await mqtt.message(bridge.topics.device(f"{bridge.bridge.identity.unique}_host"))
    assert b"service_stop_klipper" in host.payload


async def test_without_the_right_services_have_no_buttons(
    klippy: Simulator, start: Start, machine: Machine, mqtt: Ear
) -> None:
    bridge = await start(machine=SYSTEMD)
    await until(lambda: "service_stop_klipper" in {row.key for row in bridge.bridge.controls.rows})
    await mqtt.say(bridge.topics.control("service_stop_klipper"), "PRESS")
    rejected = await mqtt.message(bridge.topics.event("control_rejected"))
    assert "mqtt.allow" in rejected.json["data"]["reason"]
    host = await mqtt.message(bridge.topics.device(f"{bridge.bridge.identity.unique}_host"))
    assert b"service_" not in host.payload
    assert machine.calls == []


async def test_without_anybody_who_runs_services_everything_else_works(
    klippy: Simulator, start: Start
) -> None:
    bridge = await start(machine={"provider": "none"})
    found = await info(bridge)
    assert (found["provider"], found["available_services"]) == ("none", ["moonraker"])
    for method, params in (
        ("machine.services.restart", {"service": "klipper"}),
        ("machine.shutdown", {}),
        ("machine.reboot", {}),
    ):
        with pytest.raises(Refused, match="neither systemd nor supervisord") as caught:
            await call(bridge, method, **params)
        assert caught.value.code == 409
    keys = [row["key"] for row in (await call(bridge, "printer.controls.list"))["controls"]]
    assert "bridge_restart" in keys
    assert [key for key in keys if key.startswith(("host_sh", "service_")) or key == "host_reboot"] == []


async def test_supervisord_is_spoken_to_in_its_own_words(
    klippy: Simulator, start: Start, machine: Machine
) -> None:
    machine.program("supervisorctl", SUPERVISORCTL)
    bridge = await start(machine={"provider": "supervisord", "services": ["webcam", "gone"]})
    found = await info(bridge)
    assert found["provider"] == "supervisord_cli"
    assert found["service_state"]["klipper"] == {"active_state": "active", "sub_state": "running"}
    assert found["service_state"]["webcam"]["active_state"] == "inactive"
    await call(bridge, "machine.services.restart", service="klipper")
    await call(bridge, "machine.services.restart", service="webcam")
    assert machine.calls[-1] == "restart printer:webcam"  # it belongs to a group
    with pytest.raises(Refused, match="no such process"):
        await call(bridge, "machine.services.restart", service="gone")
    with pytest.raises(Refused, match="not the machine"):
        await call(bridge, "machine.reboot")


async def test_what_supervisord_has_started_or_stopped_already_is_no_error(
    klippy: Simulator, start: Start, machine: Machine
) -> None:
    machine.program("supervisorctl", SUPERVISORCTL)
    options = {"provider": "supervisord", "services": ["webcam"], "supervisord_config": "/etc/mine.conf"}
    bridge = await start(machine=options)
    for action, service in (
        ("start", "klipper"),
        ("start", "webcam"),
        ("stop", "klipper"),
        ("stop", "webcam"),
    ):
        assert await call(bridge, f"machine.services.{action}", service=service) == "ok"
    assert [one for one in machine.calls if " status" not in one] == [
        "-c /etc/mine.conf start klipper",
        "-c /etc/mine.conf start printer:webcam",
        "-c /etc/mine.conf stop klipper",
        "-c /etc/mine.conf stop printer:webcam",
    ]
    (machine.state / "breaks").touch()
    with pytest.raises(Refused, match="spawn error"):
        await call(bridge, "machine.services.start", service="webcam")


async def test_klipper_has_the_name_of_the_configuration_and_the_machine_halts_where_that_is_wished(
    klippy: Simulator, start: Start, machine: Machine
) -> None:
    machine.service("klipper-second")
    bridge = await start(machine={**SYSTEMD, "klipper_service": "klipper-second", "shutdown_action": "halt"})
    found = await info(bridge)
    assert found["available_services"] == ["klipper-second", "crowsnest", "moonraker"]
    assert found["instance_ids"]["klipper"] == "klipper-second"
    await call(bridge, "machine.services.restart", service="klipper")  # the word of every web UI
    await call(bridge, "machine.services.stop", service="klipper-second")
    await call(bridge, "machine.shutdown")
    assert machine.calls == ["restart -- klipper-second.service", "stop -- klipper-second.service", "halt"]


async def test_a_missing_right_is_told_with_its_remedy_and_sudo_is_tried(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.program("sudo", SUDO)
    (machine.state / "denied").touch()
    (machine.state / "wants").write_text("geheim")
    monkeypatch.setattr(os, "getuid", lambda: 1000)  # the kernel's answer to who we are
    rights = Rights(None)
    with pytest.raises(Forbidden, match=r"may not do `systemctl restart klipper.service`.*docs/machine.md"):
        await rights.run("systemctl", "restart", "--", "klipper.service")
    assert list(rights.missed) == ["systemctl restart klipper.service"]
    assert await rights.check() is False
    with pytest.raises(Forbidden, match="does not take this password"):
        await rights.learn("wrong")
    assert await rights.learn("geheim")
    assert await rights.check() is True
    (machine.state / "denied").touch()
    await rights.run("systemctl", "restart", "--", "klipper.service")
    assert machine.calls[-1] == "restart -- klipper.service"
    assert rights.missed == {}
    assert "geheim" not in "".join(machine.calls)


async def test_sudo_is_told_as_clients_know_it(klippy: Simulator, start: Start, mqtt: Ear) -> None:
    bridge = await start()
    told = await call(bridge, "machine.sudo.info")
    assert set(told) == {"sudo_access", "linux_user", "sudo_requested", "request_messages"}
    assert told["sudo_access"] is None
    request = {"jsonrpc": "2.0", "method": "machine.sudo.password", "params": {"password": "x"}, "id": 1}
    await mqtt.say(bridge.topics.request, request)
    assert (await mqtt.message(bridge.topics.response)).json["error"]["code"] == 403


PLUG = {"type": "mqtt", "command_topic": "bound/plug", "bound_services": ["crowsnest"]}


async def test_services_follow_the_power_device_they_are_bound_to(
    klippy: Simulator, start: Start, machine: Machine
) -> None:
    bridge = await start(machine=SYSTEMD, power={"plug": PLUG})
    await switch(bridge, "on")  # what it was before is not known, but it was told to be on
    await until(lambda: machine.calls == ["start -- crowsnest.service"])
    await switch(bridge, "off")
    await until(lambda: machine.calls[1:] == ["stop -- crowsnest.service"])


async def test_services_are_left_alone_when_a_power_device_is_merely_found_on(
    klippy: Simulator, start: Start, machine: Machine, mqtt: Ear
) -> None:
    bridge = await start(machine=SYSTEMD, power={"plug": {**PLUG, "state_topic": "bound/state"}})
    device = bridge.bridge.surroundings.rack.get("plug")
    for state in ("ON", "?", "ON", "OFF"):  # found on, in error, on as before, off by hand
        assert machine.calls == []
        await mqtt.say("bound/state", state)
        await until(lambda state=state: device.state == {"?": "error"}.get(state, state.lower()))
    await until(lambda: machine.calls == ["stop -- crowsnest.service"])


async def test_a_bound_service_has_to_be_on_the_list(start: Start) -> None:
    with pytest.raises(ConfigError, match=r"power.plug.bound_services: 'ssh' is not named"):
        await start(power={"plug": {**PLUG, "bound_services": ["ssh"]}}, wait=False)


async def test_the_host_answers_in_the_shapes_web_uis_know(klippy: Simulator, start: Start) -> None:
    bridge = await start()
    assert set(await info(bridge)) >= {
        "python", "cpu_info", "sd_info", "distribution", "virtualization", "network", "canbus", "provider",
        "available_services", "service_state", "instance_ids",
    }  # fmt: skip
    stats = await call(bridge, "machine.proc_stats")
    assert set(stats) == {
        "moonraker_stats", "throttled_state", "cpu_temp", "network", "system_cpu_usage", "system_uptime",
        "system_memory", "websocket_connections",
    }  # fmt: skip
    url = bridge.bridge.http.url
    async with aiohttp.ClientSession() as session:
        for name, key in (
            ("usb", "usb_devices"),
            ("serial", "serial_devices"),
            ("video", "v4l2_devices"),
        ):
            async with session.get(f"{url}/machine/peripherals/{name}") as answer:
                assert isinstance((await answer.json())["result"][key], list)
        async with session.get(f"{url}/machine/peripherals/canbus?interface=nocan9") as answer:
            assert answer.status == 404
        async with session.get(f"{url}/machine/peripherals/canbus?interface=../x") as answer:
            assert answer.status == 400


async def test_throttling_is_notified_when_it_changes(
    klippy: Simulator, start: Start, machine: Machine, mqtt: Ear
) -> None:
    machine.program("vcgencmd", 'echo "throttled=0x50005"')
    bridge = await start()
    event = await mqtt.message(bridge.topics.event("cpu_throttled"))
    assert event.json["data"]["bits"] == 0x50005
    assert "Currently Throttled" in event.json["data"]["flags"]
    stats = await call(bridge, "machine.proc_stats")
    assert stats["throttled_state"]["bits"] == 0x50005
    told = await mqtt.message(bridge.topics.host_stats, where=lambda m: m.json["throttled"])
    assert told.json["undervoltage"] is True
    device = bridge.topics.device(f"{bridge.bridge.identity.unique}_host")
    await mqtt.message(device, where=lambda m: b"undervoltage" in m.payload)


async def test_a_right_is_looked_for_without_using_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    restart = ("systemctl", "restart", "klipper.service"), ("pkcheck", "--process", "1")
    rights = Rights(None)
    if os.getuid() == 0:
        assert await rights.may(*restart) == "root"
    monkeypatch.setattr(os, "getuid", lambda: 1000)  # the kernel's answer to who we are
    monkeypatch.setenv("PATH", f"{machine.state.parent / 'programs'}:/usr/bin:/bin")
    machine.program("pkcheck", PKCHECK)
    machine.program("sudo", SUDO)
    assert await rights.may(*restart) == ""
    (machine.state / "sudoers").touch()
    assert await rights.may(*restart) == "sudo"
    (machine.state / "polkit").touch()
    assert await rights.may(*restart) == "polkit"
    assert not any(line.startswith("restart") for line in machine.calls)


async def test_a_systemd_that_does_not_answer_once_changes_nothing_that_was_known(
    klippy: Simulator, start: Start, machine: Machine, mqtt: Ear
) -> None:
    bridge = await start(machine=SYSTEMD)
    before = (await info(bridge))["service_state"]
    (machine.state / "deaf").touch()
    bridge.bridge.below.desk.look_again()
    with pytest.raises(Refused, match="Failed to connect to bus"):
        await call(bridge, "machine.services.restart", service="klipper")
    assert (await info(bridge))["service_state"] == before
    (machine.state / "deaf").unlink()
    machine.service("klipper", "failed failed")
    bridge.bridge.below.desk.look_again()
    event = await mqtt.message(bridge.topics.event("service_state_changed"))
    assert event.json["data"] == {"klipper": {"active_state": "failed", "sub_state": "failed"}}


async def test_a_systemd_that_never_answers_is_a_machine_that_does_not_tell(
    klippy: Simulator, start: Start, machine: Machine
) -> None:
    (machine.state / "deaf").touch()
    found = await info(await start(machine=SYSTEMD))
    assert found["service_state"] == {"moonraker": {"active_state": "active", "sub_state": "running"}}


async def test_klippers_service_is_the_one_of_its_process_if_that_is_klippy(tmp_path: Path) -> None:
    def desk(command: str, group: str, process: int | None) -> ServiceDesk:
        folder = tmp_path / "proc/77"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cmdline").write_text(command)
        (folder / "cgroup").write_text(group)
        return ServiceDesk(
            Nobody(),
            Kernel(tmp_path),
            allowed=[],
            klipper=None,
            klippy_process=lambda: process,
            renew=lambda: None,
        )

    klippy, second = "python\0/home/pi/klipper/klippy/klippy.py\0", "0::/system.slice/klipper-2.service\n"
    assert desk(klippy, second, 77).klipper == "klipper-2"
    assert (
        desk("/usr/sbin/sshd\0-D", "0::/system.slice/ssh.service\n", 77).klipper == "klipper"
    )  # a container's
    assert desk(klippy, "0::/user.slice/user-1000.slice/session-3.scope\n", 77).klipper == "klipper"
    assert desk(klippy, "12:pids:/../$(reboot).service\n", 77).klipper == "klipper"
    assert desk(klippy, second, None).klipper == "klipper"
    stopped = desk(klippy, second, 77)
    assert stopped.klipper == "klipper-2"
    (tmp_path / "proc/77/cgroup").unlink()
    assert stopped.klipper == "klipper-2"  # it can be started again


async def test_klippers_service_goes_by_its_own_name_as_soon_as_klippy_is_there(
    tmp_path: Path, machine: Machine
) -> None:
    (machine.state / "klipper").unlink()
    machine.service("klipper-1")
    folder, processes = tmp_path / "proc/77", [None, 77]
    folder.mkdir(parents=True)
    (folder / "cmdline").write_text("python\0klippy.py\0")
    (folder / "cgroup").write_text("0::/system.slice/klipper-1.service\n")
    kernel = Kernel(tmp_path)
    desk = ServiceDesk(
        provider(Settings(provider="systemd"), kernel, Rights(None)),
        kernel,
        allowed=["klipper-1", "crowsnest"],
        klipper=None,
        klippy_process=lambda: processes[0],
        renew=lambda: None,
    )
    told: list[list[str]] = []
    desk.found.connect(told.append)
    await desk.look()
    processes.pop(0)
    await desk.look()
    await desk.look()
    assert told == [["klipper-1", "crowsnest"], ["klipper", "crowsnest"]]


def test_the_provider_is_the_one_that_is_there(tmp_path: Path, machine: Machine) -> None:
    def chosen(**options: Any) -> str:
        return provider(Settings(**options), Kernel(tmp_path), Rights(None)).name

    assert chosen() == "none"
    assert chosen(provider="supervisord") == "supervisord_cli"
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    assert chosen() == "systemd_cli"
    assert chosen(provider="none") == "none"
    (tmp_path / "run/systemd/system").rmdir()
    machine.program("supervisorctl", SUPERVISORCTL)
    assert chosen() == "none"  # installed, and nobody answers
    (tmp_path / "run/supervisord.sock").touch()
    assert chosen() == "supervisord_cli"


async def test_the_machine_may_be_ended_while_it_prints(
    klippy: Simulator, start: Start, machine: Machine, mqtt: Ear, tmp_path: Path
) -> None:
    write_sample(tmp_path / "data/gcodes/cube.gcode", size=20, layers=40)
    bridge = await start(machine=SYSTEMD)
    await call(bridge, "printer.print.start", filename="cube.gcode")
    await mqtt.message(bridge.topics.event("print_started"))
    assert await call(bridge, "machine.reboot") == "ok"
    assert machine.calls == ["reboot"]


async def test_an_error_of_a_power_device_is_no_switching(
    klippy: Simulator, start: Start, machine: Machine
) -> None:
    bridge = await start(machine=SYSTEMD, power={"plug": PLUG})
    plug = bridge.bridge.surroundings.rack.devices["plug"]
    for seen in (True, None, True, False):
        if seen is None:
            plug._failed(OSError("gone"))
        else:
            plug.see(seen)
    await until(lambda: machine.calls == ["stop -- crowsnest.service"])
    plug._failed(OSError("gone"))
    plug.see(True)  # by hand, while nobody saw it
    await until(lambda: machine.calls[1:] == ["start -- crowsnest.service"])


async def test_a_service_that_hangs_holds_up_other_services_and_not_the_end_of_the_machine(
    klippy: Simulator, start: Start, machine: Machine
) -> None:
    bridge = await start(machine=SYSTEMD)
    (machine.state / "slow").touch()
    async with asyncio.TaskGroup() as group:
        hanging = group.create_task(call(bridge, "machine.services.restart", service="klipper"))
        await until(lambda: machine.calls)
        waiting = group.create_task(call(bridge, "machine.services.stop", service="crowsnest"))
        assert await call(bridge, "machine.shutdown") == "ok"
        assert not hanging.done()
        assert not waiting.done()
        (machine.state / "slow").unlink()
    assert machine.calls == ["restart -- klipper.service", "poweroff", "stop -- crowsnest.service"]


async def test_what_systemd_could_not_do_is_told_in_its_words(
    klippy: Simulator, start: Start, machine: Machine
) -> None:
    bridge = await start(machine=SYSTEMD)
    (machine.state / "breaks").touch()
    with pytest.raises(
        Refused, match=r"Job for klipper.service failed because the control process"
    ) as caught:
        await call(bridge, "machine.services.restart", service="klipper")
    assert caught.value.code == 502
