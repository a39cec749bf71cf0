"""What handlers may ask of clients over HTTP and WebSocket; the door that has them implements it."""

from collections.abc import Collection, Mapping
from typing import Any, Protocol, runtime_checkable

from bridge.access import Identity
from bridge.rpc import Client
from bridge.signals import Signal


@runtime_checkable
class Visitor(Client, Protocol):
    """A client that has an address, and may prove who it is."""

    @property
    def address(self) -> str:
        """The address that counts."""

    @property
    def household(self) -> str:
        """By what its failed logins are counted: its address, of IPv6 the network."""

    @property
    def trusted(self) -> bool:
        """Whether its address alone lets it in."""

    @property
    def identity(self) -> Identity:
        """Who it is."""

    def become(self, identity: Identity) -> None:
        """Be that one from now on; over HTTP each request is on its own."""


class SocketClient(Client, Protocol):
    """A client that stays, says who it is, and can be told news."""

    @property
    def id(self) -> int:
        """Its connection id, as `server.websocket.id` tells it."""

    @property
    def name(self) -> str:
        """What it calls itself; empty until it has said so."""

    @property
    def version(self) -> str:
        """Its version, in its own words."""

    @property
    def kind(self) -> str:
        """What it is, such as web, mobile or agent."""

    @property
    def url(self) -> str:
        """Where people find more about it."""

    def tell(self, method: str, params: dict[str, Any]) -> None:
        """Call a method that it has offered, without asking for an answer; never blocks."""

    async def ask(self, method: str, params: Any, timeout: float) -> Any:
        """Call a method of its own; TimedOut when it does not answer, or has gone."""

    async def identify(
        self,
        *,
        name: str,
        version: str,
        kind: str,
        url: str,
        api_key: str | None,
        access_token: str | None = None,
    ) -> None:
        """Note who it says it is, and let a right key or token open what was closed; else Unauthorized."""

    async def subscribe(self, want: Mapping[str, Collection[str] | None]) -> dict[str, dict[str, Any]]:
        """Replace its subscription and return the status it begins with; an empty `want` cancels it."""


class SocketTable(Protocol):
    """All WebSocket clients there are now."""

    @property
    def met(self) -> Signal[SocketClient]:
        """Tells who has said who it is."""

    @property
    def left(self) -> Signal[SocketClient]:
        """Tells who has gone."""

    @property
    def count(self) -> int:
        """How many."""

    def find(self, connection_id: int) -> SocketClient:
        """The client with that id, or NotFound."""

    def of(self, client: Client) -> SocketClient | None:
        """The same client as a SocketClient when it came in by WebSocket."""
