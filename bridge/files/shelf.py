"""Everything about files in one piece: the roots of a configuration, what keeps, changes and fills them."""

from pathlib import Path
from typing import Any

from bridge.config import Config
from bridge.files.care import Care
from bridge.files.index import GCODES, Index
from bridge.files.items import FileChange, Item
from bridge.files.names import Names
from bridge.files.operations import InUse, Operations
from bridge.files.sweeper import Sweeper
from bridge.files.uploads import Starter, Uploads
from bridge.files.watcher import Watcher
from bridge.gcode.library import Library
from bridge.lifecycle import Part
from bridge.roots import Root, Roots
from bridge.store import Store

KLIPPERS = {"docs": "docs", "config_examples": "config"}  # our roots in Klipper's source
# Beside ours the secrets and the database of a Moonraker that shares the folder.
SECRETS = ("config/secrets.yaml", "config/moonraker.secrets", "database")


def gcodes_of(config: Config) -> str:
    """The folder of G-code files, as it is configured."""
    return config.files.gcodes or f"{config.data.rstrip('/')}/{GCODES}"


class Shelf:
    """The files, from the disk to what the doors ask of them."""

    def __init__(
        self,
        config: Config,
        data: Path,
        own: Path,
        store: Store,
        *,
        instance: str,
        in_use: InUse,
        start: Starter,
    ) -> None:
        options, names = config.files, Names(instance)
        self.gcodes_as_configured = gcodes_of(config)
        self.gcodes = Path(options.gcodes).expanduser() if options.gcodes else data / GCODES
        tls = config.mqtt.tls
        keys = [Path(path).expanduser() for path in (tls.key, tls.cert) if path] if tls else []
        self.roots = Roots(
            {root.name: root for root in self._roots(config, data)},
            reserved=(own, *(data / path for path in SECRETS), *keys),
        )
        self.index = Index(self.roots)
        self.library = Library(self.roots, store)
        self.operations = Operations(self.roots, self.index, names, in_use)
        self.uploads = Uploads(
            self.roots,
            self.operations,
            self.library,
            names,
            in_use,
            start,
            max_size=options.max_upload,
            mark=options.object_processing,
        )
        self.parts: tuple[Part, ...] = (
            self.library,
            Watcher(self.roots, self.index),
            Care(self.index, self.library),
            self.uploads,
            Sweeper(self.roots, names),
        )

    def show_sources(self, klipper: Any) -> None:
        """Klippy has told where its source is: its documents and examples are roots, if they are there."""
        if not isinstance(klipper, str) or not klipper.startswith("/"):
            return
        for name, folder in KLIPPERS.items():
            root = Root(name, Path(klipper, folder), writable=False, watched=False)
            known = self.roots.get(name) if name in self.roots.names else None
            if (known is None or not known.watched) and root.folder.is_dir() and self.roots.add(root):
                item = Item("", name, root.folder.stat().st_mtime, 0, root.permissions)
                self.index.changed.emit(FileChange("root_update", item))

    def _roots(self, config: Config, data: Path) -> list[Root]:
        return [
            Root(GCODES, self.gcodes, writable=True),
            Root("config", data / "config", writable=True),
            Root("logs", data / "logs", writable=False, watched=False),
            *(
                Root(one.name, Path(one.path).expanduser(), writable=one.writable)
                for one in config.files.roots
            ),
        ]
