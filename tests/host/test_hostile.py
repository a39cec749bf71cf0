"""Files of the kernel that hold nonsense, and that never become an answer no client can read."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bridge.errors import NotFound
from bridge.host import canbus, sdcard
from bridge.host.about import about, cpu, distribution, virtualization
from bridge.host.kernel import Kernel
from bridge.host.load import Load
from bridge.host.throttle import Firmware, parsed
from bridge.host.usb import serial_devices, usb_devices
from bridge.host.video import video_devices
from tests.host.trees import FILES, raspberry

NONSENSE = (b"", b"\n\0\n", b"\xff\xfe\x00\x9f", b"9" * 5000, b"-1", b"nan", b"0x" + b"f" * 40, b"=:=\n:::\n")


async def everything(root: Path) -> Any:
    """All that the machine is asked for, as JSON and back."""
    kernel = Kernel(root)

    async def nobody() -> str:
        return ""

    load = Load(kernel)
    load.throttled = await Firmware(kernel, nobody).read()
    load.begin()
    told = [about(kernel), usb_devices(kernel), serial_devices(kernel), video_devices(kernel), load.all(0)]
    return msgspec.json.decode(msgspec.json.encode(told))


@pytest.mark.parametrize("nonsense", NONSENSE)
async def test_nonsense_in_every_file_at_once_is_survived(tmp_path: Path, nonsense: bytes) -> None:
    root = raspberry(tmp_path)
    for name in FILES:
        (root / name).write_bytes(nonsense)
    (root / "etc").mkdir()
    (root / "etc/printer-release").write_bytes(b"NAME=" + nonsense)
    await everything(root)


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _circle(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


@pytest.mark.parametrize("become", [_pipe, _folder, _circle, Path.unlink])
async def test_what_is_no_file_is_passed_over_and_nobody_waits_for_it(
    tmp_path: Path, become: Callable[[Path], None]
) -> None:
    root = raspberry(tmp_path)
    for name in FILES:
        become(root / name)
    system = (await everything(root))[0]
    assert system["sd_info"] == {}


async def test_a_name_that_no_text_can_hold_is_left_out(tmp_path: Path) -> None:
    root = raspberry(tmp_path)
    for name in (b"usb-\xff", b"usb-\x1b[2J"):
        (root / "dev/serial/by-id" / os.fsdecode(name)).symlink_to(root / "dev/ttyACM0")
    ports = (await everything(root))[2]
    assert ports[0]["path_by_id"] == "/dev/serial/by-id/usb-Klipper_stm32f446xx-if00"


@pytest.mark.parametrize(
    ("text", "degrees"),
    [("45622", 45.62), ("-5000", -5.0), ("0", 0.0), ("9" * 400, None), ("hot", None), ("999999999", None)],
)
def test_a_temperature_that_no_processor_has_is_not_told(
    tmp_path: Path, text: str, degrees: float | None
) -> None:
    zone = tmp_path / "sys/class/thermal/thermal_zone0/temp"
    zone.parent.mkdir(parents=True)
    zone.write_text(text)
    load = Load(Kernel(tmp_path))
    load.begin()
    assert load.newest(0).cpu_temp == degrees


def test_the_firmware_s_bits_are_bits_and_nothing_else() -> None:
    for nonsense in (
        "throttled=0x" + "5" * 400,
        "-1",
        "0x-5",
        "1_0",
        "throttled=",
        "VCHI initialization failed",
    ):
        assert parsed(nonsense) is None
    assert parsed("throttled=0x50005\n") == parsed("50005") == 0x50005


def test_cards_without_a_register_or_of_another_kind(tmp_path: Path) -> None:
    root = raspberry(tmp_path)
    for register in ("hwrev", "fwrev", "date", "manfid"):
        (root / f"sys/block/mmcblk0/device/{register}").unlink()
    found = sdcard.read(Kernel(root))
    assert (found["manufacturer"], found["product_revision"], found["manufacturer_date"]) == (
        "Unknown",
        "",
        "",
    )
    (root / "sys/block/mmcblk0/device/type").write_text("MMC")  # soldered: not a card
    assert sdcard.read(Kernel(root)) == {}


@pytest.mark.parametrize(
    ("sign", "content", "kind", "name"),
    [
        (".dockerenv", "", "container", "docker"),
        ("run/.containerenv", "", "container", "podman"),
        ("var/run/secrets/kubernetes.io/x", "", "container", "kubernetes"),
        ("run/systemd/container", "systemd-nspawn\n", "container", "systemd-nspawn"),
        ("sys/class/dmi/id/sys_vendor", "QEMU\n", "vm", "qemu"),
        ("sys/class/dmi/id/product_name", "VMware Virtual Platform\n", "vm", "vmware"),
        ("sys/class/dmi/id/sys_vendor", "LENOVO\n", "none", "none"),
    ],
)
def test_what_the_machine_is_inside_of(tmp_path: Path, sign: str, content: str, kind: str, name: str) -> None:
    (tmp_path / sign).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / sign).write_text(content)
    found = virtualization(Kernel(tmp_path))
    assert (found["virt_type"], found["virt_id"]) == (kind, name)


def test_what_images_of_printers_say_of_themselves(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/mainsailos-release").write_text('NAME="MainsailOS"\nVERSION_ID="1.3.2"\n')
    (tmp_path / "etc/os-release").write_text("NAME=no\n")
    assert distribution(Kernel(tmp_path))["release_info"] == {
        "name": "MainsailOS", "version_id": "1.3.2", "id": "mainsailos",
    }  # fmt: skip


def test_a_board_whose_processor_is_named_elsewhere(tmp_path: Path) -> None:
    for name, text in (("model", "Radxa ROCK 3A\0"), ("serial-number", "abc\0")):
        path = tmp_path / "proc/device-tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    found = cpu(Kernel(tmp_path))
    assert (found["model"], found["serial_number"]) == ("Radxa ROCK 3A", "abc")


async def test_a_can_bus_that_is_none_is_not_asked(tmp_path: Path) -> None:
    for name in ("eth0", "nothing"):
        with pytest.raises(NotFound):
            await canbus.waiting(Kernel(raspberry(tmp_path / name)), name)


@pytest.mark.parametrize(
    ("said", "rate"),
    [
        ('[{"ifname":"can0","linkinfo":{"info_data":{"bittiming":{"bitrate":1000000}}}}]', 1_000_000),
        ('[{"ifname":"can0","linkinfo":{"info_data":{"bittiming":{"bitrate":1e300}}}}]', 0),
        ('[{"ifname":"can0","linkinfo":{"info_data":{}}}]', 0),
        ('{"can0":1}', 0),
        ('[{"ifname":"can0","linkinfo":{"info_data":{"bittiming":{"bitrate":Infinity}}}}]', 0),
        ('Object "can" is unknown', 0),
    ],
)
def test_the_bit_rate_of_a_can_bus_is_what_ip_says_if_it_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, rate: int
) -> None:
    (tmp_path / "said").write_text(said)
    program = tmp_path / "ip"
    program.write_text(f"#!/bin/sh\ncat {tmp_path}/said\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert canbus.interfaces(Kernel(raspberry(tmp_path / "tree")))["can0"]["bitrate"] == rate


def test_a_camera_that_is_none_is_left_out(tmp_path: Path) -> None:
    for name in ("sys/class/video4linux/video0/name", "dev/video0"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("no camera\n")
    assert video_devices(Kernel(tmp_path)) == []
