"""The house: who may import whom, one name one place, no cycles."""

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from bridge.app import describe_registry

ROOT = Path(__file__).parent.parent
PACKAGES = ("bridge", "ha_discovery")

# docs/architecture.md, section 2; the longest prefix counts
FLOORS = {
    "bridge": 0,
    "bridge.errors": 1,
    "bridge.signals": 1,
    "bridge.lifecycle": 1,
    "bridge.threads": 1,
    "bridge.durable": 1,
    "bridge.extras": 2,
    "bridge.schema": 2,
    "bridge.decoding": 2,
    "bridge.identity": 2,
    "bridge.config": 2,
    "bridge.klippy.frames": 2,
    "bridge.mqtt.topics": 2,
    "bridge.mqtt.buffered": 2,
    "bridge.mqtt.payloads": 2,
    "bridge.logs": 2,
    "bridge.store": 2,
    "bridge.roots": 2,
    "bridge.folders": 2,
    "bridge.sandbox": 2,
    "bridge.template": 2,
    "bridge.outgoing": 2,
    "bridge.gcode": 2,
    "bridge.programs": 2,
    "bridge.rpc": 3,
    "bridge.host": 3,
    "bridge.services": 3,
    "bridge.updates": 3,
    "bridge.access": 3,
    "bridge.auth": 3,
    "bridge.clients": 3,
    "bridge.controls": 3,
    "bridge.describe": 3,
    "bridge.files": 3,
    "bridge.klippy": 3,
    "bridge.jobs": 3,
    "bridge.power": 3,
    "bridge.sensors": 3,
    "bridge.spoolman": 3,
    "bridge.webcams": 3,
    "bridge.announcements": 3,
    "bridge.notifiers": 3,
    "bridge.wled": 3,
    "bridge.nearby": 3,
    "bridge.mqtt.connection": 3,
    "bridge.mqtt.sizes": 3,
    "bridge.mqtt.retained": 3,
    "bridge.mqtt.tls": 3,
    "bridge.mqtt.remedies": 3,
    "bridge.mqtt.duel": 3,
    "bridge.mqtt.link": 3,
    "bridge.handlers": 4,
    "bridge.mqtt": 5,
    "bridge.http_compat": 5,
    "ha_discovery": 5,
    "bridge.app": 6,
    "bridge.cli": 6,
    "bridge.printers": 6,
    "bridge.surroundings": 6,
    "bridge.below": 6,
    "bridge.upkeep": 6,
    "bridge.companions": 6,
    "bridge.pages": 6,
    "bridge.switchboard": 6,
    "bridge.__main__": 6,
}
# strangers: they may not import each other although they live on one floor
WINGS = {
    "bridge.klippy": ("bridge.mqtt",),
    "bridge.mqtt.link": ("bridge.klippy", "bridge.rpc"),
    "bridge.http_compat": ("bridge.mqtt.inlet", "bridge.mqtt.outlet", "ha_discovery", "bridge.handlers"),
    "bridge.mqtt": ("bridge.http_compat", "ha_discovery", "bridge.handlers"),
    "ha_discovery": ("bridge.http_compat", "bridge.mqtt.inlet", "bridge.mqtt.outlet", "bridge.handlers"),
}
HOMES = {
    "aiomqtt": {"bridge.mqtt.connection"},
    "yaml": {"bridge.config"},
    "amqtt": {"bridge.cli.demo"},
    # a server in one place; as a client the one session, and those that are given it
    "aiohttp": {
        "bridge.http_compat",
        "bridge.outgoing",
        "bridge.power.http",
        "bridge.spoolman.client",
        "bridge.updates.releases",
        "bridge.webcams.snapshots",
        "bridge.announcements.reader",
        "bridge.wled.http",
    },
    "jinja2": {"bridge.sandbox"},
    "psutil": {"bridge.host"},
    "distro": {"bridge.host.about"},
    "tinydb": {"bridge.store"},
    "jwt": {"bridge.auth.tokens"},
    "PIL": {"bridge.gcode"},
    "defusedxml": {"bridge.announcements.feeds"},
    "watchfiles": {"bridge.files.watcher"},
}


DOCUMENT = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")


def modules() -> dict[str, Path]:
    found = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            found[".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")] = path
    return found


@cache
def imports(path: Path) -> set[str]:
    """Every name imported anywhere in a file, TYPE_CHECKING and local imports included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def known(name: str, all_modules: dict[str, Path]) -> str | None:
    while name and name not in all_modules:
        name = name.rpartition(".")[0]
    return name or None


MODULES = modules()


@cache
def graph() -> dict[str, set[str]]:
    """Who imports whom, of our own."""
    return {
        name: {found for one in imports(path) if (found := known(one, MODULES)) and found != name}
        for name, path in MODULES.items()
    }


def floor(name: str) -> int:
    return max(((len(prefix), level) for prefix, level in FLOORS.items() if within(name, prefix)))[1]


def within(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")


def test_imports_go_down() -> None:
    for name, others in graph().items():
        up = {other for other in others if floor(other) > floor(name)}
        assert not up, f"{name} (floor {floor(name)}) imports upward: {up}"


@pytest.mark.parametrize("wing", sorted(WINGS))
def test_wings_are_strangers(wing: str) -> None:
    for name, others in graph().items():
        if within(name, wing):
            sideways = {other for other in others if any(within(other, s) for s in WINGS[wing])}
            assert not sideways, f"{name} imports a stranger: {sideways}"


def test_nothing_imports_in_a_circle() -> None:
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path[path.index(name) :], name))
        if name not in done:
            for other in sorted(graph()[name]):
                visit(other, (*path, name))
            done.add(name)

    for name in sorted(graph()):
        visit(name, ())


def test_third_party_packages_have_one_home() -> None:
    for package, homes in HOMES.items():
        users = {name for name, path in MODULES.items() if any(within(one, package) for one in imports(path))}
        strays = {user for user in users if not any(within(user, home) for home in homes)}
        assert users, f"nobody uses {package}"
        assert not strays, f"{package} is used outside its home: {strays}"


def test_every_method_s_name_is_written_once() -> None:
    text = "\n".join(path.read_text() for path in (ROOT / "bridge").rglob("*.py"))
    counts = Counter(
        {
            name: len(re.findall(rf'@rpc\(\s*"{re.escape(name)}"', text))
            for name in describe_registry().methods
        }
    )
    assert {name for name, count in counts.items() if count != 1} == set()


def test_every_method_has_a_type_and_a_sentence() -> None:
    for method in describe_registry().methods.values():
        assert method.summary.endswith("."), method.name
        assert method.schema.returns is not None, method.name


def test_no_file_is_too_long_to_fit_in_the_head() -> None:
    long = {
        name: count for name, path in MODULES.items() if (count := len(path.read_text().splitlines())) > 400
    }
    assert long == {}


def test_no_wait_can_lose_a_cancellation() -> None:
    """Python 3.11's `wait_for` returns a result that meets a cancellation, and forgets the cancellation."""
    users = {name for name, path in MODULES.items() if "asyncio.wait_for(" in path.read_text()}
    assert users == set()


def names(text: str) -> list[str]:
    """`mqtt/connection|link` as the modules of that name."""
    found = []
    for one in text.split(", "):
        folder, slash, last = one.strip().rpartition("/")
        for name in last.split("|"):
            path = f"{folder}{slash}{name}".replace("/", ".")
            found.append(path if path == "ha_discovery" else f"bridge.{path}")
    return found


def test_the_floors_are_those_of_the_document() -> None:
    block = re.search(r"```\n(6 .*?)```", DOCUMENT, re.DOTALL)
    assert block is not None
    lines = re.sub(r",\n +", ", ", block[1]).splitlines()
    written = {name: int(line[0]) for line in lines for name in names(line[1:])}
    assert written == {name: level for name, level in FLOORS.items() if name != "bridge"}


def test_the_homes_are_those_of_the_document() -> None:
    table = DOCUMENT.partition("| package | home |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (\w+) \| (.*) \|$", table, re.MULTILINE)
    written = {package: set(names(", ".join(re.findall(r"`(.*?)`", homes)))) for package, homes in rows}
    assert written == HOMES


def test_the_tree_of_the_document_is_whole() -> None:
    """Every file and folder of the bridge has its row, and no row speaks of one that is not there."""
    table = DOCUMENT.partition("## 1. The tree")[2].partition("## 2.")[0]
    written = {
        path
        for first in re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)
        for path in re.findall(r"`(.*?)`", first)
    }
    there = {
        f"{path.relative_to(ROOT)}{'/' * path.is_dir()}"
        for path in [*(ROOT / "bridge").iterdir(), ROOT / "ha_discovery"]
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert there - written == {"bridge/__init__.py"}
    assert [path for path in written - there if not (ROOT / path).exists()] == []
