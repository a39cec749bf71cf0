"""`klipper-bridge doctor`: all well is code 0, and each thing that is broken is a line with its remedy."""

import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.host.clock import UNSYNCHRONISED, adjtimex, synchronised
from bridge.klippy.simulator import Simulator
from bridge.store.lock import FolderLock
from tests.conftest import Start
from tests.programs import Refuser, configuration
from tests.services.programs import SUPERVISORCTL, SYSTEMCTL, Machine
from tests.test_cli import command
from tests.wire import HOST, Mosquitto, free_port

SECRETS = ("s3cret-broker", "s3cret-key", "s3cret-sudo")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path, monkeypatch)
    made.program("systemctl", SYSTEMCTL)
    made.service("klipper")
    return made


class Patient:
    """A configuration that is well, and what the doctor says of it."""

    def __init__(self, folder: Path, port: int, capsys: pytest.CaptureFixture[str]) -> None:
        self._folder, self._port, self._capsys = folder, port, capsys
        self.code, self.lines = -1, list[str]()

    async def sees(self, **sections: Any) -> list[str]:
        """The lines of the page with these options."""
        sections = {"http": {"port": free_port()}, "machine": {"provider": "none"}, **sections}
        path = configuration(
            self._folder,
            instance="patient",
            klippy=sections.pop("klippy", {"socket": str(self._folder / "klippy.sock")}),
            mqtt={"host": HOST, "port": self._port, **sections.pop("mqtt", {})},
            **sections,
        )
        path.chmod(0o600)
        self.code, out, err = await command(self._capsys, "doctor", "-c", path)
        assert err == ""
        self.lines = out.splitlines()
        assert all(line[:6] in ("ok    ", "note  ", "WRONG ") for line in self.lines), out
        return self.lines

    def wrong(self) -> list[str]:
        return [line.removeprefix("WRONG ") for line in self.lines if line.startswith("WRONG ")]

    def notes(self, name: str) -> list[str]:
        sign = f"note  {name}: "
        return [line.removeprefix(sign) for line in self.lines if line.startswith(sign)]


@pytest.fixture
def patient(tmp_path: Path, broker: Mosquitto, capsys: pytest.CaptureFixture[str]) -> Patient:
    return Patient(tmp_path, broker.port, capsys)


async def test_all_is_well_on_one_page(patient: Patient, klippy: Simulator) -> None:
    lines = await patient.sees()
    assert (patient.code, patient.wrong()) == (0, [])
    names = list(dict.fromkeys(line[6:].partition(":")[0] for line in lines))
    assert names == [
        "versions", "clock", "machine", "config", "data", "mqtt", "klippy", "http", "disk", "services",
        "extras", "bridge",
    ]  # fmt: skip
    assert len(lines) < 24
    assert all(len(line) < 250 for line in lines)
    assert patient.notes("bridge") == [
        "it does not run; sudo systemctl start klipper-bridge, or klipper-bridge run"
    ]
    assert any("nobody runs services here" in line for line in lines)


async def test_a_bridge_that_runs_is_seen(patient: Patient, klippy: Simulator, start: Start) -> None:
    await start()
    lines = await patient.sees()
    assert f"ok    bridge: it runs: klipper-bridge (process {os.getpid()}) works in this folder" in lines


async def test_everything_is_looked_at_though_much_is_broken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Refuser() as refuser:
        patient = Patient(tmp_path, refuser.port, capsys)
        await patient.sees(data="/proc/nowhere")
    assert patient.code == 1
    told = patient.wrong()
    assert [line.partition(":")[0] for line in told] == ["data", "mqtt", "klippy"]
    assert "/proc/nowhere cannot be written to" in told[0]
    assert "the broker wants a login: set mqtt.username and mqtt.password" in told[1]
    assert "no such socket; is Klipper running with `-a` and this path (klippy.socket)?" in told[2]


async def test_a_mistake_in_the_configuration_does_not_hide_the_machine(
    patient: Patient, tmp_path: Path
) -> None:
    lines = await patient.sees(mqtt={"port": "abc"})
    assert (patient.code, patient.wrong()) == (1, ["config: bridge.yaml: mqtt.port: expected int, got 'abc'"])
    assert any(line.startswith("ok    versions: klipper-bridge") for line in lines)
    assert patient.notes("rest")


@asynccontextmanager
async def one(kind: str, path: Path) -> AsyncIterator[None]:
    """A socket that is no good."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path)) if kind == "dead" else path.touch()
        yield


@pytest.mark.parametrize(("kind", "remedy"), [("dead", "Klipper is stopped"), ("file", "not a socket")])
async def test_a_socket_that_is_no_good_is_told(
    patient: Patient, tmp_path: Path, kind: str, remedy: str
) -> None:
    async with one(kind, tmp_path / "klippy.sock"):
        await patient.sees()
    assert patient.code == 1
    assert remedy in patient.wrong()[0]


async def test_a_package_that_the_configuration_needs_and_nobody_installed(
    patient: Patient, klippy: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("gpiod", "zeroconf"):
        monkeypatch.setitem(sys.modules, module, None)
    await patient.sees(power={"relay": {"type": "gpio", "pin": "gpiochip0/gpio17"}})
    assert patient.code == 1
    assert "in the bridge's environment: pip install 'gpiod" in patient.wrong()[0]
    assert patient.notes("extras") == []  # nobody but this machine could find it
    await patient.sees(http={"host": "0.0.0.0", "port": free_port()})
    assert "pip install 'zeroconf" in patient.notes("extras")[0]


async def test_a_folder_that_klipper_does_not_print_from(
    patient: Patient, klippy: Simulator, tmp_path: Path
) -> None:
    await patient.sees(files={"gcodes": str(tmp_path / "elsewhere")})
    assert patient.code == 1
    assert [one.partition(",")[0] for one in patient.wrong()] == [
        f"klippy: Klipper prints from {tmp_path / 'data' / 'gcodes'} (printer.cfg"
    ]
    await patient.sees(files={"gcodes": str(tmp_path / "elsewhere"), "check_sdcard": False})
    assert patient.wrong() == []


async def test_a_serial_printer_that_the_bridge_holds(patient: Patient, tmp_path: Path) -> None:
    lock = FolderLock(tmp_path / "data" / "bridge")
    (tmp_path / "data" / "bridge").mkdir(parents=True)
    await lock.open()
    try:
        lines = await patient.sees(klippy={"serial": "/dev/ttyHeld"})
    finally:
        await lock.close()
    assert "ok    klippy: the bridge has /dev/ttyHeld open" in lines


async def test_a_power_supply_that_is_too_weak(patient: Patient, klippy: Simulator, machine: Machine) -> None:
    machine.program("vcgencmd", 'echo "throttled=0x50005"')
    await patient.sees()
    (told,) = patient.wrong()
    assert told.startswith("machine: Under-Voltage Detected, Currently Throttled; a better power supply")
    machine.program("vcgencmd", 'echo "throttled=0x10000"')
    await patient.sees()
    assert (patient.code, len(patient.notes("machine"))) == (0, 1)


async def test_services_that_failed_and_a_systemd_that_does_not_answer(
    patient: Patient, klippy: Simulator, machine: Machine
) -> None:
    machine.service("crowsnest", "failed failed")
    lines = await patient.sees(machine={"provider": "systemd"})
    assert patient.wrong() == ["services: crowsnest has failed; its log tells why (journalctl -u crowsnest)"]
    assert "ok    services: systemd_cli: klipper active, crowsnest failed" in lines
    (machine.state / "deaf").touch()
    await patient.sees(machine={"provider": "systemd"})
    assert "Failed to connect to bus" in patient.wrong()[0]


async def test_supervisord_is_seen(patient: Patient, klippy: Simulator, machine: Machine) -> None:
    machine.program("supervisorctl", SUPERVISORCTL)
    lines = await patient.sees(machine={"provider": "supervisord", "services": ["webcam"]})
    assert "ok    services: supervisord_cli: klipper active, webcam inactive" in lines
    assert patient.code == 0


async def test_a_user_without_the_right_is_shown_the_way(
    patient: Patient, klippy: Simulator, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 1000)  # the kernel's answer to who we are
    machine.program("pkcheck", "exit 1")
    machine.program("sudo", 'echo "sudo: a password is required" >&2; exit 1')
    (machine.state / "denied").touch()
    await patient.sees(machine={"provider": "systemd"})
    assert patient.code == 0
    notes = patient.notes("services")
    assert len(notes) == 3
    assert "may not restart klipper; docs/machine.md has the rule for polkit" in notes[0]
    (machine.state / "denied").unlink()
    machine.program("pkcheck", 'case "$2" in *power-off) exit 0;; esac; exit 1')
    lines = await patient.sees(machine={"provider": "systemd"})
    assert [line.partition(" may ")[2] for line in lines if " may " in line and "by polkit" in line] == [
        "restart klipper, by polkit",
        "shut down the machine, by polkit",
    ]
    assert len(patient.notes("services")) == 1
    assert not any("restart" in line or "poweroff" in line for line in machine.calls)


async def test_errors_in_the_log_are_shown(patient: Patient, klippy: Simulator, tmp_path: Path) -> None:
    log = tmp_path / "data/logs/klipper-bridge.log"
    log.parent.mkdir(parents=True)
    log.write_text(
        "2026-11-21 06:00:00,000 INFO    bridge: an ERROR that is none\n"
        "2026-11-21 06:00:01,000 ERROR   bridge.signals: a slot failed\n"
    )
    await patient.sees()
    assert patient.notes("bridge")[1].startswith(
        "1 errors in klipper-bridge.log, the last: 2026-11-21 06:00:01"
    )


async def test_nothing_secret_is_on_the_page(patient: Patient, klippy: Simulator, tmp_path: Path) -> None:
    log = tmp_path / "data/logs/klipper-bridge.log"
    log.parent.mkdir(parents=True)
    log.write_text(f"2026-11-21 06:00:01,000 ERROR   x: {' '.join(SECRETS)}\n")
    hidden = {"mqtt": {"username": "u", "password": SECRETS[0]}, "machine": {"sudo_password": SECRETS[2]}}
    lines = await patient.sees(**hidden, http={"api_key": SECRETS[1], "port": free_port()})
    wrong = await patient.sees(mqtt={"username": "u", "password": [SECRETS[0]]})
    assert patient.code == 1
    shown = "\n".join((*lines, *wrong))
    assert [secret for secret in SECRETS if secret in shown] == []


async def test_a_short_secret_that_everybody_can_read_is_one_too(
    patient: Patient, klippy: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "secrets.yaml").write_text("name: shop\n")
    await patient.sees()
    path = tmp_path / "bridge.yaml"
    path.write_text(f"{path.read_text()}\nzeroconf: {{name: !secret name}}\n")
    _, out, _ = await command(capsys, "doctor", "-c", path)
    assert f"can read the secrets in secrets.yaml; chmod 600 {tmp_path}/secrets.yaml" in out


async def test_secrets_that_everybody_can_read(
    patient: Patient, klippy: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "secrets.yaml").write_text("sudo: s3cret-sudo\nname: machine\n")
    await patient.sees()
    assert patient.notes("config") == []  # nobody uses them
    path = tmp_path / "bridge.yaml"
    text = path.read_text().replace("provider: none", "sudo_password: !secret sudo")
    path.write_text(f"{text}\nzeroconf: {{name: !secret name}}\n")
    path.chmod(0o644)
    _, out, _ = await command(capsys, "doctor", "-c", path)
    assert f"can read the secrets in secrets.yaml; chmod 600 {tmp_path}/secrets.yaml" in out
    assert "secrets in bridge.yaml" not in out  # a word of the file itself is none, though it is used as one


def test_the_kernel_tells_whether_the_clock_is_kept_right() -> None:
    now = 1_800_000_000.0
    assert synchronised(lambda: 0, lambda: now) is True
    assert synchronised(lambda: UNSYNCHRONISED, lambda: now) is False
    assert synchronised(lambda: -1, lambda: now) is None
    assert synchronised(lambda: 0, lambda: 3600.0) is False  # 1970: a Raspberry Pi without network
    assert adjtimex() in range(-1, UNSYNCHRONISED + 1)
