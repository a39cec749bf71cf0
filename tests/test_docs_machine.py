"""docs/machine.md: its configurations are taken, and its rules allow what the bridge does and nothing else."""

import os
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml

from bridge.__main__ import parser
from bridge.config import convert
from bridge.services.rights import Rights
from bridge.services.systemd import Systemd
from tests.services.programs import SUDO, SYSTEMCTL, Machine

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs/machine.md").read_text(encoding="utf-8")
SUDOERS = re.compile(r"/usr/bin/systemctl ([^,\n]+)")


def test_the_examples_are_configurations() -> None:
    examples = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    assert examples
    for example in examples:
        convert(yaml.safe_load(example), "docs/machine.md")


async def test_the_lines_for_sudo_are_the_commands_of_the_bridge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path, monkeypatch)
    machine.program("systemctl", SYSTEMCTL)
    machine.program("sudo", SUDO)
    monkeypatch.setattr(os, "getuid", lambda: 1000)  # the kernel's answer to who we are
    systemd = Systemd(Rights(None), "poweroff")
    denied = machine.state / "denied"
    for action in ("restart", "stop", "start"):
        denied.touch()
        await systemd.act(action, "klipper")
    for action in ("shutdown", "reboot"):
        denied.touch()
        await systemd.power(action)
    program = str(tmp_path / "programs/systemctl")
    asked = [line.removeprefix(f"sudo -n {program} ") for line in machine.calls if line.startswith("sudo -n")]
    assert asked == SUDOERS.findall(TEXT)


def test_the_rule_for_polkit_names_the_services_that_the_example_lists() -> None:
    listed = yaml.safe_load(re.findall(r"```yaml\n(machine:.*?)```", TEXT, re.DOTALL)[0])["machine"][
        "services"
    ]
    assert set(re.findall(r'"([\w-]+)\.service"', TEXT)) == {"klipper", *listed}


def test_the_image_has_all_of_the_package_and_runs_a_command_of_the_bridge() -> None:
    lines = [
        line.partition(" ")[::2]
        for line in (ROOT / "config/container/Containerfile").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    sources = {word for verb, rest in lines if verb == "COPY" for word in rest.split()[:-1]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = {name.rstrip("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    assert sources == {"pyproject.toml", project["project"]["readme"], "LICENSE", *packages}
    assert all((ROOT / name).exists() for name in sources)
    said = dict(lines)
    extras = re.search(r"/source\[([\w,]+)\]", said["RUN"])
    assert extras is not None
    assert set(extras[1].split(",")) <= project["project"]["optional-dependencies"].keys()
    assert yaml.safe_load(said["ENTRYPOINT"]) == list(project["project"]["scripts"])
    assert parser().parse_args(yaml.safe_load(said["CMD"])).config == Path("/data/bridge.yaml")
    (build,) = re.findall(r"^podman build (.*) \.  ", TEXT, re.MULTILINE)
    assert (ROOT / shlex.split(build)[1]).is_file()
