"""The pages beside the table of methods: what is done with files over HTTP alone, and OctoPrint's."""

from typing import Protocol

from bridge.config import Config
from bridge.files.shelf import Shelf
from bridge.gcode.library import Library
from bridge.http_compat.downloads import DownloadPages
from bridge.http_compat.octoprint.pages import OctoPrint
from bridge.http_compat.octoprint.state import State
from bridge.http_compat.routes import Pages
from bridge.http_compat.uploads import UploadPages
from bridge.klippy.state import Klippy
from bridge.klippy.status import StatusCache
from bridge.rpc import Registry


class House(Protocol):
    """What of the bridge they need."""

    registry: Registry
    shelf: Shelf
    library: Library
    klippy: Klippy
    cache: StatusCache


def file_pages(house: House, config: Config) -> list[Pages]:
    """All of them, as far as they are wanted."""
    klippy = house.klippy
    uploads = UploadPages(house.shelf.uploads)
    downloads = DownloadPages(house.shelf.roots, house.library.gallery, lambda: klippy.hello.get("log_file"))
    if not config.files.octoprint:
        return [uploads, downloads]
    house.registry.components.append("octoprint_compat")
    state = State(klippy, house.cache, house.library)
    return [uploads, downloads, OctoPrint(house.registry, state, uploads, max_body=config.http.max_body)]
