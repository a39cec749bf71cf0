"""Who an instance is: the id is made once and survives everything but its own loss."""

import os
import re
from pathlib import Path

import pytest

from bridge.errors import ConfigError
from bridge.identity import clean, identify, instance_name


def test_the_id_is_made_at_the_first_start_and_kept(tmp_path: Path) -> None:
    first = identify("voron", tmp_path)
    assert re.fullmatch(r"[0-9a-f]{16}", first.unique)
    assert identify("renamed", tmp_path).unique == first.unique
    assert [path.name for path in tmp_path.iterdir()] == ["id"]


def test_two_installations_have_two_ids(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    assert identify("x", tmp_path / "a").unique != identify("x", tmp_path / "b").unique


@pytest.mark.parametrize(
    "content", [b"", b"no id!", b"\xff\xfe", b"short", b"a" * 5000, b"0123456789ab\n\n\nmore"]
)
def test_a_damaged_id_is_told_and_replaced(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "id").write_bytes(content)
    unique = identify("voron", tmp_path).unique
    assert identify("voron", tmp_path).unique == unique
    assert [record.message for record in caplog.records] == [
        f"{tmp_path}/id holds no id; making a new one, so Home Assistant will see a new device"
    ]


def test_what_a_power_cut_left_half_written_is_no_id(tmp_path: Path) -> None:
    (tmp_path / "id.new").write_text("0123")
    unique = identify("voron", tmp_path).unique
    assert (tmp_path / "id").read_text() == f"{unique}\n"


def test_a_place_that_cannot_be_used_is_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "id").mkdir()
    with pytest.raises(ConfigError, match=r"data: .*/id cannot be used: Is a directory"):
        identify("voron", tmp_path)
    with pytest.raises(ConfigError, match=r"data: .*/id cannot be used: No such file or directory"):
        identify("voron", tmp_path / "missing")


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("voron", "voron"),
        ("voron.fritz.box", "voron"),
        ("my printer/2+#", "my-printer-2"),
        ("drücker", "dr-cker"),
        ("", "printer"),
        ("..", "printer"),
        ("x" * 100, "x" * 64),
    ],
)
def test_the_host_s_name_becomes_a_level_of_a_topic(host: str, name: str) -> None:
    assert clean(host) == name


def test_the_name_is_the_configuration_s_else_the_host_s() -> None:
    assert instance_name("voron") == "voron"
    assert instance_name(None) == clean(os.uname().nodename)
