"""The examples of docs/power.md are configurations that a bridge can be made of."""

import re
from pathlib import Path

import pytest

from bridge.app import Bridge
from bridge.config import parse
from bridge.folders import Folders
from bridge.identity import Identity

TEXT = (Path(__file__).parent.parent / "docs/power.md").read_text(encoding="utf-8")
EXAMPLES = [
    block for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL) if "automation:" not in block
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_can_be_used_as_it_stands(example: str, tmp_path: Path) -> None:
    whole = f"power:\n{example}" if example.startswith("  ") else example
    (tmp_path / "secrets.yaml").write_text("plug: geheim\n")
    config = parse(whole, tmp_path / "bridge.yaml")
    bridge = Bridge(config, Identity("printer", "0" * 16), Folders(tmp_path))
    assert bridge.surroundings.rack.devices.keys() == config.power.keys()
    assert config.power or config.sensors or config.spoolman.server


def test_there_are_examples_of_every_kind() -> None:
    kinds = ("mqtt", "http", "klipper_device", "gpio", "tplink", "serial")
    assert [kind for kind in kinds if f"type: {kind}" not in "".join(EXAMPLES)] == []
