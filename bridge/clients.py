"""What handlers may ask of WebSocket clients and of their table; the door that has them implements both."""

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from bridge.rpc import Client


class SocketClient(Client, Protocol):
    """A client that stays, says who it is, and can be told news."""

    @property
    def id(self) -> int:
        """Its connection id, as `server.websocket.id` tells it."""

    def identify(self, *, name: str, version: str, kind: str, url: str, api_key: str | None) -> None:
        """Note who it says it is, and let a right key open what was closed; else Unauthorized."""

    async def subscribe(self, want: Mapping[str, Collection[str] | None]) -> dict[str, dict[str, Any]]:
        """Replace its subscription and return the status it begins with; an empty `want` cancels it."""


class SocketTable(Protocol):
    """All WebSocket clients there are now."""

    @property
    def count(self) -> int:
        """How many."""

    def find(self, connection_id: int) -> SocketClient:
        """The client with that id, or NotFound."""

    def of(self, client: Client) -> SocketClient | None:
        """The same client as a SocketClient when it came in by WebSocket."""
