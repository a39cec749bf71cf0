"""One component of each kind, by its configuration."""

import sys
from pathlib import Path

from bridge.config.updates import GitRepo, PythonPackage, UpdatedComponent, Web
from bridge.services.rights import Rights
from bridge.updates.component import Component
from bridge.updates.managers import manager
from bridge.updates.memory import Memory
from bridge.updates.package import Package
from bridge.updates.releases import Releases
from bridge.updates.repository import Repository
from bridge.updates.system import System
from bridge.updates.web import Site

PROOF = ("-c", "import bridge.app")  # what a new version of the bridge has to be able to do


def system(rights: Rights, folder: Path) -> Component:
    """The packages of the system."""
    return System(manager(rights, folder))


def component(
    name: str, one: UpdatedComponent, memory: Memory, releases: Releases, *, is_ours: bool
) -> Component:
    """Anything else; the bridge itself has to start before it is put in place."""
    match one:
        case GitRepo():
            python = Path((one.virtualenv or sys.prefix) + "/bin/python").expanduser()
            return Repository(name, one, memory, (str(python), *PROOF) if is_ours else ())
        case Web():
            return Site(name, one, memory, releases)
        case PythonPackage():
            return Package(name, one, memory, ("-I", *PROOF) if is_ours else ())
