"""The examples of docs/around.md are configurations that a bridge can be made of."""

import re
from pathlib import Path

import pytest

from bridge.app import Bridge
from bridge.config import parse
from bridge.folders import Folders
from bridge.identity import Identity

TEXT = (Path(__file__).parent.parent / "docs/around.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_can_be_used_as_it_stands(example: str, tmp_path: Path) -> None:
    (tmp_path / "secrets.yaml").write_text("ntfy: ntfy://topic\nlog: json://127.0.0.1/x\n")
    config = parse(example, tmp_path / "bridge.yaml")
    company = Bridge(config, Identity("printer", "0" * 16), Folders(tmp_path)).companions
    assert company.strips.all.keys() == config.wled.keys()
    assert company.desk.notifiers.keys() == config.notifiers.keys()
    assert {one.name for one in company.album.all} == config.webcams.cameras.keys()


def test_there_is_an_example_of_each() -> None:
    for section in ("webcams", "announcements", "notifiers", "wled"):
        assert any(one.startswith(f"{section}:") for one in EXAMPLES), section
