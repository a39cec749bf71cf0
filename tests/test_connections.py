"""Whom the bridge speaks to when nothing is configured but where broker and Klippy are: nobody else."""

import ast
from pathlib import Path
from typing import Any

import yaml

from bridge.klippy.simulator import Simulator
from bridge.mqtt.topics import Topics
from tests.programs import program
from tests.wire import HOST, Ear, Mosquitto

# Python tells of each of these before it is done. uvloop does not, so asyncio's own loop takes its place.
WATCHER = """
import sys
sys.modules["uvloop"] = None
def told(event, arguments):
    if event in {events!r}:
        shown = [one for one in arguments if type(one) in (str, bytes, int, tuple, list)]
        with open({file!r}, "a") as file:
            file.write(repr((event, shown)) + "\\n")
sys.addaudithook(told)
"""
EVENTS = (
    *("socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo"),
    *("socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo", "subprocess.Popen"),
)
ON_THIS_MACHINE = frozenset({"systemctl", "systemd-detect-virt", "supervisorctl", "sudo"})


def told(file: Path) -> list[tuple[str, list[Any]]]:
    return [ast.literal_eval(line) for line in file.read_text().splitlines()]


def elsewhere(found: list[tuple[str, list[Any]]], known: set[Any]) -> list[tuple[str, list[Any]]]:
    """What goes anywhere but to the known places; a path is a socket of this machine's."""

    def is_known(event: str, arguments: list[Any]) -> bool:
        if event == "subprocess.Popen":
            return Path(arguments[0]).name in ON_THIS_MACHINE
        if event == "socket.getaddrinfo":
            return (arguments[0], arguments[1]) in known or arguments[0] == HOST  # where we listen
        return arguments[0] in known

    return [one for one in found if not is_known(*one)]


async def test_nobody_is_spoken_to_but_the_broker_and_klippy(
    klippy: Simulator, broker: Mosquitto, mqtt: Ear, tmp_path: Path
) -> None:
    spied, socket = tmp_path / "told", tmp_path / "klippy.sock"
    spied.touch()
    (tmp_path / "sitecustomize.py").write_text(WATCHER.format(events=set(EVENTS), file=str(spied)))
    config = tmp_path / "bridge.yaml"
    options = {
        "instance": "alone",
        "data": str(tmp_path / "data"),
        "klippy": {"socket": str(socket)},
        "mqtt": {"host": HOST, "port": broker.port, "allow": ["read", "control", "files", "admin"]},
        "http": {"port": 0},
    }
    config.write_text(yaml.safe_dump(options))
    topics = Topics("alone", "homeassistant")
    async with program("run", "-c", config, PYTHONPATH=str(tmp_path)) as bridge:
        await mqtt.message(topics.health, where=lambda m: m.json["klippy"] == "ready")
        for method in ("server.announcements.update", "machine.update.refresh", "server.webcams.list"):
            await mqtt.say(topics.request, {"jsonrpc": "2.0", "method": method, "id": method})
            await mqtt.message(topics.response, where=lambda m, method=method: m.json["id"] == method)
        await bridge.end()
    found = told(spied)
    connected = [arguments[0] for event, arguments in found if event == "socket.connect"]
    assert (HOST, broker.port) in connected  # else the watcher saw nothing
    assert str(socket) in connected
    known = {(HOST, broker.port), str(socket)}
    assert elsewhere(found, known) == []
    foreign = ("socket.connect", [("192.0.2.1", 80)])
    assert elsewhere([*found, foreign], known) == [foreign]
