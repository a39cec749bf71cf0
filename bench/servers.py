"""The servers that are compared: how each is installed, configured and started."""

import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from bench.machine import PATH, free_port

PROJECT = Path(__file__).parent.parent
VENVS = PROJECT / ".venv-bench"
MOONRAKER = "moonraker==0.11.0"
QOS = 0  # for both: a PUBACK for each answer would measure the broker


@dataclass(frozen=True)
class Feed:
    """What is published of the printer's state; None: nothing that anybody asked for."""

    objects: list[str] | None = None
    split: bool = False  # a topic for each field and every change, else one topic for all objects


@dataclass(frozen=True)
class Place:
    """Where one server lives during one measurement."""

    folder: Path
    klippy: Path
    mqtt_port: int
    http_port: int


class Kind:
    """One of the servers; `packages` go into a venv of its own, so none gets what it does not ask for."""

    def __init__(self, name: str, *packages: str) -> None:
        self.name, self.packages = name, packages

    @property
    def python(self) -> Path:
        """Its own interpreter."""
        return VENVS / self.name / "bin" / "python"

    def install(self) -> None:
        """Make its venv, or bring it up to date."""
        if not self.python.exists():
            print(f"making {self.python.parent.parent.relative_to(PROJECT)}", file=sys.stderr, flush=True)
            venv.create(VENVS / self.name, with_pip=True)
        command = [
            str(self.python),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            *self.packages,
        ]
        subprocess.run(command, check=True, cwd=PROJECT)
        # pip compiles what it installs, but not a tree that is edited: nobody shall compile while it is timed
        subprocess.run(
            [str(self.python), "-m", "compileall", "-q", "bridge", "ha_discovery"], check=True, cwd=PROJECT
        )

    def command(self, place: Place, feed: Feed) -> list[str]:
        """Write its configuration into `place`; the command that starts it."""
        raise NotImplementedError

    @property
    def env(self) -> dict[str, str]:
        """The environment it runs in."""
        return {"PATH": f"{self.python.parent}{os.pathsep}{PATH}"}


class Moonraker(Kind):
    """Moonraker as `pip install moonraker` leaves it, with the components its installer configures."""

    def command(self, place: Place, feed: Feed) -> list[str]:
        for name in ("config", "gcodes", "logs", "database"):
            (place.folder / name).mkdir(parents=True, exist_ok=True)
        mqtt = (
            f"[mqtt]\naddress: 127.0.0.1\nport: {place.mqtt_port}\ninstance_name: {self.name}\n"
            f"enable_moonraker_api: True\ndefault_qos: {QOS}\n"
        )
        if feed.objects:
            mqtt += "status_objects:\n" + "".join(f"  {name}\n" for name in feed.objects)
            mqtt += f"publish_split_status: {feed.split}\n"
        (place.folder / "config" / "moonraker.conf").write_text(
            f"[server]\nhost: 127.0.0.1\nport: {place.http_port}\nklippy_uds_address: {place.klippy}\n"
            "max_websocket_connections: 400\n[authorization]\ntrusted_clients:\n  127.0.0.1\n"
            "[file_manager]\n[octoprint_compat]\n[history]\n[job_queue]\n"
            "[machine]\nprovider: none\nvalidate_service: False\n" + mqtt
        )
        return [str(self.python), "-m", "moonraker", "-d", str(place.folder)]


class Bridge(Kind):
    """The bridge of this working tree; with the extra `speed` it finds uvloop."""

    def command(self, place: Place, feed: Feed) -> list[str]:
        state: dict[str, Any] = {"objects": {}}
        if feed.objects:
            state = {"objects": dict.fromkeys(feed.objects), "combined": not feed.split}
            state["policy"] = "full" if feed.split else "quiet"
        config = {
            "instance": self.name,
            "data": str(place.folder),
            "klippy": {"socket": str(place.klippy)},
            "mqtt": {"host": "127.0.0.1", "port": place.mqtt_port, "qos": QOS, "state": state},
            "http": {"port": place.http_port},
        }
        place.folder.mkdir(parents=True, exist_ok=True)
        path = place.folder / "bridge.yaml"
        path.write_bytes(msgspec.yaml.encode(config))
        return [str(self.python), "-m", "bridge", "run", "--config", str(path)]


KINDS: tuple[Kind, ...] = (
    Moonraker("moonraker", MOONRAKER),
    Bridge("bridge", "--editable", "."),
    Bridge("bridge-speed", "--editable", ".[speed]"),
)


def place(folder: Path, klippy: Path, mqtt_port: int, kind: Kind) -> Place:
    """A place of its own for one run of `kind`."""
    return Place(folder / kind.name, klippy, mqtt_port, free_port())
