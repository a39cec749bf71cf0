"""All pages of the emulation."""

from bridge.http_compat.octoprint.desk import Desk
from bridge.http_compat.octoprint.files import FilePages
from bridge.http_compat.octoprint.job import JobPages
from bridge.http_compat.octoprint.printer import PrinterPages
from bridge.http_compat.octoprint.server import ServerPages
from bridge.http_compat.octoprint.state import State
from bridge.http_compat.routes import Routes
from bridge.http_compat.uploads import UploadPages
from bridge.rpc import Registry


class OctoPrint:
    """OctoPrint's API, complete enough for slicers and their plugins."""

    def __init__(self, registry: Registry, state: State, uploads: UploadPages, *, max_body: int) -> None:
        desk = Desk(registry, state, max_body=max_body)
        job = JobPages(desk)
        self._pages = (ServerPages(desk), job, PrinterPages(desk), FilePages(desk, uploads, job))

    def add_to(self, routes: Routes) -> None:
        """Offer them."""
        for pages in self._pages:
            pages.add_to(routes)
