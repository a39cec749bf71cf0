"""rpc.discover: the table describes itself."""

from typing import Any

from bridge import __version__
from bridge.describe.openrpc import openrpc
from bridge.rpc import Access, Call, Registry, rpc


class Discovery:
    """The service discovery of OpenRPC."""

    components = ("jsonrpc",)

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    @rpc("rpc.discover", "GET", access=Access.READ)
    async def discover(self, call: Call) -> dict[str, Any]:
        """Every method with its parameters and results, as an OpenRPC document."""
        return openrpc(self._registry, __version__)
