"""What runs services on a machine: systemd, supervisord, or nobody."""

from typing import Literal, Protocol

import msgspec

from bridge.errors import Conflict

Action = Literal["start", "stop", "restart"]
PowerAction = Literal["shutdown", "reboot"]
NOBODY = "none"


class ServiceState(msgspec.Struct, frozen=True):
    """How a service is, in systemd's words."""

    active_state: str
    sub_state: str


class Provider(Protocol):
    """One way to have services."""

    name: str  # as system_info has it
    ends_machine: bool  # whether it can shut the machine down
    pace: float  # seconds between two looks that cost little enough

    async def states(self, services: list[str]) -> dict[str, ServiceState]:
        """Those that exist, and how they are; an error when nobody tells."""

    async def act(self, action: Action, service: str) -> None:
        """Do it, or say why not."""

    async def power(self, action: PowerAction) -> None:
        """End the machine, or say why not."""


class Nobody:
    """A machine on which nobody runs services that could be asked, such as most containers."""

    name = NOBODY
    ends_machine = False
    pace = 3600.0

    async def states(self, services: list[str]) -> dict[str, ServiceState]:  # noqa: ARG002 - as all providers
        """None are known."""
        return {}

    async def act(self, action: Action, service: str) -> None:
        """Refuse."""
        raise Conflict(
            f"'{service}' cannot be told to {action}: neither systemd nor supervisord runs services here; "
            "if one does, machine.provider names it"
        )

    async def power(self, action: PowerAction) -> None:
        """Refuse."""
        raise Conflict(
            f"No {action} from here: neither systemd nor supervisord runs this machine (a container?)"
        )
