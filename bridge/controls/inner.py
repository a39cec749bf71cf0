"""The bridge itself as a caller of its own methods."""

from typing import Any

from bridge.errors import BridgeError
from bridge.rpc import Access, Door


class Inner:
    """May call everything: whoever set the control was asked already."""

    door = Door.MQTT
    user = None

    def allows(self, access: Access, method: str) -> BridgeError | None:  # noqa: ARG002 - as all clients
        """Always."""
        return None

    def notify(self, method: str, params: list[Any]) -> None:
        """Nothing: nobody listens."""
