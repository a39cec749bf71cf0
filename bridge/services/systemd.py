"""Services of systemd, by its own command."""

from typing import Literal

from bridge.programs import found, output
from bridge.services.provider import Action, PowerAction, ServiceState
from bridge.services.rights import Rights

SYSTEMD = "systemd_cli"
PROPERTIES = "--property=Id,LoadState,ActiveState,SubState"


class Systemd:
    """What `systemctl` can do."""

    name = SYSTEMD
    ends_machine = True
    pace = 10.0

    def __init__(self, rights: Rights, ending: Literal["poweroff", "halt"]) -> None:
        self._rights, self._ending = rights, ending

    async def states(self, services: list[str]) -> dict[str, ServiceState]:
        """Those that are loaded, and how they are."""
        units = [f"{name}.service" for name in services]
        if not units:
            return {}
        text = await output(found("systemctl"), "show", PROPERTIES, "--", *units, patience=10)
        known = {}
        for block in text.split("\n\n"):
            lines = dict(line.partition("=")[::2] for line in block.splitlines())
            if lines.get("LoadState") in ("loaded", "masked"):
                state = ServiceState(lines.get("ActiveState", "unknown"), lines.get("SubState", "unknown"))
                known[lines.get("Id", "").removesuffix(".service")] = state
        return {name: known[name] for name in services if name in known}

    async def act(self, action: Action, service: str) -> None:
        """Start, stop or restart a unit, and wait until it is done."""
        unit = f"{service}.service"
        await self._rights.run(found("systemctl"), "--no-ask-password", action, "--", unit)

    async def power(self, action: PowerAction) -> None:
        """Shut the machine down, or boot it again."""
        word = self._ending if action == "shutdown" else "reboot"
        await self._rights.run(found("systemctl"), "--no-ask-password", word)
