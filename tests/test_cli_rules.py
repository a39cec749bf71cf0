"""`check-config` tries whether the broker has rules, and keeps to them."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.cli.rules import warnings
from bridge.config import Config, convert
from tests.wire import HOST, Mosquitto, free_port

ACL = """user printer
topic readwrite voron/#
topic readwrite homeassistant/device/+/config
topic read homeassistant/status
"""
ANYBODY = "the broker lets anybody in without a password"
EVERYWHERE = "the broker lets us publish outside of voron/"


@pytest.fixture
def brokers(tmp_path: Path) -> Iterator[list[Mosquitto]]:
    running: list[Mosquitto] = []
    yield running
    for one in running:
        one.kill()


def logins(folder: Path) -> str:
    path = folder / "passwords"
    program = shutil.which("mosquitto_passwd") or "/usr/bin/mosquitto_passwd"
    subprocess.run([program, "-b", "-c", str(path), "printer", "pw"], check=True, capture_output=True)
    path.chmod(0o644)
    return f"password_file {path}"


def rules(folder: Path) -> str:
    path = folder / "acl"
    path.write_text(ACL)
    path.chmod(0o700)
    return f"acl_file {path}"


def config(port: int, protocol: str = "auto") -> Config:
    login = {"username": "printer", "password": "pw"}
    return convert(
        {"instance": "voron", "mqtt": {"host": HOST, "port": port, "protocol": protocol, **login}}, "x"
    )


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
@pytest.mark.parametrize("kind", ["open", "users", "rules"])
async def test_what_is_missing_is_told(
    tmp_path: Path, brokers: list[Mosquitto], kind: str, protocol: str
) -> None:
    options = ["user root"]
    if kind != "open":
        options += ["allow_anonymous false", logins(tmp_path)]
    if kind == "rules":
        options.append(rules(tmp_path))
    brokers.append(Mosquitto(tmp_path, *options).start())
    told = [text async for text in warnings(config(brokers[0].port, protocol))]
    expected = {"open": [ANYBODY, EVERYWHERE], "users": [EVERYWHERE], "rules": []}[kind]
    assert [text[: len(start)] for text, start in zip(told, expected, strict=True)] == expected


async def test_a_broker_that_is_not_there_has_been_told_of_already() -> None:
    assert [text async for text in warnings(config(free_port()))] == []
