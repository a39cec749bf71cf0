"""Python packages and the packages of the system: pip, apt-get and pkcon that know what tests tell them."""

import shutil
import zipfile
from pathlib import Path
from typing import Any

import pip
import pytest

from bridge.updates.environment import Environment
from bridge.updates.package import reported
from tests.conftest import Running, Start
from tests.power.calls import Refused, call
from tests.services.programs import SUDO, Machine
from tests.updates.workshop import Toy, component, left_over
from tests.wire import until

PYTHON_FIELDS = {
    "name", "configured_type", "channel", "channel_invalid", "debug_enabled", "owner", "repo_name", "branch",
    "version", "remote_version", "rollback_version", "full_version_string", "current_hash", "remote_hash",
    "is_valid", "is_dirty", "changelog_url", "anomalies", "warnings", "info_tags",
}  # fmt: skip
APT = r"""
echo "apt-get $*" >> "$STATE/calls"
[ -e "$STATE/no-apt" ] && { echo "E: Could not get lock /var/lib/dpkg/lock-frontend" >&2; exit 100; }
case "$*" in
  *--simulate*) [ -e "$STATE/upgraded" ] || {
    echo "Inst libtiff5 [4.2-1] (4.2-2 Debian:12/stable [arm64])"
    echo "Inst brand-new (1.0 Debian:12/stable [arm64])"
    echo "Inst rpi-eeprom [1] (2 Debian:12/stable [arm64]) []"; };;
  *upgrade*) echo "Unpacking libtiff5 (4.2-2) ..."; while [ -e "$STATE/hold" ]; do sleep 0.05; done
    touch "$STATE/upgraded"; echo "Setting up libtiff5 (4.2-2) ...";;
esac
"""
DPKG = r"""
echo "dpkg $*" >> "$STATE/calls"
case "$1" in --audit) [ -e "$STATE/half" ] && echo "libtiff5  half-configured";; --configure) rm "$STATE/half";; esac
exit 0
"""
PKCON = r"""
echo "pkcon $*" >> "$STATE/calls"
case "$*" in
  *repair*) [ -e "$STATE/no-repair" ] && { echo "Fatal error: nothing to repair" >&2; exit 4; };;
  *get-updates*) [ -e "$STATE/upgraded" ] && { echo "There are no updates available at this time." >&2; exit 5; }
    printf 'Getting updates\nResults:\n Security     \tlibc6-2.36-9+deb12u4.arm64 (debian)\tGNU C Library\n'
    printf ' Bug fix      \ttzdata-2025b-0.all (debian)\tzones\n';;
  *update*) while [ -e "$STATE/hold" ]; do sleep 0.05; done; touch "$STATE/upgraded"; echo "Updated packages";;
esac
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    one = Toy(tmp_path)
    monkeypatch.setenv("TOY_INDEX", str(one.index))
    return one


async def begun(start: Start, toy: Toy, **options: Any) -> Running:
    one = {"type": "python", "virtualenv": str(toy.path), **options}
    return await start(updates={"components": {"toy": one}}, wait=False)


async def updated(bridge: Running, name: str = "toy") -> Any:
    return await call(bridge, "machine.update.upgrade", name=name)


async def test_a_python_package_is_updated_in_a_copy_and_rolled_back(
    start: Start, toy: Toy, tmp_path: Path
) -> None:
    bridge = await begun(start, toy)
    found = await component(bridge, "toy", refresh=True)
    assert set(found) >= PYTHON_FIELDS
    assert (found["version"], found["remote_version"], found["configured_type"]) == ("1.0", "1.0", "python")
    toy.publish("2.0", "3.0rc1")
    found = (await call(bridge, "machine.update.refresh"))["version_info"]["toy"]
    assert (found["version"], found["remote_version"]) == ("1.0", "2.0")
    assert await updated(bridge) == "ok"
    assert toy.version == "2.0"
    found = await component(bridge, "toy")
    assert (found["version"], found["rollback_version"], found["is_valid"]) == ("2.0", "1.0", True)
    assert await call(bridge, "machine.update.rollback", name="toy") == "ok"
    assert toy.version == "1.0"
    (toy.index / "broken").touch()
    with pytest.raises(Refused, match="pip: ERROR: No matching distribution") as caught:
        await updated(bridge)
    assert "s3cret-login" not in str(caught.value)
    assert (toy.version, left_over(tmp_path)) == ("1.0", [])
    (toy.index / "broken").unlink()
    shutil.rmtree(next(toy.site.glob("toy-1.0*")))
    found = (await call(bridge, "machine.update.refresh"))["version_info"]["toy"]
    assert (found["is_valid"], found["anomalies"]) == (False, ["toy is not installed"])
    await call(bridge, "machine.update.recover", name="toy")
    assert toy.version == "2.0"


async def test_pre_releases_of_a_package_come_where_they_are_wanted(start: Start, toy: Toy) -> None:
    toy.publish("3.0rc1")
    bridge = await begun(start, toy, channel="beta", extras=["speed"])
    assert (await component(bridge, "toy", refresh=True))["remote_version"] == "3.0rc1"
    assert toy.calls[-1].endswith("--pre toy[speed]")


async def test_a_record_of_a_package_that_is_damaged_hurts_nobody(start: Start, toy: Toy) -> None:
    other = toy.site / "damaged-1.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_bytes(b"Name: d\xffmaged\nVersion: 1\n")
    bridge = await begun(start, toy)
    assert (await component(bridge, "toy"))["version"] == "1.0"
    metadata = next(toy.site.glob("toy-1.0*/METADATA"))
    metadata.write_bytes(b"\xff\xfe" + metadata.read_bytes())
    found = (await call(bridge, "machine.update.refresh"))["version_info"]["toy"]
    assert (found["is_valid"], found["anomalies"]) == (False, ["toy is not installed"])


async def test_an_environment_that_is_not_there_is_told(start: Start, toy: Toy) -> None:
    shutil.rmtree(toy.path)
    bridge = await begun(start, toy)
    assert "python3 -m venv" in (await component(bridge, "toy", refresh=True))["warnings"][0]
    with pytest.raises(Refused, match="no Python environment at toy-env"):
        await updated(bridge)


async def test_a_new_bridge_that_does_not_start_is_not_put_in_place(start: Start, toy: Toy) -> None:
    """The bridge itself, under both of its names; this environment has no bridge that could start."""
    toy.publish("2.0")
    one = {"type": "python", "virtualenv": str(toy.path), "project": "toy"}
    bridge = await start(updates={"components": {"klipper-bridge": one}}, wait=False)
    info = (await call(bridge, "machine.update.status", refresh=True))["version_info"]
    assert info["moonraker"] == {**info["klipper-bridge"], "name": "moonraker"}
    assert info["moonraker"]["remote_version"] == "2.0"
    for method, params in (
        ("machine.update.moonraker", {}),
        ("machine.update.client", {"name": "moonraker"}),
    ):
        with pytest.raises(
            Refused, match=r"does not start, the old one stays: .*No module named 'bridge'"
        ) as caught:
            await call(bridge, method, **params)
        assert "File" not in str(caught.value)
        assert str(toy.path) not in str(caught.value)
    assert toy.version == "1.0"


@pytest.mark.torture
async def test_pip_itself_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real one, once: with packages from a folder, and no index."""
    toy = Toy(tmp_path)
    shutil.rmtree(toy.site)
    toy.site.mkdir()
    (toy.site / "pip").symlink_to(Path(pip.__path__[0]))
    for version in ("1.0", "1.1"):
        info = f"toy-{version}.dist-info"
        with zipfile.ZipFile(tmp_path / f"toy-{version}-py3-none-any.whl", "w") as wheel:
            wheel.writestr("toy.py", f"def main():\n    print({version!r})\n")
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: toy\nVersion: {version}\n")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/entry_points.txt", "[console_scripts]\ntoy = toy:main\n")
            wheel.writestr(
                f"{info}/RECORD", f"toy.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n"
            )
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    environment = Environment(str(toy.path))
    await environment.install("toy==1.0", say=lambda _line: None)
    assert toy.version == "1.0"
    report = await environment.pip(
        "install", "--dry-run", "--quiet", "--report", "-", "--no-deps", "--upgrade", "toy"
    )
    assert reported(report.out) == "1.1"
    assert environment.version("toy") == "1.0"
    assert left_over(tmp_path) == []


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path, monkeypatch)
    made.program("sudo", SUDO)
    made.program("dpkg", DPKG)
    return made


async def test_the_packages_of_the_system_are_counted_and_upgraded_by_apt(
    start: Start, machine: Machine
) -> None:
    machine.program("apt-get", APT)
    (machine.state / "half").touch()
    bridge = await start(updates={"system": True}, wait=False)
    found = await component(bridge, "system")
    assert found == {
        "name": "system",
        "configured_type": "system",
        "package_count": 2,
        "package_list": ["libtiff5", "rpi-eeprom"],
        "warnings": [],
    }
    asked = [one for one in machine.calls if one.startswith("apt-get")]
    assert asked == ["apt-get --simulate --with-new-pkgs upgrade"]  # the mirrors are not asked by a start
    assert await call(bridge, "machine.update.system") == "ok"
    assert (await component(bridge, "system"))["package_count"] == 0
    asked = [one for one in machine.calls if not one.startswith("sudo")][1:]
    assert asked[:3] == ["dpkg --audit", "dpkg --configure --pending", "apt-get update"]
    assert "--force-confold" in asked[3]
    with pytest.raises(Refused, match="cannot be taken back"):
        await call(bridge, "machine.update.rollback", name="system")
    (machine.state / "no-apt").touch()
    with pytest.raises(Refused, match="Could not get lock"):
        await call(bridge, "machine.update.system")
    assert "Could not get lock" in (await component(bridge, "system", refresh=True))["warnings"][0]


async def test_an_upgrade_goes_on_when_the_bridge_ends(start: Start, machine: Machine) -> None:
    machine.program("apt-get", APT)
    (machine.state / "hold").touch()
    bridge = await start(updates={"system": True}, wait=False)
    await component(bridge, "system")
    foreman = bridge.bridge.below.upkeep.foreman
    await foreman.begin("system")
    await until(lambda: any("confold" in one for one in machine.calls))
    await bridge.end()
    (machine.state / "hold").unlink()
    await until((machine.state / "upgraded").exists)


def packagekit(folder: Path, patch: pytest.MonkeyPatch, *, installed: bool = True) -> Machine:
    """A machine without apt."""
    tools = folder / "tools"
    tools.mkdir()
    for name in ("sh", "touch", "sleep", "git", "mosquitto"):
        if (found := shutil.which(name)) is not None:
            (tools / name).symlink_to(found)
    patch.setenv("PATH", str(tools))
    machine = Machine(folder, patch)
    if installed:
        machine.program("pkcon", PKCON)
    return machine


async def test_packagekit_does_it_where_there_is_no_apt(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = packagekit(tmp_path, monkeypatch, installed=False)
    bridge = await start(updates={"system": True}, wait=False)
    assert "neither apt-get nor pkcon" in (await component(bridge, "system"))["warnings"][0]
    await bridge.end()
    machine.program("pkcon", PKCON)
    bridge = await start(updates={"system": True}, wait=False)
    found = await component(bridge, "system", refresh=True)
    assert found["package_list"] == ["libc6", "tzdata"]
    before = len(machine.calls)
    await call(bridge, "machine.update.system")
    assert (await component(bridge, "system"))["package_list"] == []
    assert machine.calls[before] == "pkcon --plain repair"  # what an earlier upgrade has left comes first
    assert "pkcon --plain --noninteractive update" in machine.calls[before:]
    (machine.state / "no-repair").touch()  # with nothing to do it ends with an error
    assert await call(bridge, "machine.update.recover", name="system") == "ok"
    assert machine.calls[-2:] == ["pkcon --plain repair", "pkcon --plain get-updates"]
