"""docs/updates.md: its example is a configuration, and no option is left out."""

import re
from pathlib import Path

from bridge.app import Bridge
from bridge.config import parse
from bridge.config.updates import GitRepo, PythonPackage, Updates, Web, Zip
from bridge.folders import Folders
from bridge.identity import Identity

TEXT = (Path(__file__).parents[2] / "docs/updates.md").read_text(encoding="utf-8")


def test_its_example_can_be_used_as_it_stands(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    config = parse(example, tmp_path / "bridge.yaml")
    foreman = Bridge(config, Identity("printer", "0" * 16), Folders(tmp_path)).below.upkeep.foreman
    assert list(foreman.components) == ["system", *config.updates.components]
    assert foreman.components["klipper"].services == ["klipper"]
    assert foreman.components["klipper-bridge"].services == ["moonraker"]
    assert {type(one) for one in config.updates.components.values()} == {GitRepo, PythonPackage, Web, Zip}


def test_it_names_every_option() -> None:
    for kind in (Updates, GitRepo, Web, Zip, PythonPackage):
        for option in kind.__struct_fields__:
            assert f"`{option}`" in TEXT, option
